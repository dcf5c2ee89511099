package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// meter turns progress over time into a rate and the time that is left.
type meter struct {
	last    providers.Progress
	samples []sample
}

type sample struct {
	at   time.Time
	done int64
}

// window is how far back the rate looks: long enough to be calm, short enough
// to follow a change.
const window = 15 * time.Second

func (m *meter) add(p providers.Progress, at time.Time) {
	if p.Phase != m.last.Phase || p.Done < m.last.Done {
		m.samples = nil // another phase, or counted anew
	}
	m.last = p
	m.samples = append(m.samples, sample{at, p.Done})
	for len(m.samples) > 2 && at.Sub(m.samples[1].at) >= window {
		m.samples = m.samples[1:]
	}
}

// perSecond is 0 while it cannot be known.
func (m *meter) perSecond() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.done-first.done) / seconds
}

// texts are "214,000 of 336,776", "58,210/s", "ETA 2 s", the last two only
// when known.
func (m *meter) texts() []string {
	out := []string{humanize.Comma(m.last.Done) + " of " + humanize.Comma(m.last.Total)}
	if v := m.perSecond(); v >= 1 {
		out = append(out, humanize.Comma(int64(v))+"/s")
		if left := m.last.Total - m.last.Done; left > 0 {
			out = append(out, "ETA "+about(float64(left)/v))
		}
	}
	return out
}

// below is the second line: ranges, and what slows the copy down.
func (m *meter) below() string {
	var out []string
	switch {
	case m.last.Ranges > 0:
		out = append(out, fmt.Sprintf("%d of %s done", m.last.RangesDone, count(m.last.Ranges, "range")))
	case m.last.Phase == phaseVerify:
		out = append(out, "comparing")
	}
	if m.last.Rejections > 0 {
		out = append(out, "target: "+count(m.last.Rejections, "rejection"))
	} else if m.last.Phase != phaseVerify {
		out = append(out, "target: no rejections")
	}
	return strings.Join(out, ", ")
}

const phaseVerify = "verify"

// bar draws n cells in eighths.
func (m *meter) bar(cells int) safe {
	if m.last.Total <= 0 || cells <= 0 {
		return pad("", cells)
	}
	eighths := int(min(max(m.last.Done, 0), m.last.Total) * int64(cells*8) / m.last.Total)
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[r])
	}
	return safe(s) + safe(strings.Repeat(" ", cells-len([]rune(s))))
}

// clone keeps a bar's picture apart from what comes next.
func (m *meter) clone() *meter { return &meter{m.last, slices.Clone(m.samples)} }
