package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestPlan(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no plans", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var p engine.Plan
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(f, err)
		}
		base := strings.TrimSuffix(f, ".json")
		hint := `Nothing has been changed. Run "esmig apply" to do this, or "esmig plan -out FILE" to keep exactly this plan.`
		for _, width := range []int{80, 120} {
			var b bytes.Buffer
			Plan(&b, &p, Options{Width: width, Hint: hint})
			golden(t, base+".term"+strconv.Itoa(width), b.Bytes())
		}
		var b bytes.Buffer
		Plan(&b, &p, Options{Verbose: true})
		golden(t, base+".verbose", b.Bytes())
	}
}

// TestReplay shows recorded events in each view. For the terminal the golden
// holds what stays, and each picture of the bars behind a "|".
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/events/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no events", err)
	}
	for _, f := range files {
		base := strings.TrimSuffix(f, ".jsonl")
		var plain bytes.Buffer
		replay(t, f, NewPlain(&plain, Options{}))
		golden(t, base+".plain", plain.Bytes())
		for _, width := range []int{80, 120} {
			var b bytes.Buffer
			term := &pictures{Terminal: NewTerminal(&b, Options{Width: width}), w: &b}
			replay(t, f, term)
			golden(t, base+".term"+strconv.Itoa(width), b.Bytes())
		}
	}
}

func replay(t *testing.T, file string, v View) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Replay(f, v); err != nil {
		t.Fatal(file, err)
	}
	v.Close()
}

// pictures writes what mpb would draw, without its timing.
type pictures struct {
	*Terminal
	w      *bytes.Buffer
	meters map[string]*meter
}

func (p *pictures) Show(r engine.Record) {
	e, ok := r.Event.(engine.StepProgress)
	if !ok {
		p.Terminal.Show(r)
		return
	}
	if p.meters == nil {
		p.meters = map[string]*meter{}
	}
	m := p.meters[e.Addr.String()]
	if m == nil {
		m = &meter{}
		p.meters[e.Addr.String()] = m
	}
	m.add(e.Progress, r.Time)
	for _, row := range m.rows(p.story.address(e.Addr), p.width, 3) {
		p.w.WriteString("|" + string(row) + "\n")
	}
}

// TestBarsGo draws with mpb itself into a small model of a terminal: what is
// on the screen at the end is what stays, and nothing of a bar.
func TestBarsGo(t *testing.T) {
	for _, name := range []string{"apply", "failed", "different"} {
		var b, want bytes.Buffer
		synctest.Test(t, func(t *testing.T) {
			replay(t, "testdata/events/"+name+".jsonl", &paced{View: NewTerminal(&b, Options{Width: 100})})
		})
		replay(t, "testdata/events/"+name+".jsonl", &still{NewTerminal(&want, Options{Width: 100})})
		if !strings.Contains(b.String(), "\x1b[") {
			t.Errorf("%s: no bar was drawn", name)
		}
		if d := cmp.Diff(want.String(), screen(b.String())); d != "" {
			t.Errorf("%s (-want +on the screen):\n%s", name, d)
		}
	}
}

// paced lets as much time pass between records as when they were recorded.
type paced struct {
	View
	last time.Time
}

func (p *paced) Show(r engine.Record) {
	if !p.last.IsZero() {
		time.Sleep(r.Time.Sub(p.last)) // of the bubble
	}
	p.last = r.Time
	p.View.Show(r)
}

// still is a terminal that is never told of progress.
type still struct{ *Terminal }

func (s *still) Show(r engine.Record) {
	if _, ok := r.Event.(engine.StepProgress); !ok {
		s.Terminal.Show(r)
	}
}

// screen knows the one sequence that mpb sends: n lines up and erase below.
func screen(s string) string {
	var lines []string
	for s != "" {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			num, tail, _ := strings.Cut(rest, "A\x1b[J")
			n, err := strconv.Atoi(num)
			if err != nil {
				return "unknown sequence " + strconv.Quote(s)
			}
			lines = lines[:len(lines)-n]
			s = tail
			continue
		}
		i := strings.IndexAny(s, "\n\x1b")
		if i < 0 {
			i = len(s) - 1
		}
		if s[i] == '\x1b' {
			lines, s = append(lines, s[:i]), s[i:]
			continue
		}
		lines, s = append(lines, s[:i+1]), s[i+1:]
	}
	return strings.Join(lines, "")
}

func TestColour(t *testing.T) {
	d := []engine.Diagnostic{{Severity: "error", Summary: "no"}, {Severity: "warning", Summary: "hm"}}
	var with, without bytes.Buffer
	Diagnostics(&with, d, Options{Color: true})
	Diagnostics(&without, d, Options{})
	if !strings.Contains(with.String(), "\x1b[31mError: \x1b[0m") || !strings.Contains(with.String(), "\x1b[33mWarning: \x1b[0m") {
		t.Errorf("no colour: %q", with.String())
	}
	if strings.Contains(without.String(), "\x1b") {
		t.Errorf("colour: %q", without.String())
	}
}

// TestCommandOfRetry: an apply would leave the refused documents behind.
func TestCommandOfRetry(t *testing.T) {
	var b bytes.Buffer
	show := Recorder(NewPlain(&b, Options{}))
	a := providers.Addr{Kind: "migration", Name: "m"}
	show(engine.ApplyStarted{Steps: 2})
	show(engine.StepStarted{Addr: a, Action: engine.Retry})
	show(engine.StepFailed{Addr: a})
	show(engine.Summary{Failed: 1})
	if got := b.String(); !strings.Contains(got, `Run "esmig retry migration.m" again when this is mended`) {
		t.Error(got)
	}
}
