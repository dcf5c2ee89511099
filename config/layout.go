package config

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// text is a file that is changed by ranges of bytes, so that whatever is not
// meant stays as it is.
type text struct {
	src   []byte
	edits []textEdit
	lines []textEdit // whole lines that go
}

type textEdit struct {
	start, end int
	text       string
}

// replace puts a text in the place of another, with the line ends of the file.
func (t *text) replace(start, end int, text string) {
	if i := bytes.IndexByte(t.src, '\n'); i > 0 && t.src[i-1] == '\r' {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	e := textEdit{start, end, text}
	if !slices.Contains(t.edits, e) {
		t.edits = append(t.edits, e)
	}
}

// dropLines removes what stands between two places, with its lines if it has
// these for itself.
func (t *text) dropLines(start, end int) {
	if s, e, ok := t.ownLines(start, end); ok {
		t.lines = append(t.lines, textEdit{start: s, end: e})
		return
	}
	t.replace(start, end, "")
}

// ownLines are the lines of something that has them for itself, save for
// spaces, a comma and a comment behind it.
func (t *text) ownLines(start, end int) (int, int, bool) {
	s := t.lineStart(start)
	if !blank(t.src[s:start]) {
		return 0, 0, false
	}
	e := t.lineEnd(end)
	rest := bytes.TrimSpace(t.src[min(end, e):e])
	rest = bytes.TrimSpace(bytes.TrimPrefix(rest, []byte(",")))
	return s, e, len(rest) == 0 || isComment(rest)
}

// dropItems removes items of an object or a list: keys and values are their
// first and last parts.
func (t *text) dropItems(keys, values []hcl.Range, gone map[int]bool, native bool) {
	inline := map[int]bool{}
	for i := range keys {
		if !gone[i] {
			continue
		}
		if s, e, ok := t.ownLines(keys[i].Start.Byte, values[i].End.Byte); ok && native {
			t.lines = append(t.lines, textEdit{start: s, end: e})
		} else {
			inline[i] = true
		}
	}
	for i := 0; i < len(keys); i++ {
		if !inline[i] {
			continue
		}
		j := i
		for inline[j+1] {
			j++
		}
		start, end := keys[i].Start.Byte, values[j].End.Byte
		switch {
		case j+1 < len(keys) && (!native || keys[j+1].Start.Line == values[j].End.Line):
			end = keys[j+1].Start.Byte
			if native {
				end = t.untilComment(values[j].End.Byte, end)
			}
		case i > 0 && !gone[i-1]:
			start = values[i-1].End.Byte
			if after := t.behindComments(start, keys[i].Start.Byte); native && after > start {
				start, end = after, t.behindComma(end)
				if start == t.lineStart(start) && blank(t.src[end:t.lineEnd(end)]) {
					end = t.lineEnd(end)
				}
			}
		default:
			end = t.behindComma(end)
		}
		t.replace(start, end, "")
		i = j
	}
}

// behindComma is the place behind a comma that follows on the line, if one does.
func (t *text) behindComma(at int) int {
	for _, tok := range t.tokens(at, max(at, t.lineEnd(at))) {
		switch tok.Type {
		case hclsyntax.TokenComma:
			return tok.Range.End.Byte
		case hclsyntax.TokenComment:
			continue
		}
		break
	}
	return at
}

// tokens are those of a piece of HCL.
func (t *text) tokens(start, end int) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(t.src[start:end], "", hcl.Pos{Line: 1, Column: 1, Byte: start})
	return tokens
}

// untilComment is where between two items the comments of the second begin: the
// first one behind the comma.
func (t *text) untilComment(start, end int) int {
	comma := false
	for _, tok := range t.tokens(start, end) {
		comma = comma || tok.Type == hclsyntax.TokenComma
		if comma && tok.Type == hclsyntax.TokenComment {
			return tok.Range.Start.Byte
		}
	}
	return end
}

// behindComments is the place behind the comments between two items, save for
// those on lines directly above the second, which are about it; the start, if
// there are none.
func (t *text) behindComments(start, end int) int {
	last := start
	for _, tok := range t.tokens(start, end) {
		if tok.Type == hclsyntax.TokenComment {
			last = tok.Range.End.Byte
		}
	}
	s := t.lineStart(end)
	if last == start || s < last && t.src[last-1] != '\n' || !blank(t.src[s:end]) {
		return last
	}
	for above := t.lineStart(s - 1); above > start && isComment([]byte(t.line(above))); above = t.lineStart(s - 1) {
		s = above
	}
	return s
}

// unwrapped is the inner one of two objects in the place of the outer one, with
// the comments that stand between them on lines of their own.
func (t *text) unwrapped(outer, inner hcl.Range, native bool) string {
	s := t.dedented(outer, inner)
	if !native || s[0] != '{' {
		return s
	}
	indent := t.lineIndent(outer.Start.Byte)
	comments := func(start, end int) (out string) {
		for _, tok := range t.tokens(start, end) {
			if tok.Type == hclsyntax.TokenComment {
				out += "\n" + indent + "  " + strings.TrimSpace(string(tok.Bytes))
			}
		}
		return out
	}
	if above := comments(outer.Start.Byte+1, inner.Start.Byte); above != "" {
		if rest := strings.TrimLeft(s[1:], " \t"); !strings.HasPrefix(rest, "\n") && !strings.HasPrefix(rest, "\r\n") {
			above += "\n" + indent + "  "
			s = s[:1] + rest
		}
		s = s[:1] + above + s[1:]
	}
	if behind := comments(inner.End.Byte, outer.End.Byte-1); behind != "" {
		s = strings.TrimRight(s[:len(s)-1], " \t\r\n") + behind + "\n" + indent + "}"
	}
	return s
}

