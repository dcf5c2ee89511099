package main

import (
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
	for _, s := range append(slices.Clone(shapes), linearShape()) {
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
	batch, top := b.warmUp(ctx, s)
	if err := b.prove(ctx, s, out); err != nil {
		return err
	}
	methods := b.lineUp(s, batch, top)
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
func (b *bench) lineUp(s *shape, batch int, top ceiling) []method {
	var all []method
	for _, name := range b.methods {
		m := b.copyWith(name)
		if why := b.missing[name]; why != "" {
			m = method{name: m.name, setting: why}
		}
		all = append(all, m)
	}
	all = append(all, b.plain(0, 0), b.plain(batch, 0))
	dump := b.dump(s)
	if b.dumpMissing != "" {
		dump = method{name: dumpName, setting: "not measured: " + b.dumpMissing}
	}
	return append(all, dump, b.ceilingOf(top, s.documents))
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

// warmUp looks for the best batch of a plain _reindex and for the best way to
// the ceiling, on a part of the documents.
func (b *bench) warmUp(ctx context.Context, s *shape) (batch int, top ceiling) {
	part := max(min(s.documents, 50), s.documents/5)
	var best float64
	for _, n := range s.batches {
		if o, err := b.measure(ctx, s, b.plain(n, part)); err == nil && float64(o.documents)/o.seconds > best {
			batch, best = n, float64(o.documents)/o.seconds
		}
	}
	if batch == 0 {
		batch = s.batches[0] // its runs will tell why none worked
	}
	top, best = ceiling{4, 1 << 20}, 0
	for _, workers := range []int{2, 4, 8} {
		for _, size := range []int{1 << 20, 4 << 20} {
			c := ceiling{workers, size}
			if o, err := b.measure(ctx, s, b.ceilingOf(c, part)); err == nil && float64(o.documents)/o.seconds > best {
				top, best = c, float64(o.documents)/o.seconds
			}
		}
	}
	return batch, top
}

// linear copies a source that grows, to see what a document costs at each size.
func (b *bench) linear(ctx context.Context, series []int) error {
	b.results.Linear = nil
	if b.missing["auto"] != "" {
		return nil
	}
	s := linearShape()
	for _, n := range series {
		if _, err := b.load(ctx, s, s.documents, n); err != nil {
			return err
		}
		s.documents = n
		p := point{Documents: n}
		for range min(2, b.options.rounds) {
			o, err := b.measure(ctx, s, b.copyWith("auto"))
			if err != nil {
				if err := b.failed(ctx, fmt.Sprint(s.name, ", ", n, " documents"), err); err != nil {
					return err
				}
				continue
			}
			p.Seconds = append(p.Seconds, o.seconds)
			p.Ranges, p.Peak, p.Journal = o.esmig.ranges, max(p.Peak, o.peak), max(p.Journal, o.esmig.journal)
		}
		b.results.Linear = append(b.results.Linear, p)
	}
	return b.source.remove(ctx, s.source())
}

// say tells what goes on; standard output is for the page.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "esbench %5s  %s\n", time.Since(b.start).Truncate(time.Second), fmt.Sprintf(format, args...))
}
