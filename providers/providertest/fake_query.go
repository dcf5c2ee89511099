package providertest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// matcher says whether a document matches.
type matcher func(*doc) bool

func every(*doc) bool { return true }

// query compiles the query DSL, as far as it goes.
func (f *Fake) query(v any) (matcher, error) {
	if v == nil {
		return every, nil
	}
	o, ok := v.(obj)
	if !ok || len(o) != 1 {
		return nil, &apiError{status: 400, kind: "parsing_exception", reason: "[_na] query malformed, empty clause found"}
	}
	kind := sortedKeys(o)[0]
	body, ok := o[kind].(obj)
	if !ok {
		return nil, &apiError{status: 400, kind: "parsing_exception", reason: "[" + kind + "] query malformed, no start_object after query name", extra: obj{"line": 1, "col": 2}}
	}
	switch kind {
	case "match_all":
		return every, nil
	case "match_none":
		return func(*doc) bool { return false }, nil
	case "ids":
		ids := map[string]bool{}
		for _, v := range flatten(body["values"]) {
			ids[fmt.Sprint(v)] = true
		}
		return func(d *doc) bool { return ids[d.id] }, nil
	case "exists":
		field, _ := body["field"].(string)
		return func(d *doc) bool { return len(d.values(field)) > 0 || len(d.under(field)) > 0 }, nil
	case "term", "terms", "match", "prefix":
		return termQuery(kind, body)
	case "range":
		return rangeQuery(body)
	case "bool":
		return f.boolQuery(body)
	case "constant_score":
		return f.query(body["filter"])
	case "function_score":
		return f.query(body["query"])
	}
	known := strings.Fields(`match_phrase multi_match query_string simple_query_string wildcard regexp fuzzy nested script script_score dis_max
geo_distance geo_bounding_box geo_shape has_child has_parent parent_id percolate more_like_this knn semantic sparse_vector intervals
match_bool_prefix match_phrase_prefix combined_fields boosting distance_feature rank_feature pinned wrapper terms_set`)
	if slices.Contains(known, kind) {
		return nil, unsupported("the query %s", kind)
	}
	return nil, &apiError{status: 400, kind: "parsing_exception", reason: "unknown query [" + kind + "]", extra: obj{"line": 1, "col": 2},
		cause: &apiError{kind: "named_object_not_found_exception", reason: "[1:2] unknown field [" + kind + "]"}}
}

func (f *Fake) boolQuery(body obj) (matcher, error) {
	if err := onlyKeys(body, "[bool] query does not support [%s]", "must", "filter", "must_not", "should", "minimum_should_match", "boost"); err != nil {
		return nil, err
	}
	clauses := map[string][]matcher{}
	for _, k := range []string{"must", "filter", "must_not", "should"} {
		if body[k] == nil {
			continue
		}
		for _, q := range flatten(body[k]) {
			m, err := f.query(q)
			if err != nil {
				return nil, err
			}
			clauses[k] = append(clauses[k], m)
		}
	}
	need := 0
	if len(clauses["should"]) > 0 && len(clauses["must"])+len(clauses["filter"]) == 0 {
		need = 1
	}
	need = whole(body["minimum_should_match"], need)
	return func(d *doc) bool {
		for _, m := range append(clauses["must"], clauses["filter"]...) {
			if !m(d) {
				return false
			}
		}
		for _, m := range clauses["must_not"] {
			if m(d) {
				return false
			}
		}
		n := 0
		for _, m := range clauses["should"] {
			if m(d) {
				n++
			}
		}
		return n >= need
	}, nil
}

func termQuery(kind string, body obj) (matcher, error) {
	var field string
	var want []any
	for k, v := range body {
		if k == "boost" {
			continue
		}
		if field != "" {
			return nil, &apiError{status: 400, kind: "parsing_exception", reason: fmt.Sprintf("[%s] query doesn't support multiple fields, found [%s] and [%s]", kind, field, k)}
		}
		field = k
		if o, ok := v.(obj); ok {
			v = o["value"]
			if kind == "match" {
				v = o["query"]
			}
		}
		if _, list := v.([]any); kind == "terms" && !list {
			return nil, unsupported("a terms lookup")
		}
		want = flatten(v)
	}
	return func(d *doc) bool {
		for _, have := range d.values(field) {
			for _, w := range want {
				if kind == "prefix" {
					if strings.HasPrefix(fmt.Sprint(have), fmt.Sprint(w)) {
						return true
					}
				} else if d.isText(field) {
					words := strings.FieldsFunc(strings.ToLower(fmt.Sprint(have)), func(r rune) bool { return strings.ContainsRune(" .,;:!?-_/()", r) })
					if kind == "match" {
						w = strings.ToLower(fmt.Sprint(w))
					}
					if slices.Contains(words, fmt.Sprint(w)) {
						return true
					}
				} else if compare(have, d.typed(field, w)) == 0 {
					return true
				}
			}
		}
		return false
	}, nil
}

func rangeQuery(body obj) (matcher, error) {
	if len(body) != 1 {
		return nil, &apiError{status: 400, kind: "parsing_exception", reason: "[range] query doesn't support multiple fields"}
	}
	field := sortedKeys(body)[0]
	bounds, _ := body[field].(obj)
	for _, k := range sortedKeys(bounds) {
		if k == "format" && strings.Contains(fmt.Sprint(bounds[k]), "epoch_millis") || k == "boost" {
			continue
		}
		if !slices.Contains([]string{"gte", "gt", "lte", "lt", "from", "to"}, k) {
			return nil, unsupported("range with %s", k)
		}
		if s, ok := bounds[k].(string); ok && (strings.HasPrefix(s, "now") || strings.Contains(s, "||")) {
			return nil, unsupported("date arithmetic")
		}
	}
	return func(d *doc) bool {
		for _, have := range d.values(field) {
			ok := true
			for k, b := range bounds {
				if b == nil || k == "format" || k == "boost" {
					continue
				}
				n := compare(have, d.typed(field, b))
				ok = ok && map[string]bool{"gte": n >= 0, "gt": n > 0, "lte": n <= 0, "lt": n < 0, "from": n >= 0, "to": n <= 0}[k]
			}
			if ok {
				return true
			}
		}
		return false
	}, nil
}

