package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// sample is a go with everything that can be in one.
func sample() *results {
	return &results{
		Date: "2026-01-02", Scale: 1, Rounds: 3, Warmth: warmth{30, 25, 22, 21, 20.8, 20.2, 20},
		Machine: machine{Cores: 2, CPU: "A <b> & \"c\"", Memory: 25e9, System: "linux/amd64", LoadedBy: 0.2},
		Shapes: []*shapeResult{
			{Name: "flat", Title: "flat <records> & more", Documents: 1_000_000, Bytes: 350, Data: "flights", Goal: 1.3,
				Methods: []*methodResult{
					{Name: esmigPrefix + "auto", Setting: "reindex, 8 ranges, 4 at a time", Runs: []float64{78_000, 80_000, 82_000}, Work: []work{{4, 30, 1}, {5, 50, 0.5}, {6, 40, 2}}, Peak: 60e6, Ranges: 8, Journal: 6000, State: 4000},
					{Name: esmigPrefix + "stream", Missing: "this esmig does not have it"},
					{Name: defaultName, Setting: "batch 1,000", Runs: []float64{30_000, 32_000, 34_000}, Work: []work{{6, 28, 0}}},
					{Name: bestName, Setting: "batch 5,000", Runs: []float64{50_000}},
					{Name: dumpName, Missing: "not measured: no npm"},
					{Name: ceilingName, Setting: "8 at a time", Runs: []float64{80_000, 100_000, 90_000}, Work: []work{{0, 24, 0}}},
				},
				Verify: &verifyResult{Full: []float64{100_000}, Read: []float64{200_000}, Peak: 50e6,
					FullWork: []work{{8, 9, 1}}, ReadWork: []work{{2, 0, 0}}, LookWork: []work{{5, 0, 0}}}},
			{Name: "huge", Title: "large", Documents: 1000, Bytes: 300_000, Data: "speeches", Breaks: true,
				Methods: []*methodResult{
					{Name: esmigPrefix + "auto", Runs: []float64{99}, Failed: "999 of 1000 documents arrived"},
					{Name: defaultName, Failed: "Remote responded with a chunk that was too large. Use a `smaller` batch size."},
				},
				Verify: &verifyResult{Missing: "this esmig does not have it", Read: []float64{1000}}},
		},
		Linear: []point{
			{Documents: 100_000, Seconds: []float64{2.5}, Ranges: 8}, {Documents: 1_000_000, Seconds: []float64{16}, Ranges: 8},
			{Documents: 5_000_000, Seconds: []float64{90, 80}, Ranges: 20, Peak: 210e6, Journal: 12_000},
		},
		Failures: []string{"huge, esmig auto: 999 of 1000 documents arrived"},
	}
}

func TestReport(t *testing.T) {
	page := report(sample(), "docs/bench.svg")
	for _, want := range []string{
		"| esmig auto | reindex, 8 ranges, 4 at a time | 80,000 | 78,000 | 82,000 | 2.50 | 0.89 | 60 MB | 5.0 + 40.0 + 1.0 | 0.60 |",
		"| esmig stream |  | not there: this esmig does not have it |",
		"| elasticdump |  | not measured: no npm |",
		"| flat: esmig auto to the ceiling | ≥ 0.9 | 0.89 | **not reached** |",
		"| flat: esmig auto to plain _reindex with its defaults | ≥ 2 | 2.50 | reached |",
		"| flat: esmig stream to the ceiling | ≥ 0.8 | – | not measured |",
		"| flat: full verification to a client that reads one side | ≥ 1.3 | 0.50 | **not reached** |",
		"| huge: esmig auto to the ceiling | ≥ 0.9 | – | not measured |", // it lost a document
		"| esmig auto |  | **failed** |",
		"plain _reindex, default batch: `Remote responded with a chunk that was too large. Use a 'smaller' batch size.`",
		"| peak memory of esmig in MB, all shapes and sizes | ≤ 200 | 210 | **not reached** |",
		"| 5,000,000 | 85.0 | 58,824 | 17.0 | 17.2 | 20 | 210 MB |", // 69 s for the last four million
		"| a further document at the end of the linear series to one at its beginning | ≤ 1.15 | 1.15 | reached |",
		"whatever the size, and 17.0 µs a document", "lies 32 % of its own time off",
		"the first of 7 goes took 30.0 s, the last one 20.0 s, and\nthe last 3 goes lie 4 % apart.",
		"size: the source's answer is more than the 100 MB",
		"| flat | 100,000 | 200,000 | 0.50 | 50 MB | 8.0 + 9.0 + 1.0 | 2.0 + 0.0 + 0.0 |",
		"| flat: esmig auto | 80,000 | 43,478 | 0.48 | 1.36 | 0.87 | – |",                                                     // 46 s of a core for a million documents, on two of them
		"| flat: any client | – | 76,923 | 0.85 | 2.40 | 1.54 | – |",                                                          // 24 s there and 2 s to read
		"| plain _reindex, default batch | batch 1,000 | 32,000 | 30,000 | 34,000 | 1.00 | 0.36 | – | 6.0 + 28.0 + 0.0 | – |", // alone means nothing for one that waits
		"| flat: the ceiling itself | 90,000 |  |  | 2.81 | 1.80 | – |",
		"| flat | 5.0 | 200,000 | 1.00 | 0.50 | 1.30 |",
		"(docs/bench.svg)", "- huge, esmig auto: 999 of 1000", "## On paper: 100 TB",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "do not trust") || strings.Contains(page, "%!") {
		t.Errorf("%s", page)
	}
	busy := sample()
	busy.Machine.LoadedBy = 9
	if !strings.Contains(report(busy, ""), "do not trust") {
		t.Error("a busy machine is not told")
	}
}

