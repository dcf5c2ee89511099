package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// sim is the whole program against a simulated network, disk and clock.
type sim struct {
	t       *testing.T
	target  *providertest.Fake
	fs      *fullFS
	world   World
	out     bytes.Buffer
	signals chan os.Signal
}

// fullFS is a disk of which the folder "work" can run full.
type fullFS struct {
	*state.MemFS
	full bool
}

func (f *fullFS) Create(name string) (state.File, error) {
	if f.full && strings.HasPrefix(name, "work") {
		return nil, syscall.ENOSPC
	}
	return f.MemFS.Create(name)
}

func newSim(t *testing.T, config string) *sim {
	s := &sim{t: t, fs: &fullFS{MemFS: state.NewMemFS()}, signals: make(chan os.Signal)}
	net := &providertest.Network{}
	s.target = providertest.NewFake(providertest.Options{Name: "target", Network: net})
	net.Join("target:9200", s.target)
	s.world = World{
		Dir: "work", Stdin: strings.NewReader(""), FS: s.fs, TempDir: "tmp", Signals: s.signals, Version: "0.1.0",
		Transport: func(string) http.RoundTripper { return net.Transport() },
	}
	if err := state.WriteFile(s.fs, "work/main.hcl", []byte("cluster \"target\" {\n  endpoint = \"http://target:9200\"\n}\n"+config)); err != nil {
		t.Fatal(err)
	}
	return s
}

// run gives all output and the exit code.
func (s *sim) run(args ...string) (string, int) {
	s.out.Reset()
	s.world.Args, s.world.Stdout, s.world.Stderr = args, &s.out, &s.out
	code := run(s.t.Context(), s.world)
	return s.out.String(), code
}

// want runs a command that must end with this code and say this.
func (s *sim) want(code int, text string, args ...string) {
	s.t.Helper()
	out, got := s.run(args...)
	if got != code || !strings.Contains(out, text) {
		s.t.Errorf("esmig %v: exit code %d, want %d and %q in:\n%s", args, got, code, text, out)
	}
}

const pipeline = `
ingest_pipeline "flights" {
  cluster    = cluster.target
  processors = [{ set = { field = "migrated", value = true } }]
}
component_template "base" {
  cluster  = cluster.target
  template = { mappings = {} }
}
`

func TestPlanApplyInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, pipeline)
		s.want(exitChanges, "Plan: 2 to create.", "plan", "-detailed-exitcode")
		s.want(exitDone, "Applied: 2 created.", "apply", "-auto-approve")
		s.want(exitDone, "No changes.", "plan", "-detailed-exitcode")
		s.want(exitDone, "component_template.base\ningest_pipeline.flights\n", "state", "list")
	})
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, pipeline)
		s.world.StdinTTY, s.world.StdoutTTY = true, true
		s.world.Stdin = strings.NewReader("y\n")
		s.want(exitError, `The answer was not "yes".`, "apply")
		if w := s.target.Writes(); len(w) > 0 {
			t.Errorf("it wrote all the same: %v", w)
		}
		s.world.Stdin = strings.NewReader("yes\n")
		s.want(exitDone, `Only "yes" is accepted: `, "apply")
		s.world.Stdin = strings.NewReader("yes\n")
		s.want(exitDone, "2 deleted", "destroy")
	})
}

// blocked is a standard input that nobody types into.
type blocked chan struct{}

func (b blocked) Read([]byte) (int, error) { <-b; return 0, errors.New("closed") }

func TestSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, pipeline)
		in := make(blocked)
		defer close(in)
		s.world.StdinTTY, s.world.Stdin = true, in
		go func() { s.signals <- os.Interrupt }() // at the question, or before it
		s.want(exitInterrupted, "Interrupted. Nothing has been changed.", "apply")
	})
}

