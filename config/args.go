package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/esmig/esmig/providers"
)

// instance is a block, or with for_each one of its instances.
type instance struct {
	decl *decl
	addr providers.Addr
	each cty.Value         // each.value
	args map[string]*thunk // nested ones as "source.index"

	assumed bool // see assume
}

// skip says that a block is not evaluated, because its file has syntax errors.
func (l *loader) skip(d *decl) bool { return l.broken[d.block.TypeRange.Filename] }

// expand makes a block's instances. False: for_each is wrong, or just being
// evaluated.
func (l *loader) expand(d *decl) bool {
	return l.force(d.keys).IsKnown() && d.usable
}

// only is the instance of a block that has no for_each.
func (l *loader) only(d *decl) *instance {
	l.expand(d)
	return d.instances[0]
}

func (l *loader) expandEach(d *decl) bool {
	if d.forEach == nil {
		d.instances = []*instance{l.newInstance(d, providers.Addr{Kind: d.kind.Name, Name: d.name}, cty.NilVal)}
		return true
	}
	v := l.eval(d.forEach.Expr, scope{})
	r := subject(d.forEach)
	if v.IsMarked() || v.Type().IsSetType() && v.ContainsMarked() {
		l.errorf(r, "Invalid for_each", "The keys of for_each are made from a sensitive value, and keys are shown in plans and states. Use keys that are not sensitive.")
		return false
	}
	ty := v.Type()
	d.set = ty.IsSetType()
	switch {
	case !v.IsKnown():
		l.notLookedAt(d, r)
		return false
	case v.IsNull():
		l.errorf(r, "Invalid for_each", "The value of for_each is null. For no instance at all write an empty map, {}.")
		return false
	case ty.IsMapType() || ty.IsObjectType():
	case d.set && (ty.ElementType() == cty.String || v.LengthInt() == 0):
	default:
		hint := ""
		if ty.IsTupleType() || ty.IsListType() {
			hint = " Turn a list of strings into a set: toset([…])."
		}
		l.errorf(r, "Invalid for_each", "for_each takes a map or a set of strings, not %s.%s", typeName(ty), hint)
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if !k.IsKnown() {
			l.notLookedAt(d, r)
			return false
		}
		if k.IsNull() {
			l.errorf(r, "Invalid for_each", "A key of for_each is null.")
			return false
		}
		d.instances = append(d.instances, l.newInstance(d, providers.Addr{Kind: d.kind.Name, Name: d.name, Key: k.AsString(), Keyed: true}, e))
	}
	return true
}

func (l *loader) newInstance(d *decl, addr providers.Addr, each cty.Value) *instance {
	in := &instance{decl: d, addr: addr, each: each, args: map[string]*thunk{}}
	add := func(prefix string, b *body, attrs []providers.Attr) {
		for i := range attrs {
			a, path := &attrs[i], prefix+attrs[i].Name
			t := &thunk{name: addr.String() + "." + path, at: b.at}
			syntax := b.attrs[a.Name]
			if syntax != nil {
				t.at = syntax.NameRange
			}
			t.eval = func() cty.Value { return l.argument(in, a, b, syntax) }
			in.args[path] = t
		}
	}
	add("", d.body, d.kind.Attrs)
	for _, n := range d.kind.Blocks {
		if b := d.body.nested[n.Name]; b != nil {
			add(n.Name+".", b, n.Attrs)
		}
	}
	return in
}

// argument evaluates one argument: converted, defaults filled in, marked if it
// is sensitive.
func (l *loader) argument(in *instance, a *providers.Attr, b *body, syntax *hclsyntax.Attribute) cty.Value {
	v := cty.NullVal(a.Type)
	if syntax != nil {
		if a.Sensitive {
			l.blank(syntax.Expr)
		}
		var ok bool
		v = l.eval(syntax.Expr, scope{in: in, secret: a.Sensitive})
		if l.Lenient && !l.diags.HasErrors() {
			v = l.assume(in, v, a)
		}
		if v, ok = l.convert(v, a, syntax); !ok {
			return cty.DynamicVal
		}
	}
	if v.IsNull() {
		v = l.absent(in, a, b, syntax)
	} else if len(a.OneOf) > 0 && v.IsKnown() {
		if s, _ := v.Unmark(); !slices.Contains(a.OneOf, s.AsString()) {
			given, hint := strconv.Quote(s.AsString()), ""
			if n := nearest(s.AsString(), a.OneOf); n != "" {
				hint = fmt.Sprintf(" Did you mean %q?", n)
			}
			if v.IsMarked() || a.Sensitive {
				given, hint = "its value", ""
			}
			l.errorf(subject(syntax), "Invalid value", "The argument %q is one of %s, not %s.%s", a.Name, quoted(a.OneOf), given, hint)
			return cty.DynamicVal
		}
	}
	if a.Sensitive {
		v = v.Mark(sensitive)
	}
	return v
}

