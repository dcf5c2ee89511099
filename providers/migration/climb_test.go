package migration

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// climbing simulates ranges of 20 seconds on a destination: perSecond is what a
// range brings in a second when so many run; rejections what its task counts
// till its end. It returns how many run at the same time, each 15 seconds.
func climbing(t *testing.T, start, most int, perSecond func(running int) float64, rejections func(second, number int) int64) (sizes []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := &run{task: &task{}, j: newJournal(), live: map[*unit]taskStatus{}, gate: newGate(start, most), l: &ledger{}}
		for i := range 2000 {
			r.l.units = append(r.l.units, &unit{id: fmt.Sprint("0.", i)})
		}
		var running atomic.Int64
		go r.climb(ctx)
		go func() {
			time.Sleep(time.Second / 20) // between two looks
			for i, u := range r.l.units {
				if r.gate.enter(ctx) != nil {
					return
				}
				go func() {
					defer r.gate.leave()
					running.Add(1)
					defer running.Add(-1)
					var s taskStatus
					for tick := range 200 {
						time.Sleep(time.Second / 10)
						s.Created += int64(perSecond(int(running.Load())) / 10)
						s.Total = s.Created
						s.Retries.Bulk = rejections(tick/10, i)
						r.progress(u, s, false)
					}
					if err := r.end(u, s.counts, nil); err != nil {
						t.Error(err)
					}
				}()
			}
		}()
		time.Sleep(time.Second)
		for range 22 {
			sizes = append(sizes, r.gate.size())
			time.Sleep(tryFor)
		}
		stop()
		time.Sleep(time.Minute) // for what still runs
	})
	return sizes
}

// More ranges run as long as that brings more, and no more than are allowed.
func TestClimb(t *testing.T) {
	none := func(int, int) int64 { return 0 }
	if got := climbing(t, 2, 6, func(int) float64 { return 1000 }, none); got[len(got)-1] != 6 {
		t.Errorf("what brings more is not done: %v", got)
	}
	got := climbing(t, 2, 6, func(running int) float64 { return 4000 / float64(running) }, none)
	for i, n := range got {
		if n > 3 || i > 0 && n < 2 {
			t.Errorf("what brings nothing is done: %v", got)
			break
		}
	}
	if got := climbing(t, 4, 8, func(int) float64 { return 1000 }, func(second, _ int) int64 { return int64(10 * second) }); got[len(got)-1] != 1 || slices.Max(got) > 4 {
		t.Errorf("a destination that rejects is not spared: %v", got)
	}
}

// A range that ends takes what was rejected of it out of what runs, which is no
// sign that nothing is rejected: each range here has fewer rejections than the
// one before it.
func TestClimbAcrossRanges(t *testing.T) {
	got := climbing(t, 1, 8, func(int) float64 { return 1000 }, func(second, number int) int64 { return int64((second + 1) * max(1, 100-number)) })
	for _, n := range got {
		if n > 1 {
			t.Errorf("a range is added although the destination rejects: %v", got)
			break
		}
	}
}
