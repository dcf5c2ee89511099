package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/esmig/esmig/providers"
)

// mark is the type of marks on values, so that they collide with nobody's.
type mark string

// sensitive marks a value that must not be shown, and all that is made of it.
const sensitive mark = "sensitive"

// thunk is a value that is evaluated when it is first needed: a variable, a
// local, a for_each, one argument of one instance. A value that could not be
// had is cty.DynamicVal, and the reason is among the diagnostics; since
// nothing else is ever unknown, what is made from it stays silent.
type thunk struct {
	name    string // as a user would refer to it
	at      hcl.Range
	eval    func() cty.Value
	done    bool
	val     cty.Value
	running bool
}

func (l *loader) force(t *thunk) cty.Value {
	if t.done {
		return t.val
	}
	if t.running {
		l.cycle(t)
		return cty.DynamicVal
	}
	t.running = true
	l.running = append(l.running, t)
	t.val = t.eval()
	l.running = l.running[:len(l.running)-1]
	t.running, t.done = false, true
	return t.val
}

func (l *loader) cycle(t *thunk) {
	l.cyclic = true
	first := slices.Index(l.running, t)
	var lines []string
	for _, r := range l.running[first:] {
		lines = append(lines, fmt.Sprintf("    %s, %s", r.name, at(r.at)))
	}
	l.errorf(t.at, "Evaluation cycle", "These need each other's value, so none of them can have one:\n\n%s\n\nWrite out one of the values instead of referring to it.", strings.Join(lines, "\n"))
}

// scope is what an expression sees besides the names of the configuration.
type scope struct {
	in   *instance // whose each.key and each.value, and who may not refer to itself
	none string    // not empty: nothing can be referred to, because it is this
	// secret says that the value is sensitive whatever it is made from.
	secret bool
}