// absent is the value of an argument that is not there, or null.
func (l *loader) absent(in *instance, a *providers.Attr, b *body, syntax *hclsyntax.Attribute) cty.Value {
	switch {
	case a.Default != cty.NilVal:
		return a.Default
	case a.FromLabel && in.addr.Keyed:
		l.errorf(b.at, "Missing argument", "The argument %q is required in a block with for_each, because its instances would all be called %q. Make it from the key: %s = \"%s-${each.key}\"", a.Name, in.addr.Name, a.Name, in.addr.Name)
		return cty.DynamicVal
	case a.FromLabel:
		return cty.StringVal(in.addr.Name)
	case a.ClusterRole != "":
		if l.settings != nil && !l.skip(l.settings) {
			if v := l.force(l.only(l.settings).args[a.ClusterRole]); !v.IsNull() {
				return v
			}
		}
		l.missing(b.at, "Missing argument", "The argument %q is required here, because no esmig block names a cluster for all: write %s = cluster.NAME here, or esmig { %s = cluster.NAME } once.", a.Name, a.Name, a.ClusterRole)
		return cty.DynamicVal
	case a.Required:
		if syntax != nil {
			l.errorf(subject(syntax), "Missing argument", "The argument %q is required here, and its value is null.", a.Name)
		}
		return cty.DynamicVal
	}
	return cty.NullVal(a.Type)
}

// convert brings a value into an argument's type.
func (l *loader) convert(v cty.Value, a *providers.Attr, syntax *hclsyntax.Attribute) (cty.Value, bool) {
	if !v.IsWhollyKnown() {
		return v, false
	}
	out, err := convert.Convert(v, a.Type)
	if err != nil {
		if a.Type.Equals(providers.ClusterType) {
			l.errorf(subject(syntax), "Wrong type", "The argument %q takes a cluster: write %s = cluster.NAME, without quotes.", a.Name, a.Name)
		} else {
			l.errorf(subject(syntax), "Wrong type", "The argument %q takes %s: %s.", a.Name, typeName(a.Type), conversionError(err))
		}
		return out, false
	}
	if !a.Type.Equals(providers.ClusterType) {
		if problem := noJSON(out); problem != "" {
			l.errorf(subject(syntax), "Wrong type", "The argument %q holds %s.", a.Name, problem)
			return out, false
		}
	}
	return out, true
}

// noJSON says what in a body cannot be sent as JSON, if anything.
func noJSON(v cty.Value) (problem string) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		switch {
		case e.Type().IsCapsuleType():
			problem = "a cluster, which is no data: it can only be the value of an argument that takes a cluster"
		case e.Type() == cty.Number && !e.IsNull() && (e.RawEquals(cty.PositiveInfinity) || e.RawEquals(cty.NegativeInfinity)):
			problem = "a number that is infinite"
		}
		return problem == "", nil
	})
	return problem
}

// args is an instance with all its arguments, marked.
func (l *loader) args(in *instance) cty.Value {
	out := map[string]cty.Value{}
	for _, a := range in.decl.kind.Attrs {
		out[a.Name] = l.force(in.args[a.Name])
	}
	for _, n := range in.decl.kind.Blocks {
		out[n.Name] = l.nested(in, &n)
	}
	return cty.ObjectVal(out)
}

func (l *loader) nested(in *instance, n *providers.Nested) cty.Value {
	if in.decl.body.nested[n.Name] == nil {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	out := map[string]cty.Value{}
	for _, a := range n.Attrs {
		out[a.Name] = l.force(in.args[n.Name+"."+a.Name])
	}
	return cty.ObjectVal(out)
}

// typeName writes a type with its article.
func typeName(t cty.Type) string {
	name := t.FriendlyNameForConstraint()
	if strings.ContainsRune("aeio", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// conversionError says where in a value a conversion failed, and why. It holds
// no value.
func conversionError(err error) string {
	var pe cty.PathError
	if !errors.As(err, &pe) || len(pe.Path) == 0 {
		return err.Error()
	}
	var b strings.Builder
	for _, step := range pe.Path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.Number {
				b.WriteString("[" + s.Key.AsBigFloat().Text('f', -1) + "]")
			} else {
				b.WriteString("[…]")
			}
		}
	}
	return b.String() + ": " + pe.Error()
}
