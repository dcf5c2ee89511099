package engine_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// untouched fails when a document of an index went through the pipeline p.
func (w *world) untouched(index string) {
	w.t.Helper()
	for id, d := range w.target.Docs(index) {
		if strings.Contains(string(d.Source), "seen") {
			w.t.Errorf("%s/%s went through the pipeline: %s", index, id, d.Source)
		}
	}
}

// setting fails unless a path's answer holds all of these.
func (w *world) setting(path string, want ...string) {
	w.t.Helper()
	got := string(w.send(w.target, "GET", path, ""))
	for _, s := range want {
		if !strings.Contains(got, s) {
			w.t.Errorf("%s lacks %s: %s", path, s, got)
		}
	}
}

const (
	isDefault = `"default_pipeline":"p"`
	isFinal   = `"final_pipeline":"p"`
)

func second(index string) string {
	return `
migration "second" {
  source { index = "` + index + `" }
  dest   { index = index.a.name }
}
`
}

// A living destination has the final pipeline of its template itself.
func TestFinalPipelineOfALivingDestination(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.source.Put("more", "m1", `{"n":1}`, "")
	w.write("main.hcl", withheld+indexA+migrationA+pipeline)
	w.apply()
	w.setting("/a/_settings", isDefault, isFinal)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+second("more"))
	if p := w.plan(engine.PlanOptions{}); len(p.Diagnostics) != 2 || p.Diagnostics[0].Code != "writers_miss_pipeline" {
		t.Errorf("live writers are not warned of: %s", show(p))
	}
	w.apply()
	w.untouched("a")
	if n := len(w.target.Docs("a")); n != 6 {
		t.Errorf("%d documents", n)
	}
	w.setting("/a/_settings", isDefault, isFinal)
	w.setting("/_index_template/t", isDefault, isFinal)
	w.settled()
}

// An index that is adopted has it, too.
func TestFinalPipelineOfAnAdoptedIndex(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	index := strings.Replace(indexA, "mappings", "settings = { final_pipeline = ingest_pipeline.p.name }\n mappings", 1)
	w.write("main.hcl", pipeline)
	w.apply()
	w.send(w.target, "PUT", "/a", `{"settings":{"final_pipeline":"p"},"mappings":{"properties":{"n":{"type":"long"},"word":{"type":"keyword"},"seen":{"type":"boolean"}}}}`)
	w.write("main.hcl", index+migrationA+pipeline)
	w.apply()
	w.untouched("a")
	w.setting("/a/_settings", isFinal)
	if w.object("index.a").Owned {
		t.Error("an object that was there is claimed")
	}
	w.settled()
}

// An index that is made while its template lacks a setting gets it in the end,
// also when nothing is copied into it.
func TestIndexMadeUnderAWithheldTemplate(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+strings.ReplaceAll(indexA, `"a"`, `"a2"`))
	w.apply()
	w.setting("/a2/_settings", isDefault, isFinal)
	w.settled()
}

// An index that lived before its template is none of the template's business.
func TestIndexOlderThanItsTemplate(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.documents(w.source, "more", 1)
	w.write("main.hcl", indexA+migrationA)
	w.apply()
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+strings.Replace(second("more"), "dest   {", "dest {\n existing = \"overwrite\"\n", 1))
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+second("src"))
	w.apply()
	w.untouched("a")
	if got := string(w.send(w.target, "GET", "/a/_settings", "")); strings.Contains(got, "pipeline") {
		t.Errorf("a template changed a living index: %s", got)
	}
	w.settled()
}

// Of two templates that fit, only the one with the higher priority counts.
func TestTemplateThatLoses(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+`
index_template "better" {
  index_patterns = ["a"]
  priority       = 500
  template       = { settings = { number_of_shards = 1 } }
}
`)
	w.apply()
	if got := string(w.send(w.target, "GET", "/a/_settings", "")); strings.Contains(got, "pipeline") {
		t.Errorf("the index got the pipeline of a template that does not count: %s", got)
	}
	w.settled()
}

