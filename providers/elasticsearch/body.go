package elasticsearch

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// value turns a cty value into what encoding/json knows: nil, bool, string,
// json.Number (exact, whatever its size), []any, map[string]any.
func value(v cty.Value) any {
	if v.IsNull() {
		return nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		return v.AsString()
	case t == cty.Bool:
		return v.True()
	case t == cty.Number:
		return json.Number(v.AsBigFloat().Text('f', -1))
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		out := make([]any, 0, v.LengthInt())
		for _, e := range v.AsValueSlice() {
			out = append(out, value(e))
		}
		return out
	case t.IsMapType(), t.IsObjectType():
		out := make(map[string]any, v.LengthInt())
		for k, e := range v.AsValueMap() {
			out[k] = value(e)
		}
		return out
	}
	panic("elasticsearch: no JSON for " + v.Type().FriendlyName()) // kinds declare no other types
}

// arguments is the body that a block's own arguments make: without those of
// esmig and without the ones that were not written. A null inside a body
// stays: there it has a meaning.
func arguments(in providers.Instance, notInBody ...string) map[string]any {
	body := map[string]any{}
	for name, t := range in.Args.Type().AttributeTypes() {
		if t.Equals(providers.ClusterType) || name == "name" || slices.Contains(notInBody, name) {
			continue
		}
		if v := value(in.Args.GetAttr(name)); v != nil {
			body[name] = v
		}
	}
	return body
}

// arg is an argument's value, nil when it is null.
func arg(in providers.Instance, name string) any {
	if !in.Args.Type().HasAttribute(name) {
		return nil
	}
	return value(in.Args.GetAttr(name))
}

// str is a string argument, empty when it is null.
func str(in providers.Instance, name string) string {
	s, _ := arg(in, name).(string)
	return s
}

// encode is providers.Encode for what is a JSON object.
func encode(m map[string]any) providers.JSON { return providers.Encode(m) }

// decodeObject reads an object; whatever is none is an empty one.
func decodeObject(raw providers.JSON) map[string]any {
	v, _ := providers.Decode(raw)
	return object(v)
}

// object is v as an object; whatever is none is an empty one.
func object(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{}
}

// clone copies a decoded body deeply.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// same compares two decoded values.
func same(a, b any) bool { return string(providers.Encode(a)) == string(providers.Encode(b)) }

// overlay lays top over base: objects are merged, everything else replaced.
func overlay(base, top any) any {
	b, okB := base.(map[string]any)
	t, okT := top.(map[string]any)
	if !okB || !okT {
		return clone(top)
	}
	out := maps.Clone(b)
	for k, v := range t {
		if old, ok := out[k]; ok {
			out[k] = overlay(old, v)
		} else {
			out[k] = clone(v)
		}
	}
	return out
}

// withoutSettings is settings, in whichever form they were written, without
// those of the given full names ("index.default_pipeline").
func withoutSettings(settings any, names []string) any {
	var walk func(prefix string, m map[string]any) map[string]any
	walk = func(prefix string, m map[string]any) map[string]any {
		out := map[string]any{}
		for k, v := range m {
			path := prefix + k
			if slices.Contains(names, settingName(path)) {
				continue
			}
			if inner, ok := v.(map[string]any); ok {
				v = walk(path+".", inner)
			}
			out[k] = v
		}
		return out
	}
	m, ok := settings.(map[string]any)
	if !ok {
		return settings
	}
	return walk("", m)
}

// settingName is a setting's full name.
func settingName(s string) string {
	if s == "index" || strings.HasPrefix(s, "index.") {
		return s
	}
	return "index." + s
}
