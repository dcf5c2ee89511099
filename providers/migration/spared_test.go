package migration

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// full429 is what a destination answers that is full.
var full429 = &elasticsearch.Error{Status: http.StatusTooManyRequests, Type: "es_rejected_execution_exception", Reason: "full"}

// running counts the reindex tasks that run at once: begun, and not yet seen to
// have ended. It goes before the destination's answers.
type running struct {
	mu   sync.Mutex
	ids  map[string]bool
	seen map[string]bool // X-Opaque-Ids
	most int
	// begun is told of the first task of each range, with how many run now.
	begun func(running int)
}

func (x *running) watch(r providers.Request, raw providers.JSON, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.seen[r.OpaqueID] // also where the request was rejected
	if r.Path == "/_reindex" {
		x.seen[r.OpaqueID] = true
	}
	if err != nil {
		return
	}
	var a struct {
		Task      any
		Completed bool
	}
	switch id, one := strings.CutPrefix(r.Path, "/_tasks/"); {
	case r.Method == http.MethodPost && r.Path == "/_reindex":
		if decode(raw, &a) != nil {
			return
		}
		id, ok := a.Task.(string)
		if !ok {
			return
		}
		x.ids[id] = true
		x.most = max(x.most, len(x.ids))
		if first && x.begun != nil {
			x.begun(len(x.ids))
		}
	case one && r.Method == http.MethodGet && decode(raw, &a) == nil && a.Completed:
		if id, err = url.PathUnescape(id); err == nil {
			delete(x.ids, id)
		}
	}
}

// A destination that rejects documents of a task, or the request for one, is
// spared: from then on no range is begun while half as many as before run.
func TestRejectedReindexIsSpared(t *testing.T) {
	for _, c := range []struct {
		name   string
		reject func(r providers.Request, n int) (providers.JSON, error)
	}{
		{"documents of a task", func(r providers.Request, n int) (providers.JSON, error) {
			if r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/_tasks/") && n == 1 {
				return providers.JSON(`{"completed":true,"response":{"total":3,"created":1,"failures":[{"id":"x","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"full"}}]}}`), nil
			}
			return nil, nil
		}},
		{"the request for a task", func(r providers.Request, n int) (providers.JSON, error) {
			if r.Method == http.MethodPost && r.Path == "/_reindex" && n == 4 {
				return nil, full429
			}
			return nil, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				const name = "mig-spared"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 200)...)
				var at, begin time.Time // of the rejection, of the copy
				after := 0
				x := &running{ids: map[string]bool{}, seen: map[string]bool{}}
				x.begun = func(running int) {
					// After 15 seconds one more is tried. What begins at the very
					// moment of the rejection may have been let through before it.
					if at.IsZero() || !time.Now().After(at) || time.Since(begin) >= tryFor {
						return
					}
					if after++; running > 2 {
						t.Errorf("%d tasks run %v after the rejection", running, time.Since(at))
					}
				}
				target := w.target
				w.target = &faulty{Cluster: target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					raw, err := c.reject(r, n)
					if raw != nil || err != nil {
						x.mu.Lock()
						at = time.Now()
						x.mu.Unlock()
					}
					if raw == nil && err == nil {
						raw, err = pass()
					}
					x.watch(r, raw, err)
					return raw, err
				}}
				task := fineTask(t, w, copying(name, name))
				task.concurrency, task.size = 4, 1
				begin = time.Now()
				if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
				if x.most != 4 || at.IsZero() || after < 2 {
					t.Errorf("%d tasks ran at once, and %d ranges were begun in the seconds after a rejection: that proves nothing", x.most, after)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// On a destination that takes everything a copy by reindex ends with more ranges
// at once than it began with.
func TestFreeDestinationGetsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{}).world
		const name = "mig-free"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 900)...)
		x := &running{ids: map[string]bool{}, seen: map[string]bool{}}
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			raw, err := pass()
			x.watch(r, raw, err)
			return raw, err
		}}
		task := fineTask(t, w, copying(name, name))
		task.size = 1
		begin, first := time.Now(), 0
		x.begun = func(int) {
			if time.Since(begin) < tryFor {
				first = x.most
			}
		}
		if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); first != task.together || x.most <= first {
			t.Errorf("%d ranges at once at first, want %d, and %d later, in %v", first, task.together, x.most, took)
		}
	})
}

// A stream has half as many bulk requests under way after the destination has
// answered one with 429.
func TestRejectedStreamIsSpared(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-spared"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 56)...)
		var mu sync.Mutex
		var at time.Time
		now, sent, before, after, late := 0, 0, 0, 0, 0
		target := w.target
		w.target = &faulty{Cluster: target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if !strings.HasSuffix(r.Path, "/_bulk") {
				return pass()
			}
			mu.Lock()
			sent++
			number := sent
			// What is sent at the very moment of the answer may have been let
			// through before it.
			if now++; at.IsZero() || !time.Now().After(at) {
				before = max(before, now)
			} else {
				after, late = max(after, now), late+1
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			if number == 8 {
				at = time.Now()
			}
			mu.Unlock()
			if number == 8 {
				return nil, full429
			}
			return pass()
		}}
		task := streaming(name, name).task(t, w.clusters())
		task.size, task.concurrency = 2, 4
		if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		if before != 8 || after > 4 || late < 8 {
			t.Errorf("%d requests at once, and of %d after one was rejected %d, want 8 and then 4", before, late, after)
		}
		if diff := cmp.Diff(contents(t, w.admin, name), contents(t, target, name)); diff != "" {
			t.Error(diff)
		}
	})
}
