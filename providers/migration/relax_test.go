package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// loose are the settings that a copy may relax, as they are now.
func loose(t testing.TB, c providers.Cluster, index string) map[string]string {
	t.Helper()
	all, err := readSettings(t.Context(), c, index)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name := range relaxed {
		if v, ok := all[index].Settings[name].(string); ok {
			out[name] = v
		}
	}
	return out
}

func TestRelaxed(t *testing.T) {
	filling := map[string]string{refreshInterval: "-1", replicas: "0", durability: "async"}
	for _, c := range []struct {
		name          string
		settings      object
		owned, peers  bool
		during, after map[string]string
	}{
		{"defaults", object{"number_of_replicas": 1}, true, false, filling, map[string]string{replicas: "1"}},
		{"declared", object{"number_of_replicas": 2, "refresh_interval": "30s", "translog.durability": "request"}, true, false, filling,
			map[string]string{replicas: "2", refreshInterval: "30s", durability: "request"}},
		{"relaxed by the user", object{"number_of_replicas": 0, "refresh_interval": "-1", "translog.durability": "async"}, true, false, filling, filling},
		{"replicas by the server", object{"auto_expand_replicas": "0-1", "number_of_replicas": 0}, true, false, map[string]string{refreshInterval: "-1", durability: "async", replicas: "0"}, map[string]string{replicas: "0"}},
		{"not esmig's", object{"number_of_replicas": 1}, false, false, map[string]string{replicas: "1"}, map[string]string{replicas: "1"}},
		{"shared", object{"number_of_replicas": 1}, true, true, map[string]string{replicas: "1"}, map[string]string{replicas: "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				if w.name == "serverless" {
					t.Skip("only the refresh interval can be set there: TestReleased")
				}
				const name = "mig-relaxed"
				for n := 0; ; n++ { // killed at each record
					if w.name != "fake" { // at one of them there, and then at none
						n = max(4, 100*n)
					}
					w.fresh(t, name, 1)
					drop(t, w.target, name)
					must(t, w.target, "PUT", "/"+name, object{"settings": c.settings})
					put(t, w.admin, name, 1, ids(0, 30)...)
					task := fineTask(t, w, copying(name, name))
					task.owned = c.owned
					if c.peers {
						task.peers = []providers.Peer{{Task: fineTask(t, w, copying(name, name))}}
					}
					j := newJournal()
					j.left = n
					looked := false
					j.at = func(r record) {
						if r.What == wroteTask && !looked {
							looked = true
							if d := cmp.Diff(c.during, loose(t, w.target, name)); d != "" {
								t.Errorf("while it is filled (-want +got)\n%s", d)
							}
						}
					}
					_, _, err := task.Run(t.Context(), j)
					killed := err != nil
					if j.left = -1; killed {
						if _, _, err := task.Run(t.Context(), j); err != nil {
							t.Fatal(err)
						}
					}
					if d := cmp.Diff(c.after, loose(t, w.target, name)); d != "" {
						t.Errorf("killed at record %d (-want +got)\n%s", n, d)
					}
					if left, err := task.Relaxed(j); len(left) > 0 || err != nil {
						t.Errorf("still relaxed, it says: %v %v", left, err)
					}
					if !killed {
						if n < 6 {
							t.Fatalf("only %d records", n)
						}
						return
					}
				}
			})
		})
	}
}

