package main

import (
	"fmt"
	"slices"
	"strings"
)

// goal is one thing that must come out, as a ratio within one go.
type goal struct {
	what   string
	got    float64 // 0: not measured
	want   float64
	atMost bool // got may not be above want
}

func (g goal) reached() bool {
	if g.atMost {
		return g.got <= g.want
	}
	return g.got >= g.want
}

func (g goal) verdict() string {
	switch {
	case g.got == 0:
		return "not measured"
	case g.reached():
		return "reached"
	}
	return "**not reached**"
}

const memoryGoal = 200e6 // bytes of esmig

// goals computes all of them from the figures.
func goals(r *results) []goal {
	var out []goal
	add := func(what string, got, want float64) { out = append(out, goal{what: what, got: got, want: want}) }
	auto, stream := esmigPrefix+"auto", esmigPrefix+"stream"
	for _, s := range r.Shapes {
		top := s.method(ceilingName).speed()
		add(s.Name+": esmig auto to the ceiling", ratio(s.method(auto).speed(), top), 0.9)
		add(s.Name+": esmig stream to the ceiling", ratio(s.method(stream).speed(), top), 0.8)
	}
	if s := r.shape("flat"); s != nil {
		mine := s.method(auto).speed()
		add("flat: esmig auto to plain _reindex with its defaults", ratio(mine, s.method(defaultName).speed()), 2)
		add("flat: esmig auto to plain _reindex at its best batch", ratio(mine, s.method(bestName).speed()), 1.3)
		add("flat: esmig auto to elasticdump", ratio(mine, s.method(dumpName).speed()), 3.5)
	}
	for _, s := range r.Shapes {
		if s.Verify != nil {
			add(s.Name+": full verification to a client that reads one side", ratio(median(s.Verify.Full), median(s.Verify.Read)), s.Goal)
		}
	}
	out = append(out, linearGoal(r), memory(r))
	return out
}

// linearGoal compares what a further document costs at the two ends of the
// series: a fixed cost is in neither. That the cost is not linear in between is
// seen at the line, which is told beside the series.
func linearGoal(r *results) goal {
	g := goal{what: "a further document at the end of the linear series to one at its beginning", want: 1.15, atMost: true}
	if n := len(r.Linear); n > 2 {
		g.got = ratio(slope(r.Linear[n-2], r.Linear[n-1]), slope(r.Linear[0], r.Linear[n/2]))
	}
	return g
}

func (p point) perDocument() float64 { return median(p.Seconds) / float64(p.Documents) }

func memory(r *results) goal {
	g := goal{what: "peak memory of esmig in MB, all shapes and sizes", want: memoryGoal / 1e6, atMost: true}
	peaks := []int64{0}
	for _, s := range r.Shapes {
		for _, m := range s.Methods {
			if strings.HasPrefix(m.Name, esmigPrefix) {
				peaks = append(peaks, m.Peak)
			}
		}
		if s.Verify != nil {
			peaks = append(peaks, s.Verify.Peak)
		}
	}
	for _, p := range r.Linear {
		peaks = append(peaks, p.Peak)
	}
	g.got = float64(slices.Max(peaks)) / 1e6
	return g
}

func (g goal) row() []string {
	sign := "≥"
	if g.atMost {
		sign = "≤"
	}
	return []string{g.what, fmt.Sprintf("%s %.4g", sign, g.want), numberText(g.got), g.verdict()}
}

func numberText(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f", f)
	}
	return ratioText(f)
}
