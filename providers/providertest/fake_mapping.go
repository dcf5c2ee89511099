package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func fieldTypes() []string {
	return strings.Fields(`alias binary boolean byte completion constant_keyword date date_nanos date_range dense_vector double double_range
flattened float float_range geo_point geo_shape half_float integer integer_range ip ip_range join keyword long long_range match_only_text nested
object percolator rank_feature scaled_float search_as_you_type semantic_text short sparse_vector text token_count unsigned_long version wildcard`)
}

func mapperError(reason string) *apiError {
	return &apiError{status: 400, kind: "mapper_parsing_exception", reason: reason}
}

// checkMapping refuses what the server's parser does.
func checkMapping(m obj) error {
	known := []string{"properties", "dynamic", "_source", "_routing", "_meta", "dynamic_templates", "date_detection", "numeric_detection",
		"dynamic_date_formats", "runtime", "_data_stream_timestamp", "subobjects", "enabled", "_field_names", "_size"}
	for _, k := range sortedKeys(m) {
		if !slices.Contains(known, k) {
			e := mapperError(fmt.Sprintf("Root mapping definition has unsupported parameters:  [%s : %s]", k, javaMap(m[k])))
			return &apiError{status: 400, kind: e.kind, reason: "Failed to parse mapping: " + e.reason, cause: e}
		}
	}
	props, _ := m["properties"].(obj)
	if e := checkProperties(props); e != nil {
		return &apiError{status: 400, kind: e.kind, reason: "Failed to parse mapping: " + e.reason, cause: e}
	}
	return nil
}

