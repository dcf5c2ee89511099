package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

// many are n blocks of four kinds that refer to each other.
func many(n int) string {
	var b strings.Builder
	for i := range n / 4 {
		fmt.Fprintf(&b, `
component_template "c%[1]d" {
  template = { mappings = { properties = { a%[1]d = { type = "keyword" }, b = { type = "date" } } } }
}
index_template "t%[1]d" {
  index_patterns = ["i%[1]d-*"]
  composed_of    = [component_template.c%[1]d.name]
  template       = { settings = { default_pipeline = ingest_pipeline.p%[1]d.name } }
}
index "i%[1]d" {
  name       = "i%[1]d-2026"
  mappings   = { properties = { a = { type = "keyword" }, total = { type = "double" } } }
  depends_on = [index_template.t%[1]d]
}
ingest_pipeline "p%[1]d" { processors = [{ set = { field = "seen", value = true } }] }
`, i)
	}
	return b.String()
}

// BenchmarkThousand plans and applies 1,000 blocks on fakes and a disk in
// memory; state-ms is what the writes of the state took of that.
func BenchmarkThousand(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		w.write("main.hcl", many(1000))
		e, store := w.load()
		p, err := e.Plan(b.Context(), engine.PlanOptions{})
		if err != nil || p.Failed() {
			b.Fatal(err, show(p))
		}
		planned := b.Elapsed()
		if _, err := e.Apply(b.Context(), p); err != nil {
			b.Fatal(err, w.log())
		}
		applied := b.Elapsed()
		if err := store.Update(func(*state.State) error { return nil }); err != nil {
			b.Fatal(err)
		}
		once := b.Elapsed() - applied
		e, _ = w.load()
		loaded := b.Elapsed()
		if p, err = e.Plan(b.Context(), engine.PlanOptions{}); err != nil || !p.Empty() {
			b.Fatal(err, show(p))
		}
		b.ReportMetric(float64((b.Elapsed() - loaded).Milliseconds()), "second-plan-ms")
		b.ReportMetric(float64((applied - planned).Milliseconds()), "apply-ms")
		b.ReportMetric(float64(once.Microseconds()), "last-state-write-µs")
	}
}
