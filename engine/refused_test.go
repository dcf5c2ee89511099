package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

const deadFile = "esmig.dead.migration.m.ndjson"

// refusing is a world in which two of four documents, one of each index, are
// refused by the destination until it is mended.
func refusing(t testing.TB, method, verify string, most int) *world {
	w := newWorld(t)
	for i := range 2 {
		for n := range 2 {
			source := fmt.Sprintf(`{"n":"%d"}`, n)
			if n == 1 {
				source = `{"n":"many"}`
			}
			w.source.Put(fmt.Sprint("src-", i), fmt.Sprint(i, ".", n), source, "")
		}
	}
	w.send(w.target, "PUT", "/a", `{"mappings":{"properties":{"n":{"type":"long"}}}}`)
	w.write("main.hcl", fmt.Sprintf(`
migration "m" {
  source { index = "src-*" }
  dest   { index = "a" }
  method      = %q
  concurrency = 1
  verify      = %q
  max_refused = %d
}`, method, verify, most))
	return w
}

func (w *world) mend() {
	w.send(w.target, "PUT", "/a/_mapping", `{"properties":{"n":{"type":"long","ignore_malformed":true}}}`)
}

// letters are the ids in the file of dead letters; nil: there is none.
func (w *world) letters() (ids []string) {
	w.t.Helper()
	raw, err := w.fs.ReadFile(deadFile)
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(raw) {
		var d providers.DeadLetter
		if err := json.Unmarshal(line, &d); err != nil || string(d.Source) != `{"n":"many"}` || d.Field != "n" || d.Advice == "" {
			w.t.Errorf("%v: %s", err, line)
		}
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

// leaves wants a finished migration that leaves n documents behind, and a
// second plan that says so and does nothing.
func (w *world) leaves(ids ...string) {
	w.t.Helper()
	o := w.object("migration.m")
	if o.Phase != state.PhaseVerified || providers.RefusedDocuments(o.Refused) != int64(len(ids)) {
		w.t.Errorf("state %+v", []any{o.Phase, o.Refused})
	}
	if diff := cmp.Diff(ids, w.letters()); diff != "" {
		w.t.Error("dead letters", diff)
	}
	if got := len(w.target.Docs("a")); got != 4-len(ids) {
		w.t.Errorf("%d documents", got)
	}
	w.settled()
}

var bothMethods = []string{"reindex", "stream"}

// TestRefusedAtEveryCrashPoint kills an apply that may leave two documents
// behind, and then the retry, at every write and every request.
func TestRefusedAtEveryCrashPoint(t *testing.T) {
	for _, method := range bothMethods {
		for _, retry := range []bool{false, true} {
			for n := int64(0); ; n++ {
				finished := false
				t.Run(fmt.Sprintf("%s/retry=%v/n=%d", method, retry, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := refusing(t, method, "count", 2)
						l := &life{lost: n%2 == 0}
						l.left.Store(n)
						if !retry {
							finished = w.mortalApply(l) == nil
							w.apply()
							w.leaves("0.1", "1.1")
							return
						}
						w.apply()
						w.mend()
						o := engine.PlanOptions{Retry: []providers.Addr{{Kind: "migration", Name: "m"}}}
						finished = w.mortal(l, o) == nil
						if _, err := w.tryApply(t.Context(), o); err != nil {
							t.Fatalf("%v\n%s", err, w.log())
						}
						w.leaves()
					})
				})
				if t.Failed() {
					return
				}
				if finished {
					if n < 20 {
						t.Fatalf("only %d points: nothing was counted", n)
					}
					break
				}
			}
		}
	}
}

// TestRefusedLimit: what is refused fails a migration, unless it may be.
func TestRefusedLimit(t *testing.T) {
	for _, method := range bothMethods {
		for most := range 4 {
			t.Run(fmt.Sprint(method, most), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := refusing(t, method, "full", most)
					sum, err := w.tryApply(t.Context(), engine.PlanOptions{})
					if most >= 2 {
						if err != nil || sum.Refused != 2 || sum.Migrated != 1 || sum.Verified != 1 {
							t.Fatalf("%v %+v\n%s", err, sum, w.log())
						}
						w.leaves("0.1", "1.1")
						if p := w.plan(engine.PlanOptions{}); len(p.Information) != 1 || !strings.Contains(p.Information[0].Text, "2 documents were refused by target") {
							t.Errorf("%+v", p.Information)
						}
						return
					}
					if err == nil || !strings.Contains(w.log(), "The destination refused documents") {
						t.Fatalf("%v %+v\n%s", err, sum, w.log())
					}
					// One that is left behind by a range that ended well stays a letter.
					if got := w.letters(); len(got) != most+1 {
						t.Errorf("letters %q", got)
					}
					w.mend()
					o := engine.PlanOptions{Retry: []providers.Addr{{Kind: "migration", Name: "m"}}}
					if _, err := w.tryApply(t.Context(), o); err != nil {
						t.Fatalf("%v\n%s", err, w.log())
					}
					w.leaves()
				})
			})
		}
	}
}

// TestRetryThatBreaksOff: until it has ended, the files' way of verifying has not
// been followed, and what was verified is not what is there.
func TestRetryThatBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := refusing(t, "stream", "count", 2)
		w.apply()
		w.write("main.hcl", strings.Replace(w.file("main.hcl"), `"count"`, `"full"`, 1))
		w.mend()
		w.target.Fault(func(r *http.Request) providertest.Fault {
			if strings.HasSuffix(r.URL.Path, "/_bulk") {
				return providertest.Fault{Status: 401}
			}
			return providertest.Fault{}
		})
		o := engine.PlanOptions{Retry: []providers.Addr{{Kind: "migration", Name: "m"}}}
		if _, err := w.tryApply(t.Context(), o); err == nil {
			t.Fatal("no failure")
		}
		w.target.Fault(nil)
		wantSteps(t, w.plan(engine.PlanOptions{}), "verify migration.m")
		if o := w.object("migration.m"); o.Phase == state.PhaseVerified || o.Verified != nil || providers.RefusedDocuments(o.Refused) != 2 {
			t.Errorf("phase %s, verified %s, refused %+v", o.Phase, o.Verified, o.Refused)
		}
		if _, err := w.tryApply(t.Context(), o); err != nil {
			t.Fatalf("%v\n%s", err, w.log())
		}
		w.leaves()
	})
}

// file is a file of the configuration, without the clusters.
func (w *world) file(name string) string {
	w.t.Helper()
	raw, err := w.fs.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimPrefix(string(raw), clusters)
}
