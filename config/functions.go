package config

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are all that expressions may call. There is none that reads the
// environment or the clock: what a configuration says depends on its files and
// variables alone.
func (l *loader) functions() map[string]function.Function {
	f := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"signum": stdlib.SignumFunc,

		"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatdate": stdlib.FormatDateFunc,
		"formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc, "join": stdlib.JoinFunc,
		"lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"replace": replaceFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"timeadd": stdlib.TimeAddFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper":      stdlib.UpperFunc,
		"startswith": hasFunc("prefix", strings.HasPrefix), "endswith": hasFunc("suffix", strings.HasSuffix),

		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"index": indexFunc, "keys": stdlib.KeysFunc, "length": lengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "tonumber": stdlib.MakeToFunc(cty.Number),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,

		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"yamldecode": ctyyaml.YAMLDecodeFunc, "yamlencode": ctyyaml.YAMLEncodeFunc,
		"base64decode": textFunc(decodeBase64),
		"base64encode": textFunc(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"md5": textFunc(func(s string) (string, error) {
			sum := md5.Sum([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),
		"sha256": textFunc(func(s string) (string, error) {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),

		"file":       textFunc(l.fileText),
		"fileexists": fileExistsFunc(l),
	}
	inTemplate := maps.Clone(f) // without templatefile: no recursion
	f["templatefile"] = l.templateFileFunc(inTemplate)
	return f
}

func textParam(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.String}
}

// textFunc is a function from text to text.
func textFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParam("text")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func hasFunc(param string, has func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParam("text"), textParam(param)},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(has(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func decodeBase64(s string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !utf8.Valid(raw) {
		return "", errors.New("this is no base64 of UTF-8 text")
	}
	return string(raw), nil
}

// replaceFunc takes a pattern between slashes as a regular expression.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{textParam("text"), textParam("search"), textParam("replacement")},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if s := args[1].AsString(); len(s) > 1 && s[0] == '/' && s[len(s)-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(s[1:len(s)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

// lengthFunc counts elements, or the characters of text.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsTupleType() || ty.IsObjectType() || ty.IsCollectionType() {
			return cty.Number, nil
		}
		return cty.Number, errors.New("the value must be text, a list, a set, a map or an object")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch {
		case !v.IsKnown():
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case v.Type() == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		case v.Type().IsObjectType():
			return cty.NumberIntVal(int64(len(v.Type().AttributeTypes()))).WithMarks(marks), nil
		}
		return v.Length().WithMarks(marks), nil
	},
})

// indexFunc finds an element's place in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "this is no list")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, e := it.Element()
			if eq, err := stdlib.Equal(e, args[1]); err == nil && eq.IsKnown() && eq.True() {
				return i, nil
			}
		}
		return cty.UnknownVal(cty.Number), errors.New("the list does not hold the value")
	},
})

// fileText is a file's contents; the name is taken relative to Dir.
func (l *loader) fileText(name string) (string, error) {
	src, err := l.readFile(name)
	if err != nil {
		return "", fmt.Errorf("%s A name is taken relative to the folder of the configuration", readError("file", name, err))
	}
	if !utf8.Valid(src) {
		return "", fmt.Errorf("the file %q is not UTF-8 text", name)
	}
	return string(src), nil
}

func fileExistsFunc(l *loader) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParam("name")},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			_, err := l.readFile(args[0].AsString())
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cty.UnknownVal(cty.Bool), function.NewArgError(0, errors.New(readError("file", args[0].AsString(), err)))
			}
			return cty.BoolVal(err == nil), nil
		},
	})
}

// templateFileFunc fills in a template. Its expressions see the given values
// and nothing else.
func (l *loader) templateFileFunc(funcs map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParam("name"), {Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			none := cty.UnknownVal(cty.String)
			name := args[0].AsString()
			src, err := l.fileText(name)
			if err != nil {
				return none, function.NewArgError(0, err)
			}
			if ty := args[1].Type(); !ty.IsObjectType() && !ty.IsMapType() {
				return none, function.NewArgErrorf(1, "the values are an object, { NAME = VALUE }")
			}
			ctx := &hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: funcs}
			e, diags := hclsyntax.ParseTemplate([]byte(src), name, hcl.InitialPos)
			if diags.HasErrors() {
				return none, templateError(diags)
			}
			for _, t := range e.Variables() {
				if _, ok := ctx.Variables[t.RootName()]; !ok {
					hint := ""
					if n := nearest(t.RootName(), slices.Collect(maps.Keys(ctx.Variables))); n != "" {
						hint = fmt.Sprintf(" (did you mean %q?)", n)
					}
					return none, fmt.Errorf("%s: the template uses %q, which is not among the values%s", place(t.SourceRange()), t.RootName(), hint)
				}
			}
			v, diags := e.Value(ctx)
			if diags.HasErrors() {
				return none, templateError(diags)
			}
			if v, err = stdlib.MakeToFunc(cty.String).Call([]cty.Value{v}); err != nil {
				return none, fmt.Errorf("the template %q does not give text", name)
			}
			return v, nil
		},
	})
}

func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

func templateError(diags hcl.Diagnostics) error {
	d := diags[0]
	return fmt.Errorf("%s: %s: %s", place(*d.Subject), d.Summary, strings.TrimSuffix(d.Detail, "."))
}