// javaMap writes a value as Java's toString does.
func javaMap(v any) string {
	switch v := v.(type) {
	case obj:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k+"="+javaMap(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, javaMap(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

func checkProperties(props obj) *apiError {
	known := strings.Fields(`type properties fields dynamic enabled index doc_values store format ignore_above null_value copy_to analyzer
search_analyzer normalizer norms similarity eager_global_ordinals split_queries_on_whitespace coerce ignore_malformed include_in_all meta boost
scaling_factor dims path index_options element_type subobjects include_in_parent include_in_root term_vector fielddata index_prefixes
index_phrases position_increment_gap search_quote_analyzer relations depth_limit value locale script on_script_error time_series_dimension
time_series_metric ignore_z_value orientation inference_id max_input_length preserve_separators preserve_position_increments contexts synthetic_source_keep`)
	for _, name := range sortedKeys(props) {
		p, ok := props[name].(obj)
		if !ok {
			return mapperError(fmt.Sprintf("Expected map for property [fields] on field [%s] but got a class java.lang.String", name))
		}
		kind := fieldType(p)
		if kind == "" {
			return mapperError(fmt.Sprintf("No type specified for field [%s]", name))
		}
		if !slices.Contains(fieldTypes(), kind) {
			return mapperError(fmt.Sprintf("The mapper type [%s] declared on field [%s] does not exist. It might have been created within a future version or requires a plugin to be installed. Check the documentation.", kind, name))
		}
		for _, k := range sortedKeys(p) {
			if !slices.Contains(known, k) {
				return mapperError(fmt.Sprintf("unknown parameter [%s] on mapper [%s] of type [%s]", k, name, kind))
			}
		}
		for _, sub := range []string{"properties", "fields"} {
			inner, _ := p[sub].(obj)
			if err := checkProperties(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldType is the type of a field's definition; an object may leave it out.
func fieldType(p obj) string {
	if t, ok := p["type"].(string); ok {
		return t
	}
	for _, k := range []string{"properties", "dynamic", "enabled", "subobjects"} {
		if _, ok := p[k]; ok {
			return "object"
		}
	}
	return ""
}

// mergeMapping adds b to a. override: a template or a new index, where a field
// is replaced; else an existing index, where it keeps its type and what
// cannot be changed is an error.
func mergeMapping(a, b obj, override bool) (obj, error) {
	out := maps.Clone(a)
	if out == nil {
		out = obj{}
	}
	for k, v := range b {
		switch old, new := out[k], v; {
		case k == "properties":
			oldProps, _ := old.(obj)
			newProps, _ := new.(obj)
			merged, err := mergeProperties("", oldProps, newProps, override)
			if err != nil {
				return nil, err
			}
			out[k] = merged
		case k == "dynamic_templates" && override && old != nil:
			out[k] = mergeDynamicTemplates(old.([]any), new.([]any))
		case (k == "_meta" || k == "runtime") && old != nil:
			m := maps.Clone(old.(obj))
			maps.Copy(m, new.(obj))
			out[k] = m
		default:
			out[k] = v
		}
	}
	return out, nil
}

func mergeDynamicTemplates(a, b []any) []any {
	out := slices.Clone(a)
	for _, t := range b {
		i := slices.IndexFunc(out, func(o any) bool { return slices.Equal(sortedKeys(o.(obj)), sortedKeys(t.(obj))) })
		if i < 0 {
			out = append(out, t)
		} else {
			out[i] = t
		}
	}
	return out
}

func mergeProperties(path string, a, b obj, override bool) (obj, error) {
	out := maps.Clone(a)
	if out == nil {
		out = obj{}
	}
	for _, k := range sortedKeys(b) {
		p := b[k].(obj)
		old, there := out[k].(obj)
		full := strings.TrimPrefix(path+"."+k, ".")
		if !there {
			out[k] = p
			continue
		}
		was, is := fieldType(old), fieldType(p)
		isObject := func(t string) bool { return t == "object" || t == "nested" }
		switch {
		case isObject(was) && isObject(is):
			if was != is && !override {
				return nil, illegal("cannot change object mapping from non-nested to nested")
			}
			oldProps, _ := old["properties"].(obj)
			newProps, _ := p["properties"].(obj)
			merged, err := mergeProperties(full, oldProps, newProps, override)
			if err != nil {
				return nil, err
			}
			o := maps.Clone(old)
			maps.Copy(o, p)
			if len(merged) > 0 {
				o["properties"] = merged
			}
			out[k] = o
		case override:
			out[k] = p
		case isObject(was) || isObject(is):
			if isObject(was) {
				return nil, illegal("can't merge a non object mapping [%s] with an object mapping", full)
			}
			return nil, illegal("can't merge a non object mapping [%s] with an object mapping", full)
		case was != is:
			return nil, illegal("mapper [%s] cannot be changed from type [%s] to [%s]", full, was, is)
		default:
			var conflicts []string
			for _, fixed := range []string{"analyzer", "doc_values", "format", "index", "normalizer", "store"} {
				if x, y := shownField(old)[fixed], shownField(p)[fixed]; fmt.Sprint(x) != fmt.Sprint(y) {
					conflicts = append(conflicts, fmt.Sprintf("Cannot update parameter [%s] from [%s] to [%s]", fixed, shownDefault(fixed, x), shownDefault(fixed, y)))
				}
			}
			if conflicts != nil {
				return nil, illegal("Mapper for [%s] conflicts with existing mapper:\n\t%s", full, strings.Join(conflicts, "\n\t"))
			}
			o := maps.Clone(p)
			if subs, ok := old["fields"].(obj); ok {
				newSubs, _ := p["fields"].(obj)
				merged, err := mergeProperties(full, subs, newSubs, override)
				if err != nil {
					return nil, err
				}
				o["fields"] = merged
			}
			out[k] = o
		}
	}
	return out, nil
}

func shownDefault(param string, v any) string {
	if v != nil {
		return fmt.Sprint(v)
	}
	return map[string]string{"analyzer": "default", "doc_values": "true", "index": "true", "store": "false",
		"format": "strict_date_optional_time||epoch_millis", "normalizer": "null"}[param]
}

// shownMapping is a mapping as an index shows it: defaults gone, booleans of
// "dynamic" as text.
func shownMapping(m obj) obj {
	out := obj{}
	for k, v := range m {
		switch k {
		case "properties":
			props, _ := v.(obj)
			if len(props) > 0 {
				shown := obj{}
				for name, p := range props {
					shown[name] = shownField(p.(obj))
				}
				out[k] = shown
			}
		case "dynamic":
			out[k] = fmt.Sprint(v)
		case "_source":
			o, _ := v.(obj)
			o = maps.Clone(o)
			if o["mode"] == "stored" {
				delete(o, "mode")
			}
			if len(o) > 0 {
				out[k] = o
			}
		default:
			out[k] = v
		}
	}
	return out
}

func shownField(p obj) obj {
	out := shownMapping(p)
	delete(out, "fields")
	props, _ := p["properties"].(obj)
	if fieldType(p) == "object" {
		delete(out, "type")
		if len(props) == 0 {
			out["type"] = "object"
		}
	}
	for _, on := range []string{"index", "doc_values", "enabled"} {
		if fmt.Sprint(out[on]) == "true" {
			delete(out, on)
		}
	}
	if fmt.Sprint(out["store"]) == "false" {
		delete(out, "store")
	}
	if subs, ok := p["fields"].(obj); ok && len(subs) > 0 {
		shown := obj{}
		for name, s := range subs {
			shown[name] = shownField(s.(obj))
		}
		out["fields"] = shown
	}
	return out
}

func getMapping(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	out := obj{}
	for _, ix := range list {
		out[ix.name] = obj{"mappings": ix.mapping}
	}
	return out, nil
}

func putMapping(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := checkMapping(body); err != nil {
		return nil, err
	}
	merged := make([]obj, len(list))
	for i, ix := range list {
		if merged[i], err = mergeMapping(ix.mapping, body, false); err != nil {
			return nil, err
		}
	}
	for i, ix := range list {
		ix.mapping = shownMapping(merged[i])
	}
	return acknowledged(), nil
}

// fields lists the leaf fields of a mapping by their dotted names.
func (ix *index) fields() map[string]obj {
	out := map[string]obj{}
	var walk func(prefix string, props obj)
	walk = func(prefix string, props obj) {
		for k, v := range props {
			p := v.(obj)
			name := prefix + k
			if subs, ok := p["properties"].(obj); ok {
				walk(name+".", subs)
				continue
			}
			out[name] = p
			if subs, ok := p["fields"].(obj); ok {
				walk(name+".", subs)
			}
		}
	}
	props, _ := ix.mapping["properties"].(obj)
	walk("", props)
	return out
}
