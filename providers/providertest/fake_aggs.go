package providertest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// Doc is a document as tests see it.
type Doc struct {
	ID, Routing string
	Source      string
	Version     int64
}

// aggregate runs aggregations over the documents that matched.
func (f *Fake) aggregate(aggs obj, docs []*doc) (obj, error) {
	out := obj{}
	for name, v := range aggs {
		o, _ := v.(obj)
		subs, _ := o["aggs"].(obj)
		if subs == nil {
			subs, _ = o["aggregations"].(obj)
		}
		for kind, b := range o {
			if kind == "aggs" || kind == "aggregations" || kind == "meta" {
				continue
			}
			body, _ := b.(obj)
			r, err := f.aggregateOne(kind, body, subs, docs)
			if err != nil {
				return nil, err
			}
			out[name] = r
		}
	}
	return out, nil
}

// bucket is one bucket with its sub-aggregations.
func (f *Fake) bucket(docs []*doc, subs obj, also obj) (obj, error) {
	o := obj{"doc_count": len(docs)}
	for k, v := range also {
		o[k] = v
	}
	inner, err := f.aggregate(subs, docs)
	if err != nil {
		return nil, err
	}
	for k, v := range inner {
		o[k] = v
	}
	return o, nil
}

func keep(docs []*doc, m matcher) []*doc {
	return slices.DeleteFunc(slices.Clone(docs), func(d *doc) bool { return !m(d) })
}

func (f *Fake) aggregateOne(kind string, body, subs obj, docs []*doc) (any, error) {
	field, _ := body["field"].(string)
	var numbers []float64
	var values []any
	for _, d := range docs {
		for _, v := range d.values(field) {
			values = append(values, v)
			if n, ok := v.(float64); ok {
				numbers = append(numbers, n)
			}
		}
	}
	sum, least, most := 0.0, math.Inf(1), math.Inf(-1)
	for _, n := range numbers {
		sum, least, most = sum+n, min(least, n), max(most, n)
	}
	value := func(n float64) any {
		if len(numbers) == 0 && kind != "sum" {
			return obj{"value": nil}
		}
		o := obj{"value": double(n)}
		if len(docs) > 0 && isDate(docs[0].fieldDef(field)) {
			o["value_as_string"] = shownDate(n)
		}
		return o
	}
	switch kind {
	case "min":
		return value(least), nil
	case "max":
		return value(most), nil
	case "sum":
		return value(sum), nil
	case "avg":
		return value(sum / float64(len(numbers))), nil
	case "value_count":
		return obj{"value": len(values)}, nil
	case "cardinality":
		seen := map[string]bool{}
		for _, v := range values {
			seen[fmt.Sprint(v)] = true
		}
		return obj{"value": len(seen)}, nil
	case "filter":
		m, err := f.query(any(body))
		if err != nil {
			return nil, err
		}
		return f.bucket(keep(docs, m), subs, nil)
	case "missing":
		return f.bucket(keep(docs, func(d *doc) bool { return len(d.values(field)) == 0 }), subs, nil)
	case "filters":
		named, ok := body["filters"].(obj)
		if !ok {
			return nil, unsupported("anonymous filters")
		}
		buckets := obj{}
		for n, q := range named {
			m, err := f.query(q)
			if err != nil {
				return nil, err
			}
			if buckets[n], err = f.bucket(keep(docs, m), subs, nil); err != nil {
				return nil, err
			}
		}
		return obj{"buckets": buckets}, nil
	case "histogram":
		return f.histogram(body, subs, docs, least, most, len(numbers) > 0)
	case "range":
		return f.rangeBuckets(body, subs, docs)
	case "percentiles":
		return percentiles(body, numbers, len(docs) > 0 && isDate(docs[0].fieldDef(field)))
	case "terms":
		return f.termBuckets(body, subs, docs)
	case "scripted_metric":
		if f.opt.Flavor == providers.Serverless {
			return nil, illegal("%s", serverless.NoAggregation("x", body))
		}
		if f.opt.ScriptedMetric == nil {
			return nil, illegal("script_lang not supported [painless]")
		}
		var shown []Doc
		for _, d := range docs {
			shown = append(shown, d.public())
		}
		v, err := f.opt.ScriptedMetric(providers.Encode(body), shown)
		if err != nil {
			return nil, unsupported("this script: %v", err)
		}
		return obj{"value": v}, nil
	}
	known := strings.Fields(`stats extended_stats percentile_ranks date_histogram date_range auto_date_histogram composite nested
reverse_nested global sampler top_hits significant_terms geo_bounds weighted_avg adjacency_matrix string_stats boxplot top_metrics rate random_sampler`)
	if slices.Contains(known, kind) {
		return nil, unsupported("the aggregation %s", kind)
	}
	return nil, &apiError{status: 400, kind: "parsing_exception", reason: "Unknown aggregation type [" + kind + "]", extra: obj{"line": 1, "col": 2},
		cause: &apiError{kind: "named_object_not_found_exception", reason: "[1:2] unknown field [" + kind + "]"}}
}

