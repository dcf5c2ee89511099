package migration

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

const (
	sharedIndices = 20  // of a source that are looked into for ids that others have, too
	sharedSample  = 500 // documents of each; of a smaller index all
)

// shared are ids that several indices of one source have. The destination
// holds an id once, so that all but one of such documents are lost.
type shared struct {
	mu        sync.Mutex
	ids       map[string][]string // hit.key to the indices
	documents int64
}

// add takes up which of the hits stand for the same document.
func (s *shared) add(found map[string][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string][]string{}
	}
	for key, in := range found {
		if _, there := s.ids[key]; !there && len(in) > 1 {
			s.ids[key] = in
			s.documents += int64(len(in))
		}
	}
}

// String is a sentence about them; empty: there are none.
func (s *shared) String() string {
	if len(s.ids) == 0 {
		return ""
	}
	keys := make([]string, 0, len(s.ids))
	for k := range s.ids {
		keys = append(keys, k)
	}
	key := slices.Min(keys)
	id, _, _ := strings.Cut(key, "\x00")
	return fmt.Sprintf("%s documents of the sources share %s %s, for example %s, which is in %s", humanize.Comma(s.documents),
		humanize.Comma(int64(len(s.ids))), plural(len(s.ids), "id", "ids"), quoteID(id), enumerate(s.ids[key]))
}

func (s *shared) finding(t *task) *providers.Finding {
	if len(s.ids) == 0 {
		return nil
	}
	f := providers.NewError("shared_ids", "source.index", "Documents of the sources have the same ids",
		s.String()+fmt.Sprintf(". %s/%s can hold an id only once. Copy the indices into different destinations (one migration each, with for_each), "+
			"or leave out with source { query } what is there twice; with conflicts = \"proceed\" one document of each id is kept and the others are not copied.",
			t.dstName, t.destIndex))
	if t.conflicts == "proceed" {
		f.Severity = providers.SeverityWarning
	}
	return f
}

// sharedIDs looks for ids that several indices have, in samples of them. Of
// small indices it finds all.
func (t *task) sharedIDs(ctx context.Context, indices []*sourceIndex) (*shared, error) {
	s := &shared{}
	if len(indices) < 2 || t.changesID {
		return s, nil
	}
	return s, each(ctx, min(len(indices), sharedIndices), func(ctx context.Context, i int) error {
		if indices[i].Documents == 0 {
			return nil
		}
		drawn, err := t.draw(ctx, indices[i], sharedSample)
		if err != nil {
			return err
		}
		docs := make([]hit, len(drawn))
		for n, d := range drawn {
			docs[n] = d.hit
		}
		return t.twins(ctx, indices, docs, s)
	})
}

// twins adds to s which of the documents are in several of the indices.
func (t *task) twins(ctx context.Context, indices []*sourceIndex, docs []hit, s *shared) error {
	for some := range slices.Chunk(docs, 1000) {
		if err := inSteps(some, tooManyHits, func(some []hit) error { return t.twinsOf(ctx, indices, some, s) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) twinsOf(ctx context.Context, indices []*sourceIndex, some []hit, s *shared) error {
	ids := make([]string, len(some))
	for i, h := range some {
		ids[i] = h.ID
	}
	a, err := search(ctx, t.src, t.index, -1, object{"size": min(10_000, 3*len(ids)+10), "_source": false,
		"query": all(t.query, object{"ids": object{"values": ids}})})
	if err != nil {
		return err
	}
	in := map[string][]string{}
	for _, h := range a.Hits.Hits {
		if slices.ContainsFunc(indices, func(x *sourceIndex) bool { return x.Name == h.Index }) {
			in[h.key()] = append(in[h.key()], h.Index)
		}
	}
	for _, names := range in {
		slices.SortFunc(names, cmp.Compare[string])
	}
	s.add(in)
	return nil
}

// sharedIn looks for documents of a range whose ids other indices of the
// source have, too: one of them has replaced, or kept out, another.
func (r *run) sharedIn(ctx context.Context, u *unit) error {
	if len(r.l.indices) < 2 || r.changesID {
		return nil
	}
	s := &shared{}
	err := r.scan(ctx, r.l.indices[u.index], u.span, func(page []hit) error {
		return r.twins(ctx, r.l.indices, page, s)
	})
	if f := s.finding(r.task); f != nil {
		return f
	}
	return err
}
