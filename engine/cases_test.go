package engine_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// These tests are the table "What happens when" of the design, a row each.

const pipeline = `
ingest_pipeline "p" {
  name       = "p"
  processors = [{ set = { field = "seen", value = true } }]
}
`

const indexA = `
index "a" {
  name     = "a"
  mappings = { properties = { n = { type = "long" }, word = { type = "keyword" }, seen = { type = "boolean" } } }
}
`

const migrationA = `
migration "m" {
  source { index = "src" }
  dest   { index = index.a.name }
}
`

func TestThereAlreadyAndEqualIsAdopted(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"seen","value":true}}]}`)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "adopt ingest_pipeline.p")
	w.apply()
	w.settled()
	w.write("main.hcl", "") // adopted objects are never destroyed
	wantSteps(t, w.plan(engine.PlanOptions{}), "forget ingest_pipeline.p")
	wantSteps(t, w.plan(engine.PlanOptions{Destroy: true}), "forget ingest_pipeline.p")
	w.apply()
	w.send(w.target, "GET", "/_ingest/pipeline/p", "")
}

func TestThereAlreadyAndDifferentIsShownAndChanged(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"other","value":1}}]}`)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update ingest_pipeline.p")
	s := step(t, p, "ingest_pipeline.p")
	if s.Reason != "is there already, will be changed" || !strings.Contains(string(s.Before), "other") || !strings.Contains(string(s.After), "seen") {
		t.Errorf("%+v %s %s", s, s.Before, s.After)
	}
	w.apply()
	w.settled()
	if got := string(w.send(w.target, "GET", "/_ingest/pipeline/p", "")); !strings.Contains(got, "seen") {
		t.Error(got)
	}
}

func TestDestinationWithDocumentsOfOthers(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA)
	w.apply()
	w.documents(w.target, "a", 3)
	w.write("main.hcl", indexA+migrationA)
	wantError(t, w.plan(engine.PlanOptions{}), "dest_not_empty", "3 documents")
	for _, existing := range []string{"keep", "overwrite"} {
		w.write("main.hcl", indexA+strings.Replace(migrationA, "{ index = index.a.name }", "{\n index = index.a.name\n existing = \""+existing+"\"\n}", 1))
		if p := w.plan(engine.PlanOptions{}); p.Failed() {
			t.Errorf("%s: %s", existing, show(p))
		}
	}
}

