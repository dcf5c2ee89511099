package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/esmig/esmig/providers"
)

func rm(path string) providers.Fix {
	arg, rest, _ := strings.Cut(path, "/")
	f := providers.Fix{Do: providers.Remove, Arg: arg}
	if rest != "" {
		f.Path = strings.Split(rest, "/")
	}
	return f
}

func with(do providers.Change, path string, value any) providers.Fix {
	f := rm(path)
	f.Do, f.Value = do, value
	return f
}

// rewrite makes fixes of the block index.x, and reads the files again.
func rewrite(t rapid.TB, files memFiles, fixes ...providers.Fix) (memFiles, *Config) {
	t.Helper()
	load := func(files memFiles) *Config {
		c, diags := Load(Options{Dir: ".", Files: files, Kinds: testKinds(), Version: "0.1.0"})
		if diags.HasErrors() {
			t.Fatalf("%s\n%v", files["main.hcl"], show(diags))
		}
		return c
	}
	c := load(files)
	b := c.blockAt(providers.Addr{Kind: "index", Name: "x"})
	var edits []Edit
	for _, f := range fixes {
		e := c.Edit(b, f)
		if e.Why != "" {
			t.Fatalf("%v: %s", f, e.Why)
		}
		edits = append(edits, e)
	}
	changed, err := c.Rewrite(edits)
	if err != nil {
		t.Fatal(err)
	}
	out := maps.Clone(files)
	for name, src := range changed {
		out[name] = string(src)
	}
	return out, load(out)
}

