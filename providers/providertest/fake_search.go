package providertest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// reader is a point in time or a scroll.
type reader struct {
	views   []view
	expires time.Time
	scroll  *search // its hits go from page to page
	left    []hit
}

// view is what one index held, filtered by the alias it was asked by.
type view struct {
	ix     *index
	docs   []*doc
	filter matcher
}

// hit is a document with what orders it.
type hit struct {
	d     *doc
	pos   int // in its shard
	shard int // ordinal over all indices
	score float64
	sort  []any
}

type sortKey struct {
	field string
	desc  bool
}

// search is one request, read.
type search struct {
	body     obj
	match    matcher
	size     int
	from     int
	sorts    []sortKey
	implicit bool // the last sort key was added by the server
	totalCap int  // 0: do not count
	asInt    bool
}

func (f *Fake) views(c *call, expr string) ([]view, error) {
	list, err := f.concrete(c, expr)
	if err != nil {
		return nil, err
	}
	var out []view
	for _, ix := range list {
		if ix.closed {
			return nil, &apiError{status: 400, kind: "index_closed_exception", reason: "closed", extra: obj{"index_uuid": ix.uuid, "index": ix.name}}
		}
		v := view{ix: ix, docs: ix.searchable(), filter: every}
		var filters []matcher
		direct := false
		for _, p := range strings.Split(expr, ",") {
			filter := ix.aliases[p]["filter"]
			if _, isAlias := ix.aliases[p]; isAlias && filter != nil {
				m, err := f.query(filter)
				if err != nil {
					return nil, err
				}
				filters = append(filters, m)
			} else if p == "" || p == "_all" || isAlias || wildcard(p, ix.name) || ix.stream != nil && wildcard(p, ix.stream.name) {
				direct = true
			}
		}
		if !direct && filters != nil {
			v.filter = func(d *doc) bool { return slices.ContainsFunc(filters, func(m matcher) bool { return m(d) }) }
		}
		if r := c.query.Get("routing"); r != "" {
			inner := v.filter
			v.filter = func(d *doc) bool { return d.shard == ix.shardOf("", r) && inner(d) }
		}
		out = append(out, v)
	}
	return out, nil
}

// readSearch reads body and parameters.
func (f *Fake) readSearch(c *call) (*search, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	can := strings.Fields("query size from sort search_after track_total_hits _source seq_no_primary_term version fields docvalue_fields pit slice aggs aggregations timeout track_scores stored_fields")
	known := strings.Fields("collapse explain ext highlight indices_boost knn min_score post_filter profile rank rescore retriever runtime_mappings script_fields stats suggest terminate_after")
	for _, k := range sortedKeys(body) {
		if slices.Contains(known, k) {
			return nil, unsupported("%s in a search", k)
		}
		if !slices.Contains(can, k) {
			return nil, &apiError{status: 400, kind: "parsing_exception", reason: "Unknown key for a START_OBJECT in [" + k + "].", extra: obj{"line": 1, "col": 2}}
		}
	}
	for _, k := range []string{"size", "from", "version", "seq_no_primary_term", "track_total_hits", "_source"} {
		if v := c.query.Get(k); c.query.Has(k) {
			body[k] = map[string]any{"true": true, "false": false, "": true}[v]
			if body[k] == nil {
				body[k] = v
			}
		}
	}
	s := &search{body: body, size: whole(body["size"], 10), from: whole(body["from"], 0), totalCap: 10000, asInt: c.flag("rest_total_hits_as_int", false) || !f.atLeast(7, 0) && f.opt.Flavor != providers.OpenSearch}
	switch v := body["track_total_hits"].(type) {
	case bool:
		s.totalCap = 0
		if v {
			s.totalCap = 1 << 62
		}
	case json.Number, string:
		s.totalCap = whole(v, 10000)
	}
	if s.match, err = f.query(body["query"]); err != nil {
		return nil, err
	}
	if q := c.query.Get("sort"); q != "" {
		for _, p := range strings.Split(q, ",") {
			field, order, _ := strings.Cut(p, ":")
			s.sorts = append(s.sorts, sortKey{field, order == "desc"})
		}
	}
	for _, v := range flatten(body["sort"]) {
		switch v := v.(type) {
		case string:
			s.sorts = append(s.sorts, sortKey{v, v == "_score"})
		case obj:
			for field, o := range v {
				k := sortKey{field: field, desc: o == "desc" || field == "_score"}
				if inner, ok := o.(obj); ok {
					k.desc = inner["order"] == "desc"
				}
				s.sorts = append(s.sorts, k)
			}
		}
	}
	if body["pit"] != nil && s.sorts != nil && s.sorts[0].field != "_score" &&
		!slices.ContainsFunc(s.sorts, func(k sortKey) bool { return k.field == "_shard_doc" }) {
		s.sorts, s.implicit = append(s.sorts, sortKey{field: "_shard_doc"}), true
	}
	return s, nil
}

