package main

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// The names of what is measured, as they are in the tables.
const (
	defaultName = "plain _reindex, default batch"
	bestName    = "plain _reindex, best batch"
	dumpName    = "elasticdump"
	ceilingName = "ceiling: bulk requests made beforehand"
	esmigPrefix = "esmig "
)

// method is one way to copy a shape's documents.
type method struct {
	name, setting string
	// makesIndex: it creates the destination itself, from the same settings
	// and mappings, and that time counts.
	makesIndex bool
	fast       bool // the destination has the settings that esmig gives it for the copy
	quick      bool // it is no figure of the page: its processor time is not asked for
	run        func(ctx context.Context, s *shape) (outcome, error)
}

// outcome of one run.
type outcome struct {
	seconds   float64 // until documents are searchable and durable
	documents int     // that must be there
	peak      int64   // bytes, of the process; 0: the work is done in the servers
	cpu       work    // spent meanwhile
	setting   string  // what it chose by itself
	esmig     *esmigRun
}

// work is processor time, in seconds of a core.
type work struct {
	Source float64 `json:"source"`
	Target float64 `json:"target"`
	Client float64 `json:"client"` // 0: there is none, or it is not known
}

// measure is one run: the destination made anew, the documents counted, the
// destination deleted. A run that lost documents is an error.
func (b *bench) measure(ctx context.Context, s *shape, m method) (outcome, error) {
	if err := b.target.remove(ctx, s.dest()); err != nil {
		return outcome{}, err
	}
	extra := ""
	if m.fast {
		extra = unhindered
	}
	if !m.makesIndex {
		if err := b.target.create(ctx, s.dest(), s.settings(extra), s.mappings()); err != nil {
			return outcome{}, err
		}
	}
	o, err := b.timed(ctx, s, m)
	if err == nil {
		err = b.complete(ctx, s, o.documents)
	}
	if e := b.target.remove(ctx, s.dest()); err == nil {
		err = e
	}
	err = b.hide(err)
	if err == nil {
		b.say("%s: %s, %s: %s documents/s (%.1f s; µs of a core each: %s)", s.name, m.name, cmp.Or(o.setting, m.setting), commas(float64(o.documents)/o.seconds), o.seconds, o.cpu.each(o.documents))
	} else {
		b.say("%s: %s, %s: %v", s.name, m.name, m.setting, err)
	}
	return o, err
}

// timed is a run with the servers' processor time, begun when they have come
// to rest.
func (b *bench) timed(ctx context.Context, s *shape, m method) (o outcome, err error) {
	if m.quick {
		return m.run(ctx, s)
	}
	b.rest(ctx)
	spent, err := b.working(ctx, func() (err error) {
		o, err = m.run(ctx, s)
		return err
	})
	spent.Client = o.cpu.Client
	o.cpu = spent
	return o, err
}

// each is the work for one document, in microseconds.
func (w work) each(documents int) string {
	if w.tooLittle() {
		return "–"
	}
	n := 1e6 / float64(documents)
	return fmt.Sprintf("%.1f + %.1f + %.1f", w.Source*n, w.Target*n, w.Client*n)
}

// working measures what the servers do while f runs.
func (b *bench) working(ctx context.Context, f func() error) (work, error) {
	before, err := b.spent(ctx)
	if err == nil {
		err = f()
	}
	if err != nil {
		return work{}, err
	}
	after, err := b.spent(ctx)
	return work{Source: after.Source - before.Source, Target: after.Target - before.Target}, err
}

// tooLittle: servers count their processor time about once a second, and tell
// the last count, so that a shorter time says nothing.
func (w work) tooLittle() bool { return w.Source+w.Target < 2 }

// spent is what the servers have used since they were started. It waits until
// they have counted again.
func (b *bench) spent(ctx context.Context) (w work, err error) {
	pause(ctx, 1100*time.Millisecond)
	if w.Source, err = b.source.cpu(ctx); err == nil {
		w.Target, err = b.target.cpu(ctx)
	}
	return w, err
}

// complete counts.
func (b *bench) complete(ctx context.Context, s *shape, want int) error {
	got, err := b.target.count(ctx, s.dest())
	if err == nil && got != want {
		err = fmt.Errorf("%d of %d documents arrived", got, want)
	}
	return err
}

// rest waits, not for long, until no server merges segments of the run before.
func (b *bench) rest(ctx context.Context) {
	deadline := time.Now().Add(15 * time.Second)
	for _, s := range []*server{b.source, b.target} {
		for time.Now().Before(deadline) {
			var a struct {
				All struct {
					Total struct{ Merges struct{ Current int } }
				} `json:"_all"`
			}
			if s.call(ctx, "GET", "/bench-*/_stats/merge", "", &a) != nil || a.All.Total.Merges.Current == 0 {
				break
			}
			pause(ctx, 200*time.Millisecond)
		}
	}
	pause(ctx, 500*time.Millisecond)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
