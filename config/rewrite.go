package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/esmig/esmig/providers"
)

// Rewrite makes edits, and returns the contents of the files that change, by
// the names that ranges use. Comments and layout stay as they are; comments go
// with the last of the lines below them.
func (c *Config) Rewrite(edits []Edit) (map[string][]byte, error) {
	w := &rewriter{c: c, removed: map[*object]map[int]bool{}, adds: map[*object][]addition{}, files: map[string]*text{}}
	for _, e := range edits {
		if err := w.edit(e); err != nil {
			return nil, err
		}
	}
	w.dependsOn()
	for w.prune() {
	}
	for o, gone := range w.removed {
		if err := w.object(o, gone); err != nil {
			return nil, err
		}
	}
	for o := range w.adds {
		if w.removed[o] == nil {
			if err := w.object(o, nil); err != nil {
				return nil, err
			}
		}
	}
	out := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		t := w.files[name]
		after, err := t.result()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if strings.HasSuffix(name, ".hcl") && bytes.Equal(Format(t.src), t.src) {
			after = Format(after)
		}
		if !bytes.Equal(after, t.src) {
			out[name] = after
		}
	}
	return out, nil
}

type rewriter struct {
	c       *Config
	removed map[*object]map[int]bool
	adds    map[*object][]addition
	files   map[string]*text
	blocks  []*decl // that go
}

// addition is an entry that an object gets.
type addition struct {
	key   string
	value any
}

func (w *rewriter) text(file string) (*text, error) {
	if t := w.files[file]; t != nil {
		return t, nil
	}
	// Not Sources: there literal secrets are blanked out.
	src, err := w.c.loader.Files.ReadFile(filepath.FromSlash(file))
	if err != nil {
		return nil, err
	}
	w.files[file] = &text{src: src}
	return w.files[file], nil
}

func (w *rewriter) edit(e Edit) error {
	t, err := w.text(e.Range.Filename)
	if err != nil {
		return err
	}
	switch e.Fix.Do {
	case providers.Remove:
		switch {
		case e.Fix.Arg == "":
			if !slices.Contains(w.blocks, e.decl) {
				w.blocks = append(w.blocks, e.decl)
				t.dropLines(e.decl.block.Range().Start.Byte, e.decl.block.Range().End.Byte)
			}
		case e.in != nil:
			w.remove(e.in, e.i)
		default:
			t.dropLines(e.attr.SrcRange.Start.Byte, e.attr.SrcRange.End.Byte)
		}
	case providers.Set:
		r := e.attrRange()
		value := providers.HCL(e.Fix.Value)
		if e.in != nil {
			r = e.in.entries[e.i].valueRange
			if e.in.json {
				value = string(providers.Encode(e.Fix.Value))
			}
		}
		t.replace(r.Start.Byte, r.End.Byte, value)
	case providers.Unwrap:
		outer, inner := e.in.rng, e.in.entries[e.i].valueRange
		t.replace(outer.Start.Byte, outer.End.Byte, t.unwrapped(outer, inner, !e.in.json))
	case providers.Add:
		value := e.Fix.Value
		for i := len(e.rest) - 1; i > 0; i-- {
			value = map[string]any{e.rest[i]: value}
		}
		if e.obj != nil {
			a := addition{e.rest[0], value}
			if !slices.ContainsFunc(w.adds[e.obj], func(b addition) bool { return b.key == a.key }) {
				w.adds[e.obj] = append(w.adds[e.obj], a)
			}
			return nil
		}
		body := e.decl.block.Body
		t.addLine(e.decl.block.CloseBraceRange.Start.Byte, body.SrcRange.Start.Line == body.SrcRange.End.Line,
			"  "+providers.HCLKey(e.rest[0])+" = "+providers.HCL(value))
	}
	return nil
}

func (e Edit) attrRange() hcl.Range {
	if e.attr == nil {
		return e.Range
	}
	return e.attr.Expr.Range()
}

func (w *rewriter) remove(o *object, i int) bool {
	if w.removed[o] == nil {
		w.removed[o] = map[int]bool{}
	}
	was := w.removed[o][i]
	w.removed[o][i] = true
	return !was
}

