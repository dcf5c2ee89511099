package view

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// FuzzSanitize: whatever a server or a file says, nothing but printable text
// and line breaks of our own reaches the terminal.
func FuzzSanitize(f *testing.F) {
	f.Add("plain", 80)
	f.Add("\x1b[2J\x1b]0;title\x07\r\nforged\u202egnp.exe\u2028\xff", 40)
	f.Add("  kept\n\tas it is\x00", 10)
	f.Fuzz(func(t *testing.T, s string, width int) {
		if width > 400 {
			width = 400
		}
		a := providers.Addr{Kind: "index", Name: s, Key: s, Keyed: true}
		body := providers.Encode(map[string]any{s: map[string]any{"a": s, "b": s}})
		d := engine.Diagnostic{Severity: providers.SeverityError, Summary: s, Detail: s, File: s, Source: s, In: s}
		step := &engine.Step{Addr: a, Stage: providers.StageData, Action: engine.Update, Cluster: s, ID: s, Reason: s, Notes: []string{s},
			Before: body, After: providers.JSON(`{"x":[1]}`), Withheld: []providers.PipelineSetting{{Setting: s, Pipeline: s}}, Source: s,
			Estimate: &providers.Estimate{Method: s, Why: s, RangeBy: s, Ranges: 2, Verify: s, Notes: []string{s}}}
		plan := &engine.Plan{Clusters: []engine.PlanCluster{{Name: s, Endpoint: s, Info: providers.Info{Version: s}}}, Drift: []*engine.Step{step}, Steps: []*engine.Step{step},
			Information: []engine.Information{{Addr: a, Text: s}}, Diagnostics: []engine.Diagnostic{d}}
		var b bytes.Buffer
		o := Options{Width: width, Verbose: true}
		Plan(&b, plan, o)
		term := NewTerminal(&b, o)
		for _, e := range []engine.Event{
			engine.DiagnosticFound{Diagnostic: d}, engine.ApplyStarted{Continued: s}, engine.StepNote{Addr: a, Text: s},
			engine.StepDone{Addr: a, Action: engine.Restore, Restores: []string{s}}, engine.StepFailed{Addr: a, Diagnostic: &d},
			engine.VerifyDone{Addr: a, Verification: providers.Verification{Missing: 1, Compared: 1, Examples: []providers.Difference{{What: "missing", ID: s, Path: s, From: s, To: s}}, Notes: []string{s}}},
			engine.LeftToDo{Texts: []string{s}},
			engine.Summary{Outputs: map[string]providers.JSON{s: body}},
		} {
			term.Show(engine.NewRecord(e, 1, time.Time{}))
		}
		if !utf8.Valid(b.Bytes()) {
			t.Errorf("not UTF-8: %q", b.String())
		}
		for _, r := range b.String() {
			if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%U came through: %q", r, b.String())
			}
		}
	})
}

// FuzzReplay: a log of somebody else's is read without a panic.
func FuzzReplay(f *testing.F) {
	f.Add(`{"type":"step_done","seq":1,"time":"2026-11-24T21:00:00Z","event":{"address":"index.a","action":"create"}}`)
	f.Add(`{"type":"plan_ready","event":{"plan":{"steps":[{"address":"index.a","stage":"data","action":"migrate"}]}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		_ = Replay(strings.NewReader(s), NewPlain(&bytes.Buffer{}, Options{}))
	})
}

// TestReplayKnowsAll finds an event that replay was not told of.
func TestReplayKnowsAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../engine/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "event" {
			n++
		}
	}
	if got := len(decoders()); got != n || n == 0 {
		t.Errorf("%d events, replay knows %d", n, got)
	}
}

// TestJSONReplays: what JSON writes is what Replay reads.
func TestJSONReplays(t *testing.T) {
	var first, second bytes.Buffer
	replay(t, "testdata/events/apply.jsonl", NewJSON(&first, "1.0"))
	if err := Replay(bytes.NewReader(first.Bytes()), Tee(NewJSON(&second, "1.0"), NewPlain(&bytes.Buffer{}, Options{}))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("a replayed log is another log")
	}
	var line struct {
		Type  string
		Esmig string
	}
	if err := json.Unmarshal(bytes.SplitN(first.Bytes(), []byte("\n"), 2)[0], &line); err != nil || line.Type != "version" || line.Esmig != "1.0" {
		t.Error("the first line names the version", line, err)
	}
}
