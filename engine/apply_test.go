package engine_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

func addr(t *testing.T, s string) providers.Addr {
	t.Helper()
	a, err := providers.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// planned keeps a plan in a file and hands it to another engine, as apply FILE
// does.
func (w *world) planned(o engine.PlanOptions) {
	w.t.Helper()
	p := w.plan(o)
	if p.Failed() {
		w.t.Fatal(show(p))
	}
	if err := engine.WritePlan(w.fs, "the.plan", p); err != nil {
		w.t.Fatal(err)
	}
}

// applyFile is apply FILE: the error is that of the check, or of the apply.
func (w *world) applyFile() error {
	w.t.Helper()
	p, err := engine.ReadPlan(w.fs, "the.plan")
	if err != nil {
		w.t.Fatal(err)
	}
	e, _ := w.load()
	for _, d := range e.CheckPlan(w.t.Context(), p) {
		if d.Severity == providers.SeverityError {
			return d
		}
	}
	w.events = nil
	_, err = e.Apply(w.t.Context(), p)
	return err
}

func TestPlanFile(t *testing.T) {
	const empty = `index "e" { mappings = { properties = { n = { type = "long" } } } }`
	replaced := strings.Replace(empty, "long", "keyword", 1)
	for _, c := range []struct {
		name, before, files string
		o                   engine.PlanOptions
		meanwhile           func(*world)
		want                string // in the error; empty: it is applied
	}{
		{name: "nothing changed", before: indexA + pipeline, files: withheld + indexA + migrationA + strings.Replace(pipeline, "true", "1", 1)},
		{name: "nothing changed, moved", before: indexA, files: strings.Replace(indexA, `index "a"`, `index "b"`, 1) + pipeline + "moved {\n from = index.a\n to = index.b\n}\n",
			meanwhile: func(w *world) { w.target.Put("a", "x", `{"n":1,"new":2}`, "") }},
		{name: "documents came to an index, fields too", before: indexA, files: strings.Replace(indexA, "name     =", "settings = { number_of_replicas = 0 }\nname     =", 1),
			meanwhile: func(w *world) { w.target.Put("a", "x", `{"n":1,"new":2}`, "") }},
		{name: "files", files: pipeline, meanwhile: func(w *world) { w.write("main.hcl", strings.Replace(pipeline, "true", "1", 1)) }, want: "files"},
		{name: "object made", files: pipeline, meanwhile: func(w *world) { w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[]}`) }, want: "ingest_pipeline.p"},
		{name: "object changed", before: pipeline, files: strings.Replace(pipeline, "true", "1", 1),
			meanwhile: func(w *world) { w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[]}`) }, want: "ingest_pipeline.p"},
		{name: "object deleted", before: pipeline, files: strings.Replace(pipeline, "true", "1", 1),
			meanwhile: func(w *world) { w.send(w.target, "DELETE", "/_ingest/pipeline/p", "") }, want: "ingest_pipeline.p"},
		{name: "applied twice", files: strings.Replace(pipeline, "true", "1", 1), meanwhile: func(w *world) {
			if err := w.applyFile(); err != nil {
				w.t.Fatal(err)
			}
		}, want: "state has changed"},
		{name: "another cluster", files: pipeline, meanwhile: func(w *world) {
			w.net.Join("target:9200", providertest.NewFake(providertest.Options{Name: "other", Network: w.net}))
		}, want: "another cluster"},
		{name: "documents in what is deleted", before: empty, files: "", meanwhile: func(w *world) { w.documents(w.target, "e", 2) }, want: "2 documents"},
		{name: "documents in what is destroyed", before: empty, files: empty, o: engine.PlanOptions{Destroy: true}, meanwhile: func(w *world) { w.documents(w.target, "e", 2) }, want: "2 documents"},
		{name: "documents in what is replaced", before: empty, files: replaced, meanwhile: func(w *world) { w.documents(w.target, "e", 2) }, want: "2 documents"},
		{name: "documents of others in the destination", before: indexA, files: indexA + migrationA, meanwhile: func(w *world) { w.documents(w.target, "a", 2) }, want: "2 documents"},
		{name: "source is gone", before: indexA, files: indexA + migrationA, meanwhile: func(w *world) { w.send(w.source, "DELETE", "/src", "") }, want: "src"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.documents(w.source, "src", 5)
			if c.before != "" {
				w.write("main.hcl", c.before)
				w.apply()
			}
			w.write("main.hcl", c.files)
			w.planned(c.o)
			if c.meanwhile != nil {
				c.meanwhile(w)
			}
			w.target.Forget()
			err := w.applyFile()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v\n%s", err, w.log())
			case c.want == "":
				w.settled()
			case err == nil || errors.Is(err, engine.ErrIncomplete) || !strings.Contains(err.Error(), c.want):
				t.Errorf("not refused, or for another reason than %q: %v", c.want, err)
			case len(w.target.Writes()) > 0:
				t.Errorf("something was done: %v", w.target.Writes())
			}
		})
	}
}

