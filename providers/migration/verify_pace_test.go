package migration

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// readBy counts the documents that requests of a verification go through, and
// calls at with each answer's.
func readBy(c providers.Cluster, at func(documents int)) providers.Cluster {
	return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
		raw, err := pass()
		inside, body := strings.Contains(string(r.Body), "scripted_metric"), string(r.Body)
		if err != nil || !inside && !strings.Contains(body, `"sort":[{"_seq_no"`) && !strings.Contains(body, `"sort":[{"_shard_doc"`) && !strings.Contains(body, `"ids":{"values"`) {
			return raw, err
		}
		var a searchAnswer
		if err := decode(raw, &a); err != nil {
			return nil, err
		}
		if n := len(a.Hits.Hits); !inside {
			at(n)
		} else {
			at(int(a.Hits.Total))
		}
		return raw, nil
	}}
}

// A verification reads as fast as the user lets it, all the while: however large
// a piece is, no request goes through more than some seconds of the speed, and
// each is paid for before the next.
func TestVerifySpeed(t *testing.T) {
	for _, c := range []struct {
		name     string
		script   func(providers.JSON, []providertest.Doc) (any, error)
		settings object
		small    int64  // documents of a piece
		existing string // other than refuse
	}{
		{name: "read"},
		{name: "inside", script: goDigests},
		{name: "inside by pieces", script: goDigests, small: 10},
		{name: "looked up", existing: "overwrite"},
		{name: "read without sequence numbers", settings: off},
		{name: "inside without sequence numbers", script: goDigests, settings: off},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{ScriptedMetric: c.script}).world
				const name = "mig-speed"
				w.freshWith(t, name, 1, c.settings)
				put(t, w.admin, name, 1, ids(0, 80)...)
				_, sum, err := copying(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				b := full(copying(name, name))
				b.args["requests_per_second"] = cty.NumberIntVal(10)
				if c.existing != "" {
					b = with(b, "dest", "existing", cty.StringVal(c.existing))
				}
				begin := time.Now()
				var mu sync.Mutex
				read := [2]int{}
				count := func(side int) func(int) {
					return func(documents int) {
						mu.Lock()
						defer mu.Unlock()
						read[side] += documents
						if n, s := read[side], time.Since(begin).Seconds(); documents > 50 || float64(n) > 10*(5+s)+1 {
							t.Errorf("side %d: %d documents after %.1f s at 10 a second", side, n, s)
						}
					}
				}
				w.source, w.target = readBy(w.source, count(0)), readBy(w.target, count(1))
				task := b.task(t, w.clusters())
				task.fetched = 0 // as of many documents
				if c.small > 0 {
					task.small, task.big = c.small, c.small
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 80 {
					t.Errorf("%+v %v", v, err)
				}
				if d := time.Since(begin); read != [2]int{80, 80} || d < 5*time.Second || d > 12*time.Second {
					t.Errorf("%v documents of the sides took %v at 10 a second", read, d)
				}
			})
		})
	}
}

// wishes is a journal by which a user steers.
type wishes struct {
	*memJournal
	mu   sync.Mutex
	wish providers.Control
}

func (w *wishes) Control() providers.Control {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wish
}

func (w *wishes) set(c providers.Control) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wish = c
}

// What the user wants in the middle of a piece holds from then on.
func TestVerifySteeredInPiece(t *testing.T) {
	for _, c := range []struct {
		name        string
		wish        providers.Control
		least, most int // documents of a side a minute later
		last        time.Duration
	}{
		{"throttled", providers.Control{RequestsPerSecond: 1}, 90, 106, 150 * time.Second},
		{"paused", providers.Control{Paused: true}, 40, 60, 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				const name = "mig-steered"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 200)...)
				_, sum, err := copying(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []providers.Cluster{w.admin, w.target} {
					must(t, c, "PUT", "/"+name+"/_settings", object{"index.max_result_window": 20})
				}
				j := &wishes{memJournal: newJournal()}
				var begin time.Time
				var mu sync.Mutex
				read, later := 0, 0
				w.source = readBy(w.source, func(documents int) {
					mu.Lock()
					defer mu.Unlock()
					if read += documents; read != 40 || !begin.IsZero() {
						return
					}
					begin = time.Now()
					j.set(c.wish)
					go func() {
						time.Sleep(time.Minute)
						mu.Lock()
						defer mu.Unlock()
						later = read
						if c.wish.Paused {
							j.set(providers.Control{})
						}
					}()
				})
				if v, err := full(copying(name, name)).task(t, w.clusters()).Verify(t.Context(), j, sum); err != nil || v.Identical != 200 {
					t.Errorf("%+v %v", v, err)
				}
				d := time.Since(begin)
				time.Sleep(time.Minute) // for who looks, if it took less
				if later < c.least || later > c.most || read != 200 || d < c.last || d > c.last+time.Minute {
					t.Errorf("%d documents after a minute, %d after %v", later, read, d)
				}
			})
		})
	}
}

// A throttled verification that is stopped has kept what it has gone through, as
// far as pieces are done: they are not all begun at once.
func TestVerifySpeedKeepsSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{}).world
		const name = "mig-keeps"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 400)...)
		_, sum, err := copying(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		b := full(copying(name, name))
		b.args["requests_per_second"] = cty.NumberIntVal(2)
		task, j := b.task(t, w.clusters()), newJournal()
		task.small, task.big = 50, 50
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if v, err := task.Verify(ctx, j, sum); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v %v", v, err)
		}
		if s, err := task.Status(t.Context(), j); err != nil || s.Compared < 4 || s.Compared > 6 {
			t.Errorf("%d pieces of 50 documents after a minute at 2 a second, %v", s.Compared, err)
		}
	})
}

// What a stopped verification has added up already is not waited for again, and
// can be told.
func TestVerifySpeedOfKeptSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{}).world
		const name = "mig-kept"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 60)...)
		_, sum, err := copying(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		b := copying(name, name)
		b.args["requests_per_second"] = cty.NumberIntVal(10)
		task, j := b.task(t, w.clusters()), newJournal()
		task.fetched, task.small, task.big = 0, 10, 10
		begin := time.Now()
		for range 2 {
			if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 60 {
				t.Errorf("%+v %v", v, err)
			}
		}
		if d := time.Since(begin); d < 5*time.Second || d > 9*time.Second {
			t.Errorf("60 documents of each side took %v at 10 a second, though the second time all was known", d)
		}
		if s, err := task.Status(t.Context(), j); err != nil || s.Compared != len(j.records) || s.Compared < 8 {
			t.Errorf("%d pieces of %d records, %v", s.Compared, len(j.records), err)
		}
	})
}
