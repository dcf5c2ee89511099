package migration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// counted counts the requests that match.
type counted struct {
	providers.Cluster
	match func(providers.Request) bool
	n     *atomic.Int64
}

func (c counted) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	if c.match(r) {
		c.n.Add(1)
	}
	return c.Cluster.Do(ctx, r)
}

func findings(e providers.Estimate) (codes string, details string) {
	var c, d []string
	for _, f := range e.Findings {
		c, d = append(c, string(f.Severity)+" "+f.Code+" "+f.Arg), append(d, f.Detail)
	}
	return strings.Join(c, ", "), strings.Join(d, "\n")
}

// Two indices of a source with the same id: one of the documents would be lost
// and nobody told.
func TestSourcesShareIDs(t *testing.T) {
	const says = "2 documents of the sources share 1 id, for example a, which is in mig-shared-1 and mig-shared-2"
	for _, c := range []struct {
		name          string
		one, two      int  // n of the document
		newer         bool // that of the first index has a higher version
		args          map[string]string
		plan          string
		run, existing string
	}{
		{name: "different", one: 1, two: 2, plan: "error shared_ids source.index", run: "shared_ids"},
		{name: "one is older", one: 1, two: 2, newer: true, plan: "error shared_ids source.index", run: "shared_ids"},
		{name: "the same", one: 1, two: 1, plan: "error shared_ids source.index", run: "shared_ids"},
		{name: "overwritten", one: 1, two: 2, existing: "overwrite", plan: "error shared_ids source.index", run: "shared_ids"},
		{name: "proceed", one: 1, two: 1, args: map[string]string{"conflicts": "proceed"}, plan: "warning shared_ids source.index"},
	} {
		for _, verify := range []string{"none", "count", "sample", "full"} {
			t.Run(c.name+" "+verify, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					w.fresh(t, "mig-shared", 1)
					w.fresh(t, "mig-shared-1", 1)
					w.fresh(t, "mig-shared-2", 1)
					put(t, w.admin, "mig-shared-1", 1, "only one")
					put(t, w.admin, "mig-shared-1", c.one, "a")
					put(t, w.admin, "mig-shared-2", c.two, "a")
					if c.newer {
						put(t, w.admin, "mig-shared-2", c.two, "a")
					}
					b := with(copying("mig-shared-*", "mig-shared"), "", "verify", cty.StringVal(verify))
					for k, v := range c.args {
						b = with(b, "", k, cty.StringVal(v))
					}
					task := b.task(t, w.clusters())
					task.existing = orRefuse(c.existing)
					e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
					codes, details := findings(e)
					if err != nil || codes != c.plan || !strings.Contains(details, says) {
						t.Errorf("plan: %q %v\n%s", codes, err, details)
					}
					_, sum, err := task.Run(t.Context(), newJournal())
					if code(err) != c.run || err != nil && !strings.Contains(err.Error(), says) {
						t.Fatalf("%v", err)
					}
					if err != nil || verify == "none" {
						return
					}
					v, err := task.Verify(t.Context(), newJournal(), sum)
					if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || v.Identical > 2 || !strings.Contains(strings.Join(v.Notes, "\n"), says) {
						t.Errorf("%+v %v", v, err)
					}
				})
			})
		}
	}
}

// An equal version alone is no proof: another migration, or somebody else, may
// have written the document.
func TestEqualVersionIsNoProof(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-equal", 1)
		put(t, w.admin, "mig-equal", 1, ids(0, 20)...)
		put(t, w.target, "mig-equal", 2, ids(4, 5)...)
		_, _, err := fineTask(t, w, copying("mig-equal", "mig-equal")).Run(t.Context(), newJournal())
		if code(err) != "conflicts_unexplained" || !strings.Contains(err.Error(), "1 document is there with other contents, for example \"d 04/ü\"") {
			t.Errorf("%v", err)
		}
		// Of equal contents it is the document.
		put(t, w.admin, "mig-equal", 2, ids(4, 5)...)
		w.fresh(t, "mig-equal", 1)
		put(t, w.admin, "mig-equal", 1, ids(0, 20)...)
		put(t, w.target, "mig-equal", 1, ids(4, 5)...)
		if _, _, err := fineTask(t, w, copying("mig-equal", "mig-equal")).Run(t.Context(), newJournal()); err != nil {
			t.Error(err)
		}
	})
}

// What one attempt could not explain, or did not come to explain, the next one
// does not take for its own; nor does it when the document is gone.
func TestDoubtStays(t *testing.T) {
	const name = "mig-doubt"
	for _, method := range methods {
		for _, killed := range []bool{false, true} { // before the doubt is recorded
			t.Run(fmt.Sprint(method, " killed ", killed), func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					w.fresh(t, name, 1)
					put(t, w.admin, name, 1, ids(0, 20)...)
					put(t, w.target, name, 2, ids(4, 5)...)
					task := fineTask(t, w, with(copying(name, name), "", "method", cty.StringVal(method)))
					task.small = smallIndex // one range
					j := newJournal()
					if killed {
						j.left = map[string]int{"reindex": 3, "stream": 2}[method]
					}
					for n := range 3 {
						if _, _, err := task.Run(t.Context(), j); code(err) != "conflicts_unexplained" {
							t.Fatalf("run %d: %v", n, err)
						}
						j.left = -1
					}
					if w.name == "serverless" {
						return // it has no gc_deletes
					}
					must(t, w.target, "PUT", "/"+name+"/_settings", object{"index.gc_deletes": "1ms"})
					must(t, w.target, "DELETE", "/"+name+"/_doc/"+url.PathEscape(ids(4, 5)[0])+"?refresh=true", nil)
					time.Sleep(2 * time.Second)
					if _, _, err := task.Run(t.Context(), j); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
						t.Error(diff)
					}
				})
			})
		}
	}
}

