package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// faulty stands before a cluster and decides what becomes of requests.
type faulty struct {
	providers.Cluster
	mu sync.Mutex
	do func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error)
	n  map[string]int // requests by method and first part of the path, without probes; lists of tasks by themselves
}

func (f *faulty) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	f.mu.Lock()
	if f.n == nil {
		f.n = map[string]int{}
	}
	if strings.Contains(string(r.Body), "match_none") {
		f.mu.Unlock()
		return f.Cluster.Do(ctx, r)
	}
	kind := r.Method + " " + strings.Join(strings.Split(r.Path, "/")[:2], "/")
	if r.Path == "/_tasks" || r.Method == http.MethodGet && r.Path == "/_reindex" {
		kind += " list"
	}
	f.n[kind]++
	n := f.n[kind]
	f.mu.Unlock()
	return f.do(r, n, func() (providers.JSON, error) { return f.Cluster.Do(ctx, r) })
}

func TestFaults(t *testing.T) {
	isReindex := func(r providers.Request) bool { return r.Method == "POST" && r.Path == "/_reindex" }
	isTask := func(r providers.Request) bool {
		return r.Method == "GET" && (strings.HasPrefix(r.Path, "/_tasks/") || strings.HasPrefix(r.Path, "/_reindex/"))
	}
	for _, c := range []struct {
		name string
		do   func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error)
		// check looks at the records.
		check func(t *testing.T, begun map[string][]int)
	}{
		{name: "answer lost", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			raw, err := pass()
			if isReindex(r) && n <= 3 {
				return nil, fmt.Errorf("hung up: %w", providers.ErrUnavailable)
			}
			return raw, err
		}},
		{name: "never arrived", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if isReindex(r) && n <= 2 {
				return nil, fmt.Errorf("429: %w", providers.ErrUnavailable)
			}
			return pass()
		}, check: func(t *testing.T, begun map[string][]int) {
			if len(begun["0.0"]) != 3 {
				t.Errorf("begun %v", begun)
			}
		}},
		{name: "task forgotten", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if isTask(r) && n <= 2 { // the watch, and the look that makes sure
				return nil, fmt.Errorf("unknown: %w", providers.ErrNotFound)
			}
			return pass()
		}},
		{name: "destination away", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if isTask(r) && n <= 3 {
				return nil, fmt.Errorf("down: %w", providers.ErrUnavailable)
			}
			return pass()
		}, check: func(t *testing.T, begun map[string][]int) {
			if len(begun["0.0"]) != 1 {
				t.Errorf("begun %v", begun)
			}
		}},
		{name: "chunk too large", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			raw, err := pass()
			if isTask(r) && n <= 2 {
				return providers.JSON(`{"completed":true,"error":{"type":"illegal_argument_exception","reason":"Remote responded with a chunk that was too large. Use a smaller batch size."}}`), nil
			}
			return raw, err
		}, check: func(t *testing.T, begun map[string][]int) {
			if diff := cmp.Diff([]int{64, 32, 16}, begun["0.0"]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]int{16}, begun["0.1"]); diff != "" {
				t.Error("what one range has learned, the next one knows", diff)
			}
		}},
		{name: "rejected", do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			raw, err := pass()
			if isTask(r) && n == 1 {
				return providers.JSON(`{"completed":true,"response":{"total":3,"created":1,"failures":[{"id":"x","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"full"}}]}}`), nil
			}
			return raw, err
		}, check: func(t *testing.T, begun map[string][]int) {
			if diff := cmp.Diff([]int{64, 64}, begun["0.0"]); diff != "" {
				t.Error(diff)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-fault"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 30)...)
				w.target = &faulty{Cluster: w.target, do: c.do}
				task := fineTask(t, w, copying(name, name))
				task.concurrency, task.size = 1, 64
				j := newJournal()
				begun := map[string][]int{}
				j.at = func(r record) {
					if r.What == wroteBegin {
						begun[r.Unit] = append(begun[r.Unit], r.Size)
					}
				}
				result, sum, err := task.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
				if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 30 {
					t.Errorf("%+v %v", v, err)
				}
				if result.Read != 30 {
					t.Errorf("account %+v", result)
				}
				if c.check != nil {
					c.check(t, begun)
				}
			})
		})
	}
}

