package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// learn checks a document against the mapping and adds the fields that it
// brings, as dynamic says.
func (ix *index) learn(id string, source obj) *apiError {
	props, _ := ix.mapping["properties"].(obj)
	merged, err := learn(id, "", source, props, text(ix.mapping["dynamic"]))
	if err != nil {
		return err
	}
	if len(merged) > 0 {
		ix.mapping["properties"] = merged
	}
	return nil
}

func learn(id, path string, source, props obj, dynamic string) (obj, *apiError) {
	out := maps.Clone(props)
	if out == nil {
		out = obj{}
	}
	for _, k := range sortedKeys(source) {
		v := source[k]
		if head, rest, dotted := strings.Cut(k, "."); dotted && out[k] == nil {
			k, v = head, any(obj{rest: v})
		}
		full := strings.TrimPrefix(path+"."+k, ".")
		for _, e := range flatten(v) {
			p, known := out[k].(obj)
			child, isObject := e.(obj)
			if e == nil || known && p["enabled"] == false {
				continue
			}
			if !known {
				switch dynamic {
				case "strict":
					return nil, &apiError{status: 400, kind: "strict_dynamic_mapping_exception",
						reason: fmt.Sprintf("[1:%d] mapping set to strict, dynamic introduction of [%s] within [%s] is not allowed", 2, k, cmpOr(path, "_doc"))}
				case "false", "runtime":
					continue
				}
				p = guess(e)
			}
			kind := fieldType(p)
			if kind == "flattened" || strings.HasSuffix(kind, "_range") || strings.HasPrefix(kind, "geo_") || kind == "percolator" || kind == "join" || kind == "completion" {
				out[k] = p
				continue
			}
			if isObject != (kind == "object" || kind == "nested") {
				if isObject {
					return nil, docError(id, full, kind, javaMap(e), illegal("Expected text at 1:2 but found START_OBJECT"))
				}
				return nil, &apiError{status: 400, kind: "document_parsing_exception", reason: fmt.Sprintf(
					"[1:2] object mapping for [%s] tried to parse field [%s] as object, but found a concrete value", full, k)}
			}
			if isObject {
				subs, _ := p["properties"].(obj)
				inherited := dynamic
				if d, ok := p["dynamic"]; ok {
					inherited = text(d)
				}
				merged, err := learn(id, full, child, subs, inherited)
				if err != nil {
					return nil, err
				}
				p = maps.Clone(p)
				if len(merged) > 0 {
					p["properties"] = merged
					p = shownField(p)
				}
			} else if cause := badValue(p, e); cause != nil && p["ignore_malformed"] != true {
				return nil, docError(id, full, kind, fmt.Sprint(e), cause)
			}
			out[k] = p
		}
	}
	return out, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func docError(id, field, kind, value string, cause *apiError) *apiError {
	return &apiError{status: 400, kind: "document_parsing_exception", cause: cause, reason: fmt.Sprintf(
		"[1:2] failed to parse field [%s] of type [%s] in document with id '%s'. Preview of field's value: '%s'", field, kind, id, value)}
}

// flatten makes a list of one value or of a list's.
func flatten(v any) []any {
	l, ok := v.([]any)
	if !ok {
		return []any{v}
	}
	var out []any
	for _, e := range l {
		out = append(out, flatten(e)...)
	}
	return out
}

// guess is dynamic mapping.
func guess(v any) obj {
	switch v := v.(type) {
	case obj:
		return obj{"type": "object"}
	case bool:
		return obj{"type": "boolean"}
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return obj{"type": "float"}
		}
		return obj{"type": "long"}
	case string:
		if _, ok := date(v); ok && strings.ContainsAny(v, "-/") {
			return obj{"type": "date"}
		}
	}
	return obj{"type": "text", "fields": obj{"keyword": obj{"type": "keyword", "ignore_above": json.Number("256")}}}
}

// badValue is why a value does not fit a field, nil where it does.
func badValue(p obj, v any) *apiError {
	kind := fieldType(p)
	limits := map[string][2]float64{"byte": {-128, 127}, "short": {-32768, 32767}, "integer": {-1 << 31, 1<<31 - 1}, "long": {-1 << 63, 1 << 63}}
	switch kind {
	case "byte", "short", "integer", "long", "float", "double", "half_float", "scaled_float", "unsigned_long":
		n, ok := number(v)
		if !ok {
			return illegal("For input string: %q", fmt.Sprint(v))
		}
		if l, ok := limits[kind]; ok && (n < l[0] || n > l[1]) {
			if kind == "integer" || kind == "long" {
				return illegal("Numeric value (%v) out of range of %s", v, map[string]string{"integer": "int (-2147483648 - 2147483647)", "long": "long (-9223372036854775808 - 9223372036854775807)"}[kind])
			}
			return illegal("Value [%v] is out of range for a %s", v, kind)
		}
	case "boolean":
		if s := fmt.Sprint(v); s != "true" && s != "false" && s != "" {
			return illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", s)
		}
	case "date", "date_nanos":
		if _, ok := number(v); ok || p["format"] != nil {
			return nil
		}
		if _, ok := date(v); !ok {
			return illegal("failed to parse date field [%v] with format [strict_date_optional_time||epoch_millis]", v)
		}
	}
	return nil
}

// date reads what strict_date_optional_time||epoch_millis takes, in
// milliseconds.
func date(v any) (float64, bool) {
	if n, ok := v.(json.Number); ok {
		return number(n)
	}
	s, _ := v.(string)
	if len(s) < 4 {
		return 0, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02", "2006-01",
		"2006/01/02 15:04:05", "2006/01/02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return float64(t.UnixMilli()), true
		}
	}
	if n, ok := number(s); ok {
		return n, true
	}
	return 0, false
}