func TestDestinationThatNobodyDeclares(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", `
migration "m" {
  source { index = "src" }
  dest   { index = "nowhere" }
}`)
	wantError(t, w.plan(engine.PlanOptions{}), "dest_undeclared", `index "nowhere"`, "mappings")
}

func TestChangeThatNeedsANewIndex(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.write("main.hcl", strings.Replace(indexA, `"long"`, `"keyword"`, 1))
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "replace index.a")
	w.documents(w.target, "a", 2)
	p = w.plan(engine.PlanOptions{})
	wantError(t, p, "needs_new_index", "2 documents", `migration "a_v2"`, `alias "a_current"`)
	w.target.Forget()
	w.send(w.target, "DELETE", "/a/_doc/d000", "")
	w.send(w.target, "DELETE", "/a/_doc/d001", "")
	if sum := w.apply(); sum.Replaced != 1 {
		t.Errorf("%+v", sum)
	}
	w.settled()
}

func TestDeletedBlockWithDocuments(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.documents(w.target, "a", 4)
	w.write("main.hcl", "")
	e, _ := w.load()
	p, err := e.Plan(t.Context(), engine.PlanOptions{})
	if err != nil || !p.Failed() || p.Diagnostics[0].Code != "protected" || !strings.Contains(p.Diagnostics[0].Detail, "4 documents") {
		t.Fatalf("%v %s", err, show(p))
	}
	w.write("main.hcl", strings.Replace(indexA, "name     =", "deletion_protection = false\nname     =", 1))
	wantSteps(t, w.plan(engine.PlanOptions{}), "update index.a")
	w.apply()
	w.settled()
	w.write("main.hcl", "")
	wantSteps(t, w.plan(engine.PlanOptions{}), "delete index.a")
	w.apply()
	if docs := w.target.Docs("a"); len(docs) != 0 {
		t.Error("documents are still there")
	}
	w.settled()
}

func TestDeletedBlockOtherwise(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA+pipeline)
	w.apply()
	w.write("main.hcl", indexA)
	wantSteps(t, w.plan(engine.PlanOptions{}), "delete ingest_pipeline.p", "forget migration.m")
	w.write("main.hcl", indexA+"removed { from = ingest_pipeline.p }\nremoved { from = migration.m }\n")
	wantSteps(t, w.plan(engine.PlanOptions{}), "forget ingest_pipeline.p", "forget migration.m")
	w.write("main.hcl", indexA+migrationA+strings.Replace(pipeline, `"p" {`, `"q" {`, 1)+"moved {\n from = ingest_pipeline.p\n to = ingest_pipeline.q\n}\n")
	w.settled()
	w.apply()
	w.write("main.hcl", indexA+migrationA+strings.Replace(pipeline, `"p" {`, `"q" {`, 1))
	w.settled()
}

func TestFinishedMigrationIsChanged(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	for _, c := range []struct{ name, change, action, why string }{
		{"what it copies", `index = "src"` + "\n query = { range = { n = { gte = 2 } } }", "migrate migration.m", "again, because query changed"},
		{"how it copies", `index = "src"` + "\n size = 100", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			w.write("main.hcl", indexA+strings.Replace(migrationA, `{ index = "src" }`, "{\n"+c.change+"\n}", 1))
			p := w.plan(engine.PlanOptions{})
			if c.action == "" {
				wantSteps(t, p)
				return
			}
			wantSteps(t, p, c.action)
			if s := p.Steps[0]; s.Reason != c.why || len(s.Notes) == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	w.t = t
	w.write("main.hcl", indexA+strings.Replace(migrationA, "source", "verify = \"count\"\n source", 1))
	wantSteps(t, w.plan(engine.PlanOptions{}), "verify migration.m")
}

func TestHalfDoneMigrationIsChanged(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	_, store := w.load()
	if err := store.Update(func(st *state.State) error {
		st.Find(providers.Addr{Kind: "migration", Name: "m"}).Phase = state.PhaseRunning
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", indexA+strings.Replace(migrationA, `{ index = "src" }`, "{\n index = \"src\"\n query = { match_all = {} }\n}", 1))
	wantError(t, w.plan(engine.PlanOptions{}), "changed_while_running", "query", "-restart")
	addr := providers.Addr{Kind: "migration", Name: "m"}
	p := w.plan(engine.PlanOptions{Restart: []providers.Addr{addr}})
	wantSteps(t, p, "migrate migration.m")
}

func TestNewerDocumentsOnTheSource(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	w.source.Put("src", "late", `{"n":9}`, "")
	p := w.plan(engine.PlanOptions{})
	if !p.Empty() || p.Failed() || len(p.Information) != 1 || !strings.Contains(p.Information[0].Text, "1 document newer on the source") {
		t.Errorf("%s %v", show(p), p.Information)
	}
}

func TestDocumentsWereDeletedOnTheDestination(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	w.send(w.target, "DELETE", "/a/_doc/d000?refresh=true", "")
	w.send(w.target, "DELETE", "/a/_doc/d001?refresh=true", "")
	p := w.plan(engine.PlanOptions{})
	if !p.Empty() || len(p.Information) != 1 || !strings.Contains(p.Information[0].Text, "2 documents that were copied are no longer on target") {
		t.Errorf("%s %v", show(p), p.Information)
	}
}

func TestSeveralMigrationsIntoOneDestination(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	for i := range 4 {
		w.source.Put("more", string(rune('x'+i))+"1", `{"n":1}`, "")
	}
	w.write("main.hcl", indexA+migrationA+`
migration "more" {
  source { index = "more" }
  dest   { index = index.a.name }
}`)
	if sum := w.apply(); sum.Migrated != 2 || sum.Verified != 2 {
		t.Errorf("%+v", sum)
	}
	if n := len(w.target.Docs("a")); n != 9 {
		t.Errorf("%d documents", n)
	}
	w.settled()
}

func TestAnotherClusterAnswers(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.apply()
	other := providertest.NewFake(providertest.Options{Name: "other", UUID: "another-one", Network: w.net})
	w.net.Join("target:9200", other)
	p := w.plan(engine.PlanOptions{})
	wantError(t, p, "other_cluster", "another-one")
	w.net.Join("moved:9200", w.target) // a new address of the same cluster is fine
	w.write("main.hcl", "")
	if err := state.WriteFile(w.fs, "main.hcl", []byte(strings.Replace(clusters, "target:9200", "moved:9200", 1)+pipeline)); err != nil {
		t.Fatal(err)
	}
	w.settled()
}

func TestSourceAndTargetAreTheSameCluster(t *testing.T) {
	w := newWorld(t)
	w.documents(w.target, "src", 5)
	same := strings.Replace(migrationA, "source { ", "source {\n cluster = cluster.target\n ", 1)
	same = strings.Replace(same, "index = \"src\" }", "index = \"src\"\n }", 1)
	w.write("main.hcl", indexA+same)
	w.apply()
	if n := len(w.target.Docs("a")); n != 5 {
		t.Errorf("%d documents", n)
	}
	w = newWorld(t)
	w.documents(w.target, "src", 5)
	w.write("main.hcl", strings.Replace(same, "index.a.name", `"src"`, 1))
	wantError(t, w.plan(engine.PlanOptions{}), "same_index", "src")
}

func TestTarget(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA+pipeline)
	p := w.plan(engine.PlanOptions{Targets: []providers.Addr{{Kind: "migration", Name: "m"}}})
	wantSteps(t, p, "create index.a", "migrate migration.m")
	if !p.Partial || p.Diagnostics[0].Severity != providers.SeverityWarning {
		t.Errorf("no warning: %s", show(p))
	}
}

func TestStepFails(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.documents(w.source, "src2", 5)
	w.write("main.hcl", indexA+strings.ReplaceAll(indexA, `"a"`, `"b"`)+migrationA+`
migration "other" {
  source { index = "src2" }
  dest   { index = index.b.name }
}
`+pipeline)
	applying := false // not while planning asks the destination to read nothing
	w.sink = func(e engine.Event) {
		if _, ok := e.(engine.ApplyStarted); ok {
			applying = true
		}
	}
	w.source.Fault(func(r *http.Request) providertest.Fault {
		if strings.Contains(r.URL.Path, "src2") && r.URL.Query().Has("scroll") && applying {
			return providertest.Fault{Status: 400, Type: "illegal_argument_exception", Reason: "no such thing"}
		}
		return providertest.Fault{}
	})
	sum, err := w.tryApply(t.Context(), engine.PlanOptions{})
	if !errors.Is(err, engine.ErrIncomplete) || sum.Failed != 1 || sum.Skipped != 1 || sum.Migrated != 1 || sum.Created != 2 {
		t.Fatalf("%v %+v\n%s", err, sum, w.log())
	}
	w.source.Fault(nil)
	if sum := w.apply(); sum.Migrated != 1 || sum.Created != 1 {
		t.Errorf("the next apply does not go on: %+v", sum)
	}
	w.settled()
}

func TestDriftIsShownAndPutBack(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.apply()
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"seen","value":false}}]}`)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update ingest_pipeline.p")
	if len(p.Drift) != 1 || !strings.Contains(string(p.Drift[0].After), "false") {
		t.Errorf("%+v", p.Drift)
	}
	w.apply()
	w.settled()
	w.write("main.hcl", strings.Replace(pipeline, "name       =", "lifecycle { ignore_changes = [processors] }\n name =", 1))
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"seen","value":"kept"}}]}`)
	w.settled()
	w.write("main.hcl", strings.Replace(pipeline, "name       =", "lifecycle { ignore_changes = [processors] }\n description = \"new\"\n name =", 1))
	w.apply()
	if got := string(w.send(w.target, "GET", "/_ingest/pipeline/p", "")); !strings.Contains(got, "kept") || !strings.Contains(got, "new") {
		t.Errorf("ignored changes were overwritten: %s", got)
	}
}

func TestDeletedByHand(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA+pipeline)
	w.apply()
	w.send(w.target, "DELETE", "/a", "")
	w.send(w.target, "DELETE", "/_ingest/pipeline/p", "")
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "create index.a", "migrate migration.m", "create ingest_pipeline.p")
	if !step(t, p, "index.a").Alarm || !step(t, p, "migration.m").Alarm {
		t.Error("not in red")
	}
	w.apply()
	if n := len(w.target.Docs("a")); n != 5 {
		t.Errorf("%d documents", n)
	}
	w.settled()
}

func TestUndeclaredLeafChangedByHand(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.send(w.target, "PUT", "/a/_settings", `{"index":{"refresh_interval":"42s","number_of_replicas":3}}`)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update index.a")
	w.apply()
	got := string(w.send(w.target, "GET", "/a/_settings", ""))
	if strings.Contains(got, "42s") || !strings.Contains(got, `"number_of_replicas":"1"`) {
		t.Errorf("not put back: %s", got)
	}
	w.settled()
}

func TestIndexLivesOn(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.target.Put("a", "x", `{"n":1,"brand_new":"field"}`, "")
	w.send(w.target, "POST", "/_aliases", `{"actions":[{"add":{"index":"a","alias":"other"}}]}`)
	p := w.plan(engine.PlanOptions{})
	if !p.Empty() || len(p.Drift) > 0 || len(p.Information) == 0 || !strings.Contains(p.Information[0].Text, "added by documents") {
		t.Errorf("%s %v", show(p), p.Information)
	}
}

func TestMadeByHandAfterThePlan(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	e, _ := w.load()
	p, err := e.Plan(t.Context(), engine.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[]}`)
	sum, err := e.Apply(t.Context(), p)
	if !errors.Is(err, engine.ErrIncomplete) || sum.Failed != 1 || !strings.Contains(w.log(), "is there since") {
		t.Errorf("%v %+v %s", err, sum, w.log())
	}
	if got := string(w.send(w.target, "GET", "/_ingest/pipeline/p", "")); !strings.Contains(got, `"processors":[]`) {
		t.Errorf("overwritten: %s", got)
	}
}

