package main

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// near says whether a is within a part of b.
func near(a, b, part float64) bool { return math.Abs(a-b) <= part*b }

// TestModel pins the paper figures of the issue: 100 TB, 200 billion documents,
// 3,000 indices, two clusters of 100 nodes.
func TestModel(t *testing.T) {
	f := big().forecast()
	for what, c := range map[string][2]float64{
		"ranges":                  {f.ranges, 402_000}, // 134 for each index
		"hours":                   {f.hours, 200e9 / (40 * 45_000) / 3600},
		"requests per second":     {f.requests, 52},
		"journal written":         {f.journal, 233e6},
		"journal at its longest":  {f.journalPeak, 777e3},
		"state":                   {f.state, 9e6},
		"state written":           {f.stateWritten, 54e9},
		"memory":                  {f.memory, 68e6},
		"hours of a verification": {f.verifyHours, 1.4},
	} {
		if !near(c[0], c[1], 0.03) {
			t.Errorf("%s: %v, want about %v", what, c[0], c[1])
		}
	}
	if !strings.Contains(f.limits[0].what, "tasks that run at once") {
		t.Errorf("the first limit is %q", f.limits[0].what)
	}
	for _, l := range f.loads {
		if l.share() > 1 {
			t.Errorf("%s: breaks, %.0f of %.0f", l.what, l.used, l.most)
		}
	}
	if f.memory > memoryGoal {
		t.Errorf("esmig needs %s", bytesText(f.memory))
	}
}

// TestModelMoves: each part of the model has its effect.
func TestModelMoves(t *testing.T) {
	base := big().forecast()
	with := func(f func(*params)) forecast {
		p := big()
		f(&p)
		return p.forecast()
	}
	if f := with(func(p *params) { p.parallelism = 20 }); f.hours >= base.hours || f.requests <= base.requests || f.journalPeak <= base.journalPeak {
		t.Errorf("twice the parallelism: %+v", f)
	}
	if f := with(func(p *params) { p.parallelism = 1000 }); !strings.Contains(f.limits[0].what, "one node") {
		t.Errorf("with all tasks on one node the limit is %q", f.limits[0].what)
	}
	f := with(func(p *params) { p.parallelism, p.spread = 1000, true })
	if !strings.Contains(f.limits[0].what, "disks") {
		t.Errorf("with tasks on all nodes the limit is %q", f.limits[0].what)
	}
	if f := with(func(p *params) { p.docsPerRange = 5_000_000 }); f.ranges >= base.ranges || f.journal >= base.journal {
		t.Errorf("larger ranges: %v of them, journal %v", f.ranges, f.journal)
	}
	if f := with(func(p *params) { p.documents, p.bytes = 3e6, 1e9 }); f.ranges != 8*3000 {
		t.Errorf("small indices: %v ranges, want the fewest of each", f.ranges)
	}
	if f := with(func(p *params) { p.parallelism = 2000 }); !slices.ContainsFunc(f.loads, func(l load) bool { return l.share() > 1 }) {
		t.Error("8,000 tasks on one node break nothing")
	}
}

// TestJournalOfTheModel writes what a range really writes (ledger.go of
// providers/migration) through the real journal, and wants the model's figure.
func TestJournalOfTheModel(t *testing.T) {
	fsys := state.NewMemFS()
	s, err := state.Open(fsys, "esmig.state.json", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := providers.ParseAddr("migration.orders")
	if err != nil {
		t.Fatal(err)
	}
	size := func() int {
		b, err := fsys.ReadFile("esmig.state.json.journal")
		if err != nil {
			t.Fatal(err)
		}
		return len(b)
	}
	write := func(line string) {
		if err := s.Append(addr, json.RawMessage(line)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"what":"cut"}`)
	before := size()
	for _, line := range []string{
		`{"what":"begin","unit":"0.117","opaque":"esmig-abcdefghij-0.117","size":10000}`,
		`{"what":"task","unit":"0.117","task":"gq2JQOqzTAKLmlzYQ9V6zA:1234567"}`,
		`{"what":"end","unit":"0.117","counts":{"total":500000,"created":500000,"updated":0,"deleted":0,"noops":0,"version_conflicts":0}}`,
	} {
		write(line)
	}
	span := len(`{"from":58500000,"to":58999999,"documents":500000},`) // in the record of the cut
	got := float64(size() - before + span)
	if want := big().journalRange; !near(got, want, 0.1) {
		t.Errorf("a range adds %v bytes to the journal, the model says %v", got, want)
	}
}

// TestMeasured: what a go found out replaces what the model assumes.
func TestMeasured(t *testing.T) {
	p := measured(sample())
	if p.taskSpeed != 50_000 || p.docsPerRange != 250_000 || p.journalRange != 600 || p.memory != 60e6 {
		t.Errorf("%+v", p)
	}
	if p := measured(&results{}); p != big() {
		t.Errorf("nothing measured, and the model is another one: %+v", p)
	}
}
