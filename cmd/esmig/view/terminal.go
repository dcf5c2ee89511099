package view

import (
	"bytes"
	"io"
	"strings"
	"sync/atomic"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// Terminal writes lines that stay, and below them a bar for each migration
// that runs. When a migration ends its bar goes.
type Terminal struct {
	w      io.Writer
	width  int
	story  *story
	buffer *bytes.Buffer
	bars   map[providers.Addr]*bar
	// area is where bars are drawn; nil while there are none, so that lines
	// are written at once.
	area *mpb.Progress
}

// bar is drawn by a goroutine of mpb's, from the last picture that was stored.
type bar struct {
	meter
	bar     *mpb.Bar
	picture atomic.Pointer[meter]
	turns   atomic.Uint64
}

// NewTerminal makes the view.
func NewTerminal(w io.Writer, o Options) *Terminal {
	b := &bytes.Buffer{}
	p := newPrinter(b, o)
	return &Terminal{w: w, width: p.width, buffer: b, story: newStory(p, o), bars: map[providers.Addr]*bar{}}
}

// Show draws a record.
func (t *Terminal) Show(r engine.Record) {
	t.story.tell(r)
	switch e := r.Event.(type) {
	case engine.StepProgress:
		b := t.bars[e.Addr]
		if b == nil {
			b = t.begin(e.Addr)
		}
		b.add(e.Progress, r.Time)
		b.picture.Store(b.clone())
	case engine.StepDone:
		t.end(e.Addr)
	case engine.StepFailed:
		t.end(e.Addr)
	case engine.VerifyDone:
		t.end(e.Addr)
	case engine.Summary:
		t.Close()
	}
	t.flush()
}

func (t *Terminal) flush() {
	if t.buffer.Len() == 0 {
		return
	}
	if t.area != nil {
		_, _ = t.buffer.WriteTo(t.area) // above the bars
	} else {
		_, _ = t.buffer.WriteTo(t.w)
	}
}

// begin draws a bar. It ends only when it is told to, whatever its numbers.
func (t *Terminal) begin(a providers.Addr) *bar {
	if t.area == nil {
		t.flush()
		t.area = mpb.New(mpb.WithOutput(t.w), mpb.ForceTTY(), mpb.WithAutoRefresh(), mpb.WithWidth(t.width))
	}
	b, label := &bar{}, t.story.address(a)
	b.picture.Store(&b.meter)
	row := func(i int) mpb.BarFiller {
		return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
			rows := b.picture.Load().rows(label, s.AvailableWidth, b.turns.Add(1)/2)
			if i > 0 {
				rows[i] += "\n"
			}
			_, err := io.WriteString(w, string(rows[i]))
			return err
		})
	}
	var err error
	if b.bar, err = t.area.Add(0, row(0), mpb.BarFillerTrim(), mpb.BarBtmExtender(row(1))); err != nil {
		panic("view: a bar in an area that has ended: " + err.Error()) // end sets area to nil
	}
	t.bars[a] = b
	return b
}

// end takes a bar away.
func (t *Terminal) end(a providers.Addr) {
	b := t.bars[a]
	if b == nil {
		return
	}
	delete(t.bars, a)
	b.bar.Abort(true)
	if len(t.bars) == 0 {
		t.area.Wait()
		t.area = nil
	}
}

// Close takes away all bars.
func (t *Terminal) Close() {
	for a := range t.bars {
		t.end(a)
	}
}

// rows draws a running migration in the given width.
func (m *meter) rows(label safe, width int, turn uint64) [2]safe {
	left := safe([]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}[turn%10]) + " " + label
	texts := m.texts()
	free := func() int {
		return width - 1 - runewidth.StringWidth(string(left)) - runewidth.StringWidth(strings.Join(texts, "   ")) - 2
	}
	for free() < 5 && len(texts) > 1 {
		texts = texts[:len(texts)-1]
	}
	first := left
	if cells := min(free(), 24); cells >= 5 {
		first += m.bar(cells) + "  "
	}
	first += safe(strings.Join(texts, "   "))
	second := pad("", runewidth.StringWidth(string(left))) + safe(m.below())
	cut := func(s safe) safe { return safe(runewidth.Truncate(string(s), max(width-1, 1), "…")) }
	return [2]safe{cut(first), cut(second)}
}
