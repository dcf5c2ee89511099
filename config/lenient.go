package config

import (
	"fmt"

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