const withheld = `
index_template "t" {
  name           = "t"
  index_patterns = ["a*"]
  template = {
    settings = { index = { default_pipeline = ingest_pipeline.p.name, final_pipeline = ingest_pipeline.p.name } }
    mappings = { properties = { n = { type = "long" } } }
  }
}
`

func TestPipelinesWaitForTheData(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "create index_template.t", "create index.a", "migrate migration.m", "create ingest_pipeline.p", "restore index_template.t")
	if s := step(t, p, "index_template.t"); len(s.Withheld) != 2 {
		t.Errorf("withheld: %+v", s.Withheld)
	}
	w.apply()
	for id, d := range w.target.Docs("a") {
		if strings.Contains(string(d.Source), "seen") {
			t.Errorf("%s went through the pipeline: %s", id, d.Source)
		}
	}
	for _, path := range []string{"/_index_template/t", "/a/_settings"} {
		got := string(w.send(w.target, "GET", path, ""))
		if !strings.Contains(got, `"default_pipeline":"p"`) || !strings.Contains(got, `"final_pipeline":"p"`) {
			t.Errorf("%s: not restored: %s", path, got)
		}
	}
	w.settled()
	// Nothing is copied any more, so nothing is withheld.
	w.write("main.hcl", strings.Replace(withheld, "name           =", "priority = 7\n name =", 1)+indexA+migrationA+pipeline)
	p = w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update index_template.t")
	w.apply()
	w.settled()
}

