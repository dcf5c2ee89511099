package migration

import (
	"context"
	"errors"
	"slices"
	"sync"
)

const (
	// oneWayStep documents are looked up together.
	oneWayStep = 10_000
	// mostLists such lists of both sides are held at the same time, of some MB.
	mostLists = 16
)

// oneWay looks for each document of the source on the destination. What else
// is there is not looked at, but for second ones of these documents.
func (c *comparison) oneWay(ctx context.Context) error {
	c.oneSided = true
	c.start(c.own)
	seen := map[*part]int64{}
	var suspects []digested
	var mu sync.Mutex
	err := c.own.work(ctx, min(c.own.together, mostLists), func(ctx context.Context, p *part, n int) error {
		return c.own.windows(p, p.pieces[n], func(w piece) error {
			_, from, err := c.own.digests(ctx, p, w, digestParams{List: true})
			if err != nil || len(from) == 0 {
				return err
			}
			all := len(from)
			to, err := c.dest.named(ctx, from)
			if err != nil {
				return err
			}
			twice := twins(to)
			a, _ := unpaired(from, to)
			a = append(a, twice...)
			mu.Lock()
			defer mu.Unlock()
			c.v.Compared += int64(all)
			seen[p] += int64(all)
			if suspects = append(suspects, a...); len(suspects) > c.opened {
				return errTooDifferent
			}
			c.progress(int64(all))
			return nil
		})
	})
	if err != nil && !errors.Is(err, errTooDifferent) {
		return err
	}
	if err != nil {
		c.unopened = max(0, c.own.documents()-c.v.Compared)
	} else if err := c.own.complete(ctx, seen); err != nil {
		return err
	}
	return c.classify(ctx, suspects)
}

// twins are documents that are there under one id and routing already.
func twins(docs []digested) (out []digested) {
	type key struct{ id, routing string }
	seen := map[key]bool{}
	for _, d := range docs {
		k := key{d.id, d.routing}
		if seen[k] {
			out = append(out, d)
		}
		seen[k] = true
	}
	return out
}

// otherWay looks for each document of the destination, whatever its contents, on
// the sources.
func (c *comparison) otherWay(ctx context.Context) error {
	c.oneSided, c.extras = false, true
	dest := c.dest.withoutContents()
	c.start(dest)
	var suspects []digested
	var mu sync.Mutex
	err := dest.work(ctx, min(dest.together, mostLists), func(ctx context.Context, p *part, n int) error {
		return dest.windows(p, p.pieces[n], func(w piece) error {
			_, here, err := dest.digests(ctx, p, w, digestParams{List: true})
			if err != nil || len(here) == 0 {
				return err
			}
			all, known := int64(len(here)), map[digested]bool{}
			for _, s := range c.sources {
				there, err := s.withoutContents().named(ctx, here)
				if err != nil {
					return err
				}
				for _, d := range there {
					known[d] = true
				}
			}
			here = slices.DeleteFunc(here, func(d digested) bool { return known[d] })
			mu.Lock()
			defer mu.Unlock()
			if suspects = append(suspects, here...); len(suspects) > c.opened {
				return errTooDifferent
			}
			c.progress(all)
			return nil
		})
	})
	tooMany := errors.Is(err, errTooDifferent)
	if err != nil && !tooMany {
		return err
	}
	if err := c.classify(ctx, suspects); err != nil {
		return err
	}
	return c.unsort(ctx, !tooMany)
}

var errTooDifferent = errors.New("too much differs to be looked at one by one")

// windows cuts a piece into what can be looked up at once.
func (s *side) windows(p *part, c piece, f func(piece) error) error {
	if !p.x.SeqNo || c.span.By.Field != "" {
		return f(c)
	}
	for from := c.span.From; from <= c.span.To; from += oneWayStep {
		w := piece{shard: c.shard, span: span{From: from, To: min(from+oneWayStep-1, c.span.To)}}
		w.documents = c.documents * (w.span.To - from + 1) / (c.span.To - c.span.From + 1)
		if err := f(w); err != nil {
			return err
		}
	}
	return nil
}

// named makes the digests of the documents with these ids.
func (s *side) named(ctx context.Context, docs []digested) (out []digested, err error) {
	if len(s.parts) == 0 { // no index, no document
		return nil, nil
	}
	for batch := range slices.Chunk(docs, int(s.atMost(int64(s.pageSize(s.parts[0].x))))) {
		ids := make([]string, len(batch))
		for i, d := range batch {
			ids[i] = d.id
		}
		list, err := s.lookupDigests(ctx, ids)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}
