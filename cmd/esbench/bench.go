package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is one go over all shapes.
type bench struct {
	options        options
	source, target *server
	esmig          string // absolute
	eslab          string
	temp           string
	dumpScript     string
	dumpMissing    string
	methods        []string          // of esmig
	missing        map[string]string // methods of esmig that it does not have, and why
	noFull         string            // why there is no full verification
	data           map[string]*dataset
	results        *results
	start          time.Time
}

func measureAll(ctx context.Context, o options, r *results) (err error) {
	b := &bench{options: o, results: r, missing: map[string]string{}, data: map[string]*dataset{}, start: time.Now()}
	shapes, err := chooseShapes(o.shapes, o.scale)
	if err != nil {
		return err
	}
	series, err := sizes(o.linear, o.scale)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.temp) }()
	defer func() {
		if e := b.clean(context.WithoutCancel(ctx), shapes); err == nil {
			err = e
		}
	}()
	if len(shapes)+len(series) > 0 {
		if err := b.warmUp(ctx); err != nil {
			return err
		}
	}
	for _, s := range shapes {
		if err := b.shape(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := r.save(o.results); err != nil {
			return err
		}
	}
	if len(series) > 0 {
		if err := b.linear(ctx, series); err != nil {
			return fmt.Errorf("linear series: %w", err)
		}
	}
	return r.save(o.results)
}

// prepare finds everything that is measured.
func (b *bench) prepare(ctx context.Context) (err error) {
	o := b.options
	if b.source, err = fromEnvironment("source"); err != nil {
		return err
	}
	if b.target, err = fromEnvironment("target"); err != nil {
		return err
	}
	if b.esmig, err = filepath.Abs(o.esmigPath); err != nil {
		return err
	}
	if b.eslab, err = filepath.Abs(o.eslabBin); err != nil {
		return err
	}
	if b.temp, err = os.MkdirTemp("", "esbench-"); err != nil {
		return err
	}
	if _, err = b.refuses(ctx, "auto", "none"); err != nil {
		return err
	}
	for name := range strings.SplitSeq(o.methods, ",") {
		if name == "" {
			continue
		}
		b.methods = append(b.methods, name)
		if b.missing[name], err = b.refuses(ctx, name, "none"); err != nil {
			return err
		}
	}
	if !slices.Contains(b.methods, "auto") {
		b.missing["auto"] = "left out by a flag"
	}
	if b.noFull, err = b.refuses(ctx, "auto", "full"); err != nil {
		return err
	}
	b.dumpMissing = "left out by a flag"
	if !o.noDump {
		b.dumpScript, b.dumpMissing = b.findDump(ctx)
	}
	r := b.results
	r.Scale, r.Rounds, r.Goes = o.scale, o.rounds, r.Goes+1
	if !o.keep {
		r.Failures, r.Goes = nil, 1
	}
	r.Machine, err = b.describe(ctx)
	return err
}

// clean deletes what may be left of an interrupted go.
func (b *bench) clean(ctx context.Context, shapes []*shape) (err error) {
	for _, s := range append(slices.Clone(shapes), linearShape(0), warmShape()) {
		for _, e := range []error{b.source.remove(ctx, s.source()), b.target.remove(ctx, s.dest())} {
			if err == nil {
				err = e
			}
		}
	}
	return err
}

// dataset is read once.
func (b *bench) dataset(ctx context.Context, name string) (*dataset, error) {
	if d := b.data[name]; d != nil {
		return d, nil
	}
	d, err := readDataset(ctx, b.eslab, name)
	if err == nil {
		b.data[name] = d
	}
	return d, err
}

// shape measures one shape from loading to deleting it.
func (b *bench) shape(ctx context.Context, s *shape) error {
	d, err := b.dataset(ctx, s.data)
	if err != nil {
		return err
	}
	out := &shapeResult{Scale: b.options.scale, Name: s.name, Title: s.title, Data: d.Title, Documents: s.documents, Breaks: s.breaks, Goal: s.verify}
	if d.MadeUp {
		out.Data = "made-up documents with a fixed seed, because the real ones could not be had"
	}
	b.results.put(out)
	if out.Bytes, err = b.load(ctx, s, 0, s.documents); err != nil {
		return err
	}
	batch, dump, top := b.choose(ctx, s, out.Bytes)
	if err := b.prove(ctx, s, out); err != nil {
		return err
	}
	methods := b.lineUp(batch, dump, top)
	for _, m := range methods {
		out.Methods = append(out.Methods, &methodResult{Name: m.name, Setting: m.setting})
		if m.run == nil { // not there
			out.Methods[len(out.Methods)-1].Missing, out.Methods[len(out.Methods)-1].Setting = m.setting, ""
		}
	}
	for round := range b.options.rounds {
		for i := range methods {
			if round%2 == 1 { // in turn, so that nobody always comes first
				i = len(methods) - 1 - i
			}
			if err := b.once(ctx, s, methods[i], out.Methods[i]); err != nil {
				return err
			}
		}
	}
	return b.source.remove(ctx, s.source())
}

