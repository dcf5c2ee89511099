package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esmig/esmig/providers"
)

const (
	mostOpened = 200_000 // documents of a side that are held, as ids, at a time
	mostRounds = 20      // passes over the index to look into what differs
)

// What is wrong with a document.
const (
	missing   = "missing"
	different = "different"
	extra     = "extra"
)

// mismatch is a document that is not the same on both sides. from is that of
// the side it belongs to, to is on the destination; contents are not kept.
type mismatch struct {
	what string
	side *side
	from *hit
	to   *hit
	diff []providers.Difference
	twin bool // extra, because the destination has it twice
}

// open narrows the buckets that differ down to documents: those with a digest
// that the other side has not. Where buckets are large they are cut finer first,
// by the next bits of the same hash.
func (c *comparison) open(ctx context.Context, from, to *sums) ([]digested, error) {
	var only [][]int
	expected := float64(max(from.documents(), to.documents()))
	buckets := differingBuckets(from, to)
	for level := 1; ; level++ {
		if len(buckets) == 0 {
			return nil, nil
		}
		expected *= float64(len(buckets)) / digestBuckets
		if expected <= float64(c.opened) || level == digestLevels || len(buckets) > digestBuckets*9/10 {
			break
		}
		only = append(only, buckets)
		p := digestParams{Only: only, Level: level}
		var err error
		if from, to, err = c.both(ctx, p); err != nil {
			return nil, err
		}
		buckets = differingBuckets(from, to)
	}
	rounds := max(1, int(expected/float64(c.opened)+0.999))
	step := (len(buckets) + rounds - 1) / rounds
	var out []digested
	for round := 0; len(buckets) > 0; round++ {
		n := min(step, len(buckets))
		if round == mostRounds || len(out) > c.opened {
			c.cutOff = true
			break
		}
		suspects, err := c.look(ctx, digestParams{Only: append(slices.Clone(only), buckets[:n])})
		if err != nil {
			return nil, err
		}
		out = append(out, suspects...)
		buckets = buckets[n:]
	}
	return out, nil
}

func differingBuckets(a, b *sums) (out []int) {
	for i := range digestBuckets {
		if a.Sum[i] != b.Sum[i] || a.Count[i] != b.Count[i] {
			out = append(out, i)
		}
	}
	return out
}

