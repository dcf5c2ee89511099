package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// Diagnostics draws what is wrong, with its place and what to do.
func Diagnostics(w io.Writer, ds []engine.Diagnostic, o Options) {
	newPrinter(w, o).diagnostics(ds)
}

// Refused is Diagnostics with a last line that counts and says that nothing
// was done.
func Refused(w io.Writer, ds []engine.Diagnostic, o Options) {
	p := newPrinter(w, o)
	p.diagnostics(ds)
	if n := errorCount(ds); n > 0 {
		p.line(clean(count(n, "error")), ". Nothing has been changed.")
	}
}

func errorCount(ds []engine.Diagnostic) (n int) {
	for _, d := range ds {
		if d.Severity == providers.SeverityError {
			n++
		}
	}
	return n
}

func (p *printer) diagnostics(ds []engine.Diagnostic) {
	for _, d := range byPlace(ds) {
		p.gap()
		p.diagnostic(d)
	}
	if len(ds) > 0 {
		p.gap()
	}
}

// byPlace puts those that have a place into the order of the files and their
// lines. The others stay where they are among them.
func byPlace(ds []engine.Diagnostic) []engine.Diagnostic {
	var placed []engine.Diagnostic
	for _, d := range ds {
		if d.File != "" {
			placed = append(placed, d)
		}
	}
	slices.SortStableFunc(placed, func(a, b engine.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	out := slices.Clone(ds)
	for i, d := range ds {
		if d.File != "" {
			out[i], placed = placed[0], placed[1:]
		}
	}
	return out
}

func (p *printer) diagnostic(d engine.Diagnostic) {
	c, word := p.red, safe("Error: ")
	switch d.Severity {
	case providers.SeverityWarning:
		c, word = p.yellow, "Warning: "
	case providers.SeverityNote:
		c, word = p.bold, "Note: "
	}
	lines := p.wrap(len(word), d.Summary)
	if len(lines) == 0 {
		lines = []safe{""}
	}
	p.line(p.paint(c, word), lines[0])
	for _, l := range lines[1:] {
		p.line(pad("", len(word)), l)
	}
	p.gap()
	p.place(d)
	p.gap()
	if strings.TrimSpace(d.Detail) != "" {
		p.wrapped(0, strings.TrimRight(d.Detail, "\n"))
		p.gap()
	}
}

// place says where: the file, the block and the line itself.
func (p *printer) place(d engine.Diagnostic) {
	in := d.In
	if in == "" {
		in = d.Addr
	}
	switch {
	case d.File == "" && in == "":
		return
	case d.File == "":
		p.line("  on ", clean(in))
	case in == "":
		p.line("  on ", cleanf("%s line %d:", d.File, d.Line))
	default:
		p.line("  on ", cleanf("%s line %d, in %s:", d.File, d.Line, in))
	}
	if d.File != "" && d.Source != "" {
		p.line(cleanf("%s: %s", fmt.Sprintf("%4d", d.Line), strings.TrimRight(d.Source, "\r\n")))
	}
}