// Documents that come between the plan and its step are not deleted either.
func TestFilledWhileApplying(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.write("main.hcl", "")
	w.sink = func(e engine.Event) {
		if _, ok := e.(engine.ApplyStarted); ok {
			w.documents(w.target, "a", 2)
		}
	}
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{}); err == nil || len(w.target.Docs("a")) != 2 {
		t.Errorf("documents were deleted that no plan has shown: %v", err)
	}
}

func TestFailedPlanIsNotApplied(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline+`
migration "m" {
  source { index = "nothing" }
  dest   { index = "nowhere" }
}`)
	e, _ := w.load()
	p, err := e.Plan(t.Context(), engine.PlanOptions{})
	if err != nil || !p.Failed() {
		t.Fatal(err, show(p))
	}
	if _, err := e.Apply(t.Context(), p); err == nil || !w.missing(w.target, "/_ingest/pipeline/p") {
		t.Errorf("applied all the same: %v", err)
	}
}

// -refresh=false believes the state, but of what the state does not hold it
// knows nothing.
func TestRefreshFalse(t *testing.T) {
	w := newWorld(t)
	noRefresh := engine.PlanOptions{NoRefresh: true}
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"other","value":1}}]}`)
	w.write("main.hcl", pipeline+indexA)
	wantSteps(t, w.plan(noRefresh), "create index.a", "update ingest_pipeline.p")
	w.apply()
	if o := w.object("ingest_pipeline.p"); o.Owned {
		t.Error("claimed")
	}
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[]}`)
	w.target.Forget()
	wantSteps(t, w.plan(noRefresh))
	for _, r := range w.target.Requests() {
		if strings.HasPrefix(r.Path, "/_ingest") || strings.HasPrefix(r.Path, "/a") {
			t.Errorf("asked for what the state holds: %s %s", r.Method, r.Path)
		}
	}
	w.write("main.hcl", strings.Replace(pipeline, "true", "1", 1)+indexA)
	if _, err := w.tryApply(t.Context(), noRefresh); err != nil {
		t.Fatal(err, w.log())
	}
	w.settled()
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	again := engine.PlanOptions{Restart: []providers.Addr{addr(t, "migration.m")}}
	sum, err := w.tryApply(t.Context(), again)
	if err != nil || sum.Migrated != 1 || sum.Verified != 1 {
		t.Errorf("finished: %v %+v %s", err, sum, w.log())
	}
	w.settled()
	_, store := w.load()
	if err := store.Update(func(st *state.State) error {
		o := st.Find(addr(t, "migration.m"))
		o.Phase, o.Task = state.PhaseRunning, nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if sum, err = w.tryApply(t.Context(), again); err != nil || sum.Migrated != 1 {
		t.Errorf("half done: %v %+v %s", err, sum, w.log())
	}
	w.settled()
	for _, a := range []string{"migration.other", "index.a"} {
		p := w.plan(engine.PlanOptions{Restart: []providers.Addr{addr(t, a)}})
		if !p.Failed() || p.Diagnostics[0].Code != "unknown_target" {
			t.Errorf("%s: %s", a, show(p))
		}
	}
}

func TestForEach(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "one", 2)
	w.documents(w.source, "two", 2)
	files := func(keys string) string {
		return `
index "d" {
  for_each = toset([` + keys + `])
  name     = each.key
  mappings = { properties = { n = { type = "long" }, word = { type = "keyword" } } }
  deletion_protection = false
}
migration "d" {
  for_each   = toset([` + keys + `])
  source { index = each.key }
  dest   { index = index.d[each.key].name }
}
`
	}
	w.write("main.hcl", files(`"one", "two"`))
	if sum := w.apply(); sum.Migrated != 2 {
		t.Errorf("%+v", sum)
	}
	p := w.plan(engine.PlanOptions{Restart: []providers.Addr{addr(t, "migration.d")}})
	wantSteps(t, p, `migrate migration.d["one"]`, `migrate migration.d["two"]`)
	w.write("main.hcl", files(`"two"`))
	wantSteps(t, w.plan(engine.PlanOptions{}), `forget migration.d["one"]`, `delete index.d["one"]`)
	w.apply()
	w.settled()
	if len(w.target.Docs("two")) != 2 || slices.Contains(w.target.Indices(), "one") {
		t.Error("the wrong one is gone")
	}
}

