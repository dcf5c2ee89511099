package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"
)

// The warm-up ends when two goes after one another differ by no more than
// steady, as a part of the later one, but not before so many goes.
const (
	steady     = 0.05
	fewestGoes = 3
)

// warmth is how the warm-up ended.
type warmth struct {
	Goes    int     `json:"goes"`
	Seconds float64 `json:"seconds"`
	First   float64 `json:"first"` // seconds of the first go
	Last    float64 `json:"last"`  // and of the last two
	Before  float64 `json:"before"`
}

// steady: another go would hardly be faster.
func (w warmth) steady() bool {
	return w.Goes >= fewestGoes && math.Abs(w.Last-w.Before) <= steady*w.Last
}

func (w warmth) text() string {
	if w.Goes == 0 {
		return "There was no warm-up."
	}
	end := fmt.Sprintf("the last two goes differ by %.0f %%", 100*math.Abs(w.Last-w.Before)/w.Last)
	if !w.steady() {
		end += ": **the servers were still getting faster or slower**"
	}
	return fmt.Sprintf("Before anything was measured, both servers were loaded in every way that is\nmeasured for %.1f minutes: the first of %d goes took %.1f s, the last one %.1f s, and\n%s.",
		w.Seconds/60, w.Goes, w.First, w.Last, end)
}

// warmDocuments are copied in each go of the warm-up.
const warmDocuments = 200_000

// warmUp loads both servers in every way that is measured, until their
// compilers have done their work: their first goes take up to three times as
// long, and they get faster for minutes. It counts nothing but time.
func (b *bench) warmUp(ctx context.Context) error {
	s := warmShape()
	s.documents = max(50, int(min(1, b.options.scale)*warmDocuments))
	if _, err := b.load(ctx, s, 0, s.documents); err != nil {
		return err
	}
	start, w := time.Now(), warmth{}
	for !w.steady() && time.Since(start) < b.options.warm {
		began := time.Now()
		if err := b.warmOnce(ctx, s); err != nil {
			return fmt.Errorf("warm-up: %w", b.hide(err))
		}
		w.Goes, w.Before, w.Last, w.Seconds = w.Goes+1, w.Last, time.Since(began).Seconds(), time.Since(start).Seconds()
		if w.Goes == 1 {
			w.First = w.Last
		}
		b.say("warm-up: go %d: %.1f s", w.Goes, w.Last)
	}
	b.results.Warmth = w
	return b.source.remove(ctx, s.source())
}

// warmOnce does everything once.
func (b *bench) warmOnce(ctx context.Context, s *shape) error {
	all := []method{b.plain(0, s.documents), b.plain(5000, s.documents), b.ceilingOf(ceiling{4, 4 << 20}, s.documents)}
	if b.dumpMissing == "" {
		all = append(all, b.dump(dumping{5000, 4}, s.documents))
	}
	for _, name := range b.methods {
		if b.missing[name] == "" && name != "auto" { // auto comes with the verification
			m := b.copyWith(name)
			m.quick = true
			all = append(all, m)
		}
	}
	for _, m := range all {
		if _, err := b.measure(ctx, s, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if b.missing["auto"] != "" {
		return nil
	}
	f, err := b.copied(ctx, s)
	if err != nil {
		return err
	}
	defer b.forget(ctx, s, f)
	if b.options.noVerify {
		return nil
	}
	return b.compareOnce(ctx, s, f)
}

// copied is a copy by esmig that stays, and the configuration that made it,
// ready for a full verification where there is one.
func (b *bench) copied(ctx context.Context, s *shape) (*folder, error) {
	if err := b.target.remove(ctx, s.dest()); err != nil {
		return nil, err
	}
	f, err := b.configure(s, "auto", "none")
	if err != nil {
		return nil, err
	}
	b.say("%s: esmig, not counted", s.name)
	if _, err = b.apply(ctx, f, s); err == nil && b.noFull == "" {
		err = f.set(s, "auto", "full")
	}
	if err != nil {
		b.forget(ctx, s, f)
	}
	return f, err
}

// forget deletes what copied made; main looks again at the end.
func (b *bench) forget(ctx context.Context, s *shape, f *folder) {
	_ = os.RemoveAll(f.dir)
	_ = b.target.remove(context.WithoutCancel(ctx), s.dest())
}

// compareOnce reads one side and verifies, without counting it.
func (b *bench) compareOnce(ctx context.Context, s *shape, f *folder) error {
	if _, err := b.readOneSide(ctx, s, readPlain); err != nil {
		return err
	}
	if b.noFull != "" {
		return nil
	}
	_, err := b.verifyFull(ctx, f)
	return err
}
