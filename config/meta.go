package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

var lifecycleAttrs = []providers.Attr{
	{Name: "prevent_destroy", Type: cty.Bool},
	{Name: "ignore_changes", Type: cty.DynamicPseudoType},
}

// lifecycle reads a block's lifecycle block.
func (l *loader) lifecycle(d *decl) Lifecycle {
	var out Lifecycle
	b := d.body.meta["lifecycle"]
	if b == nil {
		return out
	}
	attrs := l.newBody(b, lifecycleAttrs, nil, nil, nil).attrs
	if a := attrs["prevent_destroy"]; a != nil {
		v, ok := l.convert(l.eval(a.Expr, scope{none: "The lifecycle block"}), &lifecycleAttrs[0], a)
		out.PreventDestroy = ok && !v.IsNull() && v.True()
	}
	if a := attrs["ignore_changes"]; a != nil {
		out.IgnoreChanges = l.ignoreChanges(a)
	}
	return out
}

func (l *loader) ignoreChanges(a *hclsyntax.Attribute) []string {
	if hcl.ExprAsKeyword(a.Expr) == "all" {
		return []string{"all"}
	}
	items, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		l.errorf(subject(a), "Invalid ignore_changes", "ignore_changes is the word all or a list of paths into the body: [settings.index.number_of_replicas].")
		return nil
	}
	var out []string
	for _, item := range items {
		path := ""
		if t, diags := hcl.AbsTraversalForExpr(item); !diags.HasErrors() {
			var steps []string
			for _, s := range t {
				name, _, _ := stepName(s)
				steps = append(steps, name)
			}
			path = strings.Join(steps, ".")
		} else if v, diags := item.Value(nil); !diags.HasErrors() && v.Type() == cty.String && !v.IsNull() {
			path = v.AsString()
		}
		if path == "" {
			l.errorf(item.Range(), "Invalid ignore_changes", "This is no path into the body: write it as settings.index.number_of_replicas, or in quotes.")
			continue
		}
		out = append(out, path)
	}
	return out
}

// dependsOn reads a block's depends_on.
func (l *loader) dependsOn(d *decl) []providers.Addr {
	a := d.body.attrs["depends_on"]
	if a == nil {
		return nil
	}
	items, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		l.errorf(subject(a), "Invalid depends_on", "depends_on is a list of blocks: [index.orders].")
		return nil
	}
	var out []providers.Addr
	for _, item := range items {
		addr, ok := l.addr(item, "depends_on", false)
		switch {
		case !ok:
		case addr.Kind == d.kind.Name && addr.Name == d.name:
			l.errorf(item.Range(), "Self reference", "%s depends on itself. Remove it from depends_on.", addr)
		case l.blocks[addr.Kind][addr.Name] == nil && l.lost[addr.Kind]:
		case l.blocks[addr.Kind][addr.Name] == nil:
			l.missing(item.Range(), "Unknown reference", "There is no block %s.%s", addr, l.nearestBlock(addr))
		default:
			out = append(out, addr)
		}
	}
	return out
}

func (l *loader) nearestBlock(a providers.Addr) string {
	if n := nearest(a.Name, l.names(a.Kind)); n != "" && n != a.Name {
		return " Did you mean " + a.Kind + "." + n + "?"
	}
	return ""
}

// addr reads an address that is written like a reference.
func (l *loader) addr(e hcl.Expression, where string, key bool) (providers.Addr, bool) {
	t, diags := hcl.AbsTraversalForExpr(e)
	form := "index.orders"
	if key {
		form = `index.orders or index.daily["KEY"]`
	}
	if diags.HasErrors() || len(t) < 2 || len(t) > 3 || len(t) == 3 && !key {
		l.errorf(e.Range(), "Invalid address", "%s takes the address of a whole block, without quotes: %s.", where, form)
		return providers.Addr{}, false
	}
	a := providers.Addr{Kind: t.RootName()}
	if l.blocks[a.Kind] == nil && l.lost[a.Kind] {
		return a, false
	}
	if l.blocks[a.Kind] == nil {
		l.errorf(e.Range(), "Unknown reference", "There is no kind of block %q.%s", a.Kind, didYouMean(a.Kind, slices.Collect(maps.Keys(l.blocks))))
		return a, false
	}
	name, isIndex, _ := stepName(t[1])
	a.Name = name
	if len(t) == 3 {
		var isKey bool
		a.Key, isKey, _ = stepName(t[2])
		isIndex = isIndex || !isKey
		a.Keyed = true
	}
	if isIndex || name == "" {
		l.errorf(e.Range(), "Invalid address", "%s takes the address of a whole block, without quotes: %s.", where, form)
		return a, false
	}
	return a, true
}

var (
	fromAttr = providers.Attr{Name: "from", Type: cty.DynamicPseudoType, Required: true}
	toAttr   = providers.Attr{Name: "to", Type: cty.DynamicPseudoType, Required: true}
)

// loadMoves reads the moved and removed blocks.
func (l *loader) loadMoves() {
	for _, b := range l.moved {
		m := Moved{Range: b.DefRange()}
		from, to := l.moveArg(b, "from", fromAttr, toAttr), l.moveArg(b, "to", fromAttr, toAttr)
		if from == nil || to == nil {
			continue
		}
		m.From, m.To = *from, *to
		switch {
		case m.From.Kind != m.To.Kind:
			l.errorf(m.Range, "Invalid move", "A block can be moved to another name, not to another kind: %s to %s.", m.From, m.To)
		case l.declared(m.From):
			l.errorf(m.Range, "Invalid move", "%s is still declared, so it cannot have become %s. Remove the one or the other.", m.From, m.To)
		case !l.declared(m.To):
			l.missing(m.Range, "Unknown reference", "There is no block %s that %s could have become.%s", m.To, m.From, l.nearestBlock(m.To))
		default:
			l.cfg.Moved = append(l.cfg.Moved, m)
		}
	}
	for _, b := range l.removed {
		from := l.moveArg(b, "from", fromAttr)
		switch {
		case from == nil:
		case l.declared(*from):
			l.errorf(b.DefRange(), "Invalid removal", "%s is still declared. Remove its block, so that it can be forgotten.", *from)
		default:
			l.cfg.Removed = append(l.cfg.Removed, Removed{From: *from, Range: b.DefRange()})
		}
	}
}

func (l *loader) moveArg(b *hclsyntax.Block, name string, attrs ...providers.Attr) *providers.Addr {
	a := l.newBody(b, attrs, nil, nil, nil).attrs[name]
	if a == nil || !l.labels(b, 0) {
		return nil
	}
	addr, ok := l.addr(a.Expr, name, true)
	if !ok {
		return nil
	}
	return &addr
}

// declared says whether an address is one of the configuration's; without a
// key it is that of all instances.
func (l *loader) declared(a providers.Addr) bool {
	d := l.blocks[a.Kind][a.Name]
	if d == nil || l.skip(d) || !a.Keyed {
		return d != nil
	}
	return l.expand(d) && slices.ContainsFunc(d.instances, func(in *instance) bool { return in.addr == a })
}
