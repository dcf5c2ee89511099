package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// TestLenient: without the values of variables everything else is there, and
// nothing of what they would give is taken for real.
func TestLenient(t *testing.T) {
	files := memFiles{"main.hcl": `
variable "text" {}
variable "number" { type = number }
variable "secret" { sensitive = true }
variable "object" { type = object({ a = string, b = number }) }
variable "names" { type = set(string) }
cluster "new" {
  endpoint = var.text
  api_key  = var.secret
  ca_file  = "not-here.pem"
}
cluster "old" { cloud_id = "x-${var.text}" }
index "a" {
  cluster  = cluster.new
  name     = "a-${var.text}"
  settings = { known = 1, unknown = var.number, text = "${var.text}d", object = var.object, deep = { x = var.object.b } }
  mappings = var.text == "a" ? {} : { b = 1 }
}
index "each" {
  for_each = toset(["x"])
  cluster  = cluster.new
  name     = var.text
}
index "never" {
  for_each = var.names
  cluster  = cluster.new
  name     = each.key
}
index "known" {
  cluster = cluster.new
}
index_template "a" {
  cluster        = cluster.new
  index_patterns = [var.text, "b"]
  priority       = var.number
}
migration "m" {
  method = var.text
  source {
    cluster = cluster.old
    index   = var.text
  }
  dest {
    cluster = cluster.new
    index   = index.a.name
  }
}
`}
	c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0", Lenient: true})
	if diags.HasErrors() || len(diags) != 1 || diags[0].Summary != "Block was not looked at" {
		t.Fatal(show(diags))
	}
	got := map[string]string{}
	for _, b := range c.Blocks {
		args := plainJSON(b, "name", "settings", "mappings", "index_patterns", "priority", "method")
		if b.Assumed {
			args += " assumed"
		}
		got[b.Addr.String()] = args
	}
	if diff := cmp.Diff(map[string]string{
		"index.a":          `name="a" settings={"deep":{"x":0},"known":1,"object":{"a":"(no value)","b":0},"text":"(no value)","unknown":0} assumed`,
		`index.each["x"]`:  `name="each-x" assumed`,
		"index.known":      `name="known"`,
		"index_template.a": `name="a" index_patterns=["(no value)","b"] assumed`,
		"migration.m":      `method="auto" assumed`,
	}, got); diff != "" {
		t.Error(diff)
	}
	if _, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"}); !diags.HasErrors() {
		t.Error("values are missing, and nobody says so")
	}
}

func plainJSON(b *Block, args ...string) (out string) {
	for _, a := range args {
		if !b.Args.Type().HasAttribute(a) || b.Args.GetAttr(a).IsNull() || b.Args.GetAttr(a).Type().Equals(providers.ClusterType) {
			continue
		}
		v := b.Args.GetAttr(a)
		raw, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			raw = []byte(err.Error())
		}
		out += " " + a + "=" + string(raw)
	}
	if out != "" {
		out = out[1:]
	}
	return out
}