// Each of three places has a say: the last word is that of the nearest.
func TestPipelinesOfSeveralPlaces(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	for _, when := range []string{"after_data", "before_data"} {
		w := newWorld(t)
		w.documents(w.source, "src", 5)
		w.write("main.hcl", `
component_template "c" {
  template = { settings = { default_pipeline = ingest_pipeline.c.name, final_pipeline = ingest_pipeline.c.name } }
}
index_template "t" {
  index_patterns = ["a*"]
  composed_of    = [component_template.c.name]
  template       = { settings = { default_pipeline = ingest_pipeline.t.name } }
}
ingest_pipeline "c" { processors = [{ set = { field = "seen", value = true } }] }
ingest_pipeline "t" { processors = [{ set = { field = "seen", value = true } }] }
ingest_pipeline "p" {
  when       = "`+when+`"
  processors = [{ set = { field = "seen", value = true } }]
}
`+strings.Replace(indexA, "mappings", "settings = { default_pipeline = ingest_pipeline.p.name }\n mappings", 1)+migrationA+strings.ReplaceAll(indexA, `"a"`, `"a2"`))
		w.apply()
		w.untouched("a")
		w.setting("/a/_settings", isDefault, `"final_pipeline":"c"`)
		w.setting("/a2/_settings", `"default_pipeline":"t"`, `"final_pipeline":"c"`)
		w.setting("/_component_template/c", `"default_pipeline":"c"`)
		w.settled()
	}
}

