package view

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
	"github.com/mitchellh/go-wordwrap"
)

// Options say how to draw.
type Options struct {
	Verbose bool
	Width   int  // of the terminal; 0: 80
	Color   bool // only on a terminal, and without NO_COLOR
	// Zone of the times that are shown; nil: UTC.
	Zone *time.Location
	// Hint is the last paragraph of a plan that has steps: what the user may
	// do with it.
	Hint string
}

// safe is text that may reach a terminal: a constant, or made by clean.
type safe string

// clean makes one line of any text: control characters and those that change
// the direction of writing go, line breaks and tabs become spaces.
func clean(s string) safe {
	return safe(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

func cleanf(format string, args ...any) safe { return clean(fmt.Sprintf(format, args...)) }

// printer writes lines. Errors of the writer are not looked at: there is
// nobody left to tell.
type printer struct {
	w      io.Writer
	width  int
	column int  // where the text behind an address begins
	blank  bool // the last line was empty, or there is none yet
	zone   *time.Location

	red, yellow, green, bold *color.Color
}

func newPrinter(w io.Writer, o Options) *printer {
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	paint := func(a color.Attribute) *color.Color {
		c := color.New(a)
		if o.Color {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	return &printer{w: w, width: o.Width, column: minColumn, blank: true, zone: o.Zone,
		red: paint(color.FgRed), yellow: paint(color.FgYellow), green: paint(color.FgGreen), bold: paint(color.Bold)}
}

func (p *printer) paint(c *color.Color, s safe) safe { return safe(c.Sprint(string(s))) }

func (p *printer) line(parts ...safe) {
	var b strings.Builder
	for _, s := range parts {
		b.WriteString(string(s))
	}
	l := strings.TrimRight(b.String(), " ")
	p.blank = l == ""
	fmt.Fprintln(p.w, l)
}

// gap leaves one empty line between what stands above, if anything, and what
// comes.
func (p *printer) gap() {
	if !p.blank {
		p.line()
	}
}

// lines that p.wrap made, each behind an indentation.
func (p *printer) wrapped(indent int, text string) {
	for _, l := range p.wrap(indent, text) {
		p.line(pad("", indent), l)
	}
}

// wrap breaks a text at the width. Lines that begin with a space are kept as
// they are: they are meant to be copied.
func (p *printer) wrap(indent int, text string) (out []safe) {
	for l := range strings.Lines(text) {
		s := clean(strings.TrimRight(l, "\r\n"))
		if strings.HasPrefix(string(s), " ") {
			out = append(out, s)
			continue
		}
		limit := uint(max(p.width-indent, 20))
		for _, w := range strings.Split(wordwrap.WrapString(string(s), limit), "\n") {
			out = append(out, safe(w))
		}
	}
	return out
}

// Columns: an address longer than the last gets its text behind it.
const (
	minColumn = 28
	maxColumn = 44
)

// fit widens the column for the addresses that will come.
func (p *printer) fit(address string) {
	p.column = min(max(p.column, runewidth.StringWidth(string(clean(address)))+2), maxColumn)
}

// pad fills up with spaces, and always leaves two behind a text that is longer.
func pad(s safe, width int) safe {
	w := runewidth.StringWidth(string(s))
	if s != "" && w > width-2 {
		return s + "  "
	}
	return s + safe(strings.Repeat(" ", max(width-w, 0)))
}

func (p *printer) address(a fmt.Stringer) safe { return pad(clean(a.String()), p.column) }

// count is "1 document", "336,776 documents".
func count[N int | int64](n N, singular string) string {
	if n == 1 {
		return "1 " + singular
	}
	return humanize.Comma(int64(n)) + " " + plural(singular)
}

func plural(s string) string {
	if strings.HasSuffix(s, "ch") {
		return s + "es"
	}
	return s + "s"
}

func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// rough is a number that is not known better than to two digits.
func rough(n int64) string {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return humanize.Comma((n + unit/2) / unit * unit)
}

// took is a measured time, about a guessed one.
func took(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return about(seconds)
}

func about(seconds float64) string {
	s := int64(math.Ceil(max(seconds, 1)))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	default:
		return fmt.Sprintf("%d days %d h", s/86400, s%86400/3600)
	}
}

func rate(documents int64, seconds float64) string {
	if seconds <= 0 || float64(documents) < seconds {
		return ""
	}
	return humanize.Comma(int64(float64(documents)/seconds)) + "/s"
}
