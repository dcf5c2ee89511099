package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/esmig/esmig/providers"
)

// reader gives the documents of one range, page by page.
type reader interface {
	// next reads at most size documents and limit bytes (0: any number); more
	// bytes wrap ErrTooLarge, and the same documents can be asked for again. A
	// page without hits: that was all. errLost: what was read from is gone.
	next(ctx context.Context, size int, limit int64) (page, error)
	close(ctx context.Context)
}

// errLost: the server does not know the point in time or scroll (any more).
var errLost = errors.New("the source lost what is being read")

// keepAlive is how long a destination may take for what is in flight. The most
// is what servers allow unless they are told otherwise. A reader is kept for so
// many turns of a throttled copy.
const (
	keepAlive       = "10m"
	keepSeconds     = 600
	mostKeepSeconds = 24 * 60 * 60
	keepTurns       = 3
)

// open begins to read what query selects of an index: at a point in time where
// pages can be sorted by _shard_doc, which is as cheap as not sorting at all,
// else with a scroll.
func (t *task) open(ctx context.Context, x *sourceIndex, query any) (reader, error) {
	return t.openFor(ctx, x, query, keepAlive)
}

// openFor is open where pages may be further apart.
func (t *task) openFor(ctx context.Context, x *sourceIndex, query any, keep string) (reader, error) {
	return t.openShard(ctx, x, -1, query, keep)
}

// openShard is openFor of one shard; -1: of all.
func (t *task) openShard(ctx context.Context, x *sourceIndex, shard int, query any, keep string) (reader, error) {
	info, err := t.src.Info(ctx)
	if err != nil {
		return nil, err
	}
	body := object{"query": query, "version": true, "track_total_hits": true}
	if s := t.sourceFilter(info); s != nil {
		body["_source"] = s
	}
	preference := ""
	if shard >= 0 {
		preference = "_shards:" + itoa(shard)
	}
	if info.Flavor == providers.Elasticsearch && !atLeast(info.Version, 7, 12) {
		return &scroll{t: t, index: x.Name, preference: preference, keep: keep, body: body}, nil
	}
	p := &pointInTime{t: t, body: body, keep: keep, path: "/_pit", open: "/" + url.PathEscape(x.Name) + "/_pit", forget: "id"}
	if info.Flavor == providers.OpenSearch {
		p.path, p.forget = "/_search/point_in_time", "pit_id"
		p.open = "/" + url.PathEscape(x.Name) + p.path
	}
	q := url.Values{"keep_alive": {keep}}
	if preference != "" {
		q.Set("preference", preference)
	}
	if info.Flavor == providers.OpenSearch {
		q.Set("allow_partial_pit_creation", "false") // true unless it is said
	}
	raw, err := t.src.Do(ctx, providers.Request{Method: http.MethodPost, Path: p.open, Query: q, Repeatable: true})
	if info.Flavor == providers.OpenSearch && (notImplemented(err) || badRequest(err)) { // before 2.4
		return &scroll{t: t, index: x.Name, preference: preference, keep: keep, body: body}, nil
	}
	if err != nil {
		return nil, err
	}
	var a struct {
		ID    string `json:"id"`
		PitID string `json:"pit_id"`
		// Not in the answers of older servers.
		Shards struct{ Total, Successful, Failed int } `json:"_shards"`
	}
	if err := decode(raw, &a); err != nil || a.ID+a.PitID == "" {
		return nil, fmt.Errorf("%s answered POST %s without a point in time: %w", t.srcName, p.open, providers.ErrUnavailable)
	}
	p.id = a.ID + a.PitID
	if n := max(a.Shards.Failed, a.Shards.Total-a.Shards.Successful); n > 0 {
		p.close(ctx) // searches of it would give what the others have, as if it were all
		return nil, fmt.Errorf("%s answered POST %s: %d of %d %w", t.srcName, p.open, n, a.Shards.Total, errShards)
	}
	if info.Flavor == providers.OpenSearch { // _shard_doc came with 3.3
		if _, err := p.search(ctx, 1, 0); badRequest(err) {
			p.close(ctx)
			return &scroll{t: t, index: x.Name, preference: preference, keep: keep, body: body}, nil
		}
	}
	return p, nil
}

