package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// variable is a variable block.
type variable struct {
	block     *hclsyntax.Block
	ty        cty.Type
	defaults  *typeexpr.Defaults
	sensitive bool
	given     *given // nil: only the default, if there is one
	value     *thunk
}

// given is a value from outside. Text is parsed once the type is known.
type given struct {
	from string // "-var", as a part of a sentence
	text string
	val  cty.Value // instead of text
}

// local is one entry of a locals block.
type local struct {
	attr  *hclsyntax.Attribute
	value *thunk
}

var variableAttrs = []providers.Attr{
	{Name: "type", Type: cty.DynamicPseudoType},
	{Name: "default", Type: cty.DynamicPseudoType},
	{Name: "sensitive", Type: cty.Bool},
	{Name: "description", Type: cty.String},
}

func (l *loader) declareVariable(b *hclsyntax.Block) {
	if !l.labels(b, 1) {
		return
	}
	name := b.Labels[0]
	if first := l.vars[name]; first != nil {
		l.duplicate(b, "var."+name, first.block.DefRange())
		return
	}
	v := &variable{block: b, ty: cty.DynamicPseudoType}
	v.value = &thunk{name: "var." + name, at: b.DefRange(), eval: func() cty.Value { return l.variable(name, v) }}
	l.vars[name] = v
	attrs := l.newBody(b, variableAttrs, nil, nil, nil).attrs
	if a := attrs["sensitive"]; a != nil {
		s, ok := l.convert(l.eval(a.Expr, scope{none: "A variable block"}), &variableAttrs[2], a)
		// What cannot be read is taken for sensitive: it must not be shown.
		v.sensitive = !ok || !s.IsNull() && s.True()
	}
	if a := attrs["type"]; a != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		if !l.broken[b.TypeRange.Filename] {
			l.diags = append(l.diags, diags...)
		}
		if diags.HasErrors() {
			v.value.done, v.value.val = true, cty.DynamicVal
		} else {
			v.ty, v.defaults = ty, defaults
		}
	}
	if a := attrs["default"]; a != nil && v.sensitive {
		l.blank(a.Expr)
	}
}

func (l *loader) declareLocals(b *hclsyntax.Block) {
	if !l.labels(b, 0) {
		return
	}
	for _, n := range b.Body.Blocks {
		l.errorf(n.TypeRange, "Unsupported block type", "There are no blocks in locals. Write %s = { … } with an equals sign.", n.Type)
	}
	for _, a := range sortedAttrs(b.Body.Attributes) {
		if first := l.locals[a.Name]; first != nil {
			l.errorf(a.NameRange, "Declared twice", "local.%s is declared already %s. Give one of the two another name, or remove it.", a.Name, at(first.attr.NameRange))
			continue
		}
		l.locals[a.Name] = &local{attr: a, value: &thunk{name: "local." + a.Name, at: a.NameRange,
			eval: func() cty.Value { return l.eval(a.Expr, scope{}) }}}
	}
}

// loadVariables takes in the values from outside, the weakest first.
func (l *loader) loadVariables() {
	for _, e := range l.Env {
		name, text, _ := strings.Cut(e, "=")
		if name, ok := strings.CutPrefix(name, "ESMIG_VAR_"); ok && l.vars[name] != nil {
			l.vars[name].given = &given{from: "the environment", text: text}
		}
	}
	for name, raw := range l.Planned {
		if ty, err := ctyjson.ImpliedType(raw); err == nil && l.vars[name] != nil {
			if val, err := ctyjson.Unmarshal(raw, ty); err == nil {
				l.vars[name].given = &given{from: "the plan", val: val}
			}
		}
	}
	for _, file := range l.VarFiles {
		l.varFile(file)
	}
	for _, arg := range l.Vars {
		name, text, ok := strings.Cut(arg, "=")
		if !ok {
			l.errorf(hcl.Range{}, "Invalid -var", "-var takes a name and a value: -var 'NAME=VALUE'. There is no \"=\" in what was given.")
			continue
		}
		l.give(strings.TrimSpace(name), &given{from: "-var", text: text}, hcl.Range{})
	}
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		v := l.vars[name]
		val := l.force(v.value)
		if !val.IsWhollyKnown() {
			continue
		}
		if !v.sensitive {
			if text, err := ctyjson.Marshal(val, val.Type()); err == nil && v.given != nil && !val.IsMarked() {
				l.cfg.Variables[name] = text
			}
			continue
		}
		val, _ = val.UnmarkDeep()
		l.secret(leaves(val)...)
		if val.Type() == cty.String && !val.IsNull() {
			l.cfg.SecretVariables[name] = val.AsString()
		} else if text, err := ctyjson.Marshal(val, val.Type()); err == nil {
			l.cfg.SecretVariables[name] = string(text)
		}
	}
}

func (l *loader) give(name string, g *given, at hcl.Range) {
	if v := l.vars[name]; v != nil {
		v.given = g
		return
	}
	l.missing(at, "Unknown variable", "There is no variable %q that %s could give a value.%s", name, g.from, didYouMean(name, slices.Collect(maps.Keys(l.vars))))
}

