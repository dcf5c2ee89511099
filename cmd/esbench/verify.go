package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// prove copies a shape without counting it and then compares, in turn, esmig's
// full verification with one client that merely reads one side; each has gone
// before that once without being counted.
func (b *bench) prove(ctx context.Context, s *shape, out *shapeResult) error {
	for _, name := range b.methods { // esmig's other ways, as auto is below
		if b.missing[name] != "" || name == "auto" {
			continue
		}
		m := b.copyWith(name)
		m.quick = true
		if _, err := b.measure(ctx, s, m); err != nil {
			if err := b.failed(ctx, s.name+", warm-up of esmig "+name, err); err != nil {
				return err
			}
		}
	}
	if b.missing["auto"] != "" {
		return nil
	}
	f, err := b.copied(ctx, s)
	if err != nil {
		return b.failed(ctx, s.name+", warm-up of esmig", err)
	}
	defer b.forget(ctx, s, f)
	if b.options.noVerify {
		return nil
	}
	v := &verifyResult{Missing: b.noFull}
	out.Verify = v
	if err := b.compareOnce(ctx, s, f); err != nil {
		return b.failed(ctx, s.name+", warm-up of the verification", err)
	}
	turns := []func() error{
		func() error { return b.readTurn(ctx, s, v) },
		func() error { return b.fullTurn(ctx, s, f, v) },
	}
	for range b.options.rounds {
		for _, turn := range turns {
			b.rest(ctx)
			if err := turn(); err != nil {
				return b.failed(ctx, s.name+", verification", err)
			}
		}
		slices.Reverse(turns) // so that nobody always comes first
	}
	spent, err := b.working(ctx, func() error { return b.lookAtOneSide(ctx, s) })
	if err != nil {
		return b.failed(ctx, s.name+", a script that counts fields", err)
	}
	v.LookWork = append(v.LookWork, spent)
	return nil
}

// readTurn measures the client that reads one side.
func (b *bench) readTurn(ctx context.Context, s *shape, v *verifyResult) error {
	var docs float64
	spent, err := b.working(ctx, func() (err error) {
		docs, err = b.readOneSide(ctx, s, readPlain)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading one side: %w", err)
	}
	v.Read, v.ReadWork = append(v.Read, docs), append(v.ReadWork, spent)
	b.say("%s: one client that reads one side: %s documents/s", s.name, commas(docs))
	return nil
}

// fullTurn measures esmig's full verification.
func (b *bench) fullTurn(ctx context.Context, s *shape, f *folder, v *verifyResult) error {
	if b.noFull != "" {
		return nil
	}
	var p finished
	spent, err := b.working(ctx, func() (err error) {
		p, err = b.verifyFull(ctx, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("full verification: %w", err)
	}
	docs := float64(s.documents) / p.seconds
	spent.Client = p.cpu
	v.Full, v.FullWork, v.Peak = append(v.Full, docs), append(v.FullWork, spent), max(v.Peak, p.peak)
	b.say("%s: full verification: %s documents/s", s.name, commas(docs))
	return nil
}

// verifyFull compares every document on both sides; nothing of an earlier time
// is left in the servers' request caches.
func (b *bench) verifyFull(ctx context.Context, f *folder) (finished, error) {
	for _, e := range []*server{b.source, b.target} {
		if err := e.call(ctx, http.MethodPost, "/bench-*/_cache/clear?request=true", "", nil); err != nil {
			return finished{}, err
		}
	}
	p, err := runProcess(ctx, f.dir, f.env, b.esmig, "verify", "-json")
	if err != nil {
		return p, err
	}
	same := false
	eachEvent(p.out, func(e event) { same = same || e.Type == "verify_done" && e.Event.Same })
	if !same {
		err = errors.New("esmig did not find the copy to be the same")
	}
	return p, err
}