// A cluster that is away for two minutes, wherever that begins, is waited for:
// as a whole, or in that it takes no new tasks.
func TestAwayForMinutes(t *testing.T) {
	for _, c := range []struct {
		name, method string
		source       bool
		begin        func(r providers.Request, n int) bool
		all          bool
		ended        string // how tasks end meanwhile; empty: there is no answer
	}{
		{"no task is taken", "reindex", false, func(r providers.Request, n int) bool { return r.Path == "/_reindex" && n == 2 }, false, ""},
		{"destination, as a task begins", "reindex", false, func(r providers.Request, n int) bool { return r.Path == "/_reindex" && n == 2 }, true, ""},
		{"destination, as conflicts are explained", "reindex", false, func(r providers.Request, n int) bool { return strings.HasSuffix(r.Path, "/_refresh") && n == 3 }, true, ""},
		{"source, as a range is read", "stream", true, func(r providers.Request, n int) bool { return strings.HasSuffix(r.Path, "/_pit") }, true, ""},
		{"source, as tasks read it", "reindex", false, func(r providers.Request, n int) bool { return r.Path == "/_reindex" && n == 2 }, false,
			`{"completed":true,"error":{"type":"connect_exception","reason":"Connection refused"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				const name = "mig-away"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				put(t, w.target, name, 1, ids(0, 1)...)
				var mu sync.Mutex
				var since time.Time
				target := w.target
				do := func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					mu.Lock()
					begins := r.Method == "POST" && c.begin(r, n)
					if begins && since.IsZero() {
						since = time.Now()
					}
					away := !since.IsZero() && time.Since(since) < 2*time.Minute && (begins || c.all || r.Path == "/_reindex")
					mu.Unlock()
					if c.ended != "" {
						raw, err := pass()
						if away = !since.IsZero() && time.Since(since) < 2*time.Minute; away && r.Method == "GET" && strings.HasPrefix(r.Path, "/_tasks/") {
							return providers.JSON(c.ended), nil
						}
						return raw, err
					}
					if away {
						return nil, fmt.Errorf("down: %w", providers.ErrUnavailable)
					}
					return pass()
				}
				if c.source {
					w.source = &faulty{Cluster: w.source, do: do}
				} else {
					w.target = &faulty{Cluster: w.target, do: do}
				}
				task := fineTask(t, w, with(copying(name, name), "", "method", cty.StringVal(c.method)))
				task.concurrency = 2
				if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
				if since.IsZero() {
					t.Error("it was never away")
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A source that stays away is given up after five minutes, and told of; so is a
// destination that is full. Where something is done each time, a range is begun a
// few times only.
func TestAwayForGood(t *testing.T) {
	for _, c := range []struct {
		status, reason string
		long           bool
	}{
		{`{}`, `{"type":"connect_exception","reason":"Connection refused"}`, true},
		{`{}`, `{"type":"es_rejected_execution_exception","reason":"rejected execution of task"}`, true},
		{`{"total":2,"created":1}`, `{"type":"es_rejected_execution_exception","reason":"rejected execution of task"}`, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newPair(t, providertest.Options{}).world
			const name = "mig-away-for-good"
			w.fresh(t, name, 1)
			put(t, w.admin, name, 1, ids(0, 10)...)
			w.target = &faulty{Cluster: w.target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
				raw, err := pass()
				if r.Method == "GET" && strings.HasPrefix(r.Path, "/_tasks/") {
					return providers.JSON(`{"completed":true,"task":{"status":` + c.status + `},"error":` + c.reason + `}`), nil
				}
				return raw, err
			}}
			begin := time.Now()
			_, _, err := fineTask(t, w, copying(name, name)).Run(t.Context(), newJournal())
			if took := time.Since(begin); took >= patience != c.long || took > patience+time.Minute {
				t.Errorf("given up after %v", took)
			}
			var f *providers.Finding
			reason := strings.Split(c.reason, `"`)
			if !errors.As(err, &f) || f.Code != "gave_up" || !strings.Contains(f.Detail, reason[3]+": "+reason[7]) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A task that a node has handed on before it left goes on under another id, by
// which it is asked for where the server does not do that itself. Where that is
// not known either the range begins again.
func TestRelocated(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint(known), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				const name = "mig-relocated"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 20)...)
				target, asked := w.target, 0
				w.target = &faulty{Cluster: target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					id, ok := strings.CutPrefix(r.Path, "/_tasks/")
					switch {
					case !ok || r.Method != "GET" || !known && n > 4:
						return pass()
					case strings.HasPrefix(id, "moved-"):
						if asked++; !known {
							return nil, fmt.Errorf("unknown: %w", providers.ErrNotFound)
						}
						r.Path = "/_tasks/" + strings.TrimPrefix(id, "moved-")
						return target.Do(t.Context(), r)
					}
					id, _ = url.PathUnescape(id)
					return providers.JSON(`{"completed":true,"task":{"status":{"total":3,"created":1}},"error":{"type":"task_relocated_exception","reason":"Task was relocated","original_task_id":"` +
						id + `","relocated_task_id":"moved-` + id + `"}}`), nil
				}}
				k := fineTask(t, w, copying(name, name))
				k.concurrency = 1
				j, begun := newJournal(), map[string]int{}
				j.at = func(r record) {
					if r.What == wroteBegin {
						begun[r.Unit]++
					}
				}
				if _, _, err := k.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if asked == 0 || known != (begun["0.0"] == 1) {
					t.Errorf("asked %d times, begun %v", asked, begun)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Patience is counted in time, however long each request takes to fail.
func TestPatienceIsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{}).world
		const name = "mig-patience"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 10)...)
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if r.Method == "GET" && r.Path == "/_tasks" {
				time.Sleep(time.Minute)
				return nil, fmt.Errorf("down: %w", providers.ErrUnavailable)
			}
			return pass()
		}}
		begin := time.Now()
		_, _, err := fineTask(t, w, copying(name, name)).Run(t.Context(), newJournal())
		if took := time.Since(begin); !errors.Is(err, providers.ErrUnavailable) || took < patience || took > patience+3*time.Minute {
			t.Errorf("given up after %v: %v", took, err)
		}
	})
}

