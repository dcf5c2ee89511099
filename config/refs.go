package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/esmig/esmig/providers"
)

// refs finds what an instance refers to, and under which setting. It reads the
// expressions and not their values, because a value does not say where it came
// from; so it follows locals, each.value and the functions that hand objects
// through.
func (l *loader) refs(in *instance) []Ref {
	w := &refWalker{loader: l, in: in, bound: map[string]int{}}
	w.body(in.decl.body)
	return w.out
}

type refWalker struct {
	*loader
	in     *instance
	out    []Ref
	site   *hcl.Range     // where the block uses the local or each that is walked
	locals []*local       // being walked
	bound  map[string]int // names of the for expressions around
}

// anyStep stands in a path for a key that is not known.
const anyStep = "\x00any"

// transparent functions give (parts of) their arguments back, so that a path
// into the result is one into the arguments.
var transparent = []string{"merge", "try", "coalesce", "tomap", "tolist", "toset"}

func (w *refWalker) body(b *body) {
	for _, a := range sortedAttrs(b.attrs) {
		if a.Name != "for_each" && a.Name != "depends_on" { // for_each counts where each is used
			w.walk(a.Expr, a.Name, nil)
		}
	}
	var names []string
	for name := range b.nested {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w.body(b.nested[name])
	}
}

// under is the setting of a value below an object key. What is computed inside
// a pipeline setting belongs to it, whatever keys the computation has: its
// value is a name, so no other setting can be below it.
func under(setting, key string) string {
	if setting == "default_pipeline" || setting == "final_pipeline" || key == anyStep {
		return setting
	}
	return key[strings.LastIndexByte(key, '.')+1:]
}

// walk adds the references of an expression. Path are the steps from the
// expression's value to the part that is used, nil for all of it: in
// local.names.orders nothing counts but the item "orders" of local.names.
func (w *refWalker) walk(e hcl.Expression, setting string, path []string) {
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		w.traversal(e.Traversal, setting, path)
	case *hclsyntax.RelativeTraversalExpr:
		w.walk(e.Source, setting, append(steps(e.Traversal), path...))
	case *hclsyntax.IndexExpr:
		w.walk(e.Key, setting, nil)
		w.walk(e.Collection, setting, append([]string{w.key(e.Key)}, path...))
	case *hclsyntax.ParenthesesExpr:
		w.walk(e.Expression, setting, path)
	case *hclsyntax.TemplateWrapExpr:
		w.walk(e.Wrapped, setting, path)
	case *hclsyntax.ConditionalExpr:
		w.walk(e.Condition, setting, nil)
		w.walk(e.TrueResult, setting, path)
		w.walk(e.FalseResult, setting, path)
	case *hclsyntax.FunctionCallExpr:
		if !slices.Contains(transparent, e.Name) {
			path = nil
		}
		for _, a := range e.Args {
			w.walk(a, setting, path)
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			key := w.key(item.KeyExpr)
			w.walk(item.KeyExpr, setting, nil)
			switch {
			case len(path) == 0:
				w.walk(item.ValueExpr, under(setting, key), nil)
			case key == path[0] || key == anyStep || path[0] == anyStep:
				w.walk(item.ValueExpr, setting, path[1:])
			}
		}
	case *hclsyntax.ObjectConsKeyExpr:
		if e.ForceNonLiteral || hcl.ExprAsKeyword(e.Wrapped) == "" {
			w.walk(e.Wrapped, setting, nil)
		}
	case *hclsyntax.TupleConsExpr:
		for i, x := range e.Exprs {
			if len(path) == 0 {
				w.walk(x, setting, nil)
			} else if n, err := strconv.Atoi(path[0]); err != nil || n == i {
				w.walk(x, setting, path[1:])
			}
		}
	case *hclsyntax.ForExpr:
		w.walk(e.CollExpr, setting, nil)
		w.bound[e.KeyVar]++
		w.bound[e.ValVar]++
		if e.KeyExpr != nil {
			w.walk(e.KeyExpr, setting, nil)
		}
		if e.CondExpr != nil {
			w.walk(e.CondExpr, setting, nil)
		}
		switch {
		case len(path) > 0:
			w.walk(e.ValExpr, setting, path[1:])
		case e.KeyExpr != nil:
			w.walk(e.ValExpr, under(setting, w.key(e.KeyExpr)), nil)
		default:
			w.walk(e.ValExpr, setting, nil)
		}
		w.bound[e.KeyVar]--
		w.bound[e.ValVar]--
	case *hclsyntax.SplatExpr:
		w.walk(e.Source, setting, nil)
		w.walk(e.Each, setting, nil)
	case *hclsyntax.TemplateExpr:
		for _, p := range e.Parts {
			w.walk(p, setting, nil)
		}
	case *hclsyntax.TemplateJoinExpr:
		w.walk(e.Tuple, setting, nil)
	case *hclsyntax.BinaryOpExpr:
		w.walk(e.LHS, setting, nil)
		w.walk(e.RHS, setting, nil)
	case *hclsyntax.UnaryOpExpr:
		w.walk(e.Val, setting, nil)
	}
}