// esmig verify compares what was copied. That the files say something else by
// now must not be taken for done.
func TestVerifyDoesNotSwallowAChange(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	w.write("main.hcl", indexA+strings.Replace(migrationA, `{ index = "src" }`, "{\n index = \"src\"\n query = { range = { n = { gte = 2 } } }\n}", 1))
	e, _ := w.load()
	if _, err := e.VerifyOnly(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "query") {
		t.Errorf("not refused: %v", err)
	}
	wantSteps(t, w.plan(engine.PlanOptions{}), "migrate migration.m")
	w.write("main.hcl", indexA+migrationA)
	e, _ = w.load()
	if sum, err := e.VerifyOnly(t.Context(), []providers.Addr{addr(t, "migration.m")}); err != nil || sum.Verified != 1 {
		t.Errorf("%v %+v", err, sum)
	}
	e, _ = w.load()
	if _, err := e.VerifyOnly(t.Context(), []providers.Addr{addr(t, "migration.m"), addr(t, "migration.unknown")}); err == nil {
		t.Error("an unknown address is passed over")
	}
	w.settled()
}

// A verification that finds a difference is told again, until it finds none.
func TestVerificationFails(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+"alias \"current\" {\n index = index.a.name\n depends_on = [migration.m]\n}\n")
	w.sink = func(e engine.Event) {
		if d, ok := e.(engine.StepDone); ok && d.Action == engine.Migrate {
			w.send(w.target, "DELETE", "/a/_doc/d001", "")
		}
	}
	sum, err := w.tryApply(t.Context(), engine.PlanOptions{})
	if !errors.Is(err, providers.ErrVerify) || sum.Unverified != 1 || sum.Failed != 0 {
		t.Fatalf("%v %+v", err, sum)
	}
	if !w.missing(w.target, "/_alias/current") || strings.Contains(string(w.send(w.target, "GET", "/a/_settings", "")), "pipeline") {
		t.Error("the cutover did not wait for verified data")
	}
	w.sink = nil
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "verify migration.m", "create ingest_pipeline.p", "restore index_template.t", "create alias.current")
	if s := p.Steps[0]; !s.Alarm || !strings.Contains(s.Reason, "difference") {
		t.Errorf("%+v", s)
	}
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{}); !errors.Is(err, providers.ErrVerify) {
		t.Errorf("the second apply: %v", err)
	}
	w.target.Put("a", "d001", `{"n":1,"word":"w1"}`, "")
	w.apply()
	w.setting("/a/_settings", isDefault, isFinal)
	w.settled()
}

func TestIgnoreChanges(t *testing.T) {
	w := newWorld(t)
	ignore := strings.Replace(indexA, "name     =", "lifecycle { ignore_changes = [settings.refresh_interval, settings.number_of_shards, \"settings.index.priority\"] }\nsettings = { number_of_shards = 1, priority = 5 }\nname     =", 1)
	w.write("main.hcl", ignore)
	w.apply()
	w.send(w.target, "PUT", "/a/_settings", `{"index":{"refresh_interval":"42s","priority":9}}`)
	w.settled()
	w.documents(w.target, "a", 1)
	// Another change comes, and one of a setting that needs a new index.
	w.write("main.hcl", strings.Replace(strings.Replace(ignore, "number_of_shards = 1", "number_of_shards = 3", 1), "word = {", "more = { type = \"date\" }, word = {", 1))
	wantSteps(t, w.plan(engine.PlanOptions{}), "update index.a")
	w.apply()
	w.setting("/a/_settings", `"42s"`, `"priority":"9"`)
	w.setting("/a/_mapping", `"more"`)
	w.settled()
}

func TestPreventDestroyAndReplace(t *testing.T) {
	w := newWorld(t)
	safe := strings.Replace(indexA, "name     =", "lifecycle { prevent_destroy = true }\nname     =", 1)
	w.write("main.hcl", safe)
	w.apply()
	w.write("main.hcl", strings.Replace(safe, `"long"`, `"keyword"`, 1))
	wantError(t, w.plan(engine.PlanOptions{}), "needs_new_index", "prevent_destroy")
}

// Somebody else makes the object in the moment before esmig does: it is theirs.
func TestSomebodyElseWasFaster(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	made := false
	w.target.Fault(func(r *http.Request) providertest.Fault {
		if r.Method == "PUT" && r.URL.Path == "/a" && !made {
			made = true
			return providertest.Fault{Status: 400, Type: "resource_already_exists_exception", Reason: "index [a/x] already exists"}
		}
		return providertest.Fault{}
	})
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{}); !errors.Is(err, engine.ErrIncomplete) {
		t.Fatal(err)
	}
	w.send(w.target, "PUT", "/a", `{"mappings":{"properties":{"n":{"type":"long"},"word":{"type":"keyword"},"seen":{"type":"boolean"}}}}`)
	w.apply()
	if w.object("index.a").Owned {
		t.Error("claimed")
	}
	w.settled()
}

