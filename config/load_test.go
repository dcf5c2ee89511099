package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

var update = flag.Bool("update", false, "rewrite the expected diagnostics in testdata")

// memFiles is a folder in memory; the configuration is in ".".
type memFiles map[string]string

func (m memFiles) ReadFile(name string) ([]byte, error) {
	s, ok := m[filepath.ToSlash(filepath.Clean(name))]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if s == "UNREADABLE\n" {
		return nil, fs.ErrPermission
	}
	return []byte(s), nil
}

func (m memFiles) ReadDir(name string) ([]string, error) {
	if name = path.Clean(name); name != "." {
		return nil, fs.ErrNotExist
	}
	var names []string
	for n := range maps.Keys(m) {
		if !strings.Contains(n, "/") {
			names = append(names, n)
		}
	}
	return names, nil
}

// testKinds are small, and have one of everything that a kind can say of its
// arguments.
func testKinds() []*providers.Kind {
	body := func(name string) providers.Attr { return providers.Attr{Name: name, Type: cty.DynamicPseudoType} }
	return []*providers.Kind{
		{Name: "alias", Namespace: "index", Stage: providers.StageContainers, Attrs: []providers.Attr{
			providers.TargetAttr, providers.NameAttr, {Name: "index", Type: cty.DynamicPseudoType},
		}},
		{Name: "index", Namespace: "index", Stage: providers.StageContainers, Attrs: []providers.Attr{
			providers.TargetAttr, providers.NameAttr, body("mappings"), body("settings"),
			{Name: "deletion_protection", Type: cty.Bool, Default: cty.True},
		}},
		{Name: "index_template", Stage: providers.StageTemplates, Attrs: []providers.Attr{
			providers.TargetAttr, providers.NameAttr, body("template"),
			{Name: "index_patterns", Type: cty.List(cty.String), Required: true},
			{Name: "priority", Type: cty.Number},
		}},
		{Name: "ingest_pipeline", Stage: providers.StagePipelines, Attrs: []providers.Attr{
			providers.TargetAttr, providers.NameAttr, body("processors"),
			{Name: "when", Type: cty.String, OneOf: []string{"before_data", "after_data"}, Default: cty.StringVal("after_data")},
			{Name: "token", Type: cty.String, Sensitive: true},
		}},
		{Name: "migration", Stage: providers.StageData,
			Attrs: []providers.Attr{
				{Name: "method", Type: cty.String, OneOf: []string{"auto", "reindex", "stream"}, Default: cty.StringVal("auto")},
				{Name: "size", Type: cty.Number},
			},
			Blocks: []providers.Nested{
				{Name: "source", Required: true, Attrs: []providers.Attr{
					{Name: "cluster", Type: providers.ClusterType, ClusterRole: "source"},
					{Name: "index", Type: cty.String, Required: true}, body("query"),
				}},
				{Name: "dest", Required: true, Attrs: []providers.Attr{
					{Name: "cluster", Type: providers.ClusterType, ClusterRole: "target"},
					{Name: "index", Type: cty.String, Required: true},
				}},
				{Name: "throttle", Attrs: []providers.Attr{{Name: "rate", Type: cty.Number, Default: cty.NumberIntVal(5)}}},
			}},
	}
}

// base is what most tests need besides what they are about.
const base = `
esmig {
  source = cluster.old
  target = cluster.new
}
cluster "old" { endpoint = "http://old:9200" }
cluster "new" { endpoint = "http://new:9200" }
`

func load(t *testing.T, main string, more ...string) (*Config, hcl.Diagnostics) {
	t.Helper()
	files := memFiles{"base.hcl": base, "main.hcl": main}
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"})
}

func mustLoad(t *testing.T, main string, more ...string) *Config {
	t.Helper()
	c, diags := load(t, main, more...)
	if diags.HasErrors() {
		t.Fatal(show(diags))
	}
	return c
}

func (c *Config) block(t *testing.T, addr string) *Block {
	t.Helper()
	for _, b := range c.Blocks {
		if b.Addr.String() == addr {
			return b
		}
	}
	t.Fatalf("no block %s", addr)
	return nil
}

// js writes an argument as JSON.
func js(t *testing.T, b *Block, arg string) string {
	t.Helper()
	v := b.Args
	for _, step := range strings.Split(arg, ".") {
		v = v.GetAttr(step)
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func show(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		if d.Subject != nil {
			fmt.Fprintf(&b, "%s:%d:%d: ", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column)
		}
		fmt.Fprintf(&b, "%s\n", d.Summary)
		for line := range strings.SplitSeq(d.Detail, "\n") {
			fmt.Fprintf(&b, "%s\n", strings.TrimRight("    "+line, " "))
		}
	}
	return b.String()
}

// TestDiagnostics holds testdata/*.txtar: files, and in "want" what Load finds
// wrong with them. A line "var NAME=VALUE", "var-file NAME", "env NAME=VALUE"
// or "version V" before the first file is an option.
func TestDiagnostics(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d cases, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := memFiles{}, ""
			o := Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"}
			for line := range strings.Lines(string(ar.Comment)) {
				word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				switch word {
				case "var":
					o.Vars = append(o.Vars, rest)
				case "var-file":
					o.VarFiles = append(o.VarFiles, rest)
				case "env":
					o.Env = append(o.Env, rest)
				case "version":
					o.Version = rest
				case "dir":
					o.Dir = rest
				case "base":
					files["base.hcl"] = base
				}
			}
			for _, f := range ar.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				files[f.Name] = string(f.Data)
			}
			c, diags := Load(o)
			got := show(diags)
			checkNoSecret(t, c, diags, "s3cret")
			if *update {
				ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return f.Name == "want" })
				ar.Files = append(ar.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			if got == "" {
				t.Error("no diagnostics")
			}
		})
	}
}

// checkNoSecret also guards against hcl before v2.25.0, whose writer panics on
// marked values (hcl#737).
func checkNoSecret(t *testing.T, c *Config, diags hcl.Diagnostics, secret string) {
	t.Helper()
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, c.Sources, 78, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), secret) {
		t.Errorf("a secret is shown:\n%s", b.String())
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
