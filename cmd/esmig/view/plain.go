package view

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// Plain writes each line once with a time stamp: for logs, where nothing can
// be drawn over.
type Plain struct {
	w      io.Writer
	width  int // of a plan
	story  *story
	buffer *bytes.Buffer
	meters map[providers.Addr]*slowMeter
}

type slowMeter struct {
	meter
	said time.Time
}

// every is how often a running migration tells its progress.
const every = 10 * time.Second

// NewPlain makes the view. The plan, and what is left to do, are for people:
// their lines are wrapped and have no time stamp. All others are as long as
// they are, for grep.
func NewPlain(w io.Writer, o Options) *Plain {
	o.Color = false
	b := &bytes.Buffer{}
	p := &Plain{w: w, buffer: b, width: newPrinter(b, o).width, story: newStory(newPrinter(b, o), o), meters: map[providers.Addr]*slowMeter{}}
	p.story.width = unwrapped
	return p
}

const unwrapped = 1 << 20

// Show writes the lines of a record.
func (p *Plain) Show(r engine.Record) {
	_, people := r.Event.(engine.PlanReady)
	if _, left := r.Event.(engine.LeftToDo); left {
		people = true
	}
	if people {
		p.story.width = p.width
	}
	switch e := r.Event.(type) {
	case engine.StepStarted:
		if e.Estimate != nil {
			p.story.line(clean(e.Addr.String()), ": started")
			p.meters[e.Addr] = &slowMeter{said: r.Time}
		}
	case engine.StepProgress:
		p.progress(e, r.Time)
	}
	p.story.tell(r)
	if people {
		p.story.width = unwrapped
		_, _ = p.buffer.WriteTo(p.w)
		return
	}
	stamp := r.Time.In(p.story.zone).Format(time.TimeOnly)
	for l := range strings.Lines(p.buffer.String()) {
		if l != "\n" {
			l = stamp + " " + l
		}
		_, _ = io.WriteString(p.w, l)
	}
	p.buffer.Reset()
}

func (p *Plain) progress(e engine.StepProgress, now time.Time) {
	m := p.meters[e.Addr]
	if m == nil {
		m = &slowMeter{said: now}
		p.meters[e.Addr] = m
	}
	m.add(e.Progress, now)
	if now.Sub(m.said) < every {
		return
	}
	m.said = now
	text := strings.Join(m.texts(), ", ")
	if below := m.below(); below != "" {
		text += "; " + below
	}
	p.story.line(clean(e.Addr.String()), ": ", clean(text))
}

// Close does nothing: every line is out.
func (p *Plain) Close() {}