// A disk that is full stops what cannot be recorded.
type fullDisk struct {
	state.FS
	full func() bool
}

func (f fullDisk) Create(name string) (state.File, error) {
	if f.full() {
		return nil, syscall.ENOSPC
	}
	return f.FS.Create(name)
}

func TestNothingIsDoneThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	w.parallelism = 1
	many := "ingest_pipeline \"q\" {\n for_each = toset([\"a\",\"b\",\"c\",\"d\"])\n name = each.key\n processors = []\n}\n"
	w.write("main.hcl", many)
	w.apply()
	w.write("main.hcl", strings.Replace(many, "[]\n", "[{ drop = {} }]\n", 1))
	full := false
	w.disk = fullDisk{w.fs, func() bool { return full }}
	w.sink = func(e engine.Event) {
		_, begun := e.(engine.StepStarted)
		full = full || begun
	}
	w.target.Forget()
	sum, err := w.tryApply(t.Context(), engine.PlanOptions{})
	if !errors.Is(err, engine.ErrIncomplete) || sum.Failed != 1 || sum.Skipped != 3 || len(w.target.Writes()) != 1 {
		t.Errorf("%v %+v %v", err, sum, w.target.Writes())
	}
	full, w.sink = false, nil
	w.apply()
	w.settled()
}

func TestOneAtATime(t *testing.T) {
	w := newWorld(t)
	w.parallelism = 1
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+strings.ReplaceAll(indexA, `"a"`, `"b"`))
	running := 0
	w.sink = func(e engine.Event) {
		switch e.(type) {
		case engine.StepStarted:
			if running++; running > 1 {
				t.Error("two steps at once")
			}
		case engine.StepDone:
			running--
		}
	}
	w.apply()
	w.settled()
}

// Cancelled before each step in turn: the apply ends, nothing new begins, and
// the next one goes on.
func TestCancelledAtEveryStep(t *testing.T) {
	for n := 0; ; n++ {
		finished := false
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.documents(w.source, "src", 5)
			w.write("main.hcl", withheld+indexA+migrationA+pipeline)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left, after := n, 0
			w.sink = func(e engine.Event) {
				if _, ok := e.(engine.StepStarted); ok {
					if ctx.Err() != nil {
						after++
					}
					if left--; left < 0 {
						cancel()
					}
				}
			}
			_, err := w.tryApply(ctx, engine.PlanOptions{})
			if finished = err == nil; !finished && !errors.Is(err, context.Canceled) {
				t.Errorf("n=%d: %v %s", n, err, w.log())
			}
			if after > 0 {
				t.Errorf("n=%d: %d steps were begun afterwards", n, after)
			}
			w.sink = nil
			w.apply()
			w.untouched("a")
			w.setting("/a/_settings", isDefault, isFinal)
			w.settled()
		})
		if finished || t.Failed() {
			if n < 4 {
				t.Fatalf("only %d steps", n)
			}
			return
		}
	}
}

// Every request of an apply is refused once: the apply says so, and the next
// one ends as if nothing had happened.
func TestEveryRequestRefused(t *testing.T) {
	for n := 0; ; n++ {
		met := false
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.documents(w.source, "src", 5)
			w.write("main.hcl", withheld+indexA+migrationA+pipeline)
			var applying atomic.Bool
			count := 0
			w.sink = func(e engine.Event) {
				if _, ok := e.(engine.ApplyStarted); ok {
					applying.Store(true)
				}
			}
			w.target.Fault(func(r *http.Request) providertest.Fault {
				if count++; applying.Load() && !met && count > n {
					met = true
					return providertest.Fault{Status: 403, Type: "security_exception", Reason: "not now"}
				}
				if !applying.Load() {
					count = 0
				}
				return providertest.Fault{}
			})
			_, err := w.tryApply(t.Context(), engine.PlanOptions{})
			w.target.Fault(nil)
			if err == nil && met && len(w.log()) > 0 {
				t.Errorf("n=%d: all is said to be well", n)
			}
			w.apply()
			w.untouched("a")
			w.setting("/a/_settings", isDefault, isFinal)
			w.setting("/_index_template/t", isDefault, isFinal)
			w.settled()
		})
		if !met || t.Failed() {
			if n < 15 {
				t.Fatalf("only %d requests", n)
			}
			return
		}
	}
}