// run finds, orders and counts the hits.
func (f *Fake) run(s *search, views []view) ([]hit, error) {
	slice, sliced := s.body["slice"].(obj)
	var hits []hit
	ordinal := 0
	for _, v := range views {
		if err := checkSeqNo([]any{s.body["query"], s.body["aggs"], s.body["aggregations"], s.body["sort"]}, v.ix); err != nil {
			return nil, err
		}
		if limit := whole(v.ix.settings["index.max_result_window"], 10000); s.from+s.size > limit && s.body["scroll"] == nil {
			return nil, shardFailure(v.ix, illegal("Result window is too large, from + size must be less than or equal to: [%d] but was [%d]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.", limit, s.from+s.size))
		}
		for _, k := range s.sorts {
			if !strings.HasPrefix(k.field, "_") && v.ix.fields()[k.field] == nil {
				return nil, shardFailure(v.ix, &apiError{kind: "query_shard_exception", reason: "No mapping found for [" + k.field + "] in order to sort on",
					extra: obj{"index_uuid": v.ix.uuid, "index": v.ix.name}})
			}
		}
		pos := make([]int, len(v.ix.nextSeq))
		for _, d := range v.docs {
			h := hit{d: d, pos: pos[d.shard], shard: ordinal + d.shard, score: 1}
			pos[d.shard]++
			if sliced && sliceOf(d, whole(slice["max"], 1)) != whole(slice["id"], 0) {
				continue
			}
			if v.filter(d) && s.match(d) {
				h.score = score(s.body["query"], d)
				h.sort = s.sortValues(h)
				hits = append(hits, h)
			}
		}
		ordinal += len(v.ix.nextSeq)
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		if s.sorts == nil {
			return compare(b.score, a.score)
		}
		return s.order(a.sort, b.sort)
	})
	return hits, nil
}

func sliceOf(d *doc, max int) int {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, "slice/", d.id) // never fails
	return int(h.Sum32() % uint32(max))
}

func (s *search) sortValues(h hit) []any {
	var out []any
	for _, k := range s.sorts {
		switch k.field {
		case "_doc":
			out = append(out, float64(h.pos))
		case "_shard_doc":
			out = append(out, float64(h.shard<<32|h.pos))
		case "_score":
			out = append(out, h.score)
		default:
			vs := h.d.values(k.field)
			if len(vs) == 0 {
				out = append(out, nil)
				continue
			}
			best := vs[0]
			for _, v := range vs[1:] {
				if n := compare(v, best); k.desc && n > 0 || !k.desc && n < 0 {
					best = v
				}
			}
			out = append(out, best)
		}
	}
	return out
}

