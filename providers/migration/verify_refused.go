package migration

import (
	"context"
	"slices"

	"github.com/esmig/esmig/providers"
)

// leftBehind are the refused documents of a finished migration that are still
// as it left them: they are on the source as they were when it ended, and the
// destination lacks them, or has them as they were before. Just these may be
// missing. One that is there is compared like any other.
type leftBehind struct {
	keys   map[string]bool // DeadLetter.Key
	absent int64           // without those that are there as they were before
}

func (l *leftBehind) has(h hit) bool {
	return l != nil && l.keys[providers.DeadLetter{Index: h.Index, ID: h.ID, Routing: h.Routing}.Key()]
}

func (l *leftBehind) len() int64 {
	if l == nil {
		return 0
	}
	return int64(len(l.keys))
}

// lookBehind finds them; nil: nothing was refused. The destination must have
// been refreshed.
func (t *task) lookBehind(ctx context.Context, d done) (*leftBehind, error) {
	if len(d.Refused) == 0 {
		return nil, nil
	}
	l := &leftBehind{keys: map[string]bool{}}
	refused := &leftBehind{keys: d.Refused.keys()}
	s := t.sourceSide(d)
	for _, p := range s.parts {
		p.limits = p.x.Checkpoints
	}
	for _, g := range d.Refused {
		for some := range slices.Chunk(g.Documents, 1000) {
			ids := make([]string, len(some))
			for i, r := range some {
				ids[i] = r.ID
			}
			from, err := s.lookup(ctx, ids, s.query)
			if err != nil {
				return nil, err
			}
			since, err := s.newerAmong(ctx, ids)
			if err != nil {
				return nil, err
			}
			from = slices.DeleteFunc(from, func(h hit) bool {
				return !refused.has(h) || l.has(h) || slices.ContainsFunc(since, func(n hit) bool { return n.Index == h.Index && n.key() == h.key() })
			})
			there, err := t.fetch(ctx, t.dst, t.destIndex, from, false)
			if err != nil {
				return nil, err
			}
			for _, h := range from {
				to := there[h.key()]
				if to != nil && t.existing != "overwrite" && !(t.external(destination{Stream: d.Stream}) && to.Version < h.Version) {
					continue
				}
				l.keys[providers.DeadLetter{Index: h.Index, ID: h.ID, Routing: h.Routing}.Key()] = true
				if to == nil {
					l.absent++
				}
			}
		}
	}
	return l, nil
}

// withoutRefused takes what is left behind out of the sums of a side, so that
// buckets are not looked into because of it.
func (s *side) withoutRefused(ctx context.Context, from *sums) error {
	for _, p := range s.parts {
		var ids []string
		for _, g := range s.refusals {
			if g.Index != p.x.Name {
				continue
			}
			for _, d := range g.Documents {
				ids = append(ids, d.ID)
			}
		}
		for some := range slices.Chunk(ids, max(1, s.pageSize(p.x)/2)) {
			docs, err := s.lookupDigestsIn(ctx, p.x, p.x.Name, some)
			if err != nil {
				return err
			}
			for _, d := range docs {
				if !s.left.has(hit{Index: p.x.Name, ID: d.id, Routing: d.routing}) {
					continue
				}
				b := bucketOf(digestID(d.id), 0)
				from.Sum[b] -= d.digest
				from.Count[b]--
			}
		}
	}
	return nil
}