// eval evaluates an expression. Only what it refers to is evaluated before.
func (l *loader) eval(e hcl.Expression, sc scope) cty.Value {
	root := &tree{}
	var needs []cty.Value
	perInstance := false
	for _, t := range e.Variables() {
		path, v := l.resolve(t, sc)
		root.set(path, v)
		needs = append(needs, v)
		perInstance = perInstance || t.RootName() == "each"
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: l.funcs}
	for name, n := range root.kids {
		ctx.Variables[name] = n.value()
	}
	v, diags := e.Value(ctx)
	hidden := sc.secret || len(diags) > 0 && slices.ContainsFunc(needs, marked)
	for _, d := range diags {
		if unknown, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok && unknown.CalledFunctionName() != "" {
			// hcl suggests any of several near names, not always the same.
			d.Detail = fmt.Sprintf("There is no function named %q.%s", unknown.CalledFunctionName(), didYouMean(unknown.CalledFunctionName(), slices.Collect(maps.Keys(l.funcs))))
		}
		if hidden {
			// What a function says of its arguments may quote them.
			if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && call.FunctionCallError() != nil {
				d.Detail = fmt.Sprintf("The call of function %q failed. The reason is not shown, because a sensitive value is involved.", call.CalledFunctionName())
			}
			if d.Summary == "Duplicate object key" {
				d.Detail = "Two items have the same key. It is not shown, because a sensitive value is involved."
			}
			d.Expression, d.EvalContext = nil, nil
		}
		if perInstance && sc.in != nil {
			if slices.ContainsFunc(l.diags, func(o *hcl.Diagnostic) bool {
				return o.Subject != nil && d.Subject != nil && *o.Subject == *d.Subject && o.Summary == d.Summary
			}) {
				continue // one instance shows the mistake
			}
			d.Detail += fmt.Sprintf("\n\nThis is in %s.", sc.in.addr)
		}
		if d.Subject == nil || !l.broken[d.Subject.Filename] {
			l.diags = append(l.diags, d)
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	if !v.IsWhollyKnown() && !l.Lenient && !l.diags.HasErrors() {
		l.errorf(e.Range(), "Unknown value", "This expression has no value before apply. This is a bug of esmig.")
	}
	return v
}

// tree collects the values that an expression refers to, by path, so that
// index.a.name needs no other argument of index.a.
type tree struct {
	val  cty.Value // set: the whole of it
	kids map[string]*tree
}

func (t *tree) set(path []string, v cty.Value) {
	for _, p := range path {
		if t.kids == nil {
			t.kids = map[string]*tree{}
		}
		if t.kids[p] == nil {
			t.kids[p] = &tree{}
		}
		t = t.kids[p]
	}
	t.val = v
}

func (t *tree) value() cty.Value {
	if t.val != cty.NilVal {
		return t.val
	}
	attrs := make(map[string]cty.Value, len(t.kids))
	for name, k := range t.kids {
		attrs[name] = k.value()
	}
	return cty.ObjectVal(attrs)
}

// stepName is the name or literal key of a step in a reference.
func stepName(s hcl.Traverser) (name string, isIndex, ok bool) {
	switch s := s.(type) {
	case hcl.TraverseRoot:
		return s.Name, false, true
	case hcl.TraverseAttr:
		return s.Name, false, true
	case hcl.TraverseIndex:
		if k, err := convert.Convert(s.Key, cty.String); err == nil && k.IsKnown() && !k.IsNull() && !k.IsMarked() {
			return k.AsString(), true, true
		}
	}
	return "", false, false
}

// resolve finds what a reference needs: the value, and the path of names under
// which the expression looks for it. What is not there is reported here.
func (l *loader) resolve(t hcl.Traversal, sc scope) ([]string, cty.Value) {
	root := t.RootName()
	path := []string{root}
	if sc.none != "" {
		l.errorf(t.SourceRange(), "Reference not allowed", "%s cannot refer to anything, because it is read before everything else. Write the value itself.", sc.none)
		return path, cty.DynamicVal
	}
	if root == "each" {
		return l.resolveEach(t, sc)
	}
	if !l.isRoot(root) {
		if l.lost[root] {
			return path, cty.DynamicVal
		}
		roots := append(slices.Collect(maps.Keys(l.blocks)), "var", "local", "cluster", "each")
		hint := didYouMean(root, roots)
		if len(t) == 1 && nearest(root, roots) == "" {
			hint = fmt.Sprintf(" If it is meant as text, write it in quotes: %q.", root)
		}
		l.errorf(t.SourceRange(), "Unknown reference", "There is nothing called %q to refer to.%s", root, hint)
		return path, cty.DynamicVal
	}
	if len(t) == 1 {
		l.errorf(t.SourceRange(), "Incomplete reference", "%q alone is no value: write %s.NAME.", root, root)
		return path, cty.DynamicVal
	}
	name, _, ok := stepName(t[1])
	if !ok || !l.has(root, name) {
		if l.lost[root] {
			return path, cty.DynamicVal
		}
		what := map[string]string{"var": "variable", "local": "local value", "cluster": "cluster"}[root]
		if what == "" {
			what = "block " + root
		}
		l.missing(t.SourceRange(), "Unknown reference", "There is no %s %q.%s", what, name, didYouMean(name, l.names(root)))
		return path, cty.DynamicVal
	}
	path = append(path, name)
	switch root {
	case "var":
		return path, l.force(l.vars[name].value)
	case "local":
		if l.broken[l.locals[name].attr.NameRange.Filename] {
			return path, cty.DynamicVal
		}
		return path, l.force(l.locals[name].value)
	case "cluster":
		if len(t) > 2 {
			l.errorf(t.SourceRange(), "Unknown reference", "A cluster is referred to as a whole, cluster.%s; its arguments have no values for others.", name)
			return path, cty.DynamicVal
		}
		return path, providers.ClusterValue(name)
	}
	return l.resolveBlock(path, l.blocks[root][name], t, sc)
}

func (l *loader) selfReference(d *decl, at hcl.Range) {
	l.errorf(at, "Self reference", "%s.%s refers to itself. Write the value itself, or put it into locals { } and refer to that in both places.", d.kind.Name, d.name)
}

// isRoot says whether references may begin with a name.
func (l *loader) isRoot(root string) bool {
	return root == "var" || root == "local" || root == "cluster" || l.blocks[root] != nil
}

// has says whether something is declared under a root name.
func (l *loader) has(root, name string) bool {
	switch root {
	case "var":
		return l.vars[name] != nil
	case "local":
		return l.locals[name] != nil
	case "cluster":
		return l.clusters[name] != nil
	}
	return l.blocks[root][name] != nil
}

// names lists what is declared under a root name.
func (l *loader) names(root string) []string {
	switch root {
	case "var":
		return slices.Collect(maps.Keys(l.vars))
	case "local":
		return slices.Collect(maps.Keys(l.locals))
	case "cluster":
		return slices.Collect(maps.Keys(l.clusters))
	}
	return slices.Collect(maps.Keys(l.blocks[root]))
}

func (l *loader) resolveEach(t hcl.Traversal, sc scope) ([]string, cty.Value) {
	name := ""
	if len(t) > 1 {
		name, _, _ = stepName(t[1])
	}
	path := []string{"each"}
	switch {
	case sc.in == nil || !sc.in.addr.Keyed:
		l.errorf(t.SourceRange(), "Unknown reference", "each.key and each.value have values only in a block with for_each, and not in for_each itself.")
		return path, cty.DynamicVal
	case name == "key":
		return append(path, name), cty.StringVal(sc.in.addr.Key)
	case name == "value":
		return append(path, name), sc.in.each
	}
	l.errorf(t.SourceRange(), "Unknown reference", "There is each.key and each.value, nothing else.")
	return path, cty.DynamicVal
}

func (l *loader) resolveBlock(path []string, d *decl, t hcl.Traversal, sc scope) ([]string, cty.Value) {
	if sc.in != nil && sc.in.decl == d {
		l.selfReference(d, t.SourceRange())
		return path, cty.DynamicVal
	}
	if l.skip(d) || !l.expand(d) {
		return path, cty.DynamicVal
	}
	rest := t[2:]
	if d.forEach == nil {
		return l.resolveArg(path, l.only(d), rest, t)
	}
	if len(rest) == 0 {
		return path, l.force(d.whole)
	}
	key, isIndex, ok := stepName(rest[0])
	if !ok || !isIndex {
		l.errorf(t.SourceRange(), "Instance missing", "%s.%s has for_each: say which instance is meant, as in %s.%s[\"KEY\"].%s.", d.kind.Name, d.name, d.kind.Name, d.name, key)
		return path, cty.DynamicVal
	}
	var keys []string
	for _, in := range d.instances {
		if in.addr.Key == key {
			return l.resolveArg(append(path, key), in, rest[1:], t)
		}
		keys = append(keys, in.addr.Key)
	}
	l.errorf(t.SourceRange(), "Unknown reference", "The for_each of %s.%s has no key %q.%s", d.kind.Name, d.name, key, didYouMean(key, keys))
	return path, cty.DynamicVal
}

// resolveArg goes on from an instance to the argument that is referred to.
func (l *loader) resolveArg(path []string, in *instance, rest, t hcl.Traversal) ([]string, cty.Value) {
	if len(rest) == 0 {
		return path, l.args(in)
	}
	name, isIndex, ok := stepName(rest[0])
	if v := in.args[name]; v != nil {
		return append(path, name), l.force(v)
	}
	for _, n := range in.decl.kind.Blocks {
		if n.Name != name {
			continue
		}
		if len(rest) > 1 && in.decl.body.nested[name] != nil {
			inner, _, _ := stepName(rest[1])
			if v := in.args[name+"."+inner]; v != nil {
				return append(path, name, inner), l.force(v)
			}
			l.errorf(t.SourceRange(), "Unknown reference", "The block %q of %s has no argument %q.%s", name, in.decl.title(), inner, didYouMean(inner, attrNames(n.Attrs)))
			return append(path, name), cty.DynamicVal
		}
		return append(path, name), l.nested(in, &n)
	}
	if isIndex && !in.addr.Keyed || !ok {
		l.errorf(t.SourceRange(), "Unknown reference", "%s has no for_each, so there are no instances of it to choose from.", in.addr)
	} else {
		l.errorf(t.SourceRange(), "Unknown reference", "A block of kind %q has no argument %q.%s", in.decl.kind.Name, name, didYouMean(name, kindNames(in.decl.kind)))
	}
	return append(path, name), cty.DynamicVal
}

// marked says whether any part of a value is sensitive.
func marked(v cty.Value) bool { return v.ContainsMarked() }

// leaves lists the strings in an unmarked value.
func leaves(v cty.Value) []string { return collect(v, true) }

// secretLeaves lists the strings that are sensitive themselves or in something
// that is.
func secretLeaves(v cty.Value) []string { return collect(v, false) }

func collect(v cty.Value, all bool) []string {
	all = all || v.IsMarked()
	v, _ = v.Unmark()
	switch {
	case v.IsNull() || !v.IsKnown():
		return nil
	case v.Type() == cty.String:
		if all && v.AsString() != "" {
			return []string{v.AsString()}
		}
	case v.CanIterateElements():
		var out []string
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, collect(e, all)...)
		}
		return out
	}
	return nil
}
