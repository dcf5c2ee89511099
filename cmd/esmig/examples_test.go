package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// example is a folder of examples/ on a simulated disk, between two fake
// clusters that hold what it wants to find.
type example struct {
	t              *testing.T
	source, target *providertest.Fake
	world          World
}

func newExample(t *testing.T, name string) *example {
	e := &example{t: t}
	net := &providertest.Network{}
	to := providertest.Options{Name: "target", Network: net, Whitelist: []string{"hosted.example:9243"}}
	if strings.HasSuffix(name, "-to-serverless") {
		to.Flavor = providers.Serverless
	}
	e.source = providertest.NewFake(providertest.Options{Name: "source", Network: net})
	e.target = providertest.NewFake(to)
	net.Join("hosted.example:9243", e.source)
	net.Join("target.example:9243", e.target)
	fsys := state.NewMemFS()
	root := filepath.Join("..", "..", "examples", name)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return state.WriteFile(fsys, "work/"+filepath.ToSlash(rel), b)
	})
	if err != nil {
		t.Fatal(err)
	}
	e.world = World{Dir: "work", Stdin: strings.NewReader(""), FS: fsys, TempDir: "tmp", Signals: make(chan os.Signal), Version: "0.1.0",
		Transport: func(string) http.RoundTripper { return net.Transport() },
		Env: []string{
			"ESMIG_VAR_source_endpoint=https://hosted.example:9243", "ESMIG_VAR_target_endpoint=https://target.example:9243",
			"ESMIG_VAR_source_api_key=aWQ6c291cmNlLWtleQ==", "ESMIG_VAR_target_api_key=aWQ6dGFyZ2V0LWtleQ==",
		}}
	return e
}

// fill puts into the source what the examples move.
func (e *example) fill() {
	document := func(i int, more string) string {
		return fmt.Sprintf(`{%s"time_hour":"2013-01-01T05:00:00Z","carrier":"UA","dep_delay":%d}`, more, i%90)
	}
	e.source.Must("PUT", "/_ilm/policy/flights-live", map[string]any{"policy": map[string]any{"phases": map[string]any{
		"hot": map[string]any{"actions": map[string]any{"rollover": map[string]any{"max_age": "30d"}}}, "delete": map[string]any{"min_age": "365d", "actions": map[string]any{"delete": map[string]any{}}}}}})
	e.source.Must("PUT", "/_index_template/flights-live", map[string]any{"index_patterns": []string{"flights-live"}, "data_stream": map[string]any{}, "priority": 200,
		"template": map[string]any{"settings": map[string]any{"index.lifecycle.name": "flights-live"}}})
	for i := range 500 {
		e.source.Put("flights", fmt.Sprint("n-", i), document(i, ""), "")
		e.source.Put(fmt.Sprint("flights-2013-0", 1+i%3), fmt.Sprint("n-", i), document(i, ""), "")
		e.source.Must("PUT", fmt.Sprint("/flights-live/_create/n-", i), map[string]any{"@timestamp": "2013-12-01T05:00:00Z", "carrier": "UA", "dep_delay": i % 90})
	}
	e.source.Must("POST", "/flights-live/_refresh", nil)
	e.source.Put("carriers", "UA", `{"code":"UA","name":"United Air Lines Inc."}`, "")
}

func (e *example) run(code int, args ...string) string {
	e.t.Helper()
	var out bytes.Buffer
	e.world.Args, e.world.Stdout, e.world.Stderr = args, &out, &out
	if got := run(e.t.Context(), e.world); got != code {
		e.t.Fatalf("esmig %v: exit code %d, want %d:\n%s", args, got, code, out.String())
	}
	return out.String()
}

// TestExamples plans, applies, plans again and destroys every example.
func TestExamples(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", "..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExample(t, entry.Name())
				e.fill()
				e.run(exitDone, "fmt", "-check")
				e.run(exitDone, "validate")
				e.run(exitChanges, "plan", "-detailed-exitcode")
				e.run(exitDone, "apply", "-auto-approve")
				e.run(exitDone, "plan", "-detailed-exitcode")
				e.run(exitDone, "destroy", "-auto-approve")
				if got := e.run(exitDone, "state", "list"); got != "" {
					t.Errorf("destroy left %s", got)
				}
			})
		})
	}
}

// TestReadme keeps the plan that the README shows true.
func TestReadme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExample(t, "quickstart")
		e.fill()
		plan := "$ esmig plan\n" + e.run(exitDone, "plan")
		path := filepath.Join("..", "..", "README.md")
		readme, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- plan: written by the tests (make generate) -->\n```\n", "```\n<!-- /plan -->"
		before, rest, ok := strings.Cut(string(readme), begin)
		shown, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatal("the README has lost the marks around its plan")
		}
		if shown == plan {
			return
		}
		if !*update {
			t.Fatalf("the README shows another plan than esmig (make generate):\n%s", cmp.Diff(shown, plan))
		}
		if err := os.WriteFile(path, []byte(before+begin+plan+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDocuments keeps the examples of the documents in the usual form.
func TestDocuments(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	language, err := os.ReadFile(filepath.Join("..", "..", "docs", "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for name, page := range map[string]string{"README.md": string(readme), "language.md": string(language)} {
		for _, rest := range strings.Split(page, "```hcl\n")[1:] {
			src, _, _ := strings.Cut(rest, "```")
			examples++
			if got := string(config.Format([]byte(src))); got != src {
				t.Errorf("an example in %s is not in the usual form:\n%s", name, cmp.Diff(src, got))
			}
		}
	}
	if examples < 5 {
		t.Errorf("only %d examples were found", examples)
	}
}
