package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

type jsonValue struct{ cty.Value }

func (v jsonValue) MarshalJSON() ([]byte, error) { return ctyjson.Marshal(v.Value, v.Type()) }

func TestBlock(t *testing.T) {
	c := mustLoad(t, `
index "orders" {
  mappings   = { "@timestamp" = { type = "date" } }
  depends_on = [index_template.t, index.daily]
  lifecycle {
    prevent_destroy = true
    ignore_changes  = [settings.index.number_of_replicas, "settings.index.refresh_interval"]
  }
}
index_template "t" {
  cluster        = cluster.old
  index_patterns = toset(["b", "a"])
  priority       = "200"
  lifecycle { ignore_changes = all }
}
index "daily" {
  for_each = { "2026-01" = 1 }
  name     = "daily-${each.key}"
}
moved {
  from = index.old
  to   = index.daily["2026-01"]
}
removed { from = migration.done["x"] }
`)
	b := c.block(t, "index.orders")
	if got, want := js(t, b, "name"), `"orders"`; got != want {
		t.Errorf("name %s, want %s", got, want)
	}
	if got := providers.ClusterName(b.Args.GetAttr("cluster")); got != "new" {
		t.Errorf("cluster %q", got)
	}
	if diff := cmp.Diff([]providers.Addr{{Kind: "index_template", Name: "t"}, {Kind: "index", Name: "daily"}}, b.DependsOn); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Lifecycle{PreventDestroy: true, IgnoreChanges: []string{"settings.index.number_of_replicas", "settings.index.refresh_interval"}}, b.Lifecycle); diff != "" {
		t.Error(diff)
	}
	if got := b.AttrRanges["mappings"].Start.Line; got != 3 {
		t.Errorf("mappings on line %d", got)
	}
	tmpl := c.block(t, "index_template.t")
	if got, want := js(t, tmpl, "index_patterns"), `["a","b"]`; got != want {
		t.Errorf("patterns %s, want %s", got, want)
	}
	if got, want := js(t, tmpl, "priority"), `200`; got != want {
		t.Errorf("priority %s, want %s", got, want)
	}
	if got := providers.ClusterName(tmpl.Args.GetAttr("cluster")); got != "old" {
		t.Errorf("cluster %q", got)
	}
	if diff := cmp.Diff([]string{"all"}, tmpl.Lifecycle.IgnoreChanges); diff != "" {
		t.Error(diff)
	}
	if len(c.Moved) != 1 || c.Moved[0].To.String() != `index.daily["2026-01"]` || len(c.Removed) != 1 || c.Removed[0].From.String() != `migration.done["x"]` {
		t.Errorf("moved %v, removed %v", c.Moved, c.Removed)
	}
	if diff := cmp.Diff(Settings{StatePath: "esmig.state.json", SourceCluster: "old", TargetCluster: "new"}, c.Settings); diff != "" {
		t.Error(diff)
	}
}

// TestArgsShape: kinds rely on every argument being there.
func TestArgsShape(t *testing.T) {
	c := mustLoad(t, `
migration "m" {
  source {
    index = "a"
  }
  dest { index = "b" }
}`)
	b := c.block(t, "migration.m")
	var got []string
	for name := range b.Args.Type().AttributeTypes() {
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"dest", "method", "size", "source", "throttle"}, got); diff != "" {
		t.Error(diff)
	}
	if !b.Args.GetAttr("throttle").IsNull() || !b.Args.GetAttr("source").GetAttr("query").IsNull() || !b.Args.GetAttr("size").IsNull() {
		t.Errorf("absent arguments are not null: %#v", b.Args)
	}
	if got := providers.ClusterName(b.Args.GetAttr("source").GetAttr("cluster")); got != "old" {
		t.Errorf("source cluster %q", got)
	}
	if r := b.AttrRanges["source.index"]; r.Start.Line != 4 || r.Start.Column != 13 {
		t.Errorf("source.index at %v", r)
	}
}