// TestRewrite: what is not meant stays as it is, and comments go with the last
// of the lines below them.
func TestRewrite(t *testing.T) {
	const head = "esmig {\n  target = cluster.new\n}\ncluster \"new\" { endpoint = \"http://new:9200\" }\n"
	for name, tt := range map[string]struct {
		src   string
		fixes []providers.Fix
		want  string
	}{
		"own lines": {`index "x" {
  settings = {
    a = 1, # with its comment
    b   = 2
    # about c
    c = { d = [1,
      2] }
  }
}
`, []providers.Fix{rm("settings/a"), rm("settings/c")}, `index "x" {
  settings = {
    b   = 2
  }
}
`},
		"comments": {`index "x" {
  settings = {
    # about both
    a = 1
    b = 2

    # only about c
    c = 3

    // about d,
    // in two lines
    d = 4
    # about e
    e = 5
  }
}
`, []providers.Fix{rm("settings/a"), rm("settings/c"), rm("settings/d")}, `index "x" {
  settings = {
    # about both
    b = 2

    # about e
    e = 5
  }
}
`},
		"one line": {`index "x" { settings = { a = 1, b = 2, c = 3, "d.e" = 4 } }
`, []providers.Fix{rm("settings/a"), rm("settings/c"), rm("settings/d.e")}, `index "x" { settings = { b = 2 } }
`},
		"first of one line": {`index "x" { settings = { a = 1, b = 2, c = 3 } }
`, []providers.Fix{rm("settings/a"), rm("settings/b")}, `index "x" { settings = { c = 3 } }
`},
		"line shared with the brace": {`index "x" {
  settings = { a = 1,
    b = 2 }
}
`, []providers.Fix{rm("settings/b")}, `index "x" {
  settings = { a = 1 }
}
`},
		"what becomes empty goes": {`index "x" {
  # The settings.
  settings = { a = { b = { c = 1 } } }
  mappings = {}
}
`, []providers.Fix{rm("settings/a/b/c")}, `index "x" {
  # The settings.
  mappings = {}
}
`},
		"the formatted stays formatted": {`index "x" {
  settings = {
    a          = 1
    long_names = 2
  }
}
`, []providers.Fix{rm("settings/long_names")}, `index "x" {
  settings = {
    a = 1
  }
}
`},
		"set": {`index "x" { settings = { a = local.one , b = 2 } } # the end
locals { one = 1 }
`, []providers.Fix{with(providers.Set, "settings/a", "5s")}, `index "x" { settings = { a = "5s" , b = 2 } } # the end
locals { one = 1 }
`},
		"add to lines": {`index "x" {
  settings = {
    a = 1 # one
  }
}
`, []providers.Fix{with(providers.Add, "settings/life", map[string]any{"days": "1d", "l": []any{map[string]any{"a.b": true}}})}, `index "x" {
  settings = {
    a    = 1 # one
    life = { days = "1d", l = [{ "a.b" = true }] }
  }
}
`},
		"add to one line": {`index "x" { settings = { a = 1 } }
`, []providers.Fix{with(providers.Add, "settings/b", "x"), rm("settings/a")}, `index "x" { settings = { b = "x" } }
`},
		"add deeper, in the place of what goes": {`index "x" {
  settings = {
    a = 1
  }
}
`, []providers.Fix{with(providers.Add, "settings/b/c", "x"), rm("settings/a")}, `index "x" {
  settings = {
    b = { c = "x" }
  }
}
`},
		"add an argument": {`index "x" {
  name = "x"
}
`, []providers.Fix{with(providers.Add, "settings/b", "x")}, `index "x" {
  name     = "x"
  settings = { b = "x" }
}
`},
		"unwrap": {`index "x" {
  mappings = {
    doc = { properties = {
      a = { type = "keyword" } # of doc
    } }
  }
}
`, []providers.Fix{with(providers.Unwrap, "mappings/doc", nil)}, `index "x" {
  mappings = { properties = {
    a = { type = "keyword" } # of doc
  } }
}
`},
		"unwrap keeps comments": {`index "x" {
  mappings = {
    # from the old cluster, ticket 123
    doc = {
      properties = {
        a = { type = "keyword" } # of doc
      }
    } # behind it
    // at the end
  }
}
`, []providers.Fix{with(providers.Unwrap, "mappings/doc", nil)}, `index "x" {
  mappings = {
    # from the old cluster, ticket 123
    properties = {
      a = { type = "keyword" } # of doc
    }
    # behind it
    // at the end
  }
}
`},
		"unwrap one line with a comment": {`index "x" { mappings = { /* old */ doc = { properties = {} } } }
`, []providers.Fix{with(providers.Unwrap, "mappings/doc", nil)}, `index "x" { mappings = {
  /* old */
properties = {} } }
`},
		"unwrap nothing with a comment": {`index "x" {
  mappings = {
    doc = {} # behind it
  }
}
`, []providers.Fix{with(providers.Unwrap, "mappings/doc", nil)}, `index "x" {
  mappings = {
    # behind it
  }
}
`},
		"the comment of what stays": {`index "x" {
  settings = { a = 1, # about a
    # about b
    b = 2 }
}
`, []providers.Fix{rm("settings/b")}, `index "x" {
  settings = { a = 1, # about a
 }
}
`},
		"the comment behind what stays": {`index "x" {
  settings = {
    a = 1 # about a
    b = 2 /* about b */
    c = 3
  }
}
`, []providers.Fix{rm("settings/b")}, `index "x" {
  settings = {
    a = 1 # about a
    /* about b */
    c = 3
  }
}
`},
		"the comment before what stays": {`index "x" { settings = { a = 1 /* a, of course */, /* about b */ b = 2 } }
`, []providers.Fix{rm("settings/a")}, `index "x" { settings = { /* about b */ b = 2 } }
`},
		"comments in one line": {`index "x" { settings = { a = 1 /* about a */, b = 2, } }
`, []providers.Fix{rm("settings/b")}, `index "x" { settings = { a = 1 /* about a */ } }
`},
		"a comment after the comma": {`index "x" { settings = { a = 1, /* about b */ b = 2, } }
`, []providers.Fix{rm("settings/b")}, `index "x" { settings = { a = 1, /* about b */ } }
`},
		"the comment in a list": {`index "y" {
  depends_on = [index.z, # about z
    index.x]
}
index "x" {
}
index "z" {
}
`, []providers.Fix{{Do: providers.Remove}}, `index "y" {
  depends_on = [index.z, # about z
]
}
index "z" {
}
`},
		"through locals and keys": {`index "x" { settings = local.all["index"].settings }
locals {
  all = { index = { settings = { a = 1, b = 2 } } }
}
`, []providers.Fix{rm("settings/a")}, `index "x" { settings = local.all["index"].settings }
locals {
  all = { index = { settings = { b = 2 } } }
}
`},
		"the value of a local stays": {`index "x" { settings = local.settings }
locals {
  settings = { a = 1 }
}
`, []providers.Fix{rm("settings/a")}, `index "x" { settings = local.settings }
locals {
  settings = {}
}
`},
		"the part of a local stays": {`index "x" { settings = local.all["index"].settings }
locals {
  all = { index = { settings = { a = { b = 1 } } } }
}
`, []providers.Fix{rm("settings/a/b")}, `index "x" { settings = local.all["index"].settings }
locals {
  all = { index = { settings = {} } }
}
`},
		"block": {`index "y" {
  depends_on = [index.x, index.z]
}

# about x
index "x" {
}

index "z" {
  depends_on = [index.x]
}
`, []providers.Fix{{Do: providers.Remove}}, `index "y" {
  depends_on = [index.z]
}

index "z" {
}
`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := rewrite(t, memFiles{"base.hcl": head, "main.hcl": tt.src}, tt.fixes...)
			if diff := cmp.Diff(tt.want, got["main.hcl"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRewriteJSON(t *testing.T) {
	const main = base + `index "x" { settings = jsondecode(file("s.json")) }`
	for name, tt := range map[string]struct {
		src   string
		fixes []providers.Fix
		want  string
	}{
		"lines": {"{\n\t\"a\": 1,\n\t\"b\": {\"c\":  [1, 2], \"d\": 2},\n\t\"e\": 3\n}\n",
			[]providers.Fix{rm("settings/a"), rm("settings/b/d"), rm("settings/e")}, "{\n\t\"b\": {\"c\":  [1, 2]}\n}\n"},
		"one line": {`{"a":1,"b":2,"c":3}`, []providers.Fix{rm("settings/a"), rm("settings/b")}, `{"c":3}`},
		"all":      {`{"a":1,"b":{"c":3}}`, []providers.Fix{rm("settings/a"), rm("settings/b/c")}, `{}`},
		"add":      {"{\n    \"a\": 1\n}\n", []providers.Fix{with(providers.Add, "settings/b", map[string]any{"c": "d"})}, "{\n    \"a\": 1,\n    \"b\": {\n        \"c\": \"d\"\n    }\n}\n"},
		"add and remove the last": {"{\n  \"a\": 1,\n  \"z\": 1\n}", []providers.Fix{with(providers.Add, "settings/b", "x"), rm("settings/z")},
			"{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
		"set":                 {`{ "a" : "1s" }`, []providers.Fix{with(providers.Set, "settings/a", "5s")}, `{ "a" : "5s" }`},
		"unwrap":              {"{\n  \"doc\": {\n    \"a\": {\n      \"b\": 1\n    }\n  }\n}\n", []providers.Fix{with(providers.Unwrap, "settings/doc", nil)}, "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"},
		"nothing but the add": {`{"a": 1}`, []providers.Fix{rm("settings/a"), with(providers.Add, "settings/b", "x")}, `{ "b": "x" }`},
		"escaped key":         {`{"\u0061": 1, "b": "${x} %{y}"}`, []providers.Fix{rm("settings/a")}, `{"b": "${x} %{y}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := rewrite(t, memFiles{"main.hcl": main, "s.json": tt.src}, tt.fixes...)
			if diff := cmp.Diff(tt.want, got["s.json"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRewriteLineEnds: a file has the same line ends afterwards.
func TestRewriteLineEnds(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	main := "index \"x\" {\n  settings = {\n    # about a\n    a = 1\n    b = 2 # two\n\n    c = 3\n  }\n  mappings = {\n    # old\n    doc = {\n      properties = {}\n    }\n  }\n}\n"
	want := "index \"x\" {\n  settings = {\n    # about a\n    a = 1\n\n    c = 3\n    d = { e = \"x\" }\n  }\n  mappings = {\n    # old\n    properties = {}\n  }\n}\n"
	got, _ := rewrite(t, memFiles{"base.hcl": base, "main.hcl": crlf(main)}, rm("settings/b"), with(providers.Add, "settings/d", map[string]any{"e": "x"}), with(providers.Unwrap, "mappings/doc", nil))
	if diff := cmp.Diff(crlf(want), got["main.hcl"]); diff != "" {
		t.Error(diff)
	}
	files := memFiles{"main.hcl": base + `index "x" { settings = jsondecode(file("s.json")) }`, "s.json": crlf("{\n  \"a\": 1,\n  \"b\": 2\n}\n")}
	got, _ = rewrite(t, files, rm("settings/a"), with(providers.Add, "settings/d", map[string]any{"e": "x"}))
	if diff := cmp.Diff(crlf("{\n  \"b\": 2,\n  \"d\": {\n    \"e\": \"x\"\n  }\n}\n"), got["s.json"]); diff != "" {
		t.Error(diff)
	}
}

// TestRewriteRandom: whatever the layout, the files say afterwards what they
// said before without what was removed, no other byte of a value changes, and
// the comments of what stays do too.
func TestRewriteRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &layouts{t: t, json: rapid.Bool().Draw(t, "json"), gone: map[string]bool{}, notes: map[string][]string{}}
		text, want := g.object("settings", 0)
		files := memFiles{"main.hcl": base + "index \"x\" {\n  mappings = {}\n  settings = " + text + "\n}\n"}
		if g.json {
			files = memFiles{"main.hcl": base + `index "x" { settings = jsondecode(file("s.json")) }`, "s.json": text}
		}
		var fixes []providers.Fix
		for _, p := range slices.Sorted(maps.Keys(g.gone)) {
			fixes = append(fixes, rm(p))
		}
		if add := rapid.Bool().Draw(t, "add"); add {
			fixes = append(fixes, with(providers.Add, "settings/added", "x"))
			want["added"] = "x"
		}
		after, c := rewrite(t, files, fixes...)
		got := any(map[string]any{})
		if v := c.blockAt(providers.Addr{Kind: "index", Name: "x"}).Args.GetAttr("settings"); !v.IsNull() {
			raw, err := ctyjson.Marshal(v, v.Type())
			if err != nil {
				t.Fatal(err)
			}
			if got, err = providers.Decode(raw); err != nil {
				t.Fatal(err)
			}
		}
		if string(providers.Encode(got)) != string(providers.Encode(want)) {
			t.Fatalf("removed %v of\n%s\nleft\n%s%s\n%s, want\n%s", fixes, text, after["main.hcl"], after["s.json"], providers.Encode(got), providers.Encode(want))
		}
		for path, notes := range g.notes {
			if !stays(want, strings.Split(path, "/")[1:]) {
				continue
			}
			for _, note := range notes {
				if strings.Count(after["main.hcl"], note) != 1 {
					t.Fatalf("removed %v of\n%s\nlost %q of what stays:\n%s", fixes, text, note, after["main.hcl"])
				}
			}
		}
	})
}

// stays says whether there is something at a path.
func stays(v any, path []string) bool {
	for _, k := range path {
		m, _ := v.(map[string]any)
		if v = m[k]; v == nil {
			return false
		}
	}
	return true
}

// layouts writes random objects in random layouts.
type layouts struct {
	t    *rapid.T
	json bool
	gone map[string]bool
	// notes are the comments of what is at a path; no two are the same.
	notes map[string][]string
}

func (g *layouts) note(path, open, close string) string {
	n := open + " " + path + close
	g.notes[path] = append(g.notes[path], n)
	return n
}

func (g *layouts) draw(n int, what string) int { return rapid.IntRange(0, n-1).Draw(g.t, what) }

// object is an object's text, and what is left of it.
func (g *layouts) object(path string, depth int) (string, map[string]any) {
	var b strings.Builder
	want := map[string]any{}
	lines := g.draw(3, "lines") > 0
	indent := strings.Repeat("  ", depth+1)
	n := g.draw(4, "entries") + 1
	b.WriteString("{")
	if lines {
		b.WriteString("\n")
	}
	for i := range n {
		key := fmt.Sprintf("k%d", i)
		value, left := fmt.Sprint(i), any(fmt.Sprint(i))
		if left, _ = providers.Decode([]byte(value)); depth < 2 && g.draw(3, "nested") == 0 {
			value, left = g.object(path+"/"+key, depth+1)
		}
		switch {
		case g.draw(2, "gone") == 0:
			for p := range g.gone { // those inside go with it
				if strings.HasPrefix(p, path+"/"+key+"/") && g.draw(2, "also inside") == 0 {
					delete(g.gone, p)
				}
			}
			g.gone[path+"/"+key] = true
		default:
			if m, ok := left.(map[string]any); !ok || len(m) > 0 {
				want[key] = left
			}
		}
		last := i == n-1
		name, comma := key+" = ", ", "
		if g.json {
			name = `"` + key + `": `
			if last {
				comma = ""
			} else if lines {
				comma = ",\n"
			}
		} else if lines && (last || g.draw(3, "same line") > 0) {
			switch g.draw(5, "end") {
			case 0:
				comma = "\n"
			case 1:
				comma = ",\n"
			case 2:
				comma = " " + g.note(path+"/"+key, "# note", ";") + "\n"
			case 3:
				comma = ", " + g.note(path+"/"+key, "// note", ";") + "\n"
			case 4:
				comma = " " + g.note(path+"/"+key, "/* note", "*/") + ",\n"
			}
		} else if last {
			comma = " "
		}
		if lines && !g.json && g.draw(4, "comment") == 0 && strings.HasSuffix(b.String(), "\n") {
			b.WriteString(indent + g.note(path+"/"+key, "# about", ";") + "\n")
		}
		if strings.HasSuffix(b.String(), "\n") {
			b.WriteString(indent)
		}
		if !g.json && g.draw(5, "inside") == 0 {
			b.WriteString(g.note(path+"/"+key, "/* inside", "*/") + " ")
		}
		b.WriteString(name + value + comma)
	}
	if lines && g.json {
		b.WriteString("\n" + strings.Repeat("  ", depth))
	} else if lines {
		b.WriteString(strings.Repeat("  ", depth))
	}
	b.WriteString("}")
	return b.String(), want
}
