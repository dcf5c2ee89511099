package migration

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/providers"
)

// total reads hits.total of any version: a number before 7.0, an object since.
type total int64

func (n *total) UnmarshalJSON(raw []byte) error {
	var o struct{ Value int64 }
	if json.Unmarshal(raw, (*int64)(n)) == nil {
		return nil
	}
	err := json.Unmarshal(raw, &o)
	*n = total(o.Value)
	return err
}

type hit struct {
	Index   string         `json:"_index"`
	ID      string         `json:"_id"`
	Routing string         `json:"_routing"`
	Version int64          `json:"_version"`
	SeqNo   int64          `json:"_seq_no"`
	Term    int64          `json:"_primary_term"`
	Source  providers.JSON `json:"_source"`
}

// key tells documents apart: with custom routing an id may be there twice.
func (h hit) key() string { return h.ID + "\x00" + h.Routing }

type searchAnswer struct {
	Shards struct {
		Total int `json:"total"`
	} `json:"_shards"`
	Hits struct {
		Total total `json:"total"`
		Hits  []hit `json:"hits"`
	} `json:"hits"`
	Aggregations struct {
		Max struct {
			Value *float64 `json:"value"`
		} `json:"max"`
		Cut struct {
			Buckets []struct {
				Key       float64 `json:"key"`
				Documents int64   `json:"doc_count"`
			} `json:"buckets"`
		} `json:"cut"`
		Points struct {
			Values []struct {
				Value any `json:"value"`
			} `json:"values"`
		} `json:"points"`
		Ranges struct {
			Buckets []found `json:"buckets"`
		} `json:"ranges"`
		First found `json:"first"`
		Rest  found `json:"rest"`
	} `json:"aggregations"`
}

type found struct {
	Documents int64 `json:"doc_count"`
}

// search asks one index, pattern or data stream. shard -1: all of them. An
// answer that lacks a shard is an error: a count without it would be wrong.
func search(ctx context.Context, c providers.Cluster, index string, shard int, body object) (searchAnswer, error) {
	return searchUpTo(ctx, c, index, shard, body, 0)
}

// searchUpTo is a search of whose answer at most so many bytes are read, 0: all.
// More wraps ErrTooLarge.
func searchUpTo(ctx context.Context, c providers.Cluster, index string, shard int, body object, limit int64) (searchAnswer, error) {
	q := url.Values{"allow_partial_search_results": {"false"}}
	if shard >= 0 {
		q.Set("preference", "_shards:"+itoa(shard))
	}
	var a searchAnswer
	r := providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(index) + "/_search",
		Query: q, Body: providers.Encode(body), Repeatable: true, Limit: limit}
	if body["aggs"] != nil { // goes over all documents
		r.Timeout = digestTimeout
	}
	raw, err := c.Do(ctx, r)
	if err != nil {
		return a, err
	}
	return a, decode(raw, &a)
}

// count is the number of documents that match; nil counts all.
func count(ctx context.Context, c providers.Cluster, index string, shard int, query any) (int64, error) {
	body := object{"size": 0, "track_total_hits": true}
	if query != nil {
		body["query"] = query
	}
	a, err := search(ctx, c, index, shard, body)
	return int64(a.Hits.Total), err
}

func refresh(ctx context.Context, c providers.Cluster, index string) error {
	_, err := c.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(index) + "/_refresh", Repeatable: true})
	return err
}

func get(ctx context.Context, c providers.Cluster, path string, q url.Values, into any) error {
	raw, err := c.Do(ctx, providers.Request{Method: http.MethodGet, Path: path, Query: q})
	if err != nil {
		return err
	}
	return decode(raw, into)
}

// decode keeps numbers as their text wherever they land in an any.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// all is a query that demands each of the given ones; nil ones are left out.
func all(queries ...any) object {
	filter := []any{}
	for _, q := range queries {
		if m, ok := q.(object); q != nil && (!ok || m != nil) {
			filter = append(filter, q)
		}
	}
	if len(filter) == 0 {
		return object{"match_all": object{}}
	}
	return object{"bool": object{"filter": filter}}
}

// seqNo is a range of _seq_no, both ends belong to it; to < 0: open above.
func seqNo(from, to int64) object {
	r := object{"gte": from}
	if to >= 0 {
		r["lte"] = to
	}
	return object{"range": object{"_seq_no": r}}
}

// each runs f for 0..n-1, eight at a time, and ends at the first error.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// matches is the servers' simple pattern: * stands for anything.
func matches(pattern, name string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == name
	}
	name, ok = strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	for _, p := range parts[:len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}