func TestSensitive(t *testing.T) {
	src := `
variable "key" {
  type      = string
  sensitive = true
}
variable "pair" {
  type      = object({ user = string, pass = string })
  sensitive = true
  default   = { user = "elastic", pass = "pw-s3cret" }
}
cluster "a" {
  endpoint = "https://a:9200/"
  api_key  = "id:${var.key}"
  headers  = { Authorization = "Bearer tok-s3cret" }
}
cluster "b" {
  endpoint = "https://b:9200"
  api_key  = "` + base64.StdEncoding.EncodeToString([]byte("id2:k2-s3cret")) + `"
}
cluster "c" {
  endpoint = "https://c:9200"
  username = var.pair.user
  password = var.pair.pass
}
index "i" {
  settings = { x = { plain = "shown", made = upper(var.key) } }
}
index "j" { settings = { copied = index.i.settings.x.made, token = ingest_pipeline.p.token } }
ingest_pipeline "p" { token = "literal-s3cret" }
output "o" {
  value     = ingest_pipeline.p.token
  sensitive = true
}
`
	c, diags := Load(Options{Dir: ".", Files: memFiles{"base.hcl": base, "main.hcl": src}, Kinds: testKinds(), Env: []string{"ESMIG_VAR_key=key-s3cret"}})
	if diags.HasErrors() {
		t.Fatal(show(diags))
	}
	for _, s := range []string{
		"key-s3cret", "elastic", "pw-s3cret", "id:key-s3cret", base64.StdEncoding.EncodeToString([]byte("id:key-s3cret")),
		"Bearer tok-s3cret", "tok-s3cret", "id2:k2-s3cret", "k2-s3cret", "KEY-S3CRET", "literal-s3cret",
	} {
		if !slices.Contains(c.Secrets, s) {
			t.Errorf("%q is not among the secrets", s)
		}
	}
	if slices.Contains(c.Secrets, "shown") {
		t.Error("a plain value is among the secrets")
	}
	if diff := cmp.Diff([]string{"KEY-S3CRET"}, c.block(t, "index.i").Secrets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"KEY-S3CRET", "literal-s3cret"}, c.block(t, "index.j").Secrets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"key": "key-s3cret", "pair": `{"pass":"pw-s3cret","user":"elastic"}`}, c.SecretVariables); diff != "" {
		t.Error(diff)
	}
	for _, b := range c.Blocks {
		if b.Args.ContainsMarked() {
			t.Errorf("%s: arguments are marked", b.Addr)
		}
	}
	for _, shown := range []string{"literal-s3cret", "pw-s3cret", "tok-s3cret"} {
		if strings.Contains(string(c.Sources["main.hcl"].Bytes), shown) {
			t.Errorf("the source that diagnostics show still holds %q", shown)
		}
	}
	if got := c.Clusters["a"].Endpoint; got != "https://a:9200" {
		t.Errorf("endpoint %q", got)
	}
}

// TestDiagnosticWriter: with hcl before v2.25.0 the writer panics when the
// expression of a diagnostic holds a marked value (hcl#737). None is shown.
func TestDiagnosticWriter(t *testing.T) {
	e, diags := hcl.StaticExpr(cty.StringVal("x").Mark(sensitive), hcl.Range{}), hcl.Diagnostics{}
	diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong", Expression: e,
		EvalContext: &hcl.EvalContext{Variables: map[string]cty.Value{"v": cty.ObjectVal(map[string]cty.Value{"k": cty.StringVal("s3cret").Mark(sensitive)})}}})
	checkNoSecret(t, &Config{}, diags, "s3cret")
	c, diags := load(t, `
variable "s" {
  sensitive = true
  default   = "s3cret-default"
}
locals {
  a = var.s + 1
  b = { x = 1 }[var.s]
  c = [for x in ["a", "b"] : x + var.s]
}`)
	if len(diags) < 3 {
		t.Fatal(show(diags))
	}
	checkNoSecret(t, c, diags, "s3cret")
}

func TestCluster(t *testing.T) {
	c, diags := Load(Options{Dir: "conf/prod", Kinds: testKinds(), Files: dirFiles{"conf/prod", memFiles{
		"main.hcl": `
cluster "a" {
  cloud_id       = "name:ZXhhbXBsZS5jb20kYWJjJGRlZg=="
  username       = "u"
  password       = "p"
  ca_file        = "ca.pem"
  ca_fingerprint = "` + strings.Repeat("AB:", 31) + `AB"
  compression    = true
  timeout        = "90s"
  proxy          = "http://me:proxypw@proxy:3128"
  insecure_skip_verify = true
}`, "ca.pem": "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"}}})
	if diags.HasErrors() {
		t.Fatal(show(diags))
	}
	a := c.Clusters["a"]
	if a.Name != "a" || a.Timeout != 90*time.Second || !a.Compression || !a.InsecureSkipVerify || len(a.CAPEM) == 0 || a.Username != "u" {
		t.Errorf("%+v", a.AttrRanges)
	}
	if got := a.DeclRange.Filename; got != "conf/prod/main.hcl" {
		t.Errorf("file %q", got)
	}
	if got := a.AttrRanges["timeout"].Start.Line; got != 9 {
		t.Errorf("timeout on line %d", got)
	}
	if !slices.Contains(c.Secrets, "proxypw") {
		t.Error("the proxy's password is not among the secrets")
	}
}

// dirFiles puts files into a folder.
type dirFiles struct {
	dir string
	m   memFiles
}