// addLine puts a line before the one of a closing brace; where everything
// stands on one line, the brace goes to its own.
func (t *text) addLine(brace int, oneLine bool, line string) {
	s := t.lineStart(brace)
	if blank(t.src[s:brace]) && !oneLine {
		t.replace(s, s, line+"\n")
		return
	}
	t.replace(brace, brace, "\n"+line+"\n"+t.lineIndent(brace))
}

// dedented is a value with the lines below its first one as much to the left as
// those of the object that it takes the place of.
func (t *text) dedented(outer, value hcl.Range) string {
	s := string(t.src[value.Start.Byte:value.End.Byte])
	inner := t.lineIndent(value.Start.Byte)
	if more, ok := strings.CutPrefix(inner, t.lineIndent(outer.Start.Byte)); ok && more != "" {
		s = strings.ReplaceAll(s, "\n"+inner, "\n"+strings.TrimSuffix(inner, more))
	}
	return s
}

// entryIndent is how the entries of an object are indented, and whether they
// have lines for themselves.
func (t *text) entryIndent(o *object) (string, bool) {
	if !bytes.Contains(t.src[o.rng.Start.Byte:o.rng.End.Byte], []byte("\n")) {
		return "", false
	}
	for _, e := range o.entries {
		if s := t.lineStart(e.keyRange.Start.Byte); blank(t.src[s:e.keyRange.Start.Byte]) {
			return string(t.src[s:e.keyRange.Start.Byte]), true
		}
	}
	return "", false
}

// lineIndent is the indentation of the line that a place is on.
func (t *text) lineIndent(at int) string {
	line := t.src[t.lineStart(at):]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

func (t *text) lineStart(at int) int { return bytes.LastIndexByte(t.src[:at], '\n') + 1 }

// lineEnd is behind the line break of the line that a place is on.
func (t *text) lineEnd(at int) int {
	if at > 0 && at <= len(t.src) && t.src[at-1] == '\n' {
		return at // a heredoc ends with its line
	}
	if i := bytes.IndexByte(t.src[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(t.src)
}

// result applies everything.
func (t *text) result() ([]byte, error) {
	all := append(slices.Clone(t.edits), t.wholeLines()...)
	slices.SortStableFunc(all, func(a, b textEdit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end-b.start, a.end-a.start))
	})
	var out []byte
	at := 0
	var inserts []textEdit
	for _, e := range all {
		if e.start == e.end {
			inserts = append(inserts, e)
		}
	}
	all = slices.DeleteFunc(all, func(e textEdit) bool { return e.start == e.end })
	put := func(until int) {
		for len(inserts) > 0 && inserts[0].start <= until {
			i := inserts[0]
			if i.start >= at {
				out = append(append(out, t.src[at:i.start]...), i.text...)
				at = i.start
			}
			inserts = inserts[1:]
		}
	}
	for _, e := range all {
		if e.end <= at { // inside of what is gone
			continue
		}
		if e.start < at {
			return nil, errors.New("two changes meet in one place. This is a bug of esmig")
		}
		put(e.start)
		out = append(append(out, t.src[at:e.start]...), e.text...)
		at = e.end
	}
	put(len(t.src))
	return append(out, t.src[at:]...), nil
}

// wholeLines joins lines that go, with the comments that are about nothing any
// more, and leaves no two empty lines where there was one.
func (t *text) wholeLines() []textEdit {
	slices.SortFunc(t.lines, func(a, b textEdit) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	runs := joined(t.lines)
	for i := range runs {
		r := &runs[i]
		after := t.line(r.end)
		if after == "" || isComment([]byte(after)) || strings.ContainsAny(after[:1], "}])") {
			for r.start > 0 && isComment([]byte(t.line(t.lineStart(r.start-1)))) {
				r.start = t.lineStart(r.start - 1)
			}
		}
	}
	runs = joined(runs)
	for i := range runs {
		r := &runs[i]
		before, after := "{", t.line(r.end)
		if r.start > 0 {
			before = t.line(t.lineStart(r.start - 1))
		}
		switch {
		case r.end < len(t.src) && after == "" && (before == "" || r.start == 0 || strings.HasSuffix(before, "{")):
			r.end = t.lineEnd(r.end + 1)
		case before == "" && (r.end >= len(t.src) || after != "" && strings.ContainsAny(after[:1], "}])")):
			r.start = t.lineStart(r.start - 1)
		}
	}
	return joined(runs)
}

// joined makes one of lines that meet.
func joined(lines []textEdit) []textEdit {
	var runs []textEdit
	for _, l := range lines {
		if n := len(runs) - 1; n >= 0 && l.start <= runs[n].end {
			runs[n].end = max(runs[n].end, l.end)
			continue
		}
		runs = append(runs, l)
	}
	return runs
}

// line is the line at a place, without the spaces around it.
func (t *text) line(start int) string {
	if start >= len(t.src) {
		return ""
	}
	return strings.TrimSpace(string(t.src[start:t.lineEnd(start+1)]))
}

func blank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

func isComment(line []byte) bool {
	return bytes.HasPrefix(line, []byte("#")) || bytes.HasPrefix(line, []byte("//"))
}
