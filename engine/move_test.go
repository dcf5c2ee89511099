package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// These tests are about blocks whose object is another one than before: the
// former object must neither be forgotten silently nor be taken for the new
// one, and a label is not the object.

func (w *world) missing(fake *providertest.Fake, path string) bool {
	code, _ := fake.Do("GET", path, nil)
	return code == 404
}

// object is what the state holds of an address.
func (w *world) object(addr string) *state.Object {
	w.t.Helper()
	a, err := providers.ParseAddr(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	_, store := w.load()
	return store.Get().Find(a)
}

func TestNameOfABlockIsChanged(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.apply()
	w.write("main.hcl", strings.Replace(pipeline, `= "p"`, `= "new"`, 1))
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "create ingest_pipeline.p", `delete ingest_pipeline.p["was p on target"]`)
	w.apply()
	if !w.missing(w.target, "/_ingest/pipeline/p") || w.missing(w.target, "/_ingest/pipeline/new") {
		t.Error("the old pipeline is still there, or the new one is not")
	}
	w.settled()
}

func TestClusterOfABlockIsChanged(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.apply()
	w.send(w.source, "PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"seen","value":true}}]}`)
	w.write("main.hcl", strings.Replace(pipeline, "name  ", "cluster = cluster.hosted\nname  ", 1))
	wantSteps(t, w.plan(engine.PlanOptions{}), "adopt ingest_pipeline.p", `delete ingest_pipeline.p["was p on target"]`)
	w.apply()
	if w.object("ingest_pipeline.p").Owned {
		t.Error("an object that was there is claimed")
	}
	if !w.missing(w.target, "/_ingest/pipeline/p") || w.missing(w.source, "/_ingest/pipeline/p") {
		t.Error("wrong pipelines are left")
	}
	w.settled()
}

func TestNameOfAnIndexWithDocumentsIsChanged(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", indexA)
	w.apply()
	w.documents(w.target, "a", 3)
	w.write("main.hcl", strings.Replace(indexA, `name     = "a"`, `name = "b"`, 1))
	p := w.plan(engine.PlanOptions{})
	if !p.Failed() || !strings.Contains(show(p), "3 documents") {
		t.Errorf("not refused: %s", show(p))
	}
	// The former object can be kept.
	w.write("main.hcl", strings.Replace(indexA, `name     = "a"`, `name = "b"`, 1)+"removed { from = index.a[\"was a on target\"] }\n")
	wantSteps(t, w.plan(engine.PlanOptions{}), "create index.a", `forget index.a["was a on target"]`)
	w.apply()
	if len(w.target.Docs("a")) != 3 {
		t.Error("documents are gone")
	}
	w.settled()
}

func TestNameIsChangedAndPreventDestroy(t *testing.T) {
	w := newWorld(t)
	safe := strings.Replace(pipeline, "name  ", "lifecycle { prevent_destroy = true }\nname  ", 1)
	w.write("main.hcl", safe)
	w.apply()
	w.write("main.hcl", strings.Replace(safe, `= "p"`, `= "new"`, 1))
	wantError(t, w.plan(engine.PlanOptions{}), "prevent_destroy", "p on target")
}

func TestNamesAreSwapped(t *testing.T) {
	w := newWorld(t)
	two := func(p, q string) string {
		return strings.Replace(pipeline, `= "p"`, `= "`+p+`"`, 1) + strings.Replace(strings.Replace(pipeline, `"p" {`, `"q" {`, 1), `= "p"`, `= "`+q+`"`, 1)
	}
	w.write("main.hcl", two("one", "two"))
	w.apply()
	w.write("main.hcl", two("two", "one"))
	w.settled() // both objects are there and equal: only the labels changed
	w.write("main.hcl", two("two", "three"))
	wantSteps(t, w.plan(engine.PlanOptions{}), "create ingest_pipeline.q", `delete ingest_pipeline.p["was one on target"]`)
	w.apply()
	w.settled()
}

// A block that is only called otherwise must not cost its object.
func TestLabelIsChangedWithoutMoved(t *testing.T) {
	w := newWorld(t)
	index := strings.Replace(indexA, "name     =", "deletion_protection = false\nname     =", 1)
	w.write("main.hcl", index+pipeline)
	w.apply()
	w.documents(w.target, "a", 3)
	w.write("main.hcl", strings.Replace(index, `index "a"`, `index "other"`, 1)+strings.Replace(pipeline, `"p" {`, `"q" {`, 1)+`
ingest_pipeline "more" { processors = [] }`)
	wantSteps(t, w.plan(engine.PlanOptions{}), "create ingest_pipeline.more")
	w.apply()
	if len(w.target.Docs("a")) != 3 || w.missing(w.target, "/_ingest/pipeline/p") {
		t.Error("an object was lost with its label")
	}
	if o := w.object("index.other"); o == nil || !o.Owned {
		t.Errorf("ownership is lost: %+v", o)
	}
	w.settled()
}

func TestClusterBlockIsCalledOtherwise(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 5)
	w.write("main.hcl", indexA+migrationA+pipeline)
	w.apply()
	text := strings.NewReplacer("cluster.target", "cluster.prod", `cluster "target"`, `cluster "prod"`, "cluster.hosted", "cluster.old", `cluster "hosted"`, `cluster "old"`).Replace(clusters)
	if err := state.WriteFile(w.fs, "main.hcl", []byte(text+indexA+migrationA+pipeline)); err != nil {
		t.Fatal(err)
	}
	w.settled()
	// A second label of the same cluster is no other cluster either.
	if err := state.WriteFile(w.fs, "main.hcl", []byte(text+`cluster "again" { endpoint = "http://target:9200" }`+
		indexA+migrationA+strings.Replace(pipeline, "name  ", "cluster = cluster.again\nname  ", 1))); err != nil {
		t.Fatal(err)
	}
	w.settled()
}