// TestSecondSignal: it ends at once, whatever a cluster is doing; the next
// apply goes on.
func TestSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, pipeline)
		arrived, free := make(chan struct{}), make(chan struct{})
		s.target.Fault(func(r *http.Request) providertest.Fault {
			if r.Method == http.MethodPut {
				close(arrived)
				<-free
			}
			return providertest.Fault{}
		})
		go func() {
			<-arrived
			s.signals <- os.Interrupt
			synctest.Wait()
			s.signals <- os.Interrupt
		}()
		s.want(exitInterrupted, "press Ctrl-C again to leave at once", "apply", "-auto-approve", "-parallelism", "1")
		close(free)
	})
}

// TestDiskFull: what was done is kept in another place, in a form that state
// push takes.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, pipeline)
		s.target.Fault(func(r *http.Request) providertest.Fault {
			s.fs.full = s.fs.full || r.Method == http.MethodPut
			return providertest.Fault{}
		})
		out, _ := s.run("apply", "-auto-approve", "-parallelism", "1")
		rescued := regexp.MustCompile(`esmig state push (tmp/esmig-rescued-\w+\.state\.json)`).FindStringSubmatch(out)
		if rescued == nil {
			t.Fatalf("what was done is lost:\n%s", out)
		}
		s.fs.full = false
		s.target.Fault(nil)
		if err := s.fs.Rename(rescued[1], "work/rescued"); err != nil {
			t.Fatal(err)
		}
		s.want(exitDone, "The state is now that of rescued.", "state", "push", "rescued")
		s.want(exitDone, "Applied:", "apply", "-auto-approve")
		s.want(exitDone, "No changes.", "plan", "-detailed-exitcode")
	})
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitDone},
		{errors.New("any"), exitError},
		{refused(nil), exitError},
		{errChanges, exitChanges},
		{engine.ErrIncomplete, exitError},
		{errors.Join(engine.ErrIncomplete, providers.ErrVerify), exitError},
		{providers.ErrVerify, exitUnverified},
		{context.Canceled, exitInterrupted},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// TestReference compares the checked-in page with the kinds: run with -update
// after a change to a kind.
func TestReference(t *testing.T) {
	var b bytes.Buffer
	reference(&b, all.Kinds())
	const page = "../../docs/reference.md"
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s is not what the kinds say (-page +kinds):\n%s", page, d)
	}
}

// TestPlanFileKeepsVariables: apply FILE needs no flag again, but for what is
// sensitive.
func TestPlanFileKeepsVariables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, `
variable "field" { type = string }
variable "secret" {
  type      = string
  sensitive = true
}
ingest_pipeline "p" {
  cluster    = cluster.target
  processors = [{ set = { field = var.field, value = var.secret } }]
}
`)
		s.want(exitDone, "esmig apply p1", "plan", "-var", "field=a.b", "-var", "secret=s3cret-value", "-out", "p1")
		raw, err := s.fs.ReadFile("work/p1")
		if err != nil || strings.Contains(string(raw), "s3cret-value") {
			t.Errorf("the plan file holds the secret, or is not there: %v", err)
		}
		s.want(exitError, `"secret" has no value`, "apply", "p1")
		s.want(exitError, "has another value", "apply", "-var", "secret=another-value", "p1")
		s.want(exitError, "have changed since", "apply", "-var", "secret=s3cret-value", "-var", "field=c", "p1")
		s.want(exitDone, "Applied: 1 created.", "apply", "-var", "secret=s3cret-value", "p1")
	})
}

// TestChdir: a folder may be named whole or relative to where esmig runs.
func TestChdir(t *testing.T) {
	s := newSim(t, pipeline)
	if err := state.WriteFile(s.fs, "/else/where/main.hcl", []byte("cluster \"target\" {\n  endpoint = \"http://target:9200\"\n}\n")); err != nil {
		t.Fatal(err)
	}
	s.want(exitDone, "valid", "-chdir", "/else/where", "validate")
	s.want(exitError, "work/nowhere", "-chdir", "nowhere", "validate")
}

// write makes or replaces a file of the folder.
func (s *sim) write(name, text string) {
	s.t.Helper()
	if err := state.WriteFile(s.fs, "work/"+name, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// read is a file of the folder.
func (s *sim) read(name string) string {
	s.t.Helper()
	raw, err := s.fs.ReadFile("work/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}