func (c *comparison) both(ctx context.Context, p digestParams) (from, to *sums, err error) {
	from = &sums{}
	for _, s := range c.sources {
		one, err := s.sumsOf(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		from.add(one)
	}
	to, err = c.dest.sumsOf(ctx, p)
	return from, to, err
}

// look compares the documents of some buckets one by one, by digest.
func (c *comparison) look(ctx context.Context, p digestParams) ([]digested, error) {
	var from []digested
	for _, s := range c.sources {
		list, err := s.list(ctx, p)
		if err != nil {
			return nil, err
		}
		from = append(from, list...)
	}
	to, err := c.dest.list(ctx, p)
	a, b := unpaired(from, to)
	return append(a, b...), err
}

// unpaired leaves of two lists what has no twin in the other.
func unpaired(a, b []digested) (onlyA, onlyB []digested) {
	slices.SortFunc(a, compareDigested)
	slices.SortFunc(b, compareDigested)
	for len(a) > 0 && len(b) > 0 {
		switch n := compareDigested(a[0], b[0]); {
		case n < 0:
			onlyA, a = append(onlyA, a[0]), a[1:]
		case n > 0:
			onlyB, b = append(onlyB, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

func compareDigested(a, b digested) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.routing, b.routing), cmp.Compare(a.digest, b.digest))
}

// classify says of each suspect what is wrong with it, now and by its contents.
func (c *comparison) classify(ctx context.Context, suspects []digested) error {
	slices.SortFunc(suspects, compareDigested)
	size := 1000
	for _, s := range c.sources {
		for _, p := range s.parts {
			size = min(size, max(1, p.x.Size))
		}
		size = int(s.atMost(int64(size)))
	}
	size = int(c.dest.atMost(int64(size)))
	for len(suspects) > 0 {
		// All of an id stay together.
		n := min(size, len(suspects))
		for n < len(suspects) && suspects[n].id == suspects[n-1].id {
			n++
		}
		var ids []string
		for _, d := range suspects[:n] {
			if len(ids) == 0 || ids[len(ids)-1] != d.id {
				ids = append(ids, d.id)
			}
		}
		if err := inSteps(ids, tooManyBytes, func(some []string) error { return c.judge(ctx, some) }); err != nil {
			return err
		}
		suspects = suspects[n:]
	}
	return nil
}

// judge looks at documents on both sides.
func (c *comparison) judge(ctx context.Context, ids []string) error {
	type origin struct {
		hit     hit
		side    *side
		written bool // since the copy
	}
	from, newer := map[string][]origin{}, map[string]bool{}
	for _, s := range c.sources {
		hits, err := s.lookup(ctx, ids, s.query)
		if err != nil {
			return err
		}
		since, err := s.newerAmong(ctx, ids)
		if err != nil {
			return err
		}
		arrived, err := s.arrivedAmong(ctx, ids)
		if err != nil {
			return err
		}
		for _, h := range append(arrived, since...) {
			newer[h.key()] = true
		}
		for _, h := range hits {
			written := slices.ContainsFunc(since, func(n hit) bool { return n.Index == h.Index && n.key() == h.key() })
			from[h.ID] = append(from[h.ID], origin{h, s, written})
		}
	}
	hits, err := c.dest.lookup(ctx, ids, nil)
	if err != nil {
		return err
	}
	to := map[string][]hit{}
	for _, h := range hits {
		to[h.ID] = append(to[h.ID], h)
	}
	left, err := c.leftAmong(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		there, seen := to[id], map[string]bool{}
		for _, o := range from[id] {
			if o.written {
				continue
			}
			at := slices.IndexFunc(there, func(h hit) bool { return h.key() == o.hit.key() })
			m := &mismatch{what: missing, side: o.side, from: &o.hit, diff: []providers.Difference{{What: missing, ID: id}}}
			switch {
			case at >= 0:
				m.what, m.to = different, &there[at]
				if m.diff, err = c.compare(id, o.hit, there[at]); err != nil {
					return err
				}
			case len(there) == 1 && len(from[id]) == 1:
				at, m.what, m.to = 0, different, &there[0]
				m.diff = []providers.Difference{{What: different, ID: id, Path: "_routing", From: o.hit.Routing, To: there[0].Routing}}
			}
			if at >= 0 {
				seen[there[at].key()] = true
				there = slices.Delete(slices.Clone(there), at, at+1)
			}
			// What is wrong with those of a peer, its own verification tells.
			if o.side == c.own && !c.extras && (m.what == missing || len(m.diff) > 0) && !c.own.left.has(o.hit) {
				c.found = append(c.found, m.light())
			}
		}
		for _, h := range there {
			twin := seen[h.key()]
			if c.oneSided && !twin {
				continue
			}
			seen[h.key()] = true
			if newer[h.key()] && !twin {
				c.updated++
				continue
			}
			if left[h.key()] && !twin {
				c.left++
				continue
			}
			m := &mismatch{what: extra, to: &h, twin: twin, diff: []providers.Difference{{What: extra, ID: id}}}
			c.found = append(c.found, m.light())
		}
	}
	return nil
}

// leftAmong finds those that are on a source and do not match its query: they
// were copied before the query was narrowed, and stay.
func (c *comparison) leftAmong(ctx context.Context, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, s := range c.sources {
		if s.query == nil || c.oneSided {
			continue
		}
		hits, err := s.withoutContents().lookup(ctx, ids, object{"bool": object{"must_not": []any{s.query}}})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			out[h.key()] = true
		}
	}
	return out, nil
}

func (m *mismatch) light() *mismatch {
	for _, h := range []*hit{m.from, m.to} {
		if h != nil {
			h.Source = nil
		}
	}
	return m
}

func (s *side) has(index string) bool {
	return slices.ContainsFunc(s.parts, func(p *part) bool { return p.x.Name == index })
}

// compare gives the leaves that differ; none: the documents are the same.
func (c *comparison) compare(id string, from, to hit) ([]providers.Difference, error) {
	if !c.own.contents {
		return nil, nil
	}
	a, errA := digestDoc(from.ID, from.Routing, from.Source)
	b, errB := digestDoc(to.ID, to.Routing, to.Source)
	if a == b || errA != nil || errB != nil {
		return nil, errors.Join(errA, errB)
	}
	diff, err := differing(id, from.Source, to.Source, sameDigest)
	if len(diff) == 0 && err == nil { // {"a.b": 1} and {"a": {"b": 1}}
		diff = []providers.Difference{{What: different, ID: id}}
	}
	return diff, err
}

// sameDigest compares leaves as the digest does: 1 is not 1.0.
func sameDigest(a, b any) bool {
	x, errX := digestDoc("", "", providers.Encode(a))
	y, errY := digestDoc("", "", providers.Encode(b))
	return errX == nil && errY == nil && x == y
}

// withoutContents is the same side, of which ids are wanted only.
func (s *side) withoutContents() *side {
	return &side{task: s.task, title: s.title, run: s.run, parts: s.parts, note: s.note, steered: s.steered, speed: s.speed, memory: s.memory}
}

// withContents is the same side, to be looked up with contents.
func (s *side) withContents() *side {
	with := s.withoutContents()
	whole := *s.task
	whole.leftOut = nil
	with.task, with.contents = &whole, true
	return with
}

// lookup gets all documents with these ids that match query. Those of a source
// are looked for in the indices that were copied: the alias in the file may
// stand for others by now.
func (s *side) lookup(ctx context.Context, ids []string, query any) (out []hit, err error) {
	if s.run == "" {
		out, err = s.find(ctx, s.index, ids, query)
		if errors.Is(err, providers.ErrNotFound) {
			return nil, nil
		}
		return out, err
	}
	for _, p := range s.parts {
		hits, err := s.find(ctx, p.x.Name, ids, all(query, p.x.Filter))
		if err != nil {
			return nil, err
		}
		out = append(out, hits...)
	}
	return out, nil
}

// arrivedAmong finds those that are in indices which were not there when the
// copy was made, and are found under the source's name now.
func (s *side) arrivedAmong(ctx context.Context, ids []string) ([]hit, error) {
	if s.run == "" || len(s.parts) == 1 && s.has(s.index) {
		return nil, nil
	}
	names := &side{task: s.task, title: s.title}
	hits, err := names.lookup(ctx, ids, s.query)
	return slices.DeleteFunc(hits, func(h hit) bool { return s.has(h.Index) }), err
}

// find gets all documents of an index with these ids that match query, with
// contents if the side has them, and with what a write that must not overwrite
// needs. Where contents of several are more than a page may have, the error
// wraps ErrTooLarge.
func (s *side) find(ctx context.Context, index string, ids []string, query any) ([]hit, error) {
	info, err := s.src.Info(ctx)
	if err != nil {
		return nil, err
	}
	body := object{"track_total_hits": true, "version": true, "seq_no_primary_term": true}
	if info.Flavor == providers.Elasticsearch && !atLeast(info.Version, 6, 7) {
		delete(body, "seq_no_primary_term")
	}
	if !s.contents {
		body["_source"] = false
	} else if filter := s.sourceFilter(info); filter != nil {
		body["_source"] = filter
	}
	var out []hit
	limit := int64(0)
	if s.contents && len(ids) > 1 { // whoever asked comes again with fewer
		limit = cmp.Or(s.sizes.limit, pageLimit)
	}
	err = inSteps(ids, tooManyHits, func(some []string) error {
		body["query"], body["size"] = all(query, object{"ids": object{"values": some}}), min(10_000, 3*len(some)+10)
		if err := s.pace(ctx, int64(len(some))); err != nil {
			return err
		}
		a, err := searchUpTo(ctx, s.src, index, -1, body, limit)
		s.came(int64(len(a.Hits.Hits)), int64(len(some)))
		if n := len(a.Hits.Hits); err == nil && int64(n) < int64(a.Hits.Total) {
			err = fmt.Errorf("%s holds %d documents under %d ids, which is more than can be looked at", s.title, a.Hits.Total, len(some))
		}
		if err == nil {
			out = append(out, a.Hits.Hits...)
		}
		return err
	})
	return out, err
}

// newerAmong finds those that were written since the copy.
func (s *side) newerAmong(ctx context.Context, ids []string) ([]hit, error) {
	if s.run == "" {
		return nil, nil
	}
	var out []hit
	for _, p := range s.parts {
		if len(p.limits) != p.x.Shards {
			continue
		}
		since, err := s.above(ctx, p.x, p.limits, ids)
		if err != nil && !errors.Is(err, providers.ErrNotFound) {
			return nil, err
		}
		out = append(out, since...)
	}
	return out, nil
}

// above finds those that were written since the checkpoints.
func (t *task) above(ctx context.Context, x *sourceIndex, checkpoints []int64, ids []string) (out []hit, err error) {
	for shard, top := range checkpoints {
		if x.Shards == 1 {
			shard = -1
		}
		err := inSteps(ids, tooManyHits, func(some []string) error {
			a, err := search(ctx, t.src, x.Name, shard, object{"size": min(10_000, 3*len(some)+10), "_source": false,
				"query": all(seqNo(top+1, -1), object{"ids": object{"values": some}})})
			if err == nil {
				out = append(out, a.Hits.Hits...)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