func (d dirFiles) ReadFile(name string) ([]byte, error) {
	return d.m.ReadFile(strings.TrimPrefix(name, d.dir+"/"))
}
func (d dirFiles) ReadDir(name string) ([]string, error) { return d.m.ReadDir(".") }

func TestVariables(t *testing.T) {
	const src = `
variable "text"  { type = string }
variable "count" { type = number }
variable "list"  { type = list(string) }
variable "obj"   { type = object({ a = number, b = optional(string, "b!") }) }
variable "any"   {}
variable "def"   { default = [1, 2] }
output "all" { value = [var.text, var.count, var.list, var.obj, var.any, var.def] }
`
	files := memFiles{"main.hcl": src,
		"one.hclvars": "text = \"from file\"\ncount = 1 + 1\nobj = { a = 1 }\nany = \"file\"\n",
		"two.json":    `{"count": 3, "list": ["${not a template}"]}`,
	}
	c, diags := Load(Options{Dir: ".", Files: files, VarFiles: []string{"one.hclvars", "two.json"},
		Env: []string{"ESMIG_VAR_text=env", "ESMIG_VAR_list=[1]", "ESMIG_VAR_stranger=1", "PATH=/"}, Vars: []string{"text=[verbatim", "any=5", "text=a=b"}})
	if diags.HasErrors() {
		t.Fatal(show(diags))
	}
	want := `["a=b",3,["${not a template}"],{"a":1,"b":"b!"},"5",[1,2]]`
	if got := toJSON(t, jsonValue{c.Outputs[0].Value}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestHash(t *testing.T) {
	files := memFiles{"base.hcl": base, "main.hcl": `
variable "v" { default = 1 }
variable "s" {
  default   = "x"
  sensitive = true
}
index "a" { mappings = jsondecode(file("a.json")) }
`, "a.json": "{}"}
	hash := func(change func(memFiles, *Options)) string {
		f := memFiles{}
		for k, v := range files {
			f[k] = v
		}
		o := Options{Dir: ".", Files: f, Kinds: testKinds()}
		change(f, &o)
		c, diags := Load(o)
		if diags.HasErrors() {
			t.Fatal(show(diags))
		}
		return c.Hash
	}
	first := hash(func(memFiles, *Options) {})
	for name, tt := range map[string]struct {
		change func(memFiles, *Options)
		same   bool
	}{
		"nothing":       {func(memFiles, *Options) {}, true},
		"unread file":   {func(f memFiles, _ *Options) { f["b.json"] = "1" }, true},
		"file read":     {func(f memFiles, _ *Options) { f["a.json"] = "{ }" }, false},
		"another block": {func(f memFiles, _ *Options) { f["c.hcl"] = "" }, false},
		"variable":      {func(_ memFiles, o *Options) { o.Vars = []string{"v=2"} }, false},
		"secret":        {func(_ memFiles, o *Options) { o.Vars = []string{"s=2"} }, true},
		"other folder": {func(f memFiles, o *Options) {
			o.Dir, o.Files = "there", dirFiles{"there", f}
		}, true},
	} {
		if same := hash(tt.change) == first; same != tt.same {
			t.Errorf("%s: hash is the same: %v", name, same)
		}
	}
}

func TestFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		`replace("a.b", ".", "-")`:                              `"a-b"`,
		`replace("a1b22", "/[0-9]+/", "#")`:                     `"a#b#"`,
		`length("héllo")`:                                       `5`,
		`length([1, 2])`:                                        `2`,
		`length({ a = 1 })`:                                     `1`,
		`length(toset(["a", "a"]))`:                             `1`,
		`index(["a", "b"], "b")`:                                `1`,
		`startswith("abc", "ab")`:                               `true`,
		`endswith("abc", "ab")`:                                 `false`,
		`base64decode(base64encode("héllo"))`:                   `"héllo"`,
		`md5("a")`:                                              `"0cc175b9c0f1b6a831c399e269772661"`,
		`sha256("a")`:                                           `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`,
		`jsondecode("{\"n\": 12345678901234567890}")`:           `{"n":12345678901234567890}`,
		`jsonencode({ b = 1, a = [true, null] })`:               `"{\"a\":[true,null],\"b\":1}"`,
		`yamldecode("a: [1, x]")`:                               `{"a":[1,"x"]}`,
		`csvdecode("a,b\n1,2")`:                                 `[{"a":"1","b":"2"}]`,
		`try(tonumber("x"), "fallback")`:                        `"fallback"`,
		`try(local.obj.missing, "fallback")`:                    `"fallback"`,
		`can(tonumber("x"))`:                                    `false`,
		`formatdate("YYYY-MM", "2026-01-02T03:04:05Z")`:         `"2026-01"`,
		`timeadd("2026-01-02T03:04:05Z", "1h")`:                 `"2026-01-02T04:04:05Z"`,
		`file("sub/a.txt")`:                                     `"content"`,
		`fileexists("nope")`:                                    `false`,
		`fileexists("sub/a.txt")`:                               `true`,
		`templatefile("sub/t.tmpl", { n = 2, l = ["x", "y"] })`: `"n=2 x;y;"`,
		`templatefile("sub/one.tmpl", { n = 2 })`:               `"2"`,
		`merge({ a = 1 }, { b = 2 })`:                           `{"a":1,"b":2}`,
		`coalesce(null, "a")`:                                   `"a"`,
		`range(3)`:                                              `[0,1,2]`,
		`title("hello world")`:                                  `"Hello World"`,
		`setunion(["a"], ["b"])`:                                `["a","b"]`,
		`zipmap(["a"], [1])`:                                    `{"a":1}`,
		`regex("[a-z]+", "12ab")`:                               `"ab"`,
		`tomap({ a = "1" })["a"]`:                               `"1"`,
		`1.10`:                                                  `1.1`,
	} {
		c, diags := load(t, fmt.Sprintf("locals { obj = {} }\noutput \"o\" { value = %s }", expr),
			"sub/a.txt", "content", "sub/t.tmpl", "n=${n} %{ for x in l }${x};%{ endfor }", "sub/one.tmpl", "${n}")
		if diags.HasErrors() {
			t.Errorf("%s: %s", expr, show(diags))
			continue
		}
		if got := toJSON(t, jsonValue{c.Outputs[0].Value}); got != want {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
}

func TestRequiredVersion(t *testing.T) {
	for v, ok := range map[string]bool{"0.1.0": true, "0.1.0-dev": true, "v0.2": true, "dev": true, "": true, "0.0.9": false} {
		_, diags := Load(Options{Dir: ".", Files: memFiles{"a.hcl": `esmig { required_version = ">= 0.1" }`}, Version: v})
		if diags.HasErrors() == ok {
			t.Errorf("version %q: %s", v, show(diags))
		}
	}
}

func TestFormat(t *testing.T) {
	if got, want := string(Format([]byte("a   = 1\nbcd=2\n"))), "a   = 1\nbcd = 2\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzLoad: whatever is in a file, Load says what is wrong and does not panic.
func FuzzLoad(f *testing.F) {
	f.Add(`index "a" { name = index.b.name }` + "\n" + `index "b" { for_each = { a = 1 } }`)
	f.Add(`variable "x" { type = list(object({ a = optional(string, "b") })) }`)
	f.Add("locals {\n  a = [for x in local.a : x...]\n  b = { for k, v in {} : k => v }\n}")
	f.Add("moved {\n from = index.a[1]\n to = index[\"a\"]\n}\nremoved { from = each.key }")
	f.Add(`cluster "x" { api_key = "a:b" }` + "\noutput \"o\" { value = index.*.name }")
	f.Add("index \"a\" {\n lifecycle { ignore_changes = [a[0].b] }\n depends_on = [index.a[each.key]]\n settings = <<-X\n  ${local.x}\n X\n}")
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 2000 {
			t.Skip()
		}
		c, diags := Load(Options{Dir: ".", Files: memFiles{"base.hcl": base, "main.hcl": src}, Kinds: testKinds(), Version: "0.1.0"})
		if c == nil {
			t.Fatal("no config")
		}
		for _, d := range diags {
			if d.Summary == "Unknown value" {
				t.Fatal(show(diags))
			}
		}
		if !diags.HasErrors() {
			for _, b := range c.Blocks {
				if !b.Args.IsWhollyKnown() || b.Args.ContainsMarked() {
					t.Fatalf("%s: %#v", b.Addr, b.Args)
				}
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	var src strings.Builder
	src.WriteString(base)
	for i := range 1000 {
		fmt.Fprintf(&src, "index \"i%d\" {\n  mappings = { properties = { a = { type = \"date\" } } }\n  settings = { default_pipeline = ingest_pipeline.p%d.name }\n}\n", i, i)
		fmt.Fprintf(&src, "ingest_pipeline \"p%d\" {\n  processors = [{ set = { field = \"a\", value = index.i%d.name } }]\n}\n", i, i)
	}
	src.WriteString("index \"each\" {\n for_each = toset([for i in range(1000) : tostring(i)])\n name = \"e${each.key}\"\n}\n" +
		"migration \"each\" {\n for_each = index.each\n source { index = each.value.name }\n dest { index = index.each[each.key].name }\n}\n")
	files := memFiles{"main.hcl": src.String()}
	for b.Loop() {
		if _, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds()}); diags.HasErrors() {
			b.Fatal(show(diags))
		}
	}
}
