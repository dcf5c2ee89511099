package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/esmig/esmig/engine"
)

// model is a configuration of a few kinds. All fields but those of names are
// small numbers; 0 is "not there" for blocks.
type model struct {
	Pipeline, Template, Component, Index, Alias, Migration int
	Default, Final, Own, Before, Unprotected, Label        int
	PipelineName, IndexName                                int
}

func (m model) hcl() string {
	var b strings.Builder
	label := []string{"p", "q"}[m.Label]
	setting := func(name string, on int) string {
		switch {
		case on == 0:
			return ""
		case m.Pipeline == 0:
			return name + " = \"_none\"\n"
		}
		return name + " = ingest_pipeline." + label + ".name\n"
	}
	if m.Pipeline > 0 {
		when := []string{"after_data", "before_data"}[m.Before]
		fmt.Fprintf(&b, "ingest_pipeline %q {\n name = \"p%d\"\n when = %q\n processors = [{ set = { field = \"seen\", value = %d } }]\n}\n", label, m.PipelineName, when, m.Pipeline)
	}
	if m.Component > 0 {
		fmt.Fprintf(&b, "component_template \"c\" {\n version = %d\n template = { settings = {\n%s } }\n}\n", m.Component, setting("final_pipeline", m.Final))
	}
	if m.Template > 0 {
		composed := ""
		if m.Component > 0 {
			composed = "composed_of = [component_template.c.name]\n"
		}
		fmt.Fprintf(&b, "index_template \"t\" {\n priority = %d\n index_patterns = [\"a*\"]\n%s template = { settings = {\n%s } }\n}\n", m.Template, composed, setting("default_pipeline", m.Default))
	}
	if m.Index > 0 {
		depends := ""
		if m.Template > 0 {
			depends = "depends_on = [index_template.t]\n"
		}
		fmt.Fprintf(&b, "index \"a\" {\n name = \"a%d\"\n deletion_protection = %v\n%s settings = {\n number_of_replicas = %d\n%s}\n mappings = { properties = { n = { type = \"long\" }, word = { type = \"keyword\" } } }\n}\n",
			m.IndexName, m.Unprotected == 0, depends, m.Index, setting("final_pipeline", m.Own))
		if m.Alias > 0 {
			wait := ""
			if m.Migration > 0 {
				wait = "depends_on = [migration.m]\n"
			}
			fmt.Fprintf(&b, "alias \"now\" {\n index = index.a.name\n%s is_hidden = %v\n}\n", wait, m.Alias > 1)
		}
		if m.Migration > 0 {
			fmt.Fprintf(&b, "migration \"m\" {\n source {\n index = \"src\"\n query = { range = { n = { gte = %d } } }\n}\n dest { index = index.a.name }\n verify = \"sample\" # a narrower query leaves what no longer matches\n}\n", m.Migration-1)
		}
	}
	return b.String()
}

// fields are what a change may touch, and how many values each has.
func (m *model) fields() ([]*int, []int) {
	return []*int{&m.Pipeline, &m.Template, &m.Component, &m.Index, &m.Alias, &m.Migration, &m.Default, &m.Final, &m.Own, &m.Before, &m.Unprotected, &m.Label, &m.PipelineName, &m.IndexName},
		[]int{3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2}
}

// byHand are changes behind esmig's back.
var byHand = []struct{ method, path, body string }{
	{http.MethodDelete, "/a0", ""},
	{http.MethodDelete, "/_ingest/pipeline/p0", ""},
	{http.MethodDelete, "/_index_template/t", ""},
	{http.MethodDelete, "/a0/_alias/now", ""},
	{http.MethodPut, "/_ingest/pipeline/p0", `{"processors":[]}`},
	{http.MethodPut, "/_ingest/pipeline/p1", `{"processors":[]}`},
	{http.MethodPut, "/_index_template/t", `{"index_patterns":["a*"],"priority":9}`},
	{http.MethodPut, "/a0/_settings", `{"index":{"number_of_replicas":7,"refresh_interval":"9s"}}`},
	{http.MethodPut, "/a0/_mapping", `{"properties":{"by_hand":{"type":"date"}}}`},
	{http.MethodPut, "/a1", `{}`},
}

// refusals are the plan errors that a change may rightly meet.
var refusals = []string{"protected", "needs_new_index", "dest_not_empty", "dest_undeclared", "final_pipeline_missing", "changed_while_running"}

// TestRandomChange applies a valid configuration, or is killed over it, makes
// one change, in the files or by hand, and wants the plan after the next apply
// to be empty.
func TestRandomChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(r *rapid.T) { randomChange(rapidTB{t, r}) })
	})
}

// noDeadline hides testing.T's Deadline, which may not be asked for in a bubble.
type noDeadline struct{ rapid.TB }

// rapidTB lets the world fail a single example.
type rapidTB struct {
	testing.TB
	r *rapid.T
}

func (t rapidTB) Error(a ...any)            { t.r.Error(a...) }
func (t rapidTB) Errorf(f string, a ...any) { t.r.Errorf(f, a...) }
func (t rapidTB) Fatal(a ...any)            { t.r.Fatal(a...) }
func (t rapidTB) Fatalf(f string, a ...any) { t.r.Fatalf(f, a...) }

func randomChange(t rapidTB) {
	r := t.r
	w := newWorld(t)
	w.documents(w.source, "src", 3)
	w.target.Must("PUT", "/_ingest/pipeline/foreign", `{"processors":[]}`)
	var m model
	fields, sizes := m.fields()
	for i := range fields {
		*fields[i] = rapid.IntRange(0, sizes[i]-1).Draw(r, fmt.Sprint("field", i))
	}
	w.write("main.hcl", m.hcl())
	if rapid.Bool().Draw(r, "killed") {
		l := &life{lost: rapid.Bool().Draw(r, "lost")}
		l.left.Store(rapid.Int64Range(0, 150).Draw(r, "at"))
		_ = w.mortalApply(l)
	} else if !w.applyUnlessRefused(r) {
		return
	}
	i := rapid.IntRange(0, len(fields)+len(byHand)-1).Draw(r, "change")
	if i < len(fields) {
		*fields[i] = rapid.IntRange(0, sizes[i]-1).Draw(r, "to")
		w.write("main.hcl", m.hcl())
	} else {
		h := byHand[i-len(fields)]
		w.target.Do(h.method, h.path, h.body) // nothing, if it is not there
	}
	if w.applyUnlessRefused(r) && m.Index > 0 && m.Migration == 1 {
		index := fmt.Sprint("a", m.IndexName)
		w.untouched(index)
		if n := len(w.target.Docs(index)); n != 3 {
			r.Errorf("%d documents", n)
		}
	}
	if w.missing(w.target, "/_ingest/pipeline/foreign") {
		r.Error("an object of others is gone")
	}
}

// applyUnlessRefused is false when a change is rightly refused.
func (w *world) applyUnlessRefused(r *rapid.T) bool {
	p := w.plan(engine.PlanOptions{})
	if p.Failed() {
		for _, d := range p.Diagnostics {
			if d.Severity == "error" && !slices.Contains(refusals, d.Code) {
				r.Fatalf("refused: %s", show(p))
			}
		}
		return false
	}
	_, err := w.tryApply(r.Context(), engine.PlanOptions{})
	if err != nil && strings.Contains(w.log(), "cannot be deleted because it is the") {
		return false // the server is right: a living index still names the pipeline
	}
	if err != nil {
		r.Fatalf("%v\n%s", err, w.log())
	}
	w.settled()
	return true
}