// Nor where contents cannot tell and what is there is not overwritten.
func TestDoubtStaysWithPipeline(t *testing.T) {
	const name, stream = "mig-doubt-from", "mig-doubt-to"
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 900, "data_stream": object{}})
				must(t, w.target, "PUT", "/_ingest/pipeline/p", object{"processors": []any{object{"set": object{"field": "seen", "value": true}}}})
				putDated(t, w.admin, name, ids(0, 20)...)
				must(t, w.target, "POST", "/"+stream+"/_create/"+url.PathEscape(ids(4, 5)[0])+"?refresh=true", object{"@timestamp": "2026-01-02T03:04:05Z", "n": -1})
				task := fineTask(t, w, with(with(copying(name, stream), "", "method", cty.StringVal(method)), "dest", "pipeline", cty.StringVal("p")))
				j := newJournal()
				for n := range 3 {
					if _, _, err := task.Run(t.Context(), j); code(err) != "conflicts_unexplained" || !strings.Contains(err.Error(), "answers 1 version conflicts in range 0.1") {
						t.Fatalf("run %d: %v", n, err)
					}
				}
				a, err := search(t.Context(), w.target, stream, -1, object{"query": object{"term": object{"n": -1}}})
				if err != nil || len(a.Hits.Hits) != 1 {
					t.Fatal(err)
				}
				must(t, w.target, "DELETE", "/"+a.Hits.Hits[0].Index+"/_doc/"+url.PathEscape(ids(4, 5)[0]), nil)
				if _, _, err := task.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, w.target, stream); len(got) != 20 || strings.Contains(got[ids(4, 5)[0]], "-1") {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

// A copy with a pipeline into a data stream that holds documents goes on after
// an interruption, and says what cannot be told then.
func TestInterruptedWithPipeline(t *testing.T) {
	const name, stream = "mig-append-from", "mig-append-to"
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{}).world
		must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 900, "data_stream": object{}})
		must(t, w.target, "PUT", "/_ingest/pipeline/p", object{"processors": []any{object{"set": object{"field": "seen", "value": true}}}})
		putDated(t, w.admin, name, ids(0, 20)...)
		must(t, w.target, "POST", "/"+stream+"/_create/before?refresh=true", object{"@timestamp": "2026-01-02T03:04:05Z"})
		task := fineTask(t, w, with(with(copying(name, stream), "", "method", cty.StringVal("stream")), "dest", "pipeline", cty.StringVal("p")))
		j := newJournal()
		j.left = 2
		if _, _, err := task.Run(t.Context(), j); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		j.left = -1
		if _, _, err := task.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(j.notes, "\n"); !strings.Contains(notes, "was begun 2 times, and 3 of its documents are on target already: because pipeline p changes them") {
			t.Error(notes)
		}
		if got := contents(t, w.target, stream); len(got) != 21 {
			t.Errorf("%v", got)
		}
	})
}

// A range that is copied again answers a conflict for each document: equal
// versions suffice then, and no contents travel.
func TestCopiedAgainIsCheap(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-again", 1)
		put(t, w.admin, "mig-again", 1, ids(0, 40)...)
		task := copying("mig-again", "mig-again").task(t, w.clusters())
		j := newJournal()
		j.left = 4 // cut, begin, task, end
		if _, _, err := task.Run(t.Context(), j); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		var n atomic.Int64
		task.dst = counted{task.dst, func(r providers.Request) bool {
			return strings.HasSuffix(r.Path, "/_search") && !strings.Contains(string(r.Body), `"_source":false`) && strings.Contains(string(r.Body), `"ids"`)
		}, &n}
		again := newJournal()
		again.records = j.records[:2] // what became of it is not known
		again.records = append(again.records, providers.Encode(record{What: wroteCancel, Unit: "0.0"}))
		result, _, err := task.Run(t.Context(), again)
		if err != nil || result.Conflicts != 40 || n.Load() > 0 {
			t.Errorf("%+v %v, contents were asked for %d times", result, err, n.Load())
		}
	})
}

// Two migrations whose documents have the same ids: where contents cannot be
// compared, the totals tell.
func TestMigrationsShareIDs(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		for _, c := range []struct {
			altered bool
			missing int64
		}{{true, 1}, {false, 0}} {
			w.fresh(t, "mig-peers", 1)
			w.fresh(t, "mig-peer-1", 1)
			w.fresh(t, "mig-peer-2", 1)
			put(t, w.admin, "mig-peer-1", 1, "a", "b")
			put(t, w.admin, "mig-peer-2", 1, "a", "c")
			var tasks [2]*task
			var sums [2]providers.JSON
			for i, from := range []string{"mig-peer-1", "mig-peer-2"} {
				b := copying(from, "mig-peers")
				if c.altered {
					b = with(b, "source", "_source", cty.StringVal("n"))
				}
				tasks[i] = b.task(t, w.clusters())
				var err error
				if _, sums[i], err = tasks[i].Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
			}
			for _, verify := range []string{"count", "sample", "full"} {
				tasks[1].verify = verify
				tasks[1].Share([]providers.Peer{{Task: tasks[0], Done: sums[0]}})
				v, err := tasks[1].Verify(t.Context(), newJournal(), sums[1])
				want := c.missing
				if verify != "full" {
					want = 1
				}
				if v.Missing != want || errors.Is(err, providers.ErrVerify) != (want > 0) || !strings.Contains(strings.Join(v.Notes, "\n"), "share ids") {
					t.Errorf("%+v %s: %+v %v", c, verify, v, err)
				}
			}
		}
	})
}
