package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func refLines(b *Block) []string {
	var out []string
	for _, r := range b.Refs {
		out = append(out, fmt.Sprintf("%s under %s, line %d", r.To, r.Setting, r.Range.Start.Line))
	}
	return out
}

// TestRefs: what a reference stands under decides whether it orders anything.
func TestRefs(t *testing.T) {
	const pipelines = `
ingest_pipeline "p" {}
ingest_pipeline "q" {}
ingest_pipeline "many" {
  for_each = toset(["a", "b"])
  name     = "many-${each.key}"
}
`
	tests := map[string]struct {
		main string
		want []string
	}{
		"nested object": {`index "x" { settings = { index = { default_pipeline = ingest_pipeline.p.name } } }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 1"}},
		"key with dots": {`index "x" { settings = { "index.default_pipeline" = ingest_pipeline.p.name } }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 1"}},
		"argument": {`index "x" { name = ingest_pipeline.p.name }`,
			[]string{"ingest_pipeline.p under name, line 1"}},
		"nested block": {`migration "x" {
  source { index = "a" }
  dest { index = ingest_pipeline.p.name }
}`, []string{"ingest_pipeline.p under index, line 3"}},
		"list, template, condition": {`index "x" { settings = { a = ["${ingest_pipeline.p.name}-1"], final_pipeline = true ? ingest_pipeline.q.name : null } }`,
			[]string{"ingest_pipeline.p under a, line 1", "ingest_pipeline.q under final_pipeline, line 1"}},
		"through merge": {`index "x" { settings = merge({ default_pipeline = ingest_pipeline.p.name }, { a = 1 }) }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 1"}},
		"through a local object": {`locals { s = { index = { default_pipeline = ingest_pipeline.p.name } } }
index "x" { settings = merge(local.s, {}) }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 2"}},
		"a part of a local": {`locals { names = merge({ one = ingest_pipeline.p.name }, { two = ingest_pipeline.q.name }) }
index "x" { settings = { default_pipeline = local.names.two } }`,
			[]string{"ingest_pipeline.q under default_pipeline, line 2"}},
		"a local chosen by key": {`locals { names = { one = ingest_pipeline.p.name, two = ingest_pipeline.q.name } }
index "x" { settings = { default_pipeline = local.names["t${"wo"}"] } }`,
			[]string{"ingest_pipeline.q under default_pipeline, line 2"}},
		"a function hides the key": {`locals { names = { one = ingest_pipeline.p.name } }
index "x" { settings = { default_pipeline = lookup(local.names, "one", "") } }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 2"}},
		"local of a local": {`locals {
  a = ingest_pipeline.p.name
  b = { default_pipeline = local.a }
}
index "x" { settings = local.b }`,
			[]string{"ingest_pipeline.p under default_pipeline, line 5"}},
		"each.value": {`index "x" {
  for_each = { k = ingest_pipeline.p.name, l = ingest_pipeline.q.name }
  name     = each.key
  settings = { default_pipeline = each.value }
}`, []string{"ingest_pipeline.p under default_pipeline, line 4"}},
		"each.key of a set": {`index "x" {
  for_each = toset([ingest_pipeline.p.name])
  name     = each.key
}`, []string{"ingest_pipeline.p under name, line 3"}},
		"instance by literal key": {`index "x" { settings = { a = ingest_pipeline.many["b"].name } }`,
			[]string{`ingest_pipeline.many["b"] under a, line 1`}},
		"instance by each.key": {`index "x" {
  for_each = toset(["a"])
  name     = each.key
  settings = { default_pipeline = ingest_pipeline.many[each.key].name }
}`, []string{`ingest_pipeline.many["a"] under default_pipeline, line 4`}},
		"all instances": {`index "x" { settings = { a = [for k, p in ingest_pipeline.many : p.name], b = values(ingest_pipeline.many)[*].name } }`,
			[]string{`ingest_pipeline.many under a, line 1`, `ingest_pipeline.many under b, line 1`}},
		"object made by for": {`index "x" { settings = { for k in ["a"] : "final_pipeline" => ingest_pipeline.p.name } }`,
			[]string{"ingest_pipeline.p under final_pipeline, line 1"}},
		"name of a for variable": {`index "x" { settings = [for ingest_pipeline in [{ p = { name = 1 } }] : ingest_pipeline.p.name] }`, nil},
		"key of an object": {`index "x" { settings = { (ingest_pipeline.p.name) = 1 } }`,
			[]string{"ingest_pipeline.p under settings, line 1"}},
		"template file": {`index "x" { settings = jsondecode(templatefile("t.json", { name = ingest_pipeline.p.name })) }`,
			[]string{"ingest_pipeline.p under name, line 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, tt.main, "pipelines.hcl", pipelines, "t.json", `{"a": "${name}"}`)
			for _, b := range c.Blocks {
				if b.Addr.Name != "x" {
					continue
				}
				if diff := cmp.Diff(tt.want, refLines(b)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			t.Fatal("no block x")
		})
	}
}

// TestLazy: a reference needs one argument, not the whole block, so these are
// no cycles.
func TestLazy(t *testing.T) {
	c := mustLoad(t, `
index "orders" {
  name     = "orders-2026"
  settings = { default_pipeline = ingest_pipeline.p.name, n = local.both.pipeline }
}
ingest_pipeline "p" {
  processors = [{ set = { field = "index", value = index.orders.name } }]
}
locals { both = { index = index.orders.name, pipeline = ingest_pipeline.p.name } }
migration "a" {
  source { index = migration.b.dest.index }
  dest { index = "x" }
}
migration "b" {
  source { index = migration.a.dest.index }
  dest { index = index.orders.name }
}
`)
	for arg, want := range map[[2]string]string{
		{"index.orders", "settings"}:            `{"default_pipeline":"p","n":"p"}`,
		{"ingest_pipeline.p", "processors"}:     `[{"set":{"field":"index","value":"orders-2026"}}]`,
		{"migration.a", "source.index"}:         `"orders-2026"`,
		{"migration.b", "source.index"}:         `"x"`,
		{"migration.b", "method"}:               `"auto"`,
		{"index.orders", "mappings"}:            `null`,
		{"ingest_pipeline.p", "when"}:           `"after_data"`,
		{"index.orders", "deletion_protection"}: `true`,
	} {
		if got := js(t, c.block(t, arg[0]), arg[1]); got != want {
			t.Errorf("%s %s: %s, want %s", arg[0], arg[1], got, want)
		}
	}
}

func TestWholeReferences(t *testing.T) {
	c := mustLoad(t, `
index "a" { mappings = { x = 1 } }
index "daily" {
  for_each = { b = 2, a = 1 }
  name     = "daily-${each.key}"
  settings = each.value
}
output "names" { value = [for k, i in index.daily : "${k}=${i.name}=${i.settings}"] }
output "keys" { value = keys(index.daily) }
output "a" { value = index.a.mappings }
output "throttle" { value = migration.m.throttle.rate }
output "none" { value = migration.n.throttle == null }
migration "m" {
  source { index = "q" }
  dest { index = "r" }
  throttle {}
}
migration "n" {
  source { index = "q" }
  dest { index = "s" }
}
output "prot" { value = index.a["deletion_protection"] }
output "splat" { value = values(index.daily)[*].name }
`)
	got := map[string]string{}
	for _, o := range c.Outputs {
		got[o.Name] = toJSON(t, jsonValue{o.Value})
	}
	want := map[string]string{
		"names": `["a=daily-a=1","b=daily-b=2"]`, "keys": `["a","b"]`, "a": `{"x":1}`, "prot": "true",
		"throttle": "5", "none": "true", "splat": `["daily-a","daily-b"]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var addrs []string
	for _, b := range c.Blocks {
		addrs = append(addrs, b.Addr.String())
	}
	if got, want := strings.Join(addrs, " "), `index.a index.daily["a"] index.daily["b"] migration.m migration.n`; got != want {
		t.Errorf("blocks %s, want %s", got, want)
	}
}
