package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// decl is a block as it is written, before for_each. The fixed blocks (esmig,
// cluster, output) are described by a Kind too, so that one code checks all.
type decl struct {
	kind      *providers.Kind
	name      string
	block     *hclsyntax.Block
	body      *body
	forEach   *hclsyntax.Attribute
	usable    bool // for_each gave keys
	keys      *thunk
	set       bool // for_each is a set: each.value is each.key
	instances []*instance
	whole     *thunk // with for_each: all instances by key
}

// title names the block as it is written.
func (d *decl) title() string { return title(d.block) }

func title(b *hclsyntax.Block) string {
	s := b.Type
	for _, label := range b.Labels {
		s += " " + strconv.Quote(label)
	}
	return s
}

// body is the content of a block, sorted by what its schema knows.
type body struct {
	at     hcl.Range // of the header
	attrs  map[string]*hclsyntax.Attribute
	nested map[string]*body
	meta   map[string]*hclsyntax.Block // lifecycle
}

func (l *loader) newDecl(k *providers.Kind, b *hclsyntax.Block) *decl {
	d := &decl{kind: k, block: b}
	if len(b.Labels) > 0 {
		d.name = b.Labels[0]
	}
	var metaAttrs, metaBlocks []string
	if l.kinds[k.Name] == k {
		metaAttrs, metaBlocks = []string{"for_each", "depends_on"}, []string{"lifecycle"}
	}
	d.body = l.newBody(b, k.Attrs, k.Blocks, metaAttrs, metaBlocks)
	if metaAttrs != nil {
		d.forEach = d.body.attrs["for_each"]
	}
	d.keys = &thunk{name: k.Name + "." + d.name + ".for_each", at: b.DefRange(), eval: func() cty.Value {
		d.usable = l.expandEach(d)
		return cty.True
	}}
	if d.forEach != nil {
		d.keys.at = d.forEach.NameRange
		d.whole = &thunk{name: k.Name + "." + d.name, at: b.DefRange(), eval: func() cty.Value {
			all := map[string]cty.Value{}
			for _, in := range d.instances {
				all[in.addr.Key] = l.args(in)
			}
			return cty.ObjectVal(all)
		}}
	}
	return d
}

// newBody checks a block's content against what it may hold.
func (l *loader) newBody(b *hclsyntax.Block, attrs []providers.Attr, blocks []providers.Nested, metaAttrs, metaBlocks []string) *body {
	out := &body{at: b.DefRange(), attrs: b.Body.Attributes, nested: map[string]*body{}, meta: map[string]*hclsyntax.Block{}}
	attrNames := append(attrNames(attrs), metaAttrs...)
	var blockNames []string
	for _, n := range blocks {
		blockNames = append(blockNames, n.Name)
	}
	blockNames = append(blockNames, metaBlocks...)
	for _, a := range sortedAttrs(b.Body.Attributes) {
		switch {
		case slices.Contains(attrNames, a.Name):
		case slices.Contains(blockNames, a.Name):
			l.errorf(a.NameRange, "Unsupported argument", "%q is a block, not an argument: write %s { … } without the equals sign.", a.Name, a.Name)
		default:
			l.errorf(a.NameRange, "Unsupported argument", "There is no argument %q here.%s", a.Name, didYouMean(a.Name, attrNames))
		}
	}
	seen := map[string]*hclsyntax.Block{}
	for _, n := range b.Body.Blocks {
		switch {
		case slices.Contains(attrNames, n.Type):
			l.errorf(n.TypeRange, "Unsupported block type", "%q is an argument, not a block: write %s = { … } with an equals sign.", n.Type, n.Type)
		case !slices.Contains(blockNames, n.Type):
			l.errorf(n.TypeRange, "Unsupported block type", "There is no block %q here.%s", n.Type, didYouMean(n.Type, blockNames))
		case seen[n.Type] != nil:
			l.second(n, seen[n.Type].DefRange())
		case l.labels(n, 0):
			seen[n.Type] = n
			i := slices.IndexFunc(blocks, func(k providers.Nested) bool { return k.Name == n.Type })
			if i < 0 {
				out.meta[n.Type] = n
				continue
			}
			out.nested[n.Type] = l.newBody(n, blocks[i].Attrs, nil, nil, nil)
		}
	}
	for _, a := range attrs {
		if a.Required && out.attrs[a.Name] == nil {
			l.errorf(out.at, "Missing argument", "The argument %q is required here, and it is not there.", a.Name)
		}
	}
	for _, n := range blocks {
		if n.Required && seen[n.Name] == nil {
			l.errorf(out.at, "Missing block", "A block %s { … } is required here, and it is not there.", n.Name)
		}
	}
	return out
}

