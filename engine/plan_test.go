package engine_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenPlans plans each folder of testdata/plan on two fresh clusters, of
// which the source holds five documents in "src".
func TestGoldenPlans(t *testing.T) {
	dirs, err := filepath.Glob("testdata/plan/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no plans", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			w := newWorld(t)
			w.documents(w.source, "src", 5)
			main, err := os.ReadFile(filepath.Join(dir, "main.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			w.write("main.hcl", string(main))
			p := w.plan(engine.PlanOptions{})
			p.Lineage, p.Salt, p.ConfigHash = "LINEAGE", "SALT", "HASH"
			for _, s := range p.Steps {
				if s.Estimate != nil { // how the copy is made is the migration's to test
					s.Estimate = &providers.Estimate{Documents: s.Estimate.Documents}
				}
				s.After = nil // so are bodies
			}
			got, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "plan.json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("another plan (-want +got), go test ./engine -update writes it:\n%s", diff)
			}
		})
	}
}

func TestCycleNamesItsBlocks(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.target.Forget()
	w.write("main.hcl", strings.Replace(indexA, "name     =", "depends_on = [index_template.t]\nname     =", 1)+migrationA+`
index_template "t" {
  depends_on     = [migration.m]
  index_patterns = ["x*"]
}
`+pipeline)
	p := w.plan(engine.PlanOptions{})
	wantError(t, p, "cycle", "index.a (main.hcl line ", "needs index_template.t", "needs migration.m", "needs index.a")
	if strings.Contains(p.Diagnostics[0].Detail, "ingest_pipeline") {
		t.Error("a block is named that has no part in it")
	}
	if len(w.target.Requests()) > 0 {
		t.Error("the cluster was asked before the circle was found")
	}
	e, _ := w.load()
	if ds := e.Validate(); len(ds) != 1 || ds[0].Code != "cycle" {
		t.Errorf("validate: %v", ds)
	}
}

// The same files give the same order, whatever order they are written in.
func TestOrderIsStable(t *testing.T) {
	blocks := []string{pipeline, withheld, indexA, migrationA,
		strings.ReplaceAll(indexA, `"a"`, `"b"`), strings.ReplaceAll(pipeline, `"p"`, `"o"`),
		"component_template \"z\" {\n template = {}\n}\n", "component_template \"y\" {\n template = {}\n depends_on = [component_template.z]\n}\n"}
	var first string
	for i := range 8 {
		w := newWorld(t)
		w.documents(w.source, "src", 5)
		w.write("main.hcl", strings.Join(append(slices.Clone(blocks[i:]), blocks[:i]...), ""))
		p := w.plan(engine.PlanOptions{})
		if i == 0 {
			first = show(p)
			wantSteps(t, p, "create component_template.z", "create component_template.y", "create index_template.t", "create index.a", "create index.b",
				"migrate migration.m", "create ingest_pipeline.o", "create ingest_pipeline.p", "restore index_template.t")
		}
		if got := show(p); got != first {
			t.Errorf("another order:\n%s\n%s", got, first)
		}
		for _, s := range p.Steps {
			if !slices.IsSorted(s.Needs) {
				t.Errorf("%s: %v", s.Key(), s.Needs)
			}
		}
	}
}

func TestFilteredContentsAreNotCompared(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+strings.Replace(migrationA, `source { index = "src" }`, "source {\n index = \"src\"\n _source = [\"n\"]\n}", 1))
	w.apply()
	for _, e := range w.events {
		if v, ok := e.(engine.VerifyDone); ok && (!v.Same || !strings.Contains(strings.Join(v.Verification.Notes, " "), "contents")) {
			t.Errorf("%+v", v)
		}
	}
	w.settled()
}

func TestGraph(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", withheld+indexA+migrationA+pipeline+"alias \"now\" {\n index = index.a.name\n depends_on = [migration.m]\n}\n")
	e, _ := w.load()
	for format, want := range map[string][]string{
		"dot":     {"digraph", "subgraph cluster_templates", `label="index_template.t (pipelines restored)"`, `label="migration.m"`, "subgraph cluster_cutover"},
		"mermaid": {"flowchart", "subgraph data", `["migration.m"]`, " --> "},
	} {
		text, ds := e.Graph(format)
		for _, s := range want {
			if len(ds) > 0 || !strings.Contains(text, s) {
				t.Errorf("%s lacks %s: %v %s", format, s, ds, text)
			}
		}
	}
	if len(w.target.Requests())+len(w.source.Requests()) > 0 {
		t.Error("a cluster was asked")
	}
}

// The pipeline of dest.pipeline must be there when the copy begins: on the
// cluster, or made by a block before the data.
func TestPipelineOfTheCopy(t *testing.T) {
	for _, c := range []struct{ name, value, more, code string }{
		{"nowhere", `"nope"`, "", "pipeline_missing"},
		{"declared", "ingest_pipeline.p.name", pipeline, ""},
		{"declared for after the data", `"p"`, pipeline, "pipeline_missing"},
		{"declared for before the data", `"p"`, strings.Replace(pipeline, "{\n", "{\n when = \"before_data\"\n", 1), ""},
		{"there", `"there"`, "", ""},
	} {
		w := newWorld(t)
		w.documents(w.source, "src", 5)
		w.send(w.target, "PUT", "/_ingest/pipeline/there", `{"processors":[]}`)
		w.write("main.hcl", c.more+indexA+"migration \"m\" {\n source { index = \"src\" }\n dest {\n  index = index.a.name\n  pipeline = "+c.value+"\n }\n}\n")
		p := w.plan(engine.PlanOptions{})
		code := ""
		if p.Failed() {
			code = p.Diagnostics[0].Code
		}
		if code != c.code || code != "" && p.Diagnostics[0].Line == 0 {
			t.Errorf("%s: %s", c.name, show(p))
		}
	}
}