// checkSeqNo refuses what an index without sequence numbers cannot answer: in
// a query, or elsewhere in a search.
func checkSeqNo(query, rest any, ix *index) error {
	const reason = "Cannot query field [_seq_no]: _seq_no cannot be queried when [index.disable_sequence_numbers] is [true]"
	switch {
	case !ix.seqNosOff():
	case mentions(query, "_seq_no"):
		return shardFailure(ix, &apiError{kind: "query_shard_exception", reason: "failed to create query: " + reason, cause: illegal(reason),
			extra: obj{"index_uuid": ix.uuid, "index": ix.name}})
	case mentions(rest, "_seq_no"):
		return shardFailure(ix, illegal(reason))
	}
	return nil
}

func (ix *index) seqNosOff() bool { return ix.settings["index.disable_sequence_numbers"] == "true" }

// shownSeqNo are sequence number and primary term as an answer has them.
func (d *doc) shownSeqNo() (seqNo, term int64) {
	if d.ix.seqNosOff() || d.seq < 0 {
		return -2, 0
	}
	return d.seq, 1
}

func mentions(v any, name string) bool {
	switch v := v.(type) {
	case obj:
		for k, e := range v {
			if k == name || mentions(e, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return mentions(e, name) })
	case string:
		return v == name
	}
	return false
}

func shardFailure(ix *index, e *apiError) *apiError {
	failed := &apiError{status: 400, kind: "search_phase_execution_exception", reason: "all shards failed", cause: e, extra: obj{"phase": "query", "grouped": true,
		"failed_shards": []any{obj{"shard": 0, "index": ix.name, "node": "fake", "reason": e.inner()}}}}
	return failed
}

// fieldDef is the mapping of a field, nil without.
func (d *doc) fieldDef(field string) obj { return d.ix.fields()[field] }

func (d *doc) isText(field string) bool { return fieldType(d.fieldDef(field)) == "text" }

// values are what a field holds, comparable: numbers, texts, booleans; a date
// is a number of milliseconds.
func (d *doc) values(field string) []any {
	switch field {
	case "_id":
		return []any{d.id}
	case "_seq_no":
		if d.seq < 0 {
			return nil
		}
		return []any{float64(d.seq)}
	case "_version":
		return []any{float64(d.version)}
	case "_index":
		return []any{d.ix.name}
	case "_routing":
		if d.routing == "" {
			return nil
		}
		return []any{d.routing}
	}
	raw := d.under(field)
	if raw == nil {
		// A multi-field holds what the field above it holds.
		if i := strings.LastIndex(field, "."); i > 0 && d.fieldDef(field) != nil {
			raw = d.under(field[:i])
		}
	}
	var out []any
	for _, v := range raw {
		if _, ok := v.(obj); ok || v == nil {
			continue
		}
		v = d.typed(field, v)
		if _, ok := v.(float64); !ok && d.fieldDef(field)["ignore_malformed"] == true {
			continue
		}
		out = append(out, v)
	}
	return out
}

// under collects the raw values at a dotted path, through lists.
func (d *doc) under(field string) []any { return collect(d.parsed, field) }

func collect(v any, path string) []any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, collect(e, path)...)
		}
		return out
	case obj:
		if e, ok := v[path]; ok {
			return flatten(e)
		}
		var out []any
		for head, e := range v {
			if rest, ok := strings.CutPrefix(path, head+"."); ok {
				out = append(out, collect(e, rest)...)
			}
		}
		return out
	}
	return nil
}

// typed brings a value into the form in which a field's values are compared.
func (d *doc) typed(field string, v any) any {
	if strings.HasPrefix(field, "_") {
		if n, ok := v.(json.Number); ok {
			f, _ := number(n)
			return f
		}
		return v
	}
	switch kind := fieldType(d.fieldDef(field)); kind {
	case "date", "date_nanos":
		if ms, ok := date(v); ok {
			return ms
		}
	case "long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float", "unsigned_long":
		if n, ok := number(v); ok {
			return n
		}
	default:
		return fmt.Sprint(v)
	}
	return v
}

// compare orders two values of values.
func compare(a, b any) int {
	x, okX := a.(float64)
	y, okY := b.(float64)
	switch {
	case okX && okY && x < y:
		return -1
	case okX && okY && x > y:
		return 1
	case okX && okY:
		return 0
	}
	if n, ok := number(b); okX && ok {
		return compare(x, n)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// score of a document: random_score is the same in every run with its seed.
func score(query any, d *doc) float64 {
	o, _ := query.(obj)
	if b, ok := o["bool"].(obj); ok && b["must"] == nil && b["should"] == nil {
		return 0 // filters do not score
	}
	fs, ok := o["function_score"].(obj)
	if !ok {
		return 1
	}
	rs, ok := fs["random_score"].(obj)
	for _, fn := range flatten(fs["functions"]) {
		if inner, is := fn.(obj); is && !ok {
			rs, ok = inner["random_score"].(obj)
		}
	}
	if !ok {
		return 1
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, rs["seed"], "/", d.id) // never fails
	return float64(h.Sum64()%(1<<20)) / (1 << 20)
}

// shownDate is a date as fields show it.
func shownDate(ms float64) string {
	return time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
}
