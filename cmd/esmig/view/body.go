package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// change is one value that differs. Path is the parent's, Key its name there.
type change struct {
	Path, Key     string
	Before, After any
	Gone, New     bool // not there after, not there before
}

// changes compares two bodies. An object that holds but one leaf is shown
// whole: dep_delay = { type = "short" } says more than type = "short".
func changes(before, after providers.JSON) []change {
	b, errB := providers.Decode(before)
	a, errA := providers.Decode(after)
	if errA != nil || errB != nil {
		return nil // one side has no body: it is made, or gone
	}
	var out []change
	var walk func(path, key string, b, a any)
	walk = func(path, key string, b, a any) {
		if providers.Equal(providers.Encode(b), providers.Encode(a)) {
			return
		}
		mb, okB := b.(map[string]any)
		ma, okA := a.(map[string]any)
		lb, listB := b.([]any)
		la, listA := a.([]any)
		inner := join(path, key)
		switch {
		case okA && okB && (inner == "" || !single(b) || !single(a) || !slices.Equal(keys(mb), keys(ma))):
			both := maps.Clone(mb)
			maps.Copy(both, ma)
			for _, k := range keys(both) {
				vb, inB := mb[k]
				va, inA := ma[k]
				if inA && inB {
					walk(inner, k, vb, va)
				} else {
					out = append(out, change{inner, k, vb, va, !inA, !inB})
				}
			}
		case listA && listB && len(la) == len(lb) && hasObjects(la) && hasObjects(lb):
			for i := range la {
				walk(inner, fmt.Sprint(i), lb[i], la[i])
			}
		default:
			out = append(out, change{Path: path, Key: key, Before: b, After: a})
		}
	}
	walk("", "", b, a)
	return out
}

func join(path, key string) string { return strings.Trim(path+"."+key, ".") }

func single(v any) bool { return len(providers.Leaves(v)) == 1 }

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func hasObjects(l []any) bool {
	return slices.ContainsFunc(l, func(v any) bool { _, ok := v.(map[string]any); return ok })
}

// diff draws the leaves that differ, grouped by what they are part of.
func (p *printer) diff(before, after providers.JSON) {
	path := ""
	for _, c := range changes(before, after) {
		if c.Path != path {
			p.line("      ", clean(c.Path))
			path = c.Path
		}
		if !c.New {
			p.line("    ", p.paint(p.red, "-"), "   ", inline(c.Key, c.Before))
		}
		if !c.Gone {
			p.line("    ", p.paint(p.green, "+"), "   ", inline(c.Key, c.After))
		}
	}
}

func inline(key string, v any) safe { return cleanf("%s = %s", name(key), value(v)) }

// body draws a whole body.
func (p *printer) body(raw providers.JSON) {
	v, err := providers.Decode(raw)
	if err != nil {
		return
	}
	var walk func(indent int, v any)
	walk = func(indent int, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			p.line(pad("", indent), clean(value(v)))
			return
		}
		for _, k := range keys(m) {
			line := cleanf("%s = %s", name(k), value(m[k]))
			inner, ok := m[k].(map[string]any)
			if !ok || len(inner) == 0 || indent+len(line) <= p.width {
				p.line(pad("", indent), line)
				continue
			}
			p.line(pad("", indent), clean(name(k)), " = {")
			walk(indent+2, inner)
			p.line(pad("", indent), "}")
		}
	}
	walk(6, v)
}

// value writes a value on one line as HCL would.
func value(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		parts := make([]string, 0, len(v))
		for _, k := range keys(v) {
			parts = append(parts, name(k)+" = "+value(v[k]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = value(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case json.Number:
		return v.String()
	default:
		return string(providers.Encode(v))
	}
}

// name writes a key, in quotes when it is no identifier.
func name(k string) string {
	if ok, _ := regexp.MatchString(`^[A-Za-z_][A-Za-z0-9_-]*$`, k); ok {
		return k
	}
	return string(providers.Encode(k))
}
