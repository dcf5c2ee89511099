package config

import (
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/esmig/esmig/providers"
)

// TestSetOfAVariable: what another value of a variable would make right is not
// fixed at what today's value needs.
func TestSetOfAVariable(t *testing.T) {
	const vars = `variable "v" { default = "1s" }
variable "many" { default = { k = "1s" } }
locals {
  far   = { v = var.v }
  plain = { v = "1s" }
}
index "y" { settings = { a = "1s" } }
`
	const each = "\nsettings = { a = each.value }\nname = each.key\n}"
	for name, tt := range map[string]struct{ main, why string }{
		"literal":              {`index "x" { settings = { a = "1s" } }`, ""},
		"a local":              {`index "x" { settings = { a = local.plain.v } }`, ""},
		"keys of a literal":    {"index \"x\" {\nfor_each = { k = \"1s\" }" + each, ""},
		"in JSON":              {`index "x" { settings = jsondecode(file("s.json")) }`, ""},
		"variable":             {`index "x" { settings = { a = var.v } }`, "it comes from var.v"},
		"condition":            {`index "x" { settings = { a = var.v == "1s" ? "1s" : "30s" } }`, "it comes from var.v"},
		"text":                 {`index "x" { settings = { a = "${var.v}" } }`, "it comes from var.v"},
		"a local's variable":   {`index "x" { settings = { a = local.far.v } }`, "it comes from var.v"},
		"in a local":           {`index "x" { settings = local.in }` + "\n" + `locals { in = { a = var.v } }`, "it comes from var.v"},
		"keys of a variable":   {"index \"x\" {\nfor_each = var.many" + each, "it comes from each.value"},
		"another block":        {`index "x" { settings = { a = index.y.settings.a } }`, "it comes from index.y"},
		"another block's each": {`index "x" { settings = index.z["k"].settings }` + "\n" + "index \"z\" {\nfor_each = var.many" + each, "it comes from each.value"},
	} {
		t.Run(name, func(t *testing.T) {
			files := memFiles{"base.hcl": base, "vars.hcl": vars, "main.hcl": tt.main, "s.json": `{"a": "${var.v}"}`}
			c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"})
			if diags.HasErrors() {
				t.Fatal(show(diags))
			}
			i := slices.IndexFunc(c.Blocks, func(b *Block) bool { return b.Addr.Name == "x" })
			if e := c.Edit(c.Blocks[i], with(providers.Set, "settings/a", "5s")); e.Why != tt.why {
				t.Errorf("why: %q, want %q", e.Why, tt.why)
			}
		})
	}
}

// TestOrigin: a change is made only if what it was worked out from is the same
// whatever the variables are. The name of a block is: it means the same block.
func TestOrigin(t *testing.T) {
	for name, tt := range map[string]struct{ value, why string }{
		"literal":                      {`{ a = "x" }`, ""},
		"not there":                    {`{ b = var.v }`, ""},
		"variable":                     {`{ a = var.v }`, "var.v"},
		"beside a variable":            {`{ a = "x", b = var.v }`, ""},
		"condition":                    {`var.v == "" ? { a = "x" } : { b = 1 }`, "var.v"},
		"condition of a literal":       {`true ? { a = "x" } : { a = 1 }`, ""},
		"merge":                        {`merge({ a = "x" }, { b = var.v })`, "var.v"},
		"merge of literals":            {`merge({ a = "x" }, { b = 1 })`, ""},
		"JSON":                         {`jsondecode(file("s.json"))`, ""},
		"an entry of a local":          {`local.l.part`, ""},
		"the variable of a local":      {`{ a = local.l.other }`, "var.v"},
		"name":                         {`{ a = [index.y.name, "x"] }`, ""},
		"names, one of a variable":     {`{ a = [index.y.name, var.v] }`, "var.v"},
		"name by a condition":          {`{ a = var.v == "" ? index.y.name : "x" }`, "var.v"},
		"another argument":             {`{ a = index.y.settings.a }`, "index.y"},
		"name of an instance":          {`{ a = index.z["k"].name }`, ""},
		"name of a computed instance":  {`{ a = index.z[local.k].name }`, ""},
		"name of a variable's":         {`{ a = index.z[var.k].name }`, "var.k"},
		"argument of an instance":      {`{ a = index.z[local.k].settings }`, "index.z"},
		"key of a variable's for_each": {`{ a = index.v[local.k].name }`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := memFiles{"base.hcl": base, "s.json": `{"a": "${var.v}"}`, "main.hcl": `
variable "v" { default = "" }
variable "k" { default = "k" }
variable "keys" { default = { k = 1 } }
locals {
  k = "k"
  l = { part = { a = "x", b = var.v }, other = var.v }
}
index "y" { settings = { a = 1 } }
index "z" {
  for_each = toset(["k"])
  name     = "z-${each.key}"
}
index "v" {
  for_each = var.keys
  name     = "v-${each.key}"
}
index "x" {
  mappings = { b = 1 }
  settings = ` + tt.value + `
}`}
			c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"})
			if diags.HasErrors() {
				t.Fatal(show(diags))
			}
			x := providers.Addr{Kind: "index", Name: "x"}
			f := rm("mappings/b")
			f.From = []providers.Origin{{Addr: x, Arg: "settings", Path: []string{"a"}}, {Addr: x, Arg: "template"}, {Addr: providers.Addr{Kind: "index", Name: "no"}}}
			why := ""
			if tt.why != "" {
				why = "settings.a of index.x, from which it is worked out, comes from " + tt.why
			}
			if e := c.Edit(c.blockAt(x), f); e.Why != why {
				t.Errorf("why: %q, want %q", e.Why, why)
			}
		})
	}
}