func TestPipelineBeforeData(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	before := strings.Replace(pipeline, "name       =", "when = \"before_data\"\n name =", 1)
	index := strings.Replace(indexA, "mappings", "settings = { default_pipeline = ingest_pipeline.p.name }\n mappings", 1)
	w.write("main.hcl", index+migrationA+before)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "create ingest_pipeline.p", "create index.a", "migrate migration.m")
	w.apply()
	for id, d := range w.target.Docs("a") {
		if strings.Contains(string(d.Source), "seen") {
			t.Errorf("%s went through the pipeline: %s", id, d.Source)
		}
	}
	w.settled()
}

func TestPipelineThatAMigrationNames(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+strings.Replace(migrationA, "{ index = index.a.name }", "{\n index = index.a.name\n pipeline = ingest_pipeline.p.name\n}", 1)+pipeline)
	p := w.plan(engine.PlanOptions{})
	if i, j := stepIndex(p, "ingest_pipeline.p"), stepIndex(p, "migration.m"); i > j {
		t.Errorf("the pipeline comes after: %s", show(p))
	}
	w.apply()
	for id, d := range w.target.Docs("a") {
		if !strings.Contains(string(d.Source), "seen") {
			t.Errorf("%s did not go through the pipeline: %s", id, d.Source)
		}
	}
	w.settled()
}

