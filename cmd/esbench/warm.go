package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// The warm-up ends when so many goes in a row lie no further apart than steady,
// as a part of the last one. Two would not do: servers that get faster by a
// little each time look steady then.
const (
	steady    = 0.05
	steadyFor = 3
)

// warmth is the warm-up: the seconds that each go of it took.
type warmth []float64

// apart is how far the last goes lie apart, as a part of the last one.
func (w warmth) apart() float64 {
	last := w[max(0, len(w)-steadyFor):]
	return (slices.Max(last) - slices.Min(last)) / w[len(w)-1]
}

// steady: another go would hardly be faster.
func (w warmth) steady() bool { return len(w) >= steadyFor && w.apart() <= steady }

func (w warmth) text() string {
	if len(w) == 0 {
		return "There was no warm-up."
	}
	end := fmt.Sprintf("the last %d goes lie %.0f %% apart", min(steadyFor, len(w)), 100*w.apart())
	if !w.steady() {
		end += ": **the servers were still getting faster or slower**"
	}
	minutes := 0.0
	for _, s := range w {
		minutes += s / 60
	}
	return fmt.Sprintf("Before anything was measured, both servers were loaded in every way that is\nmeasured for %.1f minutes: the first of %d goes took %.1f s, the last one %.1f s, and\n%s.",
		minutes, len(w), w[0], w[len(w)-1], end)
}

// warmDocuments are copied in each go of the warm-up; in a trial fewer.
const warmDocuments = 200_000

// warmUp loads both servers in every way that is measured, until their
// compilers have done their work: their first goes take up to three times as
// long, and they get faster for minutes. It counts nothing but time.
func (b *bench) warmUp(ctx context.Context) error {
	s := warmShape()
	s.documents = max(50, int(min(1, 2.5*b.options.scale)*warmDocuments))
	if _, err := b.load(ctx, s, 0, s.documents); err != nil {
		return err
	}
	start, w := time.Now(), warmth(nil)
	for !w.steady() && time.Since(start) < b.options.warm {
		began := time.Now()
		if err := b.warmOnce(ctx, s); err != nil {
			return fmt.Errorf("warm-up: %w", b.hide(err))
		}
		w = append(w, time.Since(began).Seconds())
		b.say("warm-up: go %d: %.1f s", len(w), w[len(w)-1])
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