// A copy that is given up leaves the destination as it was.
func TestReleased(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-released"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 30)...)
		before := loose(t, w.target, name)
		task := fineTask(t, w, copying(name, name))
		task.Own()
		j := newJournal()
		j.left = 6
		if _, _, err := task.Run(t.Context(), j); err == nil {
			t.Fatal("it ended")
		}
		j.left = -1
		// A process that was killed restores nothing.
		made := map[string]*string{refreshInterval: nil, durability: nil}
		if w.name == "serverless" {
			delete(made, durability)
		}
		settings := object{}
		for name := range made {
			settings[name] = relaxed[name]
		}
		must(t, w.target, "PUT", "/"+name+"/_settings", settings)
		j.records = append(j.records, providers.Encode(record{What: wroteRelax, Relaxed: map[string]map[string]*string{name: made}}))
		if got, err := task.Relaxed(j); err != nil || cmp.Diff(slices.Sorted(maps.Keys(made)), got) != "" {
			t.Errorf("%v %v", got, err)
		}
		if err := task.Release(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, loose(t, w.target, name)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// A key that may no longer change settings is told of what stays relaxed, until
// it may, or somebody has put that back.
func TestRestoreDenied(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		t.Run(fmt.Sprint("by hand ", byHand), func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-denied"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 30)...)
				before, denied, target := loose(t, w.target, name), false, w.target
				w.target = &faulty{Cluster: target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					if denied && r.Method == "PUT" && strings.HasSuffix(r.Path, "/_settings") {
						return nil, fmt.Errorf("403: %w", providers.ErrDenied)
					}
					return pass()
				}}
				task := fineTask(t, w, copying(name, name))
				task.Own()
				j := newJournal()
				ctx, kill := context.WithCancel(t.Context())
				j.at = func(r record) {
					if r.What == wroteEnd {
						kill()
					}
				}
				if _, _, err := task.Run(ctx, j); !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				j.at, denied = nil, true
				for range 2 {
					if _, _, err := task.Run(t.Context(), j); code(err) != "settings_relaxed" || !errors.Is(err, providers.ErrDenied) || !strings.Contains(err.Error(), `PUT /mig-denied/_settings {"index.refresh_interval":null`) {
						t.Fatal(err)
					}
					if left, err := task.Relaxed(j); len(left) == 0 || err != nil {
						t.Errorf("relaxed, it says: %v %v", left, err)
					}
				}
				if byHand {
					all := object{refreshInterval: nil, durability: nil}
					if w.name == "serverless" {
						delete(all, durability)
					}
					must(t, target, "PUT", "/"+name+"/_settings", all)
				}
				denied = byHand
				if _, _, err := task.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(before, loose(t, target, name)); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if d := cmp.Diff(contents(t, w.admin, name), contents(t, target, name)); d != "" {
					t.Errorf("(-source +destination)\n%s", d)
				}
			})
		})
	}
}

// A node that restarts takes with it what was not flushed. The copy must be
// whole at the end, wherever in it that happens, and what was flushed is not
// copied again.
func TestNodeRestarts(t *testing.T) {
	for _, method := range []string{"reindex", "stream"} {
		for _, c := range []struct{ killed, async bool }{{false, false}, {true, false}, {false, true}} { // esmig, too
			for at := 0; !restartAt(t, method, at, c.killed, c.async); at++ {
				if t.Failed() {
					return
				}
			}
		}
	}
}

// restartAt restarts the destination's node at a record of a copy of 8 ranges,
// into an index that is relaxed by then, or was before (async); done: there are
// not so many.
func restartAt(t *testing.T, method string, at int, killed, async bool) bool {
	done := true // as it stays where -run leaves it out
	t.Run(fmt.Sprint(method, " ", killed, " ", async, " ", at), func(t *testing.T) {
		done = false
		synctest.Test(t, func(t *testing.T) {
			f := newPair(t, providertest.Options{})
			w := f.world
			const name = "mig-restart"
			w.fresh(t, name, 2)
			put(t, w.admin, name, 1, ids(0, 40)...)
			if async {
				must(t, w.target, "PUT", "/"+name+"/_settings", object{refreshInterval: "-1", durability: "async"})
			}
			task := fineTask(t, w, copying(name, name))
			task.method, task.concurrency = method, 2
			task.Own()
			j := newJournal()
			var n atomic.Int64
			j.at = func(record) {
				if n.Add(1) == int64(at+1) {
					f.target.Restart()
					if killed {
						j.mu.Lock()
						j.left = 0
						j.mu.Unlock()
					}
				}
			}
			_, sum, err := task.Run(t.Context(), j)
			if killed && err != nil {
				j.left = -1
				_, sum, err = task.Run(t.Context(), j)
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); d != "" {
				t.Errorf("(-source +destination)\n%s\n%s\n%s", d, strings.Join(j.notes, "\n"), bytes.Join(asBytes(j.records), []byte("\n")))
			}
			if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 40 {
				t.Errorf("%+v %v", v, err)
			}
			done = n.Load() <= int64(at)
		})
	})
	return done
}

