package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Spot is where a part of an argument's value is written: in the block itself,
// in a local value that it refers to, or in a JSON file that it decodes.
type Spot struct {
	// Range is what to show: the key, or what makes the value if that is no
	// literal.
	Range hcl.Range
	// Within is the path inside a JSON file; empty in HCL.
	Within string
	// Why says what keeps it from being rewritten: "it comes from var.x".
	// Empty: nothing does.
	Why string

	site
	expr hcl.Expression // the value
	obj  *object        // where the rest of the path would stand, if it is not there
	rest []string
}

// site is what holds an expression: an entry of an object, or an argument of a
// block or a local value. With neither it is a whole JSON file.
type site struct {
	in   *object
	i    int
	attr *hclsyntax.Attribute
	opt  bool // attr may be absent
	decl *decl
}

// object is an object as it is written, in HCL or in JSON.
type object struct {
	rng     hcl.Range // with the braces
	json    bool
	entries []entry
	at      site
	path    []string // inside a JSON file
	// whole: something refers to it by itself, so it stays when it is empty.
	whole bool
}

type entry struct {
	key        string
	keyRange   hcl.Range
	valueRange hcl.Range
	value      hcl.Expression
}

// Spot finds where a part of an argument is written. The argument has dots;
// path are the keys below it. Without an argument it is the whole block.
func (c *Config) Spot(b *Block, arg string, path []string) Spot {
	f := &finder{loader: c.loader, inst: b.in}
	d := b.in.decl
	s := Spot{Range: b.DeclRange, site: site{decl: d}}
	if arg == "" {
		return s
	}
	syntax, opt := f.argument(b.in, arg)
	if syntax == nil {
		s.rest = append(strings.Split(arg, "."), path...)
		return s
	}
	s = f.find(syntax.Expr, path, site{attr: syntax, opt: opt, decl: d})
	if len(path) == 0 {
		s.Range = subject(syntax)
	}
	return s
}

// finder follows an expression to where a part of its value is written.
type finder struct {
	*loader
	inst  *instance
	depth int
}

func (f *finder) argument(in *instance, arg string) (*hclsyntax.Attribute, bool) {
	body, attrs, name := in.decl.body, in.decl.kind.Attrs, arg
	if block, inner, ok := strings.Cut(arg, "."); ok {
		name, body = inner, body.nested[block]
		for _, n := range in.decl.kind.Blocks {
			if n.Name == block {
				attrs = n.Attrs
			}
		}
	}
	if body == nil {
		return nil, false
	}
	i := slices.IndexFunc(attrs, func(a providers.Attr) bool { return a.Name == name })
	return body.attrs[name], i >= 0 && !attrs[i].Required
}

func (f *finder) find(e hcl.Expression, path []string, at site) Spot {
	s := Spot{Range: e.Range(), site: at, expr: e}
	if at.in != nil {
		s.Range, s.Within = at.in.entries[at.i].keyRange, at.in.within(at.in.entries[at.i].key)
	} else if at.attr != nil {
		s.Range = subject(at.attr)
	}
	if s.Why = f.outside(s.Range.Filename); s.Why != "" || len(path) == 0 {
		return s
	}
	if f.depth++; f.depth > 100 { // local values that go round in a circle
		s.Why = "it refers to itself"
		return s
	}
	if o := f.object(e, at); o != nil {
		for i := len(o.entries) - 1; i >= 0; i-- {
			if o.entries[i].key == path[0] {
				return f.find(o.entries[i].value, path[1:], site{in: o, i: i})
			}
		}
		s.obj, s.rest = o, path
		return s
	}
	if list, diags := hcl.ExprList(e); !diags.HasErrors() {
		if n, err := strconv.Atoi(path[0]); err == nil && n < len(list) {
			return f.inList(list[n], path, s)
		}
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return f.find(e.Expression, path, at)
	case *hclsyntax.ScopeTraversalExpr:
		return f.traversal(e, path, s)
	case *hclsyntax.IndexExpr:
		w := &refWalker{loader: f.loader, in: f.inst}
		return f.through(e.Collection, []string{w.key(e.Key)}, path, at)
	case *hclsyntax.RelativeTraversalExpr:
		return f.through(e.Source, steps(e.Traversal), path, at)
	case *hclsyntax.ConditionalExpr:
		return f.oneOf([]hclsyntax.Expression{e.TrueResult, e.FalseResult}, path, s, "it depends on a condition")
	case *hclsyntax.FunctionCallExpr:
		return f.call(e, path, s)
	}
	s.Range, s.Why = first(e.Range()), "it is computed by an expression"
	return s
}

// inList goes on from an element of a list, which stays when it becomes empty.
func (f *finder) inList(e hcl.Expression, path []string, s Spot) Spot {
	if o := f.object(e, site{}); o != nil && o.path == nil && s.in != nil {
		o.path = append(append(slices.Clone(s.in.path), s.in.entries[s.i].key), path[0])
	}
	return f.find(e, path[1:], site{})
}

// oneOf finds the place in one of several expressions, only to show it.
func (f *finder) oneOf(es []hclsyntax.Expression, path []string, s Spot, why string) Spot {
	s.Range, s.Why = first(s.expr.Range()), why
	for _, e := range es {
		if t := f.find(e, path, s.site); t.Why == "" && t.obj == nil {
			s.Range, s.Within = t.Range, t.Within
			return s
		}
	}
	return s
}