func (w *refWalker) traversal(t hcl.Traversal, setting string, path []string) {
	root := t.RootName()
	if w.bound[root] > 0 || len(t) < 2 {
		return
	}
	name, _, _ := stepName(t[1])
	if root == "local" || root == "each" {
		if w.site == nil {
			r := t.SourceRange()
			w.site = &r
			defer func() { w.site = nil }()
		}
	}
	switch root {
	case "local":
		lo := w.loader.locals[name]
		if lo == nil || slices.Contains(w.locals, lo) {
			return
		}
		w.locals = append(w.locals, lo)
		bound := w.bound
		w.bound = map[string]int{}
		w.walk(lo.attr.Expr, setting, append(steps(t[2:]), path...))
		w.bound = bound
		w.locals = w.locals[:len(w.locals)-1]
	case "each":
		// The keys of a map are plain text; those of a set are its elements.
		d := w.in.decl
		if d.forEach != nil && (name == "value" || d.set) {
			w.walk(d.forEach.Expr, setting, append([]string{w.in.addr.Key}, append(steps(t[2:]), path...)...))
		}
	default:
		w.block(root, name, t, setting, path)
	}
}

// block adds a reference to a block, if it is one.
func (w *refWalker) block(kind, name string, t hcl.Traversal, setting string, path []string) {
	d := w.blocks[kind][name]
	if d == nil {
		return
	}
	r := Ref{To: providers.Addr{Kind: kind, Name: name}, Range: t.SourceRange(), Setting: setting}
	if w.site != nil {
		r.Range = *w.site
	}
	if d == w.in.decl {
		if w.site == nil || !w.cyclic {
			w.selfReference(d, r.Range)
		}
		return
	}
	path = append(steps(t[2:]), path...)
	if d.forEach != nil && len(path) > 0 {
		for _, in := range d.instances {
			if in.addr.Key == path[0] {
				r.To = in.addr
			}
		}
	}
	if !slices.Contains(w.out, r) {
		w.out = append(w.out, r)
	}
}

func steps(t hcl.Traversal) []string {
	var out []string
	for _, s := range t {
		name, _, ok := stepName(s)
		if !ok {
			name = anyStep
		}
		out = append(out, name)
	}
	return out
}

// key is the value of an expression that names a key, anyStep if it has none
// (it depends on the variable of a for expression).
func (w *refWalker) key(e hcl.Expression) string {
	for _, t := range e.Variables() {
		if w.bound[t.RootName()] > 0 {
			return anyStep
		}
	}
	n := len(w.diags)
	v := w.eval(e, scope{in: w.in})
	w.diags = w.diags[:n] // reported where the whole expression was evaluated
	v, _ = v.Unmark()
	if v, err := convert.Convert(v, cty.String); err == nil && v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return anyStep
}