// order compares sort values; a missing value comes last.
func (s *search) order(a, b []any) int {
	for i, k := range s.sorts {
		if i >= len(a) || i >= len(b) {
			break
		}
		switch {
		case a[i] == nil && b[i] == nil:
			continue
		case a[i] == nil:
			return 1
		case b[i] == nil:
			return -1
		}
		n := compare(a[i], b[i])
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

// page is the part of the hits that the request asks for, as it is shown.
func (f *Fake) page(s *search, hits []hit) (shown []any, rest []hit, err error) {
	if after := s.body["search_after"]; after != nil {
		given := flatten(after)
		if len(given) != len(s.sorts) && !(s.implicit && len(given) == len(s.sorts)-1) {
			e := illegal("search_after has %d value(s) but sort has %d.", len(given), len(s.sorts))
			if len(hits) > 0 {
				return nil, nil, shardFailure(hits[0].d.ix, e)
			}
			return nil, nil, e
		}
		for i, v := range given {
			if n, ok := number(v); ok {
				given[i] = n
			}
		}
		i, _ := slices.BinarySearchFunc(hits, given, func(h hit, g []any) int {
			if s.order(h.sort, g) <= 0 {
				return -1
			}
			return 1
		})
		hits = hits[i:]
	}
	hits = hits[min(s.from, len(hits)):]
	n := min(s.size, len(hits))
	shown = []any{}
	for _, h := range hits[:n] {
		o, err := s.show(h)
		if err != nil {
			return nil, nil, err
		}
		shown = append(shown, o)
	}
	return shown, hits[n:], nil
}

func (s *search) show(h hit) (obj, error) {
	o := obj{"_index": h.d.ix.name, "_id": h.d.id, "_score": double(h.score)}
	if h.d.routing != "" {
		o["_routing"] = h.d.routing
	}
	if s.body["version"] == true {
		o["_version"] = h.d.version
	}
	if s.body["seq_no_primary_term"] == true {
		o["_seq_no"], o["_primary_term"] = h.d.seq, 1
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

func postSearch(f *Fake, c *call) (any, error) {
	s, err := f.readSearch(c)
	if err != nil {
		return nil, err
	}
	var views []view
	out := obj{"took": 1, "timed_out": false}
	if pit, ok := s.body["pit"].(obj); ok {
		if c.parts["index"] != "" {
			return nil, &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: [indices] cannot be used with point in time. Do not specify any index with point in time.;"}
		}
		id := fmt.Sprint(pit["id"])
		r, err := f.reader(id)
		if err != nil {
			return nil, err
		}
		if ka, ok := pit["keep_alive"].(string); ok {
			if r.expires, err = keepAlive(ka); err != nil {
				return nil, err
			}
		}
		views, out["pit_id"] = r.views, id
	} else if views, err = f.views(c, c.parts["index"]); err != nil {
		return nil, err
	}
	scroll := c.query.Get("scroll")
	if scroll != "" {
		s.body["scroll"] = scroll
		if s.size == 0 {
			return nil, &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: [size] cannot be [0] in a scroll context;"}
		}
	}
	hits, err := f.run(s, views)
	if err != nil {
		return nil, err
	}
	shown, rest, err := f.page(s, hits)
	if err != nil {
		return nil, err
	}
	shards := 0
	for _, v := range views {
		shards += len(v.ix.nextSeq)
	}
	out["_shards"] = okShards(shards)
	out["hits"] = s.shownHits(len(hits), shown)
	for _, k := range []string{"aggs", "aggregations"} {
		if aggs, ok := s.body[k].(obj); ok {
			var docs []*doc
			for _, h := range hits {
				docs = append(docs, h.d)
			}
			if out["aggregations"], err = f.aggregate(aggs, docs); err != nil {
				return nil, err
			}
		}
	}
	if scroll != "" {
		until, err := keepAlive(scroll)
		if err != nil {
			return nil, err
		}
		id := f.next("scroll")
		s.body["total"] = len(hits)
		f.readers[id] = &reader{views: views, expires: until, scroll: s, left: rest}
		out["_scroll_id"] = id
	}
	return out, nil
}

func keepAlive(s string) (time.Time, error) {
	if d, ok := strings.CutSuffix(s, "d"); ok {
		return time.Now().Add(time.Duration(whole(d, 1)) * 24 * time.Hour), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, illegal("failed to parse setting [keep_alive] with value [%s] as a time value: unit is missing or unrecognized", s)
	}
	return time.Now().Add(d), nil
}

// reader finds a living point in time or scroll.
func (f *Fake) reader(id string) (*reader, error) {
	if r := f.readers[id]; r != nil && time.Now().Before(r.expires) {
		return r, nil
	}
	delete(f.readers, id)
	missing := &apiError{kind: "search_context_missing_exception", reason: "No search context found for id [" + id + "]"}
	return nil, &apiError{status: 404, kind: "search_phase_execution_exception", reason: "all shards failed", cause: missing,
		extra: obj{"phase": "query", "grouped": true, "failed_shards": []any{obj{"shard": -1, "index": nil, "reason": missing.inner()}}}}
}

func nextScroll(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	id := cmpOr(c.parts["scroll_id"], cmpOr(c.query.Get("scroll_id"), fmt.Sprint(body["scroll_id"])))
	r, err := f.reader(id)
	if err != nil {
		return nil, err
	}
	if k := cmpOr(c.query.Get("scroll"), fmt.Sprint(cmpNil(body["scroll"], ""))); k != "" {
		if r.expires, err = keepAlive(k); err != nil {
			return nil, err
		}
	}
	r.scroll.from = 0
	shown, rest, err := f.page(r.scroll, r.left)
	if err != nil {
		return nil, err
	}
	r.left = rest
	return obj{"_scroll_id": id, "took": 1, "timed_out": false, "_shards": okShards(1), "hits": r.scroll.shownHits(r.scroll.body["total"].(int), shown)}, nil
}

// closeReader answers DELETE of scrolls and points in time.
func closeReader(field string) func(*Fake, *call) (any, error) {
	return func(f *Fake, c *call) (any, error) {
		body, err := c.object()
		if err != nil {
			return nil, err
		}
		freed := 0
		for _, id := range append(flatten(body[field]), c.parts["scroll_id"]) {
			if f.readers[fmt.Sprint(id)] != nil {
				delete(f.readers, fmt.Sprint(id))
				freed++
			}
		}
		o := obj{"succeeded": freed > 0 || field == "scroll_id", "num_freed": freed}
		if freed == 0 {
			return answer{404, o}, nil
		}
		return o, nil
	}
}

func openPIT(f *Fake, c *call) (any, error) {
	ka := c.query.Get("keep_alive")
	if ka == "" {
		return nil, &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: [keep_alive] is not specified;"}
	}
	until, err := keepAlive(ka)
	if err != nil {
		return nil, err
	}
	views, err := f.views(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	id := f.next("pit")
	f.readers[id] = &reader{views: views, expires: until}
	if f.opt.Flavor == providers.OpenSearch {
		return obj{"pit_id": id, "_shards": okShards(1), "creation_time": time.Now().UnixMilli()}, nil
	}
	return obj{"id": id, "_shards": okShards(1)}, nil
}

func count(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	for _, k := range sortedKeys(body) {
		if k != "query" {
			return nil, &apiError{status: 400, kind: "parsing_exception", reason: "request does not support [" + k + "]", extra: obj{"line": 1, "col": 2}}
		}
	}
	match, err := f.query(body["query"])
	if err != nil {
		return nil, err
	}
	views, err := f.views(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	n, shards := 0, 0
	for _, v := range views {
		if err := checkSeqNo(body, v.ix); err != nil {
			return nil, err
		}
		for _, d := range v.docs {
			if v.filter(d) && match(d) {
				n++
			}
		}
		shards += len(v.ix.nextSeq)
	}
	return obj{"count": n, "_shards": okShards(shards)}, nil
}
