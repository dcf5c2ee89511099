package providertest

import (
	"fmt"
	"slices"
	"strings"
)

func (s *search) show(h hit) (obj, error) {
	o := obj{"_index": h.d.ix.name, "_id": h.d.id, "_score": double(h.score)}
	if h.d.routing != "" {
		o["_routing"] = h.d.routing
	}
	if s.body["version"] == true {
		o["_version"] = h.d.version
	}
	if s.body["seq_no_primary_term"] == true {
		o["_seq_no"], o["_primary_term"] = h.d.shownSeqNo()
	}
	if s.sorts != nil {
		o["_score"] = nil
		sort := []any{}
		for _, v := range h.sort {
			if n, ok := v.(float64); ok && n == float64(int64(n)) {
				v = int64(n)
			}
			sort = append(sort, v)
		}
		o["sort"] = sort
	}
	if src := shownSource(s.body["_source"], h.d); src != nil {
		o["_source"] = src
	}
	fields := obj{}
	for _, v := range append(flatten(s.body["fields"]), flatten(s.body["docvalue_fields"])...) {
		name, format := "", ""
		switch v := v.(type) {
		case nil:
			continue
		case string:
			name = v
		case obj:
			name, format = fmt.Sprint(v["field"]), fmt.Sprint(cmpNil(v["format"], ""))
		}
		for _, k := range append(sortedKeys(h.d.ix.fields()), "_seq_no") {
			if vs := h.d.values(k); wildcard(name, k) && vs != nil {
				shown, err := shownValues(h.d, k, format, vs)
				if err != nil {
					return nil, err
				}
				fields[k] = shown
			}
		}
	}
	if len(fields) > 0 {
		o["fields"] = fields
	}
	return o, nil
}

func cmpNil(v, otherwise any) any {
	if v == nil {
		return otherwise
	}
	return v
}

func shownValues(d *doc, field, format string, vs []any) ([]any, error) {
	kind := fieldType(d.fieldDef(field))
	var out []any
	for _, v := range vs {
		n, isNumber := v.(float64)
		switch {
		case kind == "date" && format == "epoch_millis":
			v = fmt.Sprint(int64(n))
		case kind == "date" && (format == "" || strings.HasPrefix(format, "strict_date_optional_time")):
			v = shownDate(n)
		case kind == "date":
			return nil, unsupported("the date format %s", format)
		case kind == "boolean":
			v = v == "true"
		case isNumber && slices.Contains([]string{"double", "float"}, kind):
			v = double(n)
		case isNumber:
			v = int64(n)
		}
		out = append(out, v)
	}
	return out, nil
}

// shownSource filters _source; nil: left out.
func shownSource(want any, d *doc) any {
	var paths []string
	switch v := want.(type) {
	case nil:
		return d.source
	case bool:
		if !v {
			return nil
		}
		return d.source
	case string:
		paths = strings.Split(v, ",")
	case []any:
		for _, p := range v {
			paths = append(paths, fmt.Sprint(p))
		}
	case obj:
		for _, p := range append(flatten(v["includes"]), flatten(v["include"])...) {
			if p != nil {
				paths = append(paths, fmt.Sprint(p))
			}
		}
		for _, p := range append(flatten(v["excludes"]), flatten(v["exclude"])...) {
			if p != nil {
				paths = append(paths, "-"+fmt.Sprint(p))
			}
		}
	}
	if len(paths) == 0 {
		return d.source
	}
	return filterPath(any(d.parsed), strings.Join(paths, ","))
}

// shownHits is the "hits" part.
func (s *search) shownHits(total int, shown []any) obj {
	o := obj{"hits": shown, "max_score": nil}
	if len(shown) > 0 && s.sorts == nil {
		o["max_score"] = shown[0].(obj)["_score"]
	}
	switch {
	case s.totalCap == 0:
	case s.asInt:
		o["total"] = total
	case total > s.totalCap:
		o["total"] = obj{"value": s.totalCap, "relation": "gte"}
	default:
		o["total"] = obj{"value": total, "relation": "eq"}
	}
	return o
}