// A node that restarts counts its tasks anew, and results of before stay: what
// the server says of a task's id may be about another one.
func TestTaskIDComesAgain(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPair(t, providertest.Options{})
				const name = "mig-again-id"
				f.fresh(t, name, 1)
				put(t, f.admin, name, 1, ids(0, 40)...)
				put(t, f.world.target, "other", 1, "x")
				f.target.Restart()
				for range 100 { // by hand, under ids from 1 on
					_, err := f.world.target.Do(t.Context(), providers.Request{Method: "POST", Path: "/_reindex", Query: url.Values{"wait_for_completion": {"false"}},
						Body: providers.JSON(`{"source":{"index":"other"},"dest":{"index":"copied"}}`), OpaqueID: "by-hand"})
					if err != nil {
						t.Fatal(err)
					}
				}
				f.target.FinishTasks()
				f.target.Restart()
				task := fineTask(t, f.world, copying(name, name))
				task.concurrency, task.size = concurrency, 1
				j := newJournal()
				var tasks atomic.Int64
				j.at = func(r record) {
					if r.What == wroteTask && tasks.Add(1)%3 == 1 && tasks.Load() < 10 {
						f.target.Restart()
					}
				}
				result, _, err := task.Run(t.Context(), j)
				if err != nil || result.Read != 40 { // by the ranges, and not by a tail that stood in for them
					t.Fatalf("%+v %v", result, err)
				}
				if diff := cmp.Diff(contents(t, f.admin, name), contents(t, f.world.target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
