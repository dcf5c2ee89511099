package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esmig/esmig/providers/migration"
)

// near says whether a is within a part of b.
func near(a, b, part float64) bool { return math.Abs(a-b) <= part*b }

// TestModel pins the paper figures of the issue: 100 TB, 200 billion documents,
// 3,000 indices, two clusters of 100 nodes. They are worked out by hand and not
// from the program, so that this fails when a size or limit of
// providers/migration changes: look at what has become of the model then.
func TestModel(t *testing.T) {
	f := big().forecast()
	for what, c := range map[string][2]float64{
		"ranges at once":          {f.together, 64},
		"ranges":                  {f.ranges, 399_000},               // 133 for each index, of about 500,000
		"hours":                   {f.hours, 200e9 / 8e6 / 3600},     // 100 disks, 80,000 documents a second each
		"requests per second":     {f.requests, 10/0.228 + 32 + 0.5}, // ten lists each 228 ms, two for a range, flushes
		"journal written":         {f.journal, 235e6},
		"journal at its longest":  {f.journalPeak, 785e3},
		"state":                   {f.state, 9e6},
		"state written":           {f.stateWritten, 54e9},
		"memory":                  {f.memory, 81e6},
		"hours of a verification": {f.verifyHours, 200e9 * 260 / 1.25e9 / 3600}, // 52 TB through one network card
		"bytes of lists":          {find(t, f, "network of esmig's machine").used, 10 / 0.228 * 640 * 1000},
		"durable records":         {find(t, f, "durable").used, 48},
		"heap of a node":          {find(t, f, "heap").used, 6.4 * 4 * (5 << 20)},
	} {
		if !near(c[0], c[1], 0.02) {
			t.Errorf("%s: %v, want about %v", what, c[0], c[1])
		}
	}
	if !strings.Contains(f.limits[0].what, "disks") || !strings.Contains(f.verifyLimits[0].what, "network of the machine of esmig") {
		t.Errorf("the first limits are %q and %q", f.limits[0].what, f.verifyLimits[0].what)
	}
	for _, l := range f.loads {
		if l.share() > 1 {
			t.Errorf("%s: breaks, %.0f of %.0f", l.what, l.used, l.most)
		}
	}
	if got := migration.LookEvery(4, time.Minute); got != 2*time.Second {
		t.Errorf("esmig looks at tasks that run for long each %s", got)
	}
}

func find(t *testing.T, f forecast, what string) load {
	t.Helper()
	i := slices.IndexFunc(f.loads, func(l load) bool { return strings.Contains(l.what, what) })
	if i < 0 {
		t.Fatalf("no load %q", what)
	}
	return f.loads[i]
}

// TestModelMoves: each part of the model has its effect.
func TestModelMoves(t *testing.T) {
	base := big().forecast()
	with := func(f func(*params)) forecast {
		p := big()
		f(&p)
		return p.forecast()
	}
	if f := with(func(p *params) { p.parallelism = 1 }); f.hours <= base.hours || f.journalPeak >= base.journalPeak || !strings.Contains(f.limits[0].what, "tasks that run at once") {
		t.Errorf("one migration at a time: %+v", f)
	}
	one := with(func(p *params) { p.oneNode = true })
	if l := find(t, one, "heap"); l.share() < 4 || one.loads[0] != l || !strings.Contains(one.limits[0].what, "one node") {
		t.Errorf("all tasks on one node: %+v", one)
	}
	if f := with(func(p *params) { p.documents, p.bytes = 300e6, 100e9 }); f.ranges != 128*3000 || f.together != 64 {
		t.Errorf("indices of a hundred thousand: %v ranges, want two for each that is copied at once", f.ranges)
	}
	if f := with(func(p *params) { p.documents, p.bytes = 3e6, 1e9 }); f.ranges != 3000 || f.together != 1 {
		t.Errorf("small indices: %v ranges, want one of each", f.ranges)
	}
	if f := with(func(p *params) { p.nodes, p.cores, p.documents, p.bytes = 3, 2, 300e6, 100e9 }); f.together != 12 || f.ranges != 24*3000 {
		t.Errorf("small clusters: %v of %v ranges at once", f.together, f.ranges)
	}
	if f := with(func(p *params) { p.cores, p.digestClient = 2, 1.7e-6 }); !strings.Contains(f.verifyLimits[0].what, "processor of esmig") {
		t.Errorf("a small machine for esmig: the first limit is %q", f.verifyLimits[0].what)
	}
	// 102 million documents of an index are added up by the clusters, 98 million
	// pass through esmig.
	if f := with(func(p *params) { p.indices = 1960 }); !strings.Contains(f.verifyLimits[0].what, "clusters") {
		t.Errorf("large indices: the first limit is %q", f.verifyLimits[0].what)
	}
	if f := with(func(p *params) { p.indices = 2040 }); !strings.Contains(f.verifyLimits[0].what, "of esmig") {
		t.Errorf("indices that are not that large: the first limit is %q", f.verifyLimits[0].what)
	}
}

// TestPaper: the page says what breaks behind a proxy.
func TestPaper(t *testing.T) {
	page := paper(big())
	for _, want := range []string{
		"With all tasks on one node this breaks: heap of the nodes", "| heap of the nodes on which tasks run (four batches each) | 4.5 % | 447.4 % |",
		"| hours of full verification | 11.6 | 11.6 |", "network of the machine of esmig; then processor of esmig, at 2.0 times the speed",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// TestMeasured: what a go found out replaces what the model assumes.
func TestMeasured(t *testing.T) {
	p := measured(sample())
	if p.taskSpeed != 50_000 || p.memory != 60e6 || p.digestClient != 1e-6 || p.stateIndex != 4000 {
		t.Errorf("%+v", p)
	}
	if p := measured(&results{}); p != big() {
		t.Errorf("nothing measured, and the model is another one: %+v", p)
	}
}
