package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Decode reads JSON into Go values with numbers kept as their text.
func Decode(raw JSON) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// Encode writes a value as canonical JSON: object keys sorted, no HTML
// escapes, no insignificant space. It panics on what is no JSON value, which
// is a bug of the caller.
func Encode(v any) JSON {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("providers: %T is no JSON: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// Equal compares two bodies as values: key order and space do not count,
// numbers are compared as text.
func Equal(a, b JSON) bool {
	va, errA := Decode(a)
	vb, errB := Decode(b)
	if errA != nil || errB != nil {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(Encode(va), Encode(vb))
}

// Leaf is one scalar, empty object or whole list of a body. Path joins keys
// with dots.
type Leaf struct {
	Path  string
	Value any
}

// Leaves lists a body's leaves in order of their paths; lists are entered by
// index.
func Leaves(v any) []Leaf {
	var out []Leaf
	var walk func(path string, v any)
	walk = func(path string, v any) {
		join := func(k string) string {
			if path == "" {
				return k
			}
			return path + "." + k
		}
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 && path != "" {
				out = append(out, Leaf{path, v})
			}
			for k, e := range v {
				walk(join(k), e)
			}
		case []any:
			if len(v) == 0 {
				out = append(out, Leaf{path, v})
			}
			for i, e := range v {
				walk(join(fmt.Sprint(i)), e)
			}
		default:
			out = append(out, Leaf{path, v})
		}
	}
	walk("", v)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// Contains compares at adoption: the paths at which observed does not hold
// what is declared. More on the observed side is fine, except in lists, which
// are compared as wholes. Scalars are equal as text, and durations and sizes
// by value ("1d" is "24h").
func Contains(declared, observed any) []string {
	var diff []string
	var walk func(path string, d, o any)
	walk = func(path string, d, o any) {
		switch d := d.(type) {
		case map[string]any:
			m, ok := o.(map[string]any)
			if !ok {
				if o == nil && onlyNull(d) {
					return // an empty object may vanish on the server
				}
				diff = append(diff, path)
				return
			}
			keys := make([]string, 0, len(d))
			for k := range d {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				walk(strings.TrimPrefix(path+"."+k, "."), d[k], m[k])
			}
		case []any:
			l, ok := o.([]any)
			if !ok || len(l) != len(d) {
				if len(d) == 0 && o == nil {
					return
				}
				diff = append(diff, path)
				return
			}
			for i := range d {
				walk(strings.TrimPrefix(fmt.Sprint(path, ".", i), "."), d[i], l[i])
			}
		default:
			if !sameScalar(d, o) {
				diff = append(diff, path)
			}
		}
	}
	walk("", declared, observed)
	return diff
}

// onlyNull says whether an object holds nothing, or nothing but null.
func onlyNull(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return v == nil
	}
	for _, inner := range m {
		if !onlyNull(inner) {
			return false
		}
	}
	return true
}

// KeepPaths returns declared with the leaves at or below the given paths as now
// has them: what lifecycle.ignore_changes leaves to others. Both are canonical
// bodies; lists are taken as wholes.
func KeepPaths(declared, now JSON, paths []string) JSON {
	d, errD := Decode(declared)
	n, errN := Decode(now)
	if len(paths) == 0 || now == nil || errD != nil || errN != nil {
		return declared
	}
	for _, p := range paths {
		for _, form := range []string{p, strings.Replace(p, "settings.", "settings.index.", 1)} {
			d = keepPath(d, n, form)
		}
	}
	return Encode(d)
}

// keepPath follows a dotted path; keys may hold dots themselves.
func keepPath(d, n any, path string) any {
	if path == "all" {
		return n
	}
	dm, okD := d.(map[string]any)
	nm, okN := n.(map[string]any)
	if !okD || !okN {
		return d
	}
	if v, ok := nm[path]; ok {
		dm[path] = v
		return dm
	}
	if _, ok := dm[path]; ok {
		delete(dm, path)
		return dm
	}
	for i := range path {
		if path[i] != '.' {
			continue
		}
		head, rest := path[:i], path[i+1:]
		if sub, ok := dm[head]; ok {
			if l, isList := sub.([]any); isList && nm[head] != nil && len(l) > 0 {
				dm[head] = nm[head]
			} else {
				dm[head] = keepPath(sub, nm[head], rest)
			}
			return dm
		}
	}
	return dm
}

func sameScalar(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	sa, sb := fmt.Sprint(a), fmt.Sprint(b)
	if sa == sb {
		return true
	}
	for _, units := range []map[string]float64{durations, sizes} {
		va, okA := quantity(sa, units)
		vb, okB := quantity(sb, units)
		if okA && okB {
			return va == vb
		}
	}
	return false
}

var (
	durations = map[string]float64{"nanos": 1, "micros": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12, "d": 8.64e13}
	sizes     = map[string]float64{"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50}
)

// quantity reads "24h" or "50gb" into the smallest unit.
func quantity(s string, units map[string]float64) (float64, bool) {
	s = strings.ToLower(s)
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i <= 0 {
		return 0, false
	}
	unit, ok := units[s[i:]]
	if !ok {
		return 0, false
	}
	n, err := json.Number(s[:i]).Float64()
	return n * unit, err == nil
}