func (d *doc) public() Doc {
	return Doc{ID: d.id, Routing: d.routing, Source: string(d.source), Version: d.version}
}

func (f *Fake) histogram(body, subs obj, docs []*doc, least, most float64, some bool) (any, error) {
	field, _ := body["field"].(string)
	interval, ok := number(body["interval"])
	if !ok || interval <= 0 {
		return nil, illegal("[interval] must be >0 for histogram aggregation [h]")
	}
	offset, _ := number(body["offset"])
	at := func(n float64) float64 { return math.Floor((n-offset)/interval)*interval + offset }
	if !some {
		return obj{"buckets": []any{}}, nil
	}
	if n := (most - least) / interval; n > 65536 {
		return nil, &apiError{status: 400, kind: "too_many_buckets_exception", reason: fmt.Sprintf(
			"Trying to create too many buckets. Must be less than or equal to: [65536] but was [%d]. This limit can be set by changing the [search.max_buckets] cluster level setting.", int(n)), extra: obj{"max_buckets": 65536}}
	}
	byKey := map[float64][]*doc{}
	for _, d := range docs {
		for _, v := range d.values(field) {
			if n, ok := v.(float64); ok {
				byKey[at(n)] = append(byKey[at(n)], d)
			}
		}
	}
	atLeast := whole(body["min_doc_count"], 0)
	buckets := []any{}
	for k := at(least); k <= most; k += interval {
		if len(byKey[k]) < atLeast {
			continue
		}
		b, err := f.bucket(byKey[k], subs, obj{"key": double(k)})
		if err != nil {
			return nil, err
		}
		buckets = append(buckets, b)
	}
	return obj{"buckets": buckets}, nil
}

func (f *Fake) rangeBuckets(body, subs obj, docs []*doc) (any, error) {
	field, _ := body["field"].(string)
	buckets := []any{}
	for _, r := range flatten(body["ranges"]) {
		o, _ := r.(obj)
		from, hasFrom := number(o["from"])
		to, hasTo := number(o["to"])
		also, name := obj{}, [2]string{"*", "*"}
		bound := func(key string, i int, n float64) {
			if also[key], name[i] = double(n), string(double(n)); len(docs) > 0 && isDate(docs[0].fieldDef(field)) {
				name[i] = shownDate(n)
				also[key+"_as_string"] = name[i]
			}
		}
		if hasFrom {
			bound("from", 0, from)
		}
		if hasTo {
			bound("to", 1, to)
		}
		also["key"] = cmpNil(o["key"], name[0]+"-"+name[1])
		b, err := f.bucket(keep(docs, func(d *doc) bool {
			return slices.ContainsFunc(d.values(field), func(v any) bool {
				n, ok := v.(float64)
				return ok && (!hasFrom || n >= from) && (!hasTo || n < to)
			})
		}), subs, also)
		if err != nil {
			return nil, err
		}
		buckets = append(buckets, b)
	}
	return obj{"buckets": buckets}, nil
}

// percentiles interpolates, as a real server does as long as it has few values.
func percentiles(body obj, numbers []float64, dates bool) (any, error) {
	if body["keyed"] != false {
		return nil, unsupported("percentiles without keyed: false")
	}
	slices.Sort(numbers)
	values := []any{}
	for _, p := range flatten(body["percents"]) {
		percent, _ := number(p)
		o := obj{"key": double(percent), "value": nil}
		if last := len(numbers) - 1; last >= 0 {
			at := percent / 100 * float64(last)
			low := int(at)
			n := numbers[low] + (at-float64(low))*(numbers[min(low+1, last)]-numbers[low])
			if o["value"] = double(n); dates {
				o["value_as_string"] = shownDate(n)
			}
		}
		values = append(values, o)
	}
	return obj{"values": values}, nil
}

func isDate(field obj) bool {
	kind := fieldType(field)
	return kind == "date" || kind == "date_nanos"
}

func (f *Fake) termBuckets(body, subs obj, docs []*doc) (any, error) {
	field, _ := body["field"].(string)
	if len(docs) > 0 && docs[0].isText(field) {
		return nil, illegal("Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default.", field, docs[0].ix.name)
	}
	byKey, keys := map[string][]*doc{}, map[string]any{}
	for _, d := range docs {
		for _, v := range d.values(field) {
			k := fmt.Sprint(v)
			byKey[k], keys[k] = append(byKey[k], d), v
		}
	}
	order := sortedKeys(byKey)
	slices.SortStableFunc(order, func(a, b string) int { return len(byKey[b]) - len(byKey[a]) })
	size := min(whole(body["size"], 10), len(order))
	other := 0
	for _, k := range order[size:] {
		other += len(byKey[k])
	}
	buckets := []any{}
	for _, k := range order[:size] {
		also := obj{"key": keys[k]}
		if n, ok := keys[k].(float64); ok {
			also["key"] = int64(n)
		}
		b, err := f.bucket(byKey[k], subs, also)
		if err != nil {
			return nil, err
		}
		buckets = append(buckets, b)
	}
	return obj{"doc_count_error_upper_bound": 0, "sum_other_doc_count": other, "buckets": buckets}, nil
}
