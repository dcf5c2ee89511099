package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/state"
)

var errDead = errors.New("the process is dead")

// life counts what a process does to the world and ends it at a given count:
// from then on nothing that it does has an effect.
type life struct {
	left atomic.Int64
	lost bool // the last request is carried out, its answer is lost
}

func (l *life) spend() bool { return l.left.Add(-1) >= 0 }

// mortalFS lets state writes count.
type mortalFS struct {
	state.FS
	life *life
}

func (m mortalFS) Create(name string) (state.File, error) {
	if !m.life.spend() {
		return nil, errDead
	}
	f, err := m.FS.Create(name)
	return mortalFile{f, m.life}, err
}

func (m mortalFS) Append(name string) (state.File, error) {
	if !m.life.spend() {
		return nil, errDead
	}
	f, err := m.FS.Append(name)
	return mortalFile{f, m.life}, err
}

func (m mortalFS) Rename(a, b string) error {
	if !m.life.spend() {
		return errDead
	}
	return m.FS.Rename(a, b)
}

func (m mortalFS) Remove(name string) error {
	if !m.life.spend() {
		return errDead
	}
	return m.FS.Remove(name)
}

type mortalFile struct {
	state.File
	life *life
}

func (f mortalFile) Write(b []byte) (int, error) {
	if !f.life.spend() {
		half := len(b) / 2 // torn
		if f.life.left.Load() == -1 {
			if _, err := f.File.Write(b[:half]); err != nil {
				return 0, err
			}
		}
		return 0, errDead
	}
	return f.File.Write(b)
}

// mortalTransport lets requests count.
type mortalTransport struct {
	http.RoundTripper
	life *life
}

func (m mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !m.life.spend() {
		if m.life.lost && m.life.left.Load() == -1 {
			resp, err := m.RoundTripper.RoundTrip(r)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				err = errors.Join(err, resp.Body.Close())
			}
			return nil, errors.Join(errDead, err)
		}
		return nil, errDead
	}
	return m.RoundTripper.RoundTrip(r)
}

// TestEveryCrashPoint kills an apply at every write and every request, with
// the last request carried out or not, and wants the next apply to end with
// exactly the source's documents and an empty plan.
func TestEveryCrashPoint(t *testing.T) {
	files := withheld + indexA + migrationA + pipeline
	for _, lost := range []bool{false, true} {
		for n := int64(0); ; n++ {
			finished := false
			name := fmt.Sprintf("lost=%v/n=%d", lost, n)
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.documents(w.source, "src", 7)
					w.write("main.hcl", files)
					l := &life{lost: lost}
					l.left.Store(n)
					finished = w.mortalApply(l) == nil
					for _, d := range w.plan(engine.PlanOptions{}).Drift { // what a copy relaxes is none
						t.Errorf("drift of %s: %s to %s", d.Addr, d.Before, d.After)
					}
					w.recover()
				})
			})
			if finished {
				if n < 20 {
					t.Fatalf("only %d points: nothing was counted", n)
				}
				break
			}
			if t.Failed() {
				return
			}
		}
	}
}

// mortalApply is one process that lives as long as its life allows.
func (w *world) mortalApply(l *life) error { return w.mortal(l, engine.PlanOptions{}) }

func (w *world) mortal(l *life, o engine.PlanOptions) error {
	fsys := mortalFS{w.fs, l}
	cfg, ds := config.Load(config.Options{Dir: ".", Files: fsys, Kinds: all.Kinds(), Version: "0.1.0"})
	if ds.HasErrors() {
		w.t.Fatal(ds)
	}
	store, err := state.Open(fsys, "esmig.state.json", "0.1.0")
	if err != nil {
		return err
	}
	e := engine.New(engine.Options{Config: cfg, Store: store, Kinds: all.Kinds(),
		Connect: func(c providers.ClusterConfig) (providers.Cluster, error) {
			return elasticsearch.Connect(c, mortalTransport{w.net.Transport(), l})
		}})
	p, err := e.Plan(w.t.Context(), o)
	if err != nil {
		return err
	}
	if p.Failed() {
		return errDead
	}
	_, err = e.Apply(w.t.Context(), p)
	return err
}

// recover applies again and checks what must hold in the end.
func (w *world) recover() {
	w.t.Helper()
	w.apply()
	docs := w.target.Docs("a")
	if len(docs) != 7 {
		w.t.Errorf("%d documents instead of 7", len(docs))
	}
	for id, d := range docs {
		if strings.Contains(string(d.Source), "seen") {
			w.t.Errorf("%s went through the pipeline", id)
		}
	}
	if got := string(w.send(w.target, "GET", "/a/_settings", "")); !strings.Contains(got, `"default_pipeline":"p"`) {
		w.t.Errorf("default_pipeline was not restored: %s", got)
	}
	if got := string(w.send(w.target, "GET", "/a/_settings", "")); strings.Contains(got, "refresh_interval") || strings.Contains(got, "async") {
		w.t.Errorf("settings are still relaxed: %s", got)
	}
	w.settled()
	_, store := w.load()
	for _, o := range store.Get().Objects {
		if o.Addr.Kind != "migration" && !o.Owned {
			w.t.Errorf("%s is not known as made by esmig", o.Addr)
		}
	}
}

// TestDestinationDeletedAtEveryPoint: what a killed apply had copied is deleted
// before the next one, which must not believe its records.
func TestDestinationDeletedAtEveryPoint(t *testing.T) {
	for n := int64(0); ; n += 3 {
		finished := false
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.documents(w.source, "src", 7)
				for i := range 3 {
					w.source.Put("src2", fmt.Sprint("e", i), `{"n":1}`, "")
				}
				w.write("main.hcl", indexA+`
migration "m" {
  source { index = "src*" }
  dest   { index = index.a.name }
  concurrency = 1
  verify      = "none"
}`)
				l := &life{}
				l.left.Store(n)
				finished = w.mortalApply(l) == nil
				if slices.Contains(w.target.Indices(), "a") {
					w.send(w.target, "DELETE", "/a", "")
				}
				w.apply()
				if got := len(w.target.Docs("a")); got != 10 {
					t.Errorf("%d documents instead of 10", got)
				}
				w.settled()
			})
		})
		if finished || t.Failed() {
			return
		}
	}
}
