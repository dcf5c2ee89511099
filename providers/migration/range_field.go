package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// timestamp is the field to cut by where nobody named one.
	timestamp = "@timestamp"
	// mostFieldRanges bounds what the aggregations have to hold.
	mostFieldRanges = 1000
)

// fieldRange is a range of the values of a date or number field. From its
// begin, which belongs to it, to the begin of the next: so nothing falls
// between two, however fine the field's values are.
type fieldRange struct {
	Field string      `json:"field"`
	Date  bool        `json:"date,omitempty"` // bounds are milliseconds since 1970, UTC
	Gte   json.Number `json:"gte,omitempty"`  // empty: open below
	Lt    json.Number `json:"lt,omitempty"`   // empty: open above
	// Lacks turns it round: the documents that have no value below Lt and none
	// from it on, so that none is in no range.
	Lacks bool `json:"lacks,omitempty"`
}

func (r fieldRange) query() object {
	between := func(gte, lt json.Number) object {
		bounds := object{}
		if r.Date {
			bounds["format"] = "epoch_millis"
		}
		if gte != "" {
			bounds["gte"] = gte
		}
		if lt != "" {
			bounds["lt"] = lt
		}
		return object{"range": object{r.Field: bounds}}
	}
	if r.Lacks {
		return object{"bool": object{"must_not": []any{between("", r.Lt), between(r.Lt, "")}}}
	}
	return between(r.Gte, r.Lt)
}

var (
	dateTypes    = []string{"date", "date_nanos"}
	wholeTypes   = []string{"byte", "short", "integer", "long", "unsigned_long"}
	decimalTypes = []string{"half_float", "float", "double", "scaled_float"}
)

// divideByField makes ranges of a field's values and one more of the documents
// that lack it. The bounds are percentiles, so that values far off the others
// do no harm. They are taken only if all ranges together count each document
// once: one with several values would be in two. why says what was in the way,
// for an index of which the reader knows the name; empty: it is done.
func (t *task) divideByField(ctx context.Context, x *sourceIndex, field string, n int64) (why string, err error) {
	kind, err := t.fieldType(ctx, x, field)
	date := slices.Contains(dateTypes, kind)
	switch {
	case err != nil:
		return "", err
	case kind == "":
		return "it has no field " + field, nil
	case !date && !slices.Contains(wholeTypes, kind) && !slices.Contains(decimalTypes, kind):
		return fmt.Sprintf("%s is no date or number there (%s)", field, kind), nil
	}
	n = min(n, mostFieldRanges)
	percents := make([]float64, n-1)
	for i := range percents {
		percents[i] = 100 * float64(i+1) / float64(n)
	}
	a, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "query": t.selection(x), "aggs": object{"points": object{
		"percentiles": object{"field": field, "percents": percents, "keyed": false, "tdigest": object{"compression": mostFieldRanges}}}}})
	if badRequest(err) {
		return field + " cannot be aggregated", nil
	}
	if err != nil {
		return "", err
	}
	var bounds []float64
	for _, p := range a.Aggregations.Points.Values {
		v, ok := p.Value.(json.Number) // null or "NaN": no document has a value
		f, err := v.Float64()
		if !ok || err != nil {
			continue
		}
		if !slices.Contains(decimalTypes, kind) {
			f = math.Ceil(f)
		}
		if len(bounds) == 0 || f > bounds[len(bounds)-1] {
			bounds = append(bounds, f)
		}
	}
	if len(bounds) == 0 {
		return "no document has a " + field, nil
	}
	ranges := fieldRanges(field, date, bounds)
	counts, why, err := t.countRanges(ctx, x, ranges, bounds)
	if why != "" || err != nil {
		return why, err
	}
	for i := range ranges {
		ranges[i].Documents = counts[i]
	}
	x.Ranges = ranges
	return "", nil
}

// fieldRanges cuts at the bounds; the last range is that of the documents
// without a value.
func fieldRanges(field string, date bool, bounds []float64) []span {
	ranges := []span{{To: -1, By: fieldRange{Field: field, Date: date}}}
	for _, b := range bounds {
		at := json.Number(strconv.FormatFloat(b, 'f', -1, 64))
		ranges[len(ranges)-1].By.Lt = at
		ranges = append(ranges, span{To: -1, By: fieldRange{Field: field, Date: date, Gte: at}})
	}
	return append(ranges, span{To: -1, By: fieldRange{Field: field, Date: date, Lt: ranges[0].By.Lt, Lacks: true}})
}

// countRanges counts the documents of each range, all in one look at the index,
// so that a source that is written to adds up as well. Many queries beside each
// other would be tried on each document; a range aggregation looks up its value.
// That both understand the field alike, the first range shows. (They do not on
// OpenSearch 3.8 for date_nanos.)
func (t *task) countRanges(ctx context.Context, x *sourceIndex, ranges []span, bounds []float64) (counts []int64, why string, err error) {
	last := len(ranges) - 1
	buckets := []any{object{"to": bounds[0]}}
	for i, b := range bounds {
		o := object{"from": b}
		if i+1 < len(bounds) {
			o["to"] = bounds[i+1]
		}
		buckets = append(buckets, o)
	}
	field := ranges[0].By.Field
	a, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "track_total_hits": true, "query": t.selection(x), "aggs": object{
		"ranges": object{"range": object{"field": field, "ranges": buckets}},
		"first":  object{"filter": ranges[0].query()},
		"rest":   object{"filter": ranges[last].query()}}})
	if badRequest(err) {
		return nil, field + " cannot be searched for ranges", nil
	}
	if err != nil {
		return nil, "", err
	}
	var sum int64
	for _, b := range append(a.Aggregations.Ranges.Buckets, a.Aggregations.Rest) {
		counts = append(counts, b.Documents)
		sum += b.Documents
	}
	switch {
	case len(counts) != len(ranges) || counts[0] != a.Aggregations.First.Documents:
		return nil, "an aggregation on " + field + " does not count what a query finds", nil
	case sum != int64(a.Hits.Total):
		return nil, "documents have more than one " + field, nil
	}
	return counts, "", nil
}

// fieldType is the type of a field that can be searched and aggregated, or
// what of its type cannot; empty: there is none.
func (t *task) fieldType(ctx context.Context, x *sourceIndex, field string) (string, error) {
	var a struct {
		Fields map[string]map[string]struct {
			Searchable   bool `json:"searchable"`
			Aggregatable bool `json:"aggregatable"`
		} `json:"fields"`
	}
	err := get(ctx, t.src, "/"+url.PathEscape(x.Name)+"/_field_caps", url.Values{"fields": {field}}, &a)
	if err != nil {
		return "", err
	}
	for kind, can := range a.Fields[field] {
		switch {
		case !can.Searchable:
			kind += " that is not indexed"
		case !can.Aggregatable:
			kind += " without doc values"
		}
		return strings.TrimSpace(kind), nil
	}
	return "", nil
}
