package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// unset stands for a text that a variable would give.
const unset = "(no value)"

// assume fills in an argument what variables without a value leave open
// (Options.Lenient). What it makes is only fit for being looked at.
func (l *loader) assume(in *instance, v cty.Value, a *providers.Attr) cty.Value {
	if v.IsWhollyKnown() || in.decl.kind == clusterKind || in.decl.kind == settingsKind {
		return v
	}
	in.assumed = true
	if v.IsKnown() {
		out, err := cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
			u, marks := e.Unmark()
			if !u.IsKnown() {
				u = standIn(u.Type())
			}
			return u.WithMarks(marks), nil
		})
		if err != nil {
			return v
		}
		return out
	}
	u, marks := v.Unmark()
	switch {
	case a.Type == cty.DynamicPseudoType && u.Type().IsObjectType():
		v = standIn(u.Type())
	case a.FromLabel && in.addr.Keyed:
		v = cty.StringVal(in.addr.Name + "-" + in.addr.Key)
	case a.FromLabel || a.Default != cty.NilVal || !a.Required:
		v = cty.NullVal(a.Type)
	default:
		v = standIn(a.Type)
	}
	return v.WithMarks(marks)
}

func standIn(t cty.Type) cty.Value {
	switch t {
	case cty.Number:
		return cty.Zero
	case cty.Bool:
		return cty.False
	case cty.String, cty.DynamicPseudoType:
		return cty.StringVal(unset)
	}
	if t.IsObjectType() { // its keys are known
		attrs := map[string]cty.Value{}
		for name, of := range t.AttributeTypes() {
			attrs[name] = standIn(of)
		}
		return cty.ObjectVal(attrs)
	}
	return cty.NullVal(t)
}

// notLookedAt warns of a block whose instances only a variable tells.
func (l *loader) notLookedAt(d *decl, r hcl.Range) {
	if l.Lenient && !l.diags.HasErrors() {
		l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Block was not looked at",
			Detail: fmt.Sprintf("The keys of its for_each come from a variable that has no value. Give it one, so that %s.%s is looked at too.", d.kind.Name, d.name), Subject: &r})
	}
}

// unseen says which block without instances names another one. Nothing looks at
// such a block, nor at what it refers to, so nobody else would miss the other.
func (c *Config) unseen(b *Block) string {
	l := c.loader
	n := len(l.diags)
	defer func() { l.diags = l.diags[:n] }()
	for _, kind := range slices.Sorted(maps.Keys(l.blocks)) {
		for _, d := range sortedDecls(l.blocks[kind]) {
			if len(d.instances) == 0 && l.mentions(d, b) {
				return fmt.Sprintf("%s.%s, whose for_each gives no keys here, names it", kind, d.name)
			}
		}
	}
	return ""
}

// mentions says whether a block without instances could name another one: by a
// reference, or by its name in a text.
func (l *loader) mentions(d *decl, b *Block) bool {
	in := &instance{decl: d, addr: providers.Addr{Kind: d.kind.Name, Name: d.name, Key: anyStep, Keyed: true}, each: cty.DynamicVal}
	if slices.ContainsFunc(l.refs(in), func(r Ref) bool { return r.To.Kind == b.Addr.Kind && r.To.Name == b.Addr.Name }) {
		return true
	}
	i := slices.IndexFunc(b.Kind.Attrs, func(a providers.Attr) bool { return a.FromLabel })
	if i < 0 {
		return false
	}
	name := b.Args.GetAttr(b.Kind.Attrs[i].Name).AsString()
	bodies := append([]*body{d.body}, slices.Collect(maps.Values(d.body.nested))...)
	for _, body := range bodies {
		for _, a := range sortedAttrs(body.attrs) {
			if a.Name != "depends_on" && slices.Contains(leaves(l.eval(a.Expr, scope{in: in})), name) {
				return true
			}
		}
	}
	return false
}