// through goes on from a part of an expression that something refers to.
func (f *finder) through(e hcl.Expression, part, path []string, at site) Spot {
	s := f.find(e, part, at)
	if len(part) == 0 || s.Why != "" || s.rest != nil {
		return f.find(e, append(slices.Clone(part), path...), at)
	}
	if o := f.object(s.expr, s.site); o != nil {
		o.whole = true
	}
	return f.find(s.expr, path, s.site)
}

func (f *finder) traversal(e *hclsyntax.ScopeTraversalExpr, path []string, s Spot) Spot {
	t := e.Traversal
	root := t.RootName()
	s.Range, s.Why = e.Range(), "it is computed by an expression"
	if len(t) < 2 {
		return s
	}
	name, _, _ := stepName(t[1])
	switch d := f.blocks[root][name]; {
	case root == "var":
		s.Why = "it comes from var." + name
	case root == "local" && f.locals[name] != nil:
		a := f.locals[name].attr
		return f.through(a.Expr, steps(t[2:]), path, site{attr: a})
	case root == "each" && name == "value" && f.inst != nil && f.inst.decl.forEach != nil && !f.inst.decl.set:
		a := f.inst.decl.forEach
		return f.through(a.Expr, append([]string{f.inst.addr.Key}, steps(t[2:])...), path, site{attr: a})
	case d != nil:
		for _, in := range d.instances {
			r := steps(t[2:])
			if in.addr.Keyed {
				if len(r) == 0 || r[0] != in.addr.Key {
					continue
				}
				r = r[1:]
			}
			if len(r) == 0 {
				break
			}
			if a, opt := f.argument(in, r[0]); a != nil {
				inst := f.inst
				f.inst = in
				defer func() { f.inst = inst }()
				return f.through(a.Expr, r[1:], path, site{attr: a, opt: opt, decl: d})
			}
		}
	}
	return s
}

func (f *finder) call(e *hclsyntax.FunctionCallExpr, path []string, s Spot) Spot {
	if slices.Contains(transparent, e.Name) {
		args := slices.Clone(e.Args)
		slices.Reverse(args) // the last one wins
		return f.oneOf(args, path, s, "it is made by "+e.Name+"(…)")
	}
	s.Range, s.Why = first(e.Range()), "it is made by "+e.Name+"(…)"
	if e.Name != "jsondecode" || len(e.Args) != 1 {
		return s
	}
	inner, ok := e.Args[0].(*hclsyntax.FunctionCallExpr)
	if !ok || inner.Name != "file" || len(inner.Args) != 1 {
		if ok {
			s.Why = "it is made by jsondecode(" + inner.Name + "(…))"
		}
		return s
	}
	n := len(f.diags)
	v, _ := f.eval(inner.Args[0], scope{in: f.inst}).Unmark()
	f.diags = f.diags[:n]
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return s
	}
	root, shown := f.jsonFile(v.AsString())
	if root == nil {
		return s
	}
	t := f.find(root, path, site{})
	if t.in == nil && t.obj == nil { // not even the first key
		t.Range = s.Range
	}
	if t.Why == "" {
		t.Why = f.outside(shown)
	}
	return t
}

// jsonFile is the root of a JSON file, named as a function names it.
func (f *finder) jsonFile(name string) (hcl.Expression, string) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(f.Dir, name)
	}
	shown := filepath.ToSlash(path)
	if e := f.roots[shown]; e != nil {
		return e, shown
	}
	src, err := f.Files.ReadFile(path)
	if err != nil {
		return nil, shown
	}
	e, diags := hcljson.ParseExpression(src, shown)
	if diags.HasErrors() {
		return nil, shown
	}
	f.cfg.Sources[shown], f.roots[shown] = &hcl.File{Bytes: src}, e
	return e, shown
}

// outside says that a file does not belong to the folder.
func (f *finder) outside(file string) string {
	rel, err := filepath.Rel(f.Dir, filepath.FromSlash(file))
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Sprintf("%s is outside of the folder, and others may use it", file)
	}
	return ""
}

// object is an expression as an object, nil if it is none. The same text gives
// the same object.
func (f *finder) object(e hcl.Expression, at site) *object {
	if o := f.objects[e.Range()]; o != nil {
		return o
	}
	pairs, diags := hcl.ExprMap(e)
	if diags.HasErrors() || pairs == nil {
		return nil
	}
	_, native := e.(hclsyntax.Expression)
	o := &object{rng: e.Range(), json: !native, at: at}
	if at.in != nil {
		o.path = append(slices.Clone(at.in.path), at.in.entries[at.i].key)
	}
	w := &refWalker{loader: f.loader, in: f.inst}
	for _, p := range pairs {
		n := entry{keyRange: p.Key.Range(), valueRange: p.Value.Range(), value: p.Value}
		if native {
			n.key = w.key(p.Key)
		} else if v, diags := p.Key.Value(nil); !diags.HasErrors() && v.Type() == cty.String {
			n.key = v.AsString()
		}
		o.entries = append(o.entries, n)
	}
	f.objects[e.Range()] = o
	return o
}

// within is a key's path inside a JSON file.
func (o *object) within(key string) string {
	if !o.json {
		return ""
	}
	return strings.Join(append(slices.Clone(o.path), key), ".")
}

// first is a range's first line, if it has several.
func first(r hcl.Range) hcl.Range {
	if r.End.Line > r.Start.Line {
		r.End = r.Start
	}
	return r
}
