package state

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

type controls = map[providers.Addr]providers.Control

func TestSteer(t *testing.T) {
	m := NewMemFS()
	s, other := mustOpen(t, m, testPath), mustOpen(t, m, testPath)
	if err := s.Lock(t.Context(), LockInfo{Operation: "apply"}, 0); err != nil {
		t.Fatal(err)
	}
	a, b := addr(t, "migration.a"), addr(t, `migration.b["x"]`)
	steps := []struct {
		change func(controls)
		want   controls
		file   string
	}{
		{func(c controls) { c[a] = providers.Control{Paused: true} }, controls{a: {Paused: true}},
			`{"version":1,"addresses":{"migration.a":{"paused":true}}}` + "\n"},
		{func(c controls) { c[b] = providers.Control{RequestsPerSecond: 0.5} }, controls{a: {Paused: true}, b: {RequestsPerSecond: 0.5}},
			`{"version":1,"addresses":{"migration.a":{"paused":true},"migration.b[\"x\"]":{"requests_per_second":0.5}}}` + "\n"},
		{func(c controls) { c[a] = providers.Control{} }, controls{b: {RequestsPerSecond: 0.5}},
			`{"version":1,"addresses":{"migration.b[\"x\"]":{"requests_per_second":0.5}}}` + "\n"},
		{func(c controls) { delete(c, b) }, controls{}, ""},
		{func(c controls) { delete(c, b) }, controls{}, ""},
	}
	for i, step := range steps {
		if err := other.Steer(step.change); err != nil {
			t.Fatal(err)
		}
		got, err := s.Controls()
		if d := cmp.Diff(step.want, got); err != nil || d != "" {
			t.Errorf("%d: %v %s", i, err, d)
		}
		file, _ := readFile(m, testPath+".control")
		if string(file) != step.file {
			t.Errorf("%d: %s", i, file)
		}
	}
}

// TestSteerAtOnce: no change is lost among many that come at once.
func TestSteerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemFS()
		var g sync.WaitGroup
		for i := range 20 {
			g.Go(func() {
				s := mustOpen(t, m, testPath)
				if err := s.Steer(func(c controls) { c[addr(t, fmt.Sprint("migration.m", i))] = providers.Control{Paused: true} }); err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
		if c, err := mustOpen(t, m, testPath).Controls(); err != nil || len(c) != 20 {
			t.Errorf("%d %v", len(c), err)
		}
		l, err := m.Lock(testPath + ".control.lock")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		begin := time.Now()
		if err := mustOpen(t, m, testPath).Steer(func(controls) {}); !errors.Is(err, ErrLocked) || time.Since(begin) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestControlsDamaged(t *testing.T) {
	for _, text := range []string{"{", `{"version":2}`, `{"version":1,"addresses":{"migration.a":{"speed":1}}}`, `{"version":1,"addresses":{"?":{}}}`} {
		m := NewMemFS()
		writeFile(t, m, testPath+".control", text)
		s := mustOpen(t, m, testPath)
		_, err := s.Controls()
		var read *ReadError
		if !errors.As(err, &read) || !strings.Contains(err.Error(), "Remove it") {
			t.Errorf("%q: %v", text, err)
		}
		if err := s.Steer(func(controls) {}); err == nil || mustRead(t, m, testPath+".control") != text {
			t.Errorf("%q was written over: %v", text, err)
		}
	}
}

// TestHolder: asking is in nobody's way, and a name that a killed process left
// is none.
func TestHolder(t *testing.T) {
	m := NewMemFS()
	want := func(held bool) {
		t.Helper()
		i, got := Holder(m, testPath)
		if got != held || held && i.Operation != "apply" {
			t.Errorf("held %v %+v", got, i)
		}
	}
	want(false)
	s := mustOpen(t, m, testPath)
	if err := s.Lock(t.Context(), LockInfo{Operation: "apply"}, 0); err != nil {
		t.Fatal(err)
	}
	want(true)
	m = m.Clone() // it is killed
	want(false)
	want(false)
	if err := mustOpen(t, m, testPath).Lock(t.Context(), LockInfo{Operation: "apply"}, 0); err != nil {
		t.Error(err)
	}
}

// readTwice changes the disk when the journal is read: another process writes
// between a reader's two files.
type readTwice struct {
	*MemFS
	change func()
}

func (r *readTwice) ReadFile(name string) ([]byte, error) {
	if f := r.change; f != nil && strings.HasSuffix(name, ".journal") {
		r.change = nil
		f()
	}
	return r.MemFS.ReadFile(name)
}

// TestOpenShared: state and journal are of one moment, and what is read later
// is what was there then.
func TestOpenShared(t *testing.T) {
	m := NewMemFS()
	a, b := addr(t, "migration.a"), addr(t, "migration.b")
	writer := mustOpen(t, m, testPath)
	mustUpdate(t, writer, put(a, `{}`))
	mustAppend(t, writer, a, 1)
	mustAppend(t, writer, b, 2)
	finish := func() { mustUpdate(t, writer, put(a, `{"done":true}`), a) }
	s, err := OpenShared(&readTwice{m, finish}, testPath, "0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	if o := s.Get().Find(a); string(o.Declared) != `{"done":true}` || records(t, s, a) != nil {
		t.Errorf("%s with records %v", o.Declared, records(t, s, a))
	}
	mustUpdate(t, writer, put(b, `{}`), b)
	if got := records(t, s, b); len(got) != 1 {
		t.Errorf("what was read is gone: %v", got)
	}
	// A state and its journal that appear meanwhile.
	m2 := NewMemFS()
	later := mustOpen(t, m2, testPath)
	s, err = OpenShared(&readTwice{m2, func() { mustAppend(t, later, a, 1) }}, testPath, "0.1.0")
	if err != nil || len(records(t, s, a)) != 1 {
		t.Errorf("%v", err)
	}
}

func TestDeadLettersFile(t *testing.T) {
	m := NewMemFS()
	s := mustOpen(t, m, "dir/esmig.state.json")
	for a, want := range map[string]string{
		"migration.a":             "dir/esmig.dead.migration.a.ndjson",
		`migration.a["x/../ü:*"]`: "dir/esmig.dead.migration.a%5B%22x%2F..%2F%C3%BC%3A%2A%22%5D.ndjson",
	} {
		write := func(text string) {
			f, err := s.AppendDeadLetters(addr(t, a))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(text)); err != nil {
				t.Error(err)
			}
			_ = f.Close()
		}
		keep := func(from, to int) {
			name, err := s.KeepDeadLetters(addr(t, a), func(lines [][]byte) [][]byte { return lines[from:min(to, len(lines))] })
			if err != nil || name != want {
				t.Fatalf("%s, want %s: %v", name, want, err)
			}
		}
		keep(0, 9) // none there
		write("1\n2\n")
		write("3\ntorn")
		keep(1, 9)
		if got := string(mustRead(t, m, want)); got != "2\n3\n" {
			t.Errorf("kept %q", got)
		}
		for range 2 {
			keep(0, 0)
		}
		if _, err := m.ReadFile(want); err == nil {
			t.Error("it is still there")
		}
	}
}