// TestLinearGoal: the goal is about growth alone; a fixed cost is not in it.
func TestLinearGoal(t *testing.T) {
	series := func(seconds ...float64) *results {
		r := &results{}
		for i, s := range seconds {
			r.Linear = append(r.Linear, point{Documents: []int{100_000, 300_000, 1_000_000, 3_000_000, 5_000_000}[i], Seconds: []float64{s}})
		}
		return r
	}
	for name, c := range map[string]struct {
		r    *results
		want float64
	}{
		"a line":                  {series(12, 16, 30, 70, 110), 1},
		"dearer and dearer":       {series(2, 6, 20, 80, 150), 1.75},
		"the last one has failed": {series(2, 6, 20, 80, 0), 0},
		"too short":               {series(2, 6), 0},
	} {
		if got := linearGoal(c.r).got; !near(got, c.want, 0.001) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPlainIsAsFast: the page says where people gain no speed by esmig.
func TestPlainIsAsFast(t *testing.T) {
	for _, c := range []struct {
		auto, plain float64
		want        bool
	}{{50_000, 55_000, true}, {50_000, 49_000, true}, {50_000, 45_000, false}, {0, 45_000, false}} {
		s := &shapeResult{Name: "flat4", Documents: 1000, Methods: []*methodResult{
			{Name: esmigPrefix + "auto", Runs: []float64{c.auto}}, {Name: bestName, Setting: "batch 10,000", Runs: []float64{c.plain}},
		}}
		var b strings.Builder
		s.write(&b)
		if got := strings.Contains(b.String(), "one plain _reindex at its best batch (batch 10,000) is as fast as esmig"); got != c.want {
			t.Errorf("%+v: %s", c, b.String())
		}
	}
}

func TestWarmth(t *testing.T) {
	for _, c := range []struct {
		w    warmth
		want bool
	}{
		{warmth{30, 20.8, 20.4, 20}, true}, {warmth{20, 20, 21}, true},
		{warmth{21.6, 20.8, 20}, false}, // a little faster each time
		{warmth{20, 20}, false}, {nil, false},
	} {
		if got := c.w.steady(); got != c.want {
			t.Errorf("%+v: %t", c.w, got)
		}
	}
	if got := (warmth{30, 20}).text(); !strings.Contains(got, "**the servers were still") {
		t.Error(got)
	}
}

// TestWhy tells the two limits apart.
func TestWhy(t *testing.T) {
	for refusal, want := range map[string]string{
		"rejected execution of coordinating operation [max_coordinating_bytes=107374182]": "indexing pressure allows",
		"Remote responded with a chunk that was too large. Use a smaller batch size.":     "more than the 100 MB",
		"unauthorized": "something else",
	} {
		if got := why(refusal); !strings.Contains(got, want) {
			t.Errorf("%s: %s", refusal, got)
		}
	}
}

func TestTable(t *testing.T) {
	got := table([]string{"a", "b"}, "lr", [][]string{{"x|y", "1"}})
	if want := "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestChart(t *testing.T) {
	for name, r := range map[string]*results{"full": sample(), "empty": {}} {
		svg := chart(r)
		d := xml.NewDecoder(strings.NewReader(svg))
		bars := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
				bars++
			}
		}
		if name == "full" && bars != 1+6+2 {
			t.Errorf("%d bars", bars)
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "%!") {
			t.Errorf("%s: %s", name, svg)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		g    goal
		want string
	}{
		{goal{got: 0.9, want: 0.9}, "reached"}, {goal{got: 0.89, want: 0.9}, "**not reached**"}, {goal{want: 0.9}, "not measured"},
		{goal{got: 199, want: 200, atMost: true}, "reached"}, {goal{got: 201, want: 200, atMost: true}, "**not reached**"},
	} {
		if got := c.g.verdict(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.g, got, c.want)
		}
	}
}

func TestPut(t *testing.T) {
	r := sample()
	r.put(&shapeResult{Name: "text"})
	r.put(&shapeResult{Name: "huge"})
	var names []string
	for _, s := range r.Shapes {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "flat text huge" {
		t.Errorf("%s", got)
	}
	if len(r.Failures) != 0 {
		t.Errorf("failures of the former go are left: %q", r.Failures)
	}
}