func TestDestinationIsAnAlias(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", strings.Replace(indexA, "mappings", "settings = { final_pipeline = ingest_pipeline.p.name }\n mappings", 1)+pipeline+`
alias "current" { index = index.a.name }
migration "m" {
  source { index = "src" }
  dest   { index = alias.current.name }
}`)
	w.apply()
	w.untouched("a")
	w.setting("/a/_settings", isFinal)
	w.settled()
}

func TestDataStream(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.source.Put("src", string(rune('a'+i)), `{"@timestamp":"2026-01-01T00:00:00Z","n":1}`, "")
	}
	w.write("main.hcl", `
index_template "logs" {
  index_patterns = ["logs-*"]
  data_stream    = {}
  template = {
    settings = { default_pipeline = ingest_pipeline.p.name, final_pipeline = ingest_pipeline.p.name }
    mappings = { properties = { n = { type = "long" } } }
  }
}
data_stream "logs-a-b" { depends_on = [index_template.logs] }
migration "m" {
  source { index = "src" }
  dest   { index = data_stream.logs-a-b.name }
}
`+pipeline)
	w.apply()
	w.untouched("logs-a-b")
	w.setting("/logs-a-b/_settings", isDefault, isFinal)
	w.settled()
	// Nothing takes the final pipeline off a living data stream, so the plan
	// says that it will run over what is copied.
	w.source.Put("more", "z", `{"@timestamp":"2026-01-01T00:00:00Z","n":1}`, "")
	main, err := w.fs.ReadFile("main.hcl")
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.TrimPrefix(string(main), clusters)+strings.Replace(second("more"), "index.a.name", "data_stream.logs-a-b.name", 1))
	if p := w.plan(engine.PlanOptions{}); !strings.Contains(show(p), "A final pipeline changes the copy") {
		t.Errorf("silent: %s", show(p))
	}
}

// interruptedCopy leaves a template without its pipelines and a migration half
// done.
func interruptedCopy(t *testing.T, files string) *world {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", files)
	var applying atomic.Bool
	w.sink = func(e engine.Event) {
		if _, ok := e.(engine.ApplyStarted); ok {
			applying.Store(true)
		}
	}
	w.source.Fault(func(r *http.Request) providertest.Fault {
		if strings.Contains(r.URL.Path, "src") && applying.Load() {
			return providertest.Fault{Status: 400, Type: "illegal_argument_exception", Reason: "no such thing"}
		}
		return providertest.Fault{}
	})
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{}); err == nil {
		t.Fatal("the copy did not fail")
	}
	w.source.Fault(nil)
	w.sink = nil
	return w
}

// -target must not put a pipeline back before the data is in.
func TestTargetDoesNotRestoreTooEarly(t *testing.T) {
	files := withheld + indexA + migrationA + pipeline
	w := interruptedCopy(t, files)
	for _, a := range []string{"index_template.t", "ingest_pipeline.p", "index.a"} {
		addr, _ := providers.ParseAddr(a)
		if _, err := w.tryApply(t.Context(), engine.PlanOptions{Targets: []providers.Addr{addr}}); err != nil {
			t.Fatal(a, err, w.log())
		}
		if got := string(w.send(w.target, "GET", "/_index_template/t", "")); strings.Contains(got, "final_pipeline") {
			t.Fatalf("%s: restored before the data is in: %s", a, got)
		}
	}
	w.apply()
	w.untouched("a")
	w.setting("/a/_settings", isDefault, isFinal)
	w.settled()
}

// The migration is taken out while its template waits for it.
func TestMigrationIsTakenOutHalfDone(t *testing.T) {
	w := interruptedCopy(t, withheld+indexA+migrationA+pipeline)
	w.write("main.hcl", withheld+indexA+pipeline)
	w.apply()
	w.setting("/a/_settings", isDefault, isFinal)
	w.setting("/_index_template/t", isDefault, isFinal)
	w.settled()
}

// So is its destination: it is deleted as the plan shows it, and nothing is put
// back on it before.
func TestDestinationIsTakenOutHalfDone(t *testing.T) {
	w := interruptedCopy(t, withheld+indexA+migrationA+pipeline)
	w.write("main.hcl", withheld+pipeline)
	w.apply()
	if !w.missing(w.target, "/a") {
		t.Error("the index is still there")
	}
	w.setting("/_index_template/t", isDefault, isFinal)
	w.settled()
}

func TestSettingIsTakenOutWhileWithheld(t *testing.T) {
	w := interruptedCopy(t, withheld+indexA+migrationA+pipeline)
	w.write("main.hcl", strings.Replace(withheld, ", final_pipeline = ingest_pipeline.p.name", "", 1)+indexA+migrationA+pipeline)
	w.apply()
	w.untouched("a")
	w.setting("/a/_settings", isDefault)
	if got := string(w.send(w.target, "GET", "/a/_settings", "")); strings.Contains(got, "final") {
		t.Error(got)
	}
	w.settled()
}

// Once the data is in, the reference in default_pipeline must not close a
// circle that the first plan did not have.
func TestPipelineSettingNeverClosesACircle(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	after := strings.Replace(pipeline, "name  ", "depends_on = [migration.m]\nname  ", 1)
	index := strings.Replace(indexA, "name     =", "depends_on = [index_template.t]\nname     =", 1)
	w.write("main.hcl", withheld+index+migrationA+after)
	w.apply()
	w.settled()
	w.write("main.hcl", strings.Replace(withheld, "name           =", "priority = 7\n name =", 1)+index+migrationA+after)
	wantSteps(t, w.plan(engine.PlanOptions{}), "update index_template.t")
}

// The same names on two clusters: one cluster's pipelines are none of the
// other's business.
func TestSameNamesOnTwoTargets(t *testing.T) {
	w := newWorld(t)
	other := providertest.NewFake(providertest.Options{Name: "other", Network: w.net, Whitelist: []string{"source:9200"}})
	w.net.Join("other:9200", other)
	w.documents(w.source, "src", 5)
	there := strings.NewReplacer(`"t" {`, `"t2" {`+"\ncluster = cluster.other", `"a" {`, `"a2" {`+"\ncluster = cluster.other", `"m" {`, `"m2" {`,
		`"p" {`, `"p2" {`+"\ncluster = cluster.other", "ingest_pipeline.p.", "ingest_pipeline.p2.", "dest   {", "dest {\ncluster = cluster.other\n", "index.a.name }", "index.a2.name\n}")
	files := withheld + indexA + migrationA + pipeline
	w.write("main.hcl", `cluster "other" { endpoint = "http://other:9200" }`+"\n"+files+there.Replace(files))
	p := w.plan(engine.PlanOptions{})
	for _, s := range p.Steps {
		for _, n := range s.Needs {
			if strings.Contains(s.Key(), "2") != strings.Contains(n, "2") {
				t.Errorf("%s waits for %s on the other cluster", s.Key(), n)
			}
		}
	}
	// A failure on one cluster does not keep the other from finishing.
	other.Fault(func(r *http.Request) providertest.Fault {
		if r.Method == "PUT" && strings.HasPrefix(r.URL.Path, "/_index_template") {
			return providertest.Fault{Status: 400, Type: "illegal_argument_exception", Reason: "no"}
		}
		return providertest.Fault{}
	})
	if _, err := w.tryApply(t.Context(), engine.PlanOptions{}); err == nil {
		t.Fatal("no failure")
	}
	w.setting("/a/_settings", isDefault, isFinal)
	if len(other.Docs("a")) > 0 || slices.Contains(other.Indices(), "a") {
		t.Error("the other cluster went on without its template")
	}
	other.Fault(nil)
	w.apply()
	w.settled()
}

// An alias that waits for a migration waits: it does not pull the data to the
// front, where the index would not be there yet.
func TestAliasThatWaitsForTheData(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", withheld+indexA+strings.Replace(migrationA, "index.a.name", `"a"`, 1)+pipeline+`
alias "current" {
  index      = "a"
  depends_on = [migration.m]
}
alias "too" {
  index      = "a"
  depends_on = [alias.current]
}
`)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "create index_template.t", "create index.a", "migrate migration.m", "create ingest_pipeline.p", "restore index_template.t", "create alias.current", "create alias.too")
	if s := step(t, p, "alias.current"); s.Stage != providers.StageCutover {
		t.Errorf("stage %s", s.Stage)
	}
	w.apply()
	w.settled()
}

// A final pipeline that a migration has restored is withheld again while what
// it left behind is sent again: its own, and one that the index has of a
// template, which the command's -target does not name.
func TestFinalPipelineWhileRefusedDocumentsAreSentAgain(t *testing.T) {
	final := "settings = { final_pipeline = ingest_pipeline.p.name }"
	files := map[string]string{
		"of the index": strings.Replace(indexA, "mappings", final+"\n mappings", 1),
		"of a template": indexA + `
index_template "t" {
  index_patterns = ["a*"]
  template       = { ` + final + ` }
}
`,
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.source.Put("src", "1", `{"n":"1"}`, "")
			w.source.Put("src", "2", `{"n":"many"}`, "")
			text += strings.Replace(migrationA, "source {", "max_refused = 1\n verify = \"count\"\n source {", 1) + pipeline
			w.write("main.hcl", text)
			w.apply()
			w.setting("/a/_settings", isFinal)
			w.write("main.hcl", strings.Replace(text, `n = { type = "long" }`, `n = { type = "long", ignore_malformed = true }`, 1))
			m := []providers.Addr{{Kind: "migration", Name: "m"}}
			if _, err := w.tryApply(t.Context(), engine.PlanOptions{Targets: m, Retry: m}); err != nil {
				t.Fatalf("%v\n%s", err, w.log())
			}
			if n := len(w.target.Docs("a")); n != 2 {
				t.Errorf("%d documents", n)
			}
			w.untouched("a")
			w.setting("/a/_settings", isFinal)
			w.settled()
		})
	}
}
