package elasticsearch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mappingDefault is a parameter that an index does not give back when it only
// repeats the default. Each was measured on 9.4.3: an index was made with it
// and the mapping read back.
type mappingDefault struct {
	param string
	value string   // as text
	only  []string // types of fields; nil: all
	not   []string // types that give it back all the same
}

// "object" is the type of a field without a type; "" stands for the mapping
// itself.
var mappingDefaults = []mappingDefault{
	{param: "type", value: "object"},
	{param: "enabled", value: "true", only: []string{"", "object"}},
	{param: "index", value: "true", not: []string{"dense_vector", "rank_vectors"}},
	{param: "doc_values", value: "true", not: []string{"binary"}},
	{param: "doc_values", value: "false", only: []string{"binary"}},
	{param: "store", value: "false"},
	{param: "norms", value: "false", only: []string{"keyword"}},
	{param: "norms", value: "true", only: []string{"text"}},
	{param: "index_options", value: "docs", only: []string{"keyword"}},
	{param: "index_options", value: "positions", only: []string{"text"}},
	{param: "ignore_above", value: "2147483647", only: []string{"keyword"}},
	{param: "null_value", value: ""}, // null
	{param: "eager_global_ordinals", value: "false", not: []string{"join"}},
	{param: "split_queries_on_whitespace", value: "false"},
	{param: "fielddata", value: "false", only: []string{"text"}},
	{param: "position_increment_gap", value: "100", only: []string{"text"}},
	{param: "index_phrases", value: "false", only: []string{"text"}},
	{param: "term_vector", value: "no", only: []string{"text"}},
	{param: "analyzer", value: "default", only: []string{"text"}},
	{param: "search_analyzer", value: "default", only: []string{"text"}},
	{param: "format", value: "strict_date_optional_time||epoch_millis", only: []string{"date", "date_range"}},
	{param: "locale", value: "en", only: []string{"date"}},
	{param: "ignore_malformed", value: "false", only: []string{"date", "ip"}},
	{param: "include_in_parent", value: "false", only: []string{"nested"}},
	{param: "include_in_root", value: "false", only: []string{"nested"}},
	{param: "depth_limit", value: "20", only: []string{"flattened"}},
	{param: "element_type", value: "float", only: []string{"dense_vector"}},
}

func (d mappingDefault) fits(typ string) bool {
	return (d.only == nil || slices.Contains(d.only, typ)) && !slices.Contains(d.not, typ)
}

// canonicalMappings is the canonical form of a whole mapping.
func canonicalMappings(m map[string]any) map[string]any {
	out := canonicalField(m, "")
	if s, ok := out["_source"].(map[string]any); ok {
		s = maps.Clone(s)
		dropDefault(s, "mode", "stored")
		dropDefault(s, "enabled", "true")
		out["_source"] = s
	}
	if r, ok := out["_routing"].(map[string]any); ok {
		r = maps.Clone(r)
		dropDefault(r, "required", "false")
		out["_routing"] = r
	}
	for _, k := range []string{"_source", "_routing", "runtime"} {
		if m, ok := out[k].(map[string]any); ok && len(m) == 0 {
			delete(out, k)
		}
	}
	return out
}

func dropDefault(m map[string]any, key, value string) {
	if v, ok := m[key]; ok && text(v) == value {
		delete(m, key)
	}
}

// canonicalField is a mapping, or one field of it, with what is below.
func canonicalField(f map[string]any, typ string) map[string]any {
	out := maps.Clone(f)
	for _, d := range mappingDefaults {
		if d.fits(typ) && (typ != "" || d.param == "enabled") {
			dropDefault(out, d.param, d.value)
		}
	}
	if v, ok := out["dynamic"].(bool); ok {
		out["dynamic"] = fmt.Sprint(v)
	}
	if a, ok := out["analyzer"]; ok && typ == "text" {
		dropDefault(out, "search_analyzer", text(a))
	}
	if v, ok := f["index_options"].(map[string]any); ok && typ == "dense_vector" {
		v = maps.Clone(v)
		dropDefault(v, "on_disk_rescore", "false")
		out["index_options"] = v
	}
	for _, below := range []string{"properties", "fields"} {
		fields, ok := f[below].(map[string]any)
		if !ok {
			continue
		}
		canonical := make(map[string]any, len(fields))
		for name, v := range fields {
			if inner, ok := v.(map[string]any); ok {
				v = canonicalField(inner, fieldType(inner))
			}
			canonical[name] = v
		}
		out[below] = canonical
		if len(canonical) == 0 {
			delete(out, below)
		}
	}
	for _, empty := range []string{"copy_to", "meta"} {
		switch v := out[empty].(type) {
		case []any:
			if len(v) == 0 {
				delete(out, empty)
			}
		case map[string]any:
			if len(v) == 0 {
				delete(out, empty)
			}
		}
	}
	return out
}

func fieldType(f map[string]any) string {
	if t, ok := f["type"].(string); ok {
		return t
	}
	return "object"
}

// addedFields returns now without the fields, multi-fields and runtime fields
// that last does not have, and how many these are. An object counts by its
// fields.
func addedFields(last, now map[string]any) (map[string]any, int) {
	out, n := maps.Clone(now), 0
	for _, below := range []string{"properties", "fields", "runtime"} {
		fields, ok := now[below].(map[string]any)
		if !ok {
			continue
		}
		before := object(last[below])
		kept := map[string]any{}
		for name, v := range fields {
			old, ok := before[name].(map[string]any)
			if !ok {
				n += countFields(object(v))
				continue
			}
			inner, added := addedFields(old, object(v))
			n += added
			kept[name] = inner
		}
		out[below] = kept
		if _, had := last[below]; !had && len(kept) == 0 {
			delete(out, below)
		}
	}
	return out, n
}

func countFields(f map[string]any) int {
	n := 0
	for _, v := range object(f["properties"]) {
		n += countFields(object(v))
	}
	return max(n, 1)
}

// dots joins a path's parts as a user reads it.
func dots(parts ...string) string { return strings.Join(nonEmpty(parts...), ".") }