// loadBlocks makes the config's blocks of all kinds.
func (l *loader) loadBlocks() {
	for _, kind := range slices.Sorted(maps.Keys(l.blocks)) {
		for _, d := range sortedDecls(l.blocks[kind]) {
			if l.skip(d) {
				continue
			}
			life, depends := l.lifecycle(d), l.dependsOn(d)
			if !l.expand(d) {
				continue
			}
			for _, in := range d.instances {
				args := l.args(in)
				b := &Block{Addr: in.addr, Kind: d.kind, DeclRange: d.block.DefRange(), AttrRanges: attrRanges(d.body),
					Refs: l.refs(in), DependsOn: depends, Lifecycle: life, Secrets: secretLeaves(args), Assumed: in.assumed, in: in}
				b.Args, _ = args.UnmarkDeep()
				l.secret(b.Secrets...)
				l.cfg.Blocks = append(l.cfg.Blocks, b)
			}
		}
	}
	if !l.Lenient { // assumed names may be the same
		l.sameObject()
	}
}

// sameObject finds blocks that declare one object of one cluster twice.
func (l *loader) sameObject() {
	type object struct{ kind, cluster, name string }
	first := map[object]*Block{}
	for _, b := range l.cfg.Blocks {
		o := object{kind: cmp.Or(b.Kind.Namespace, b.Kind.Name)}
		for _, a := range b.Kind.Attrs {
			v := b.Args.GetAttr(a.Name)
			switch {
			case v.IsNull() || !v.IsKnown():
			case a.FromLabel && a.Type == cty.String:
				o.name = v.AsString()
			case a.ClusterRole == "target" && a.Type.Equals(providers.ClusterType):
				o.cluster = providers.ClusterName(v)
			}
		}
		if o.name == "" || o.cluster == "" {
			continue
		}
		if f := first[o]; f != nil {
			l.errorf(b.DeclRange, "Declared twice", "%s and %s (%s) are the same object: %s %q on cluster.%s. Remove one of the two, or give it another name.%s",
				b.Addr, f.Addr, at(f.DeclRange), o.kind, o.name, o.cluster, sharedNames(b, f))
			continue
		}
		first[o] = b
	}
}

// sharedNames says why blocks of two kinds meet.
func sharedNames(a, b *Block) string {
	if a.Kind == b.Kind {
		return ""
	}
	return fmt.Sprintf(" Objects of the kinds %s and %s share their names on a cluster.", a.Kind.Name, b.Kind.Name)
}

func attrRanges(b *body) map[string]hcl.Range {
	out := map[string]hcl.Range{}
	for name, a := range b.attrs {
		out[name] = subject(a)
	}
	for name, n := range b.nested {
		out[name] = n.at
		for inner, a := range n.attrs {
			out[name+"."+inner] = subject(a)
		}
	}
	return out
}

// subject is the part of an argument to show: its value if that stands on one
// line, else its name.
func subject(a *hclsyntax.Attribute) hcl.Range {
	if r := a.Expr.Range(); r.Start.Line == r.End.Line {
		return r
	}
	return a.NameRange
}

func sortedAttrs(m hclsyntax.Attributes) []*hclsyntax.Attribute {
	return slices.SortedFunc(maps.Values(m), func(a, b *hclsyntax.Attribute) int {
		return a.NameRange.Start.Byte - b.NameRange.Start.Byte
	})
}

func sortedDecls(m map[string]*decl) []*decl {
	return slices.SortedFunc(maps.Values(m), func(a, b *decl) int { return strings.Compare(a.name, b.name) })
}

func attrNames(attrs []providers.Attr) []string {
	var names []string
	for _, a := range attrs {
		names = append(names, a.Name)
	}
	return names
}

func kindNames(k *providers.Kind) []string {
	names := attrNames(k.Attrs)
	for _, n := range k.Blocks {
		names = append(names, n.Name)
	}
	return names
}
