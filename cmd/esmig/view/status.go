package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// Status draws how far all migrations are.
func Status(w io.Writer, s *engine.Status, o Options) {
	p := newPrinter(w, o)
	if r := s.Running; r != nil {
		p.wrapped(0, fmt.Sprintf("esmig %s runs: %s on %s, process %d, since %s.", r.Operation, r.Who, r.Host, r.PID, r.Since.In(p.zone).Format(time.DateTime)))
	} else {
		p.wrapped(0, "No esmig runs here.")
	}
	if len(s.Migrations) == 0 {
		p.wrapped(0, "All migrations are finished.")
	}
	for _, m := range s.Migrations {
		p.fit(m.Addr.String())
	}
	for _, m := range s.Migrations {
		p.gap()
		p.migration(m, s.Running != nil)
	}
}

func (p *printer) migration(m engine.MigrationStatus, running bool) {
	p.line(p.paint(p.bold, p.address(m.Addr)), cleanf("%s → %s", m.Source, m.Dest))
	refused := providers.RefusedDocuments(m.Refused)
	if s := m.Status; s != nil && (m.Phase == state.PhaseRunning || s.Ranges > 0) {
		p.progress(*s, running)
		refused = s.Refused
	} else if s != nil && s.Compared > 0 {
		p.wrapped(4, count(int64(s.Compared), "piece")+" of the two sides compared")
	}
	if refused > 0 {
		p.wrapped(4, count(refused, "document")+" refused by the destination, kept as dead letters")
		p.wrapped(4, strings.TrimRight(providers.RefusalText(m.Refused), "\n"))
	}
	switch v := m.Verified; {
	case v == nil:
	case v.Same():
		p.wrapped(4, "verified: "+compared(*v))
		for _, n := range v.Notes {
			p.wrapped(4, n)
		}
	default:
		text := fmt.Sprintf("not the same on both sides: %s missing, %s different, %s only on the destination",
			humanize.Comma(v.Missing), humanize.Comma(v.Different), humanize.Comma(v.Extra))
		if v.Unopened > 0 {
			text += ", " + humanize.Comma(v.Unopened) + " not looked at"
		}
		p.wrapped(4, text)
	}
	if m.Trouble != "" {
		p.wrapped(4, "what runs there is not known: "+m.Trouble)
	}
	if c := m.Control.RequestsPerSecond; c > 0 {
		p.wrapped(4, "throttled to "+speed(c))
	}
	p.line("    next: ", clean(m.Next)) // not wrapped: it may be copied
}

func (p *printer) progress(s providers.Status, running bool) {
	if s.Ranges == 0 {
		p.wrapped(4, "not cut into ranges yet")
		return
	}
	parts := []string{fmt.Sprintf("%s of %s", humanize.Comma(s.Done), count(s.Total, "document"))}
	if s.PerSecond >= 1 {
		parts = append(parts, speed(s.PerSecond), "ETA "+about(float64(max(s.Total-s.Done, 0))/s.PerSecond))
	} else if running && s.RangesBegun > 0 && s.RangesRunning == 0 {
		parts = append(parts, "the apply that runs shows the speed") // documents pass through it
	}
	p.wrapped(4, strings.Join(parts, "   "))
	parts = []string{fmt.Sprintf("%d of %s done", s.RangesDone, count(s.Ranges, "range"))}
	for _, x := range []struct {
		n    int
		text string
	}{{s.RangesRunning, "running"}, {s.RangesBegun, "begun"}, {s.RangesOpen, "open"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.text))
		}
	}
	p.wrapped(4, strings.Join(parts, ", "))
	for _, t := range s.Tasks {
		limit := ""
		if t.RequestsPerSecond > 0 {
			limit = ", at most " + speed(t.RequestsPerSecond)
		}
		p.line("    ", cleanf("%s  %s: %s of %s%s", t.ID, t.Range, humanize.Comma(t.Done), humanize.Comma(t.Total), limit))
	}
}

// speed is "5,000/s", and "0.5/s" where that matters.
func speed(perSecond float64) string {
	if perSecond < 10 {
		return humanize.FtoaWithDigits(perSecond, 1) + "/s"
	}
	return humanize.Comma(int64(perSecond+0.5)) + "/s"
}
