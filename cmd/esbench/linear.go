package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
)

// linear copies a source of several sizes, in turn, forward and backward, to
// see what a document costs at each.
func (b *bench) linear(ctx context.Context, series []int) error {
	b.results.Linear = nil
	if b.missing["auto"] != "" {
		return nil
	}
	all, err := b.grow(ctx, series)
	defer func() { // main looks again at the end
		for _, s := range all {
			_ = b.source.remove(context.WithoutCancel(ctx), s.source())
		}
	}()
	if err != nil {
		return err
	}
	points := make([]point, len(all))
	for round := range min(2, b.options.rounds) {
		for i := range all {
			if round%2 == 1 {
				i = len(all) - 1 - i
			}
			s, p := all[i], &points[i]
			p.Documents = s.documents
			o, err := b.measure(ctx, s, b.copyWith("auto"))
			if err != nil {
				if err := b.failed(ctx, fmt.Sprint("linear, ", s.documents, " documents"), err); err != nil {
					return err
				}
				continue
			}
			p.Seconds = append(p.Seconds, o.seconds)
			p.Ranges, p.Peak, p.Journal = o.esmig.ranges, max(p.Peak, o.peak), max(p.Journal, o.esmig.journal)
		}
	}
	b.results.Linear = points
	return nil
}

// grow makes a source of each size. Every document is loaded once: a smaller
// source is a clone, by links of files, of the one that goes on growing.
func (b *bench) grow(ctx context.Context, series []int) (all []*shape, err error) {
	s, loaded := linearShape(0), 0
	for i, n := range series {
		if _, err := b.load(ctx, s, loaded, n); err != nil {
			return append(all, s), err
		}
		if loaded = n; i == len(series)-1 {
			s.documents = n
			return append(all, s), nil
		}
		part := linearShape(n)
		if err := b.clone(ctx, s, part); err != nil {
			return append(all, s, part), err
		}
		all = append(all, part)
	}
	return all, nil
}

// clone makes a second source of what the first one holds now.
func (b *bench) clone(ctx context.Context, from, to *shape) error {
	if err := b.source.remove(ctx, to.source()); err != nil {
		return err
	}
	block := func(on string) error {
		return b.source.call(ctx, http.MethodPut, "/"+from.source()+"/_settings", `{"index.blocks.write":`+on+`}`, nil)
	}
	if err := block("true"); err != nil {
		return err
	}
	path := "/" + from.source() + "/_clone/" + to.source() + "?wait_for_active_shards=1"
	if err := b.source.call(ctx, http.MethodPut, path, `{"settings":{"index.blocks.write":null}}`, nil); err != nil {
		return err
	}
	if err := block("null"); err != nil {
		return err
	}
	got, err := b.source.count(ctx, to.source())
	if err == nil && got != to.documents {
		err = fmt.Errorf("%d of %d documents are in the clone", got, to.documents)
	}
	return err
}

// steps is the time that each document takes beyond the ones before it: from a
// size of the series to the next, in seconds; 0 where one of them failed.
func steps(series []point) (out []float64) {
	for i := 1; i < len(series); i++ {
		out = append(out, slope(series[i-1], series[i]))
	}
	return out
}

func slope(from, to point) float64 {
	a, b := median(from.Seconds), median(to.Seconds)
	if a == 0 || b == 0 || to.Documents == from.Documents {
		return 0
	}
	return (b - a) / float64(to.Documents-from.Documents)
}

// line is the straight one through the points that were measured: seconds that
// do not depend on the size, seconds for each document, and how far, as a part
// of its own time, the point lies off that lies farthest off.
type line struct{ fixed, each, explained, off float64 }

func lineThrough(series []point) (l line, ok bool) {
	series = slices.DeleteFunc(slices.Clone(series), func(p point) bool { return median(p.Seconds) == 0 })
	var x, y []float64
	for _, p := range series {
		x, y = append(x, float64(p.Documents)), append(y, median(p.Seconds))
	}
	l.fixed, l.each, l.explained = fit(x, y)
	for i := range x {
		l.off = max(l.off, math.Abs(l.fixed+l.each*x[i]-y[i])/y[i])
	}
	return l, l.each > 0
}