func stepIndex(p *engine.Plan, key string) int {
	for i, s := range p.Steps {
		if s.Key() == key {
			return i
		}
	}
	return -1
}

func TestPlanningChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline)
	w.source.Forget()
	w.target.Forget()
	w.plan(engine.PlanOptions{})
	if ws := append(w.source.Writes(), w.target.Writes()...); len(ws) > 0 {
		t.Errorf("planning wrote: %v", ws)
	}
	if _, err := w.fs.ReadFile("esmig.state.json"); err == nil {
		t.Error("planning wrote a state")
	}
}

func TestDestroy(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+strings.Replace(indexA, "name     =", "deletion_protection = false\nname     =", 1)+migrationA+pipeline)
	w.apply()
	p := w.plan(engine.PlanOptions{Destroy: true})
	wantSteps(t, p, "forget migration.m", "delete index.a", "delete index_template.t", "delete ingest_pipeline.p")
	w.source.Forget()
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{Destroy: true}); err != nil {
		t.Fatal(err)
	}
	if ws := w.source.Writes(); len(ws) > 0 {
		t.Errorf("the source was written to: %v", ws)
	}
	_, store := w.load()
	if st := store.Get(); len(st.Objects) != 0 {
		t.Errorf("%+v", st.Objects)
	}
	w.write("main.hcl", strings.Replace(pipeline, "name       =", "lifecycle { prevent_destroy = true }\n name =", 1))
	w.apply()
	wantError(t, w.plan(engine.PlanOptions{Destroy: true}), "prevent_destroy")
}

func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t)
	const secret = "hunter2-very-secret"
	w.vars = []string{"token=" + secret}
	w.write("main.hcl", `
variable "token" {
  type      = string
  sensitive = true
}
ingest_pipeline "p" {
  processors = [{ set = { field = "token", value = var.token } }]
}`)
	p := w.plan(engine.PlanOptions{})
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	w.apply()
	st, err := w.fs.ReadFile("esmig.state.json")
	if err != nil {
		t.Fatal(err)
	}
	ev, err := json.Marshal(w.events)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"plan": b, "state": st, "events": ev} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the %s holds the secret: %s", what, text)
		}
	}
	if got := string(w.send(w.target, "GET", "/_ingest/pipeline/p", "")); !strings.Contains(got, secret) {
		t.Errorf("the cluster did not get it: %s", got)
	}
	w.settled()
	w.vars = []string{"token=another-secret-value"}
	wantSteps(t, w.plan(engine.PlanOptions{}), "update ingest_pipeline.p")
}
