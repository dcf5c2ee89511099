package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/esmig/esmig/providers"
)

// Edit is a fix at the place where it has to be made.
type Edit struct {
	Spot
	Fix providers.Fix
	// ID is the same for edits that are one and the same in the files, as those
	// of two blocks that read one local value.
	ID string
}

// Edit finds where a block's fix has to be made; Spot.Why says why it cannot.
func (c *Config) Edit(b *Block, f providers.Fix) Edit {
	e := Edit{Spot: c.Spot(b, f.Arg, f.Path), Fix: f}
	r, foreign := e.Range, ""
	if f.Do == providers.Set && e.expr != nil && e.rest == nil {
		foreign = c.loader.foreign(e.expr, e.home())
	}
	switch {
	case e.in != nil && e.rest == nil:
		r = e.in.entries[e.i].keyRange
	case e.attr != nil && e.rest == nil:
		r = e.attr.NameRange
	case e.obj != nil:
		r = e.obj.rng
	}
	e.ID = fmt.Sprintf("%s:%d %s", r.Filename, r.Start.Byte, strings.Join(e.rest, "."))
	if e.Why != "" {
		return e
	}
	if f.Shared || f.Do == providers.Remove && f.Arg == "" {
		if e.Why = c.unseen(b); e.Why != "" {
			return e
		}
	}
	for _, o := range f.From {
		if foreign := c.varies(o); foreign != "" {
			e.Why = fmt.Sprintf("%s of %s, from which it is worked out, comes from %s", strings.Join(append([]string{o.Arg}, o.Path...), "."), o.Addr, foreign)
			return e
		}
	}
	switch {
	case f.Do == providers.Add && e.rest == nil:
		e.Why = "it is there already"
	case f.Do == providers.Add && e.obj == nil && e.decl == nil:
		e.Why = "there is no object to write it into"
	case f.Do != providers.Add && e.rest != nil:
		e.Why = "it is computed by an expression"
	case foreign != "":
		e.Why = "it comes from " + foreign // elsewhere its value may be one that is right
	case f.Do == providers.Unwrap && (e.in == nil || len(e.in.entries) != 1):
		e.Why = "it does not stand alone in an object"
	case f.Do == providers.Remove && f.Arg != "" && e.in == nil && (e.attr == nil || !e.opt):
		e.Why = "something has to stand there"
	}
	return e
}

func (c *Config) blockAt(a providers.Addr) *Block {
	i := slices.IndexFunc(c.Blocks, func(b *Block) bool { return b.Addr == a })
	if i < 0 {
		return nil
	}
	return c.Blocks[i]
}

// varies is what gives an origin its value from outside; empty: nothing does.
func (c *Config) varies(o providers.Origin) string {
	b := c.blockAt(o.Addr)
	if b == nil {
		return ""
	}
	a, _ := (&finder{}).argument(b.in, o.Arg)
	if a == nil {
		return ""
	}
	whole := c.loader.foreign(a.Expr, b.in.decl)
	if whole == "" || len(o.Path) == 0 {
		return whole
	}
	switch s := c.Spot(b, o.Arg, o.Path); {
	case s.Why != "":
		return whole
	case s.rest != nil: // it is not there
		return ""
	default:
		return c.loader.foreign(s.expr, s.home())
	}
}

// foreign is the first of the things outside of an expression that give it its
// value: "var.x". Empty: it has the same value whatever the variables are, or is
// the name of the same block. The block is the one whose each it sees, nil where
// there is none.
func (l *loader) foreign(e hcl.Expression, d *decl) string {
	if _, native := e.(hclsyntax.Expression); !native {
		return "" // "${x}" is a plain text in a JSON file
	}
	if key := l.instanceName(e); key != nil {
		return l.foreign(key, d)
	}
	if list, diags := hcl.ExprList(e); !diags.HasErrors() {
		for _, e := range list {
			if found := l.foreign(e, d); found != "" {
				return found
			}
		}
		return ""
	}
	for _, t := range e.Variables() {
		root, name := t.RootName(), ""
		if len(t) > 1 {
			name, _, _ = stepName(t[1])
		}
		found := root + "." + name
		switch {
		case root == "each" && d != nil && d.forEach != nil && l.foreign(d.forEach.Expr, nil) == "":
			continue
		case root == "local" && l.locals[name] != nil:
			if found = l.foreign(l.locals[name].attr.Expr, nil); found == "" {
				continue
			}
		case l.isName(t):
			continue
		}
		return found
	}
	return ""
}

// isName says whether a reference is to the name of a block.
func (l *loader) isName(t hcl.Traversal) bool {
	if len(t) < 3 {
		return false
	}
	name, _, _ := stepName(t[1])
	d := l.blocks[t.RootName()][name]
	if d == nil {
		return false
	}
	t = t[2:]
	if d.forEach != nil {
		t = t[1:]
	}
	if len(t) != 1 {
		return false
	}
	arg, _, _ := stepName(t[0])
	return slices.ContainsFunc(d.kind.Attrs, func(a providers.Attr) bool { return a.FromLabel && a.Name == arg })
}

// instanceName is the key in a reference to the name of an instance whose key is
// computed, as each.key in index.x[each.key].name; nil if it is none.
func (l *loader) instanceName(e hcl.Expression) hcl.Expression {
	r, ok := e.(*hclsyntax.RelativeTraversalExpr)
	if !ok {
		return nil
	}
	i, ok := r.Source.(*hclsyntax.IndexExpr)
	if !ok {
		return nil
	}
	c, ok := i.Collection.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(c.Traversal) != 2 || !l.isName(slices.Concat(c.Traversal, hcl.Traversal{hcl.TraverseIndex{}}, r.Traversal)) {
		return nil
	}
	return i.Key
}

// home is the block that something is written in, nil where that is a local
// value or a file.
func (s Spot) home() *decl {
	at := s.site
	for at.in != nil {
		at = at.in.at
	}
	return at.decl
}
