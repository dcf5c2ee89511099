package engine_test

import (
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// Two migrations that write into one destination are each held against what is
// theirs: what the other brought is not too much, and what somebody else did is.
func TestSharedDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.documents(w.source, "one", 5)
		for _, id := range []string{"x", "y", "z"} {
			w.source.Put("two", id, `{"n":1}`, "")
		}
		w.write("main.hcl", `
index "both" { mappings = { properties = { n = { type = "long" }, word = { type = "text" } } } }
migration "one" {
  source { index = "one" }
  dest { index = index.both.name }
}
migration "two" {
  source { index = "two" }
  dest { index = index.both.name }
}
`)
		e, _ := w.load()
		p, err := e.Plan(t.Context(), engine.PlanOptions{})
		if err != nil || p.Failed() {
			t.Fatal(err, p.Diagnostics)
		}
		if sum, err := e.Apply(t.Context(), p); err != nil || sum.Migrated != 2 {
			t.Fatalf("%+v %v", sum, err)
		}
		e, _ = w.load()
		if sum, err := e.VerifyOnly(t.Context(), nil); err != nil || sum.Verified != 2 {
			t.Errorf("%+v %v", sum, err)
		}
		for _, c := range []struct {
			harm func()
			want providers.Repaired
		}{
			{func() { w.send(w.target, "DELETE", "/both/_doc/y?refresh=true", "") }, providers.Repaired{Created: 1}},
			{func() { w.target.Put("both", "more", `{"n":1}`, "") }, providers.Repaired{Deleted: 1}},
		} {
			c.harm()
			e, _ = w.load()
			if sum, err := e.Repair(t.Context(), []providers.Addr{addr(t, "migration.two")}, true); err != nil || sum.Repaired != 1 || sum.Verified != 1 {
				t.Errorf("%+v %v", sum, err)
			}
			for _, ev := range w.events {
				if d, ok := ev.(engine.StepDone); ok && d.Repaired != nil && *d.Repaired != c.want {
					t.Errorf("repaired %+v, want %+v", *d.Repaired, c.want)
				}
			}
			w.events = nil
			if n := len(w.target.Docs("both")); n != 8 {
				t.Errorf("%d documents", n)
			}
		}
	})
}
