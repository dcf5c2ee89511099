package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/esmig/esmig/"

// layers says which packages of this module each package may import: imports
// go one way, and no kind knows the engine. Tests may import more.
var layers = map[string][]string{
	"providers":                          {},
	"state":                              {"providers"},
	"config":                             {"providers"},
	"engine":                             {"config", "providers", "state"},
	"providers/elasticsearch":            {"providers", "providers/elasticsearch/serverless"},
	"providers/elasticsearch/serverless": {},
	"providers/migration":                {"providers", "providers/elasticsearch", "providers/elasticsearch/serverless"},
	"providers/all":                      {"providers", "providers/elasticsearch", "providers/migration"},
	"providers/providertest":             {"providers", "providers/elasticsearch/serverless"},
	"cmd/esmig/view":                     {"engine", "providers", "state"},
	"cmd/esmig":                          {"cmd/esmig/view", "config", "engine", "providers", "providers/all", "providers/elasticsearch", "state"},
	"cmd/eslab":                          {"cmd/eslab/door"},
	"cmd/eslab/door":                     {"providers/elasticsearch/serverless"},
	"cmd/esbench":                        {"providers/migration"}, // its sizes, for the model
}

// doors are imports and calls that only some packages may use, so that the
// whole program can run against a simulated network, disk and clock.
var doors = []struct {
	what    string // import path, or package.Function
	allowed []string
}{
	{"github.com/urfave/cli/v2", []string{"cmd/esmig"}},
	{"github.com/vbauerster/mpb/v8", []string{"cmd/esmig/view"}},
	{"github.com/fatih/color", []string{"cmd/esmig/view"}},
	{"os", []string{"cmd/esmig", "cmd/eslab", "cmd/esbench", "state"}},
	{"os/exec", []string{"cmd/eslab", "cmd/esbench"}},
	{"fmt.Print", []string{"cmd/eslab", "cmd/esbench"}},
	{"fmt.Println", []string{"cmd/eslab"}},
	{"fmt.Printf", []string{"cmd/eslab"}},
	{"http.DefaultClient", []string{}},
	{"http.DefaultTransport", []string{"providers/elasticsearch"}},
	{"http.Get", []string{}},
	{"net.Dial", []string{"cmd/eslab"}},
	{"time.Sleep", []string{"cmd/eslab", "state"}},
}

// TestLayers fails when an import goes the wrong way or a door is bypassed.
func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found++
		checkFile(t, filepath.ToSlash(rel), path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Fatalf("looked at %d files only: the walk is broken", found)
	}
}

func checkFile(t *testing.T, rel, path string) {
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg := rel[:strings.LastIndex(rel, "/")]
	allowed, known := layers[pkg]
	if !known {
		t.Errorf("%s: package %s is not in the table of layers", rel, pkg)
	}
	used := map[string]bool{}
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		used[p] = true
		if own, ok := strings.CutPrefix(p, module); ok && !slices.Contains(allowed, own) {
			t.Errorf("%s imports %s: %s may import %v only", rel, own, pkg, allowed)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Obj == nil {
				used[x.Name+"."+s.Sel.Name] = true
			}
		}
		if d, ok := n.(*ast.FuncDecl); ok && d.Name.Name == "init" && d.Recv == nil {
			t.Errorf("%s has an init function: kinds and the like are listed, not registered", rel)
		}
		return true
	})
	for _, d := range doors {
		if used[d.what] && !slices.Contains(d.allowed, pkg) {
			t.Errorf("%s uses %s: only %v may", rel, d.what, d.allowed)
		}
	}
}