func TestClusterBlockIsGone(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", pipeline)
	w.apply()
	only := "cluster \"hosted\" { endpoint = \"http://source:9200\" }\n"
	if err := state.WriteFile(w.fs, "main.hcl", []byte(only)); err != nil {
		t.Fatal(err)
	}
	if p := w.plan(engine.PlanOptions{}); !p.Failed() || p.Diagnostics[0].Code != "cluster_gone" {
		t.Errorf("%s", show(p))
	}
	if err := state.WriteFile(w.fs, "main.hcl", []byte(only+"removed { from = ingest_pipeline.p }")); err != nil {
		t.Fatal(err)
	}
	wantSteps(t, w.plan(engine.PlanOptions{}), "forget ingest_pipeline.p")
	w.apply()
	w.settled()
}

// The process dies after the object was made and before that was recorded;
// then the block is deleted, or its object gets another name.
func TestObjectOfAnInterruptedApplyIsNotForgotten(t *testing.T) {
	for _, c := range []struct{ name, next, step string }{
		{"block deleted", "", "delete ingest_pipeline.p"},
		{"name changed", strings.Replace(pipeline, `= "p"`, `= "new"`, 1), `delete ingest_pipeline.p["was p on target"]`},
		{"label changed", strings.Replace(pipeline, `"p" {`, `"q" {`, 1), "adopt ingest_pipeline.q"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := int64(0); ; n++ {
				found := false
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.write("main.hcl", pipeline)
					l := &life{lost: true}
					l.left.Store(n)
					if w.mortalApply(l) == nil {
						t.Fatal("no point at which the pipeline is there and not recorded")
					}
					if o := w.object("ingest_pipeline.p"); w.missing(w.target, "/_ingest/pipeline/p") || o != nil && o.Observed != nil {
						return
					}
					found = true
					w.write("main.hcl", c.next)
					if p := w.plan(engine.PlanOptions{}); !strings.Contains(show(p), c.step) {
						t.Fatalf("n=%d: the object is forgotten: %s", n, show(p))
					}
					w.apply()
					w.settled()
					if gone := w.missing(w.target, "/_ingest/pipeline/p"); gone != strings.HasPrefix(c.step, "delete") {
						t.Errorf("gone: %v", gone)
					}
				})
				if found || t.Failed() {
					return
				}
			}
		})
	}
}