// What was flushed stays, and is not copied again.
func TestFlushedIsSafe(t *testing.T) {
	l := &ledger{}
	l.cut(record{Indices: []*sourceIndex{{Name: "a", SeqNo: true, Checkpoints: []int64{39}, Ranges: make([]span, 4)}}})
	for i, u := range l.units[:3] {
		u.begun = 1
		if i < 2 {
			u.counts = &counts{Total: 10, Created: 10}
		}
	}
	l.tail(record{Index: 0, Skip: true})
	l.flushed([]string{"0.0"})
	if n, documents := l.lost(map[string][]int64{"a": {2}}); n != 2 || documents != 10 {
		t.Errorf("%d ranges, %d documents", n, documents)
	}
	var got []string
	l.each(func(u *unit) { got = append(got, fmt.Sprint(u.id, " ", u.counts != nil, " ", u.suspect)) })
	if d := cmp.Diff([]string{"0.0 true false", "0.1 false false", "0.2 false true", "0.3 false false"}, got); d != "" {
		t.Error(d)
	}
	if len(l.decided) > 0 {
		t.Error("the tail is not decided anew")
	}
}

// A key that may not flush makes nothing safe in an index whose translog is
// asynchronous.
func TestFlushDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPair(t, providertest.Options{})
		w := f.world
		const name = "mig-unflushed"
		w.fresh(t, name, 1)
		must(t, w.target, "PUT", "/"+name+"/_settings", object{durability: "async"})
		put(t, w.admin, name, 1, ids(0, 40)...)
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if strings.HasSuffix(r.Path, "/_flush") || r.Method == "PUT" && strings.HasSuffix(r.Path, "/_settings") {
				return nil, fmt.Errorf("403: %w", providers.ErrDenied)
			}
			return pass()
		}}
		task := fineTask(t, w, copying(name, name))
		task.concurrency = 1
		task.Own()
		j := newJournal()
		j.left = 12 // in the middle
		if _, _, err := task.Run(t.Context(), j); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		j.left = -1
		restarted := false
		j.at = func(r record) {
			if r.What == wroteBegin && !restarted {
				restarted = true
				f.target.Restart()
			}
		}
		if _, _, err := task.Run(t.Context(), j); err != nil || !restarted {
			t.Fatal(err, restarted)
		}
		if d := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); d != "" {
			t.Errorf("(-source +destination)\n%s", d)
		}
	})
}

// What was flushed and is copied again is not safe any more, and the tail is
// decided anew, by the journal as well.
func TestBegunAgainIsNotSafe(t *testing.T) {
	j := newJournal()
	for _, r := range []record{
		{What: wroteCut, Indices: []*sourceIndex{{Name: "a", SeqNo: true, Checkpoints: []int64{39}, Ranges: make([]span, 1)}}},
		{What: wroteBegin, Unit: "0.0"}, {What: wroteEnd, Unit: "0.0", Counts: &counts{Total: 10, Created: 10}},
		{What: wroteTail, From: 20}, {What: wroteFlush, Units: []string{"0.0"}},
		{What: wroteBegin, Unit: "0.0"}, {What: wroteEnd, Unit: "0.0", Counts: &counts{Total: 10, Created: 10}},
	} {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	l, err := replay(j)
	if err != nil || len(l.tails)+len(l.decided) > 0 || l.complete() {
		t.Errorf("%v, tails %v %v", err, l.tails, l.decided)
	}
	if n, _ := l.lost(map[string][]int64{"a": {2}}); n != 1 {
		t.Errorf("%d ranges are open", n)
	}
}

// All tasks are looked at with one request.
func TestOneRequestForAllTasks(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		if w.name == "serverless" {
			t.Skip("it has no list of tasks")
		}
		const name = "mig-watched"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 80)...)
		lists, single := 0, 0
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			switch {
			case r.Method == "GET" && r.Path == "/_tasks":
				lists = n
			case r.Method == "GET" && strings.HasPrefix(r.Path, "/_tasks/"):
				single = n
			}
			return pass()
		}}
		task := fineTask(t, w, copying(name, name))
		task.concurrency, task.size = 16, 1
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		d, err := readDone(sum)
		if err != nil {
			t.Fatal(err)
		}
		if single > d.Ranges || lists == 0 || d.Ranges < 16 {
			t.Errorf("%d ranges: %d lists and %d looks at single tasks", d.Ranges, lists, single)
		}
	})
}

func asBytes(records []providers.JSON) (out [][]byte) {
	for _, r := range records {
		out = append(out, r)
	}
	return out
}
