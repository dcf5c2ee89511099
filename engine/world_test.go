package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// world is two fake clusters, a folder and a state: no socket, no disk.
type world struct {
	t              testing.TB
	net            *providertest.Network
	source, target *providertest.Fake
	fs             *state.MemFS
	disk           state.FS // fs, or what stands before it
	parallelism    int
	vars           []string
	mu             sync.Mutex
	events         []engine.Event
	sink           engine.Sink
}

// clusters stands before every configuration of these tests.
const clusters = `
esmig {
  source = cluster.hosted
  target = cluster.target
}
cluster "hosted" { endpoint = "http://source:9200" }
cluster "target" { endpoint = "http://target:9200" }
`

func newWorld(t testing.TB) *world {
	w := &world{t: t, net: &providertest.Network{}, fs: state.NewMemFS()}
	w.disk = w.fs
	w.source = providertest.NewFake(providertest.Options{Name: "source", Network: w.net, Whitelist: []string{"*:*"}})
	w.target = providertest.NewFake(providertest.Options{Name: "target", Network: w.net, Whitelist: []string{"source:9200"}})
	w.net.Join("source:9200", w.source)
	w.net.Join("target:9200", w.target)
	return w
}

// write puts a file into the folder; "main.hcl" gets the clusters.
func (w *world) write(name, text string) {
	w.t.Helper()
	if name == "main.hcl" {
		text = clusters + text
	}
	if err := state.WriteFile(w.fs, name, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) send(fake *providertest.Fake, method, path, body string) json.RawMessage {
	w.t.Helper()
	host := map[*providertest.Fake]string{w.source: "source:9200", w.target: "target:9200"}[fake]
	c, err := elasticsearch.Connect(providers.ClusterConfig{Name: "hand", Endpoint: "http://" + host}, w.net.Transport())
	if err != nil {
		w.t.Fatal(err)
	}
	p, q, _ := strings.Cut(path, "?")
	r := providers.Request{Method: method, Path: p, Body: []byte(body)}
	if q != "" {
		r.Query = map[string][]string{}
		for kv := range strings.SplitSeq(q, "&") {
			k, v, _ := strings.Cut(kv, "=")
			r.Query.Set(k, v)
		}
	}
	out, err := c.Do(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return out
}

// documents puts n documents with a number and a word into an index.
func (w *world) documents(fake *providertest.Fake, index string, n int) {
	w.t.Helper()
	for i := range n {
		fake.Put(index, fmt.Sprintf("d%03d", i), fmt.Sprintf(`{"n":%d,"word":"w%d"}`, i, i), "")
	}
}

// load reads the files and opens the state.
func (w *world) load() (*engine.Engine, *state.Store) {
	w.t.Helper()
	cfg, ds := config.Load(config.Options{Dir: ".", Files: w.fs, Kinds: all.Kinds(), Vars: w.vars, Version: "0.1.0"})
	if ds.HasErrors() {
		w.t.Fatal(ds)
	}
	store, err := state.Open(w.disk, "esmig.state.json", "0.1.0")
	if err != nil {
		w.t.Fatal(err)
	}
	return engine.New(engine.Options{Config: cfg, Store: store, Kinds: all.Kinds(), Parallelism: w.parallelism,
		Connect: func(c providers.ClusterConfig) (providers.Cluster, error) {
			return elasticsearch.Connect(c, w.net.Transport())
		},
		Sink: func(e engine.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			if w.sink != nil {
				w.sink(e)
			}
		}}), store
}

func (w *world) plan(o engine.PlanOptions) *engine.Plan {
	w.t.Helper()
	e, _ := w.load()
	p, err := e.Plan(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// tryApply plans and applies as the command does.
func (w *world) tryApply(ctx context.Context, o engine.PlanOptions) (engine.Summary, error) {
	w.t.Helper()
	w.events = nil
	e, store := w.load()
	if err := store.Lock(ctx, state.LockInfo{Operation: "apply"}, 0); err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := store.Unlock(); err != nil {
			w.t.Error(err)
		}
	}()
	p, err := e.Plan(ctx, o)
	if err != nil {
		return engine.Summary{}, err
	}
	if p.Failed() {
		w.t.Fatalf("the plan has errors: %v", p.Diagnostics)
	}
	return e.Apply(ctx, p)
}

func (w *world) apply() engine.Summary {
	w.t.Helper()
	sum, err := w.tryApply(w.t.Context(), engine.PlanOptions{})
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.log())
	}
	return sum
}

// settled fails unless the second plan is empty.
func (w *world) settled() {
	w.t.Helper()
	if p := w.plan(engine.PlanOptions{}); !p.Empty() || p.Failed() || len(p.Drift) > 0 {
		w.t.Errorf("the second plan is not empty: %s", show(p))
	}
}

// log is what failed, for messages of tests.
func (w *world) log() string {
	var b strings.Builder
	for _, e := range w.events {
		if f, ok := e.(engine.StepFailed); ok {
			fmt.Fprintf(&b, "%s %s skipped=%v waits=%v", f.Addr, f.Action, f.Skipped, f.WaitsFor)
			if f.Diagnostic != nil {
				fmt.Fprintf(&b, ": %s: %s", f.Diagnostic.Summary, f.Diagnostic.Detail)
			}
			b.WriteByte('\n')
		}
		if v, ok := e.(engine.VerifyDone); ok && !v.Same {
			fmt.Fprintf(&b, "%s: %+v\n", v.Addr, v.Verification)
		}
	}
	return b.String()
}

// show is a plan in a few words: "create index.a; migrate migration.m (why)".
func show(p *engine.Plan) string {
	var rows []string
	for _, s := range p.Steps {
		row := fmt.Sprintf("%s %s", s.Action, s.Addr)
		if s.Reason != "" {
			row += " (" + s.Reason + ")"
		}
		rows = append(rows, row)
	}
	for _, d := range p.Diagnostics {
		rows = append(rows, fmt.Sprintf("%s: %s: %s", d.Severity, d.Summary, d.Detail))
	}
	return strings.Join(rows, "; ")
}

// wantSteps compares a plan's actions and addresses in order.
func wantSteps(t *testing.T, p *engine.Plan, want ...string) {
	t.Helper()
	var got []string
	for _, s := range p.Steps {
		got = append(got, fmt.Sprintf("%s %s", s.Action, s.Addr))
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps:\n got %q\nwant %q\n%s", got, want, show(p))
	}
}

// wantError finds one error with this code, and words in its detail.
func wantError(t *testing.T, p *engine.Plan, code string, words ...string) {
	t.Helper()
	for _, d := range p.Diagnostics {
		if d.Severity == providers.SeverityError && d.Code == code {
			for _, word := range words {
				if !strings.Contains(d.Detail, word) {
					t.Errorf("error %s lacks %q: %s", code, word, d.Detail)
				}
			}
			if d.File == "" {
				t.Errorf("error %s has no place: %+v", code, d)
			}
			return
		}
	}
	t.Errorf("no error %q in: %s", code, show(p))
}

// step finds a plan's step by address and action.
func step(t *testing.T, p *engine.Plan, key string) *engine.Step {
	t.Helper()
	for _, s := range p.Steps {
		if s.Key() == key {
			return s
		}
	}
	t.Fatalf("no step %s in %s", key, show(p))
	return nil
}