// varFile reads a file of values, which is named relative to the working
// folder, as every argument on the command line. It does not become one of the
// Sources: values stand in it, and no diagnostic may show them.
func (l *loader) varFile(name string) {
	shown := filepath.ToSlash(name)
	src, err := l.Files.ReadFile(name)
	if err != nil {
		l.errorf(hcl.Range{}, "Unreadable file", "%s It was named by -var-file.", readError("file", shown, err))
		return
	}
	if strings.HasSuffix(name, ".json") {
		l.varFileJSON(shown, src)
		return
	}
	f, diags := hclsyntax.ParseConfig(src, shown, hcl.InitialPos)
	l.diags = append(l.diags, diags...)
	if diags.HasErrors() {
		return
	}
	body := f.Body.(*hclsyntax.Body)
	for _, b := range body.Blocks {
		l.errorf(b.TypeRange, "Unexpected block", "A file with values of variables holds lines like NAME = VALUE, no blocks.")
	}
	for _, a := range sortedAttrs(body.Attributes) {
		val := l.eval(a.Expr, scope{none: "A file with values of variables", secret: true})
		l.give(a.Name, &given{from: "the file " + shown, val: val}, a.NameRange)
	}
}

func (l *loader) varFileJSON(shown string, src []byte) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(src, &values); err != nil {
		// The error itself may quote a value.
		l.errorf(hcl.Range{Filename: shown, Start: hcl.InitialPos, End: hcl.InitialPos}, "Invalid JSON", "A .json file for -var-file holds one object, {\"NAME\": VALUE}. This one is no valid JSON, or no object.")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		val := cty.DynamicVal
		if ty, err := ctyjson.ImpliedType(values[name]); err == nil {
			if v, err := ctyjson.Unmarshal(values[name], ty); err == nil {
				val = v
			}
		}
		l.give(name, &given{from: "the file " + shown, val: val}, hcl.Range{Filename: shown, Start: hcl.InitialPos, End: hcl.InitialPos})
	}
}

// variable is the value of a variable.
func (l *loader) variable(name string, v *variable) cty.Value {
	at, from := v.block.DefRange(), ""
	val := cty.DynamicVal
	def := v.block.Body.Attributes["default"]
	switch {
	case v.given != nil:
		from = "The value from " + v.given.from
		var ok bool
		if val, ok = l.givenValue(name, v); !ok {
			return cty.DynamicVal
		}
	case def != nil:
		at, from = subject(def), "The default"
		if v.sensitive {
			at = def.NameRange
		}
		val = l.eval(def.Expr, scope{none: "The default of a variable", secret: v.sensitive})
	case l.Lenient:
		if val = cty.UnknownVal(v.ty); v.sensitive {
			val = val.Mark(sensitive)
		}
		return val
	default:
		l.errorf(at, "Missing value", "The variable %q has no value. Give it one in one of three ways, or write a default into its block:\n\n    -var '%s=…'\n    %s = … in a file, and -var-file FILE\n    ESMIG_VAR_%s=… in the environment", name, name, name, name)
		return val
	}
	if !val.IsWhollyKnown() {
		return cty.DynamicVal
	}
	if v.defaults != nil {
		val = v.defaults.Apply(val)
	}
	val, err := convert.Convert(val, v.ty)
	if err != nil {
		l.errorf(at, "Invalid value for variable", "%s does not fit the type of variable %q, %s: %s.", from, name, typeexpr.TypeString(v.ty), conversionError(err))
		return cty.DynamicVal
	}
	if v.sensitive {
		val = val.Mark(sensitive)
	}
	return val
}

// givenValue is a value from outside. Text is taken as it is for a string, and
// for a variable that does not say its type; else it is an expression.
func (l *loader) givenValue(name string, v *variable) (cty.Value, bool) {
	g := v.given
	if g.val != cty.NilVal {
		return g.val, g.val.IsWhollyKnown()
	}
	if v.ty == cty.String || v.block.Body.Attributes["type"] == nil {
		return cty.StringVal(g.text), true
	}
	e, diags := hclsyntax.ParseExpression([]byte(g.text), "value", hcl.InitialPos)
	var val cty.Value
	if !diags.HasErrors() {
		val, diags = e.Value(nil)
	}
	if diags.HasErrors() {
		why := ""
		if !v.sensitive {
			why = fmt.Sprintf(" (%s: %s)", diags[0].Summary, strings.TrimSuffix(diags[0].Detail, "."))
		}
		l.errorf(v.block.DefRange(), "Invalid value for variable", "The value from %s for variable %q is no expression of type %s%s. Text in it needs quotes.", g.from, name, typeexpr.TypeString(v.ty), why)
		return cty.DynamicVal, false
	}
	return val, true
}

// blank overwrites the literal text of a sensitive argument in the source that
// diagnostics show.
func (l *loader) blank(e hclsyntax.Expression) {
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		lit, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.IsNull() {
			return nil
		}
		f := l.cfg.Sources[lit.SrcRange.Filename]
		if f == nil || !lit.SrcRange.CanSliceBytes(f.Bytes) {
			return nil
		}
		for i, c := range lit.SrcRange.SliceBytes(f.Bytes) {
			if c != '\n' {
				f.Bytes[lit.SrcRange.Start.Byte+i] = '*'
			}
		}
		return nil
	})
}