// sourceFilter is what the search says of _source; nil: nothing. Vectors are
// left out of it from 9.2 on unless they are asked for.
func (t *task) sourceFilter(info providers.Info) any {
	shows := info.Flavor == providers.Serverless || info.Flavor == providers.Elasticsearch && atLeast(info.Version, 9, 2)
	if !shows && len(t.leftOut) == 0 {
		return t.filter
	}
	out := object{}
	if shows {
		out["exclude_vectors"] = false
	}
	switch f := t.filter.(type) {
	case nil, bool:
	case object:
		for k, v := range f {
			out[k] = v
		}
	default: // a name, or a list of them
		out["includes"] = f
	}
	if len(t.leftOut) > 0 {
		excludes := slices.Clone(t.leftOut)
		switch e := out["excludes"].(type) {
		case string:
			excludes = append(excludes, e)
		case []any:
			for _, name := range e {
				excludes = append(excludes, fmt.Sprint(name))
			}
		}
		out["excludes"] = excludes
	}
	return out
}

// pointInTime pages with search_after.
type pointInTime struct {
	t                            *task
	body                         object
	open, path, forget, id, keep string
	after                        providers.JSON
}

func (p *pointInTime) next(ctx context.Context, size int, limit int64) (page, error) {
	a, err := p.search(ctx, size, limit)
	if err != nil {
		return a, err
	}
	if a.from != "" {
		p.id = a.from
	}
	if len(a.hits) > 0 {
		if a.after == nil {
			return a, errCut
		}
		p.after = append(providers.JSON(nil), a.after...)
		p.body["track_total_hits"] = false
	}
	return a, nil
}

func (p *pointInTime) search(ctx context.Context, size int, limit int64) (page, error) {
	body := p.body
	body["size"], body["sort"] = size, []any{object{"_shard_doc": "asc"}}
	body["pit"] = object{"id": p.id, "keep_alive": p.keep}
	if p.after != nil {
		body["search_after"] = p.after
	}
	return p.t.pageOf(ctx, providers.Request{Path: "/_search", Body: providers.Encode(body), Limit: limit, Repeatable: true,
		Query: url.Values{"allow_partial_search_results": {"false"}}})
}

// close frees the context on the server. It would go by itself, so that this
// did not work is no reason to fail.
func (p *pointInTime) close(ctx context.Context) {
	id := any(p.id)
	if p.forget == "pit_id" {
		id = []string{p.id}
	}
	p.t.free(ctx, p.path, object{p.forget: id})
}

// scroll pages where there is no point in time. A page whose answer was lost
// cannot be asked for again.
type scroll struct {
	t               *task
	index, id, keep string
	preference      string // empty: any copies of all shards
	body            object
	size            int
}

func (s *scroll) next(ctx context.Context, size int, limit int64) (page, error) {
	r := providers.Request{Path: "/_search/scroll", Body: providers.Encode(object{"scroll_id": s.id, "scroll": s.keep}), Limit: limit}
	if s.id == "" {
		s.size = size
		s.body["size"], s.body["sort"] = size, []string{"_doc"}
		r = providers.Request{Path: "/" + url.PathEscape(s.index) + "/_search", Body: providers.Encode(s.body), Limit: limit,
			Query: url.Values{"scroll": {s.keep}, "allow_partial_search_results": {"false"}}}
		if s.preference != "" {
			r.Query.Set("preference", s.preference)
		}
	}
	a, err := s.t.pageOf(ctx, r)
	switch {
	case s.id == "" && errors.Is(err, errLost): // it is the index that is not there
		return a, fmt.Errorf("%s/%s: %w", s.t.srcName, s.index, providers.ErrNotFound)
	case errors.Is(err, providers.ErrTooLarge) && s.id == "":
		return a, err
	case errors.Is(err, providers.ErrTooLarge): // the size of a scroll is fixed: read anew, in smaller pages
		return a, fmt.Errorf("%w: %w", errLost, err)
	case err == nil && a.from != "":
		s.id = a.from
	}
	return a, err
}

func (s *scroll) close(ctx context.Context) {
	if s.id != "" {
		s.t.free(ctx, "/_search/scroll", object{"scroll_id": []string{s.id}})
	}
}

func (t *task) pageOf(ctx context.Context, r providers.Request) (page, error) {
	r.Method, r.Compress = http.MethodPost, !onThisMachine(t.src)
	raw, err := t.src.Do(ctx, r)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return page{}, fmt.Errorf("%w: %w", errLost, err)
	case err != nil:
		return page{}, err
	}
	p, err := readPage(raw)
	if err != nil {
		return p, fmt.Errorf("%s answered POST %s: %w", t.srcName, r.Path, err)
	}
	return p, nil
}

func (t *task) free(ctx context.Context, path string, body object) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = t.src.Do(ctx, providers.Request{Method: http.MethodDelete, Path: path, Body: providers.Encode(body)})
}