// dependsOn takes the blocks that go out of others' depends_on.
func (w *rewriter) dependsOn() {
	if len(w.blocks) == 0 {
		return
	}
	for _, kind := range w.c.loader.blocks {
		for _, d := range kind {
			a := d.body.attrs["depends_on"]
			if a == nil || slices.Contains(w.blocks, d) {
				continue
			}
			items, diags := hcl.ExprList(a.Expr)
			if diags.HasErrors() {
				continue
			}
			gone := map[int]bool{}
			ranges := make([]hcl.Range, len(items))
			for i, item := range items {
				ranges[i] = item.Range()
				t, diags := hcl.AbsTraversalForExpr(item)
				if diags.HasErrors() || len(t) < 2 {
					continue
				}
				name, _, _ := stepName(t[1])
				if slices.ContainsFunc(w.blocks, func(b *decl) bool { return b.kind.Name == t.RootName() && b.name == name }) {
					gone[i] = true
				}
			}
			if len(gone) == 0 {
				continue
			}
			t, err := w.text(a.SrcRange.Filename)
			switch {
			case err != nil:
			case len(gone) == len(items):
				t.dropLines(a.SrcRange.Start.Byte, a.SrcRange.End.Byte)
			default:
				t.dropItems(ranges, ranges, gone, true)
			}
		}
	}
}

// prune removes objects that become empty; false: none did.
func (w *rewriter) prune() bool {
	for o, gone := range w.removed {
		if len(gone) == len(o.entries) && len(w.adds[o]) == 0 && o.at.in != nil && !o.whole && w.remove(o.at.in, o.at.i) {
			return true
		}
	}
	return false
}

// below says whether an object goes with one above it.
func (w *rewriter) below(o *object) bool {
	at := o.at
	for ; at.in != nil; at = at.in.at {
		if w.removed[at.in][at.i] {
			return true
		}
	}
	return at.decl != nil && slices.Contains(w.blocks, at.decl)
}

// object writes what becomes of an object.
func (w *rewriter) object(o *object, gone map[int]bool) error {
	if w.below(o) {
		return nil
	}
	t, err := w.text(o.rng.Filename)
	if err != nil {
		return err
	}
	adds := w.adds[o]
	if len(gone) == len(o.entries) && len(adds) == 0 {
		if o.at.attr != nil && o.at.opt && o.at.in == nil {
			t.dropLines(o.at.attr.SrcRange.Start.Byte, o.at.attr.SrcRange.End.Byte)
		} else {
			t.replace(o.rng.Start.Byte, o.rng.End.Byte, "{}")
		}
		return nil
	}
	keys, values := make([]hcl.Range, len(o.entries)), make([]hcl.Range, len(o.entries))
	last := -1
	for i, e := range o.entries {
		keys[i], values[i] = e.keyRange, e.valueRange
		if !gone[i] {
			last = i
		}
	}
	indent, lines := t.entryIndent(o)
	if last >= 0 {
		t.dropItems(keys, values, gone, !o.json)
	}
	if len(adds) == 0 {
		return nil
	}
	var texts []string
	for _, a := range adds {
		texts = append(texts, o.entryText(a, indent, lines))
	}
	sep := " "
	if lines {
		sep = "\n" + indent
	}
	start, end := o.rng.Start.Byte+1, o.rng.End.Byte-1
	switch {
	case last < 0: // all that was there goes
		closing := " "
		if lines {
			closing = "\n" + t.lineIndent(o.rng.End.Byte-1)
		}
		t.replace(start, end, sep+strings.Join(texts, ","+sep)+closing)
	case !o.json && lines:
		t.addLine(end, false, indent+strings.Join(texts, "\n"+indent))
	default:
		t.replace(values[last].End.Byte, values[last].End.Byte, ","+sep+strings.Join(texts, ","+sep))
	}
	return nil
}

func (o *object) entryText(a addition, indent string, lines bool) string {
	if !o.json {
		return providers.HCLKey(a.key) + " = " + providers.HCL(a.value)
	}
	value := providers.Encode(a.value)
	if lines {
		var b bytes.Buffer
		if json.Indent(&b, value, indent, unit(indent)) == nil {
			value = b.Bytes()
		}
	}
	return string(providers.Encode(a.key)) + ": " + string(value)
}

// unit is one step of an indentation.
func unit(indent string) string {
	if strings.Contains(indent, "\t") {
		return "\t"
	}
	if len(indent)%4 == 0 && indent != "" {
		return "    "
	}
	return "  "
}