// lineUp is who runs.
func (b *bench) lineUp(batch int, d dumping, top ceiling) []method {
	var all []method
	for _, name := range b.methods {
		m := b.copyWith(name)
		if why := b.missing[name]; why != "" {
			m = method{name: m.name, setting: why}
		}
		all = append(all, m)
	}
	all = append(all, b.plain(0, 0), b.plain(batch, 0))
	dump := b.dump(d, 0)
	if b.dumpMissing != "" {
		dump = method{name: dumpName, setting: "not measured: " + b.dumpMissing}
	}
	return append(all, dump, b.ceilingOf(top, 0))
}

// once is one run, put down. Only the end of ctx is an error.
func (b *bench) once(ctx context.Context, s *shape, m method, r *methodResult) error {
	if m.run == nil || r.Failed != "" {
		return nil
	}
	o, err := b.measure(ctx, s, m)
	if err != nil {
		r.Failed = err.Error()
		if s.breaks && m.name == defaultName {
			return ctx.Err()
		}
		return b.failed(ctx, s.name+", "+m.name, err)
	}
	r.Runs, r.Work = append(r.Runs, float64(o.documents)/o.seconds), append(r.Work, o.cpu)
	r.Peak = max(r.Peak, o.peak)
	if o.setting != "" {
		r.Setting = o.setting
	}
	if e := o.esmig; e != nil {
		r.Ranges, r.Journal, r.State = e.ranges, max(r.Journal, e.journal), e.stateBytes
		r.Copying = append(r.Copying, e.copying)
	}
	return nil
}

func (b *bench) failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.results.Failures = append(b.results.Failures, what+": "+b.hide(err).Error())
	return nil
}

// choose looks for the best batch of a plain _reindex, the best way to call
// elasticdump and the best way to the ceiling, on a part of the documents.
func (b *bench) choose(ctx context.Context, s *shape, bytes float64) (batch int, dump dumping, top ceiling) {
	part := func(of int) int { return max(min(s.documents, 50), s.documents/of) }
	speed := func(m method) float64 {
		o, err := b.measure(ctx, s, m)
		if err != nil {
			return 0
		}
		return float64(o.documents) / o.seconds
	}
	batch = climb(s.batches, func(n int) []int { return besideBatch(n, bytes) }, func(n int) float64 { return speed(b.plain(n, part(8))) })
	if batch == 0 {
		batch = s.batches[0] // its runs will tell why none worked
	}
	dump = dumping{s.limit, 4}
	if some := part(6); b.dumpMissing == "" {
		best := climb([]dumping{dump}, func(d dumping) []dumping { return d.beside(bytes, some) }, func(d dumping) float64 { return speed(b.dump(d, some)) })
		dump = cmp.Or(best, dump)
	}
	// The fastest, and the one with the most at the same time.
	some := max(part(4), min(s.documents, int(ceilingTrial/bytes)))
	there := float64(some) * bytes
	grid := []ceiling{{2, 1 << 20}, {4, 1 << 20}, {8, 1 << 20}, {2, 4 << 20}, {4, 4 << 20}, {8, 4 << 20}}
	grid = slices.DeleteFunc(grid, func(c ceiling) bool { return !c.enough(there) })
	top = climb(grid, func(c ceiling) []ceiling { return c.beside(there) }, func(c ceiling) float64 { return speed(b.ceilingOf(c, some)) })
	return batch, dump, cmp.Or(top, ceiling{4, 1 << 20})
}

// say tells what goes on; standard output is for the page.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "esbench %5s  %s\n", time.Since(b.start).Truncate(time.Second), fmt.Sprintf(format, args...))
}
