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
	shards int // that are asked
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
		v := view{ix: ix, docs: ix.searchable(), filter: every, shards: len(ix.nextSeq)}
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
		if p := c.query.Get("preference"); strings.HasPrefix(p, "_") {
			shards, ok := strings.CutPrefix(p, "_shards:")
			if !ok && p != "_local" {
				return nil, unsupported("preference=%s", p)
			}
			wanted := strings.Split(strings.TrimSuffix(shards, "|_local"), ",")
			if ok {
				v.shards = min(len(wanted), v.shards)
			}
			inner := v.filter
			v.filter = func(d *doc) bool { return (!ok || slices.Contains(wanted, fmt.Sprint(d.shard))) && inner(d) }
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
	known := strings.Fields("collapse explain ext highlight indices_boost knn min_score post_filter profile rank rescore retriever stats suggest terminate_after")
	for _, k := range sortedKeys(body) {
		if k == "script_fields" || k == "runtime_mappings" { // as a server without scripts
			return nil, illegal("script_lang not supported [painless]")
		}
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
		if err := checkSeqNo(s.body["query"], []any{s.body["aggs"], s.body["aggregations"], s.body["sort"]}, v.ix); err != nil {
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
		shards += v.shards
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
		if err := checkSeqNo(body, nil, v.ix); err != nil {
			return nil, err
		}
		for _, d := range v.docs {
			if v.filter(d) && match(d) {
				n++
			}
		}
		shards += v.shards
	}
	return obj{"count": n, "_shards": okShards(shards)}, nil
}
