package providertest

import (
	"encoding/json"
	"strconv"
	"strings"
)

// filterPath keeps what the dotted paths name: "*" is any key, "**" any path,
// "-" in front takes away.
func filterPath(v any, paths string) any {
	var keep, drop [][]string
	for _, p := range strings.Split(paths, ",") {
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			drop = append(drop, strings.Split(rest, "."))
		} else {
			keep = append(keep, strings.Split(p, "."))
		}
	}
	out := v
	if keep != nil {
		out, _ = filter(v, keep, true)
	}
	if drop != nil {
		out, _ = filter(out, drop, false)
	}
	if out == nil {
		return obj{}
	}
	return out
}

// filter walks with the patterns that still match. keeping: a leaf stays when
// a pattern ends at or above it; else when none does.
func filter(v any, pats [][]string, keeping bool) (any, bool) {
	for _, p := range pats {
		if len(p) == 0 || len(p) == 1 && p[0] == "**" {
			return v, keeping
		}
	}
	switch v := v.(type) {
	case obj:
		out := obj{}
		for k, e := range v {
			var next [][]string
			for _, p := range pats {
				if p[0] == "**" {
					next = append(next, p)
					p = p[1:]
				}
				if wildcard(p[0], k) {
					next = append(next, p[1:])
				}
			}
			if next == nil {
				if !keeping {
					out[k] = e
				}
				continue
			}
			if e, ok := filter(e, next, keeping); ok {
				out[k] = e
			}
		}
		return out, len(out) > 0 || !keeping
	case []any:
		out := []any{}
		for _, e := range v {
			if e, ok := filter(e, pats, keeping); ok {
				out = append(out, e)
			}
		}
		return out, len(out) > 0 || !keeping
	}
	return v, !keeping
}

// wildcard matches "*" in a pattern.
func wildcard(pattern, s string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	for s = s[len(first):]; ; s = s[1:] {
		if wildcard(rest, s) {
			return true
		}
		if s == "" {
			return false
		}
	}
}

// number reads a JSON number or its text.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

// whole is number as an int, with a default.
func whole(v any, otherwise int) int {
	if n, ok := number(v); ok {
		return int(n)
	}
	return otherwise
}

// double writes a float as Java does: 1000.0, 1.0E10.
func double(n float64) json.RawMessage {
	if a := max(n, -n); a != 0 && (a < 1e-3 || a >= 1e7) {
		s := strconv.FormatFloat(n, 'E', -1, 64)
		mant, exp, _ := strings.Cut(s, "E")
		if !strings.Contains(mant, ".") {
			mant += ".0"
		}
		e, _ := strconv.Atoi(exp)
		return json.RawMessage(mant + "E" + strconv.Itoa(e))
	}
	s := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.RawMessage(s)
}

// reparsed is v as a server writes it that has parsed it: 1e3 is 1000.0 and
// 1.10 is 1.1.
func reparsed(v any) any {
	switch v := v.(type) {
	case obj:
		out := make(obj, len(v))
		for k, e := range v {
			out[k] = reparsed(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = reparsed(e)
		}
		return out
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			if n, err := v.Float64(); err == nil {
				return json.Number(double(n))
			}
		}
	}
	return v
}