// TestUnseen: a block does not go while one names it that nothing looks at,
// because it has no instances.
func TestUnseen(t *testing.T) {
	const why = "index_template.s, whose for_each gives no keys here, names it"
	for name, tt := range map[string]struct{ s, why string }{
		"reference":           {`template = { settings = { a = index.x.name } }`, why},
		"through a local":     {`template = { settings = local.all.a }`, why},
		"another local":       {`template = { settings = local.all.b }`, ""},
		"by a condition":      {`template = { settings = { a = each.value.x ? index.x.name : index.y.name } }`, why},
		"each.value":          {`template = { settings = { a = each.value } }`, ""},
		"text":                {`template = { settings = { a = "the-x" } }`, why},
		"text of a file":      {`template = jsondecode(file("s.json"))`, why},
		"itself":              {`template = { settings = { a = index_template.s.name } }`, ""},
		"another":             {`template = { settings = { a = index.y.name } }`, ""},
		"depends_on, that is": {`depends_on = [index.x]`, ""},
	} {
		for _, keys := range []string{"var.unset", "var.empty", "{}", "{ for k, v in var.empty : k => v }"} {
			t.Run(name+" "+keys, func(t *testing.T) {
				files := memFiles{"base.hcl": base, "s.json": `{"settings": {"a": "the-x"}}`, "main.hcl": `
variable "unset" { type = map(string) }
variable "empty" { default = {} }
locals { all = { a = { a = index.x.name }, b = { a = index.y.name } } }
index "x" {
  name     = "the-x"
  settings = { a = 1 }
}
index "y" { name = "the-y" }
index_template "s" {
  for_each       = ` + keys + `
  name           = each.key
  index_patterns = ["a"]
  ` + tt.s + `
}`}
				c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0", Lenient: true})
				if diags.HasErrors() {
					t.Fatal(show(diags))
				}
				shared := rm("settings/a")
				shared.Shared = true
				for f, why := range map[*providers.Fix]string{{Do: providers.Remove}: tt.why, &shared: tt.why, {Do: providers.Remove, Arg: "settings", Path: []string{"a"}}: ""} {
					if e := c.Edit(c.blockAt(providers.Addr{Kind: "index", Name: "x"}), *f); e.Why != why {
						t.Errorf("%+v: why: %q, want %q", f, e.Why, why)
					}
				}
			})
		}
	}
}

// TestSpot: what cannot be rewritten says why, and where it stands.
func TestSpot(t *testing.T) {
	for name, tt := range map[string]struct {
		main string
		why  string
		at   string // what Range covers
	}{
		"variable":   {`variable "s" { default = { a = 1 } }` + "\n" + `index "x" { settings = var.s }`, "it comes from var.s", "var.s"},
		"merge":      {`index "x" { settings = merge({ a = 1 }, { b = 2 }) }`, "it is made by merge(…)", "a"},
		"for":        {`index "x" { settings = { for k in ["a"] : k => 1 } }`, "it is computed by an expression", `{ for k in ["a"] : k => 1 }`},
		"condition":  {`index "x" { settings = true ? { b = 1 } : { a = 1 } }`, "it depends on a condition", "a"},
		"outside":    {`index "x" { settings = jsondecode(file("../up.json")) }`, "../up.json is outside of the folder, and others may use it", `jsondecode(file("../up.json"))`},
		"template":   {`index "x" { settings = jsondecode(templatefile("s.json", {})) }`, "it is made by jsondecode(templatefile(…))", `jsondecode(templatefile("s.json", {}))`},
		"each.value": {`index "x" { settings = { a = 1 } }`, "", "a"},
		"block":      {`index "x" { settings = index.y.settings }` + "\n" + `index "y" { settings = { a = 1 } }`, "", "a"},
		"json":       {`index "x" { settings = jsondecode(file("s.json")) }`, "", `"a"`},
	} {
		t.Run(name, func(t *testing.T) {
			files := memFiles{"base.hcl": base, "main.hcl": tt.main, "s.json": `{"a": 1}`, "../up.json": `{"a": 1}`}
			c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"})
			if diags.HasErrors() {
				t.Fatal(show(diags))
			}
			e := c.Edit(c.blockAt(providers.Addr{Kind: "index", Name: "x"}), rm("settings/a"))
			if e.Why != tt.why {
				t.Errorf("why: %q", e.Why)
			}
			if got := covered(c, e.Range); got != tt.at {
				t.Errorf("at %s: %q", e.Range, got)
			}
		})
	}
}

func covered(c *Config, r hcl.Range) string {
	if f := c.Sources[r.Filename]; f != nil && r.CanSliceBytes(f.Bytes) {
		return string(r.SliceBytes(f.Bytes))
	}
	return ""
}
