package migration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/esmig/esmig/providers"
)

// read pages through a piece and gives the digest of each document. Within a
// shard _seq_no is an order that stands still: no context on the server is
// needed, and a lost answer is asked for again.
func (s *side) read(ctx context.Context, p *part, c piece, query any, f func(digested)) error {
	if !p.x.SeqNo {
		return s.readAll(ctx, p, c, query, f)
	}
	body := object{"query": query, "sort": []any{object{"_seq_no": "asc"}}, "track_total_hits": false}
	for left := c.documents; ; {
		a, size, err := s.page(ctx, p.x, p.x.Name, c.shard, body, 0, max(1, left))
		if err != nil {
			return err
		}
		for _, d := range a.docs {
			f(d)
		}
		if len(a.docs) < size {
			return nil
		}
		left -= int64(len(a.docs))
		body["search_after"] = json.RawMessage(a.after)
	}
}

// digestPage is one answer: digests of the hits, and the sort of the last one.
type digestPage struct {
	docs  []digested
	after []byte
	total int64
}

// pageSize is how many hits a page may have.
func (s *side) pageSize(x *sourceIndex) int {
	if s.scripts.Load() || !s.contents { // no contents in the answer
		return lightPage(x)
	}
	return min(max(1, x.Size), cmp.Or(x.Window, math.MaxInt))
}

// lightPage is how many hits a page without contents may have.
func lightPage(x *sourceIndex) int {
	return min(mostDocuments, 50*max(1, x.Size), cmp.Or(x.Window, mostDocuments))
}

// digestField is the field of a hit that holds the digest of its contents. As a
// runtime field it hides one of the index of the same name from the query.
const digestField = "esmig digest"

// askFor makes a search give the digests of contents, where the cluster can
// make them, or the contents themselves.
//
// A script field loads the document a second time, besides the hit itself; a
// runtime field is made of what the hit was loaded with, which saves a third of
// the time of large documents. What it was loaded with lacks vectors from 9.2
// on, unless they are asked for in _source.
func (s *side) askFor(body object, info providers.Info) (by *atomic.Bool) {
	for _, k := range []string{"script_fields", "runtime_mappings", "fields"} {
		delete(body, k)
	}
	body["_source"] = false
	switch {
	case !s.contents:
		return nil
	case s.runtime.Load():
		body["runtime_mappings"] = object{digestField: object{"type": "long", "script": object{"lang": "painless", "source": painlessRuntime}}}
		body["fields"] = []string{digestField}
		if info.Flavor == providers.Serverless || atLeast(info.Version, 9, 2) {
			body["_source"] = object{"excludes": []string{"*"}, "exclude_vectors": false}
		}
		return &s.runtime
	case s.scripts.Load():
		body["script_fields"] = object{digestField: object{"script": object{"lang": "painless", "source": painlessField}}}
		return &s.scripts
	}
	if body["_source"] = s.sourceFilter(info); body["_source"] == nil {
		delete(body, "_source")
	}
	return nil
}

// hitBytes is about what a hit without contents has, as long as none was seen.
const hitBytes = 400

// memory bounds what the pages of a comparison hold, in bytes of both sides.
type memory struct {
	*semaphore.Weighted
	limit, all int64 // of a page, and of all
}

func newMemory(s sizes) *memory {
	return &memory{semaphore.NewWeighted(s.inFlight), min(s.limit, s.inFlight), s.inFlight}
}

// page asks for one page, with the digests of contents instead of contents
// where the cluster can make them. It says what size it asked for. ids is how
// many documents are looked up, 0: as many as a page may have; left is about how
// many there are, 0: not known.
//
// Memory is asked for before a page is, by what the hits of the last one were
// like. A page that is larger is asked for again, with fewer hits in the end; a
// single document may be of any size, and is read alone. A lookup that is too large wraps ErrTooLarge.
func (s *side) page(ctx context.Context, x *sourceIndex, index string, shard int, body object, ids int, left int64) (digestPage, int, error) {
	info, err := s.src.Info(ctx)
	if err != nil {
		return digestPage{}, 0, err
	}
	q := url.Values{"allow_partial_search_results": {"false"}}
	if shard >= 0 {
		q.Set("preference", "_shards:"+itoa(shard))
	}
	whole, alone, most := false, false, int64(math.MaxInt64) // all that a page may have, or more; hits
	for {
		by, size := s.askFor(body, info), s.pageSize(x)
		hit, hits := s.hitBytes.Load(), int64(cmp.Or(ids, size))
		if hit == 0 {
			hit = hitBytes
			if s.contents && by == nil {
				hit += x.Bytes / max(1, x.Documents)
			}
		}
		if ids == 0 {
			hits = max(1, min(s.atMost(hits), s.memory.limit/hit, most))
			size = int(hits)
		}
		held := hits*hit*5/4 + 1024
		if s.contents && by == nil { // they differ more than hits without contents do
			held = 2 * hits * hit
		}
		if held = min(held, s.memory.limit); whole {
			held = s.memory.limit
		}
		limit := held
		if alone {
			held, limit = s.memory.all, 0
		}
		body["size"] = size
		expected := min(hits, cmp.Or(left, hits))
		if err := s.turn(ctx, expected); err != nil {
			return digestPage{}, 0, err
		}
		a, n, err := s.held(ctx, held, index, by != nil, providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(index) + "/_search", Query: q,
			Body: providers.Encode(body), Repeatable: true, Timeout: digestTimeout, Compress: !onThisMachine(s.src), Limit: limit})
		s.came(int64(len(a.docs)), expected)
		switch {
		case by != nil && s.refused(err, by):
			s.hitBytes.Store(0)
			continue
		case errors.Is(err, providers.ErrTooLarge) && held < s.memory.limit:
			whole = true
			continue
		case errors.Is(err, providers.ErrTooLarge) && hits == 1:
			alone = true
			continue
		case errors.Is(err, providers.ErrTooLarge) && ids == 0:
			most = max(1, hits/4)
			continue
		case err == nil && len(a.docs) > 0:
			s.hitBytes.Store(max(1, n/int64(len(a.docs))))
		}
		return a, size, err
	}
}

// held makes one request while so much memory is kept for it, and says how
// many bytes it brought.
func (s *side) held(ctx context.Context, bytes int64, index string, made bool, r providers.Request) (digestPage, int64, error) {
	if err := s.memory.Acquire(ctx, bytes); err != nil {
		return digestPage{}, 0, err
	}
	defer s.memory.Release(bytes)
	raw, err := s.src.Do(ctx, r)
	if err != nil {
		return digestPage{}, 0, err
	}
	a, err := readDigests(raw, s.contents, made, s.digestSource)
	if err != nil {
		err = fmt.Errorf("%s answered a search on %s: %w", s.srcName, index, err)
	}
	return a, int64(len(raw)), err
}

// digestSource is that of what was read, which may be without some fields.
func (s *side) digestSource(source providers.JSON) (uint64, error) {
	if len(s.leftOut) > 0 {
		return digestRest(source)
	}
	return digestSource(source)
}

// readDigests cuts an answer into hits and makes their digests, where the
// cluster has not made them.
func readDigests(raw []byte, contents, made bool, digest func(providers.JSON) (uint64, error)) (digestPage, error) {
	a := digestPage{}
	c := &cutter{b: raw}
	skip := func([]byte) error { _, err := c.value(); return err }
	var err error
	a.total, err = c.answer(skip, func() error { return a.hit(c, contents, made, digest) })
	a.after = bytes.Clone(a.after) // it must not keep the answer
	return a, err
}

func (a *digestPage) hit(c *cutter, contents, made bool, digest func(providers.JSON) (uint64, error)) error {
	var d digested
	var v uint64
	had := !contents
	err := c.object(func(key []byte) error {
		raw, err := c.value()
		if err != nil {
			return err
		}
		switch string(key) {
		case "_id":
			d.id = plainString(raw)
		case "_routing":
			d.routing = plainString(raw)
		case "sort":
			a.after = raw
		case "_source": // {} where the digest is made
			if made {
				return nil
			}
			had = true
			v, err = digest(raw)
		case "fields": // {"esmig digest":[-1]}
			from, to := bytes.IndexByte(raw, '['), bytes.IndexByte(raw, ']')
			if from < 0 || to < from {
				return nil
			}
			var n int64
			n, err = strconv.ParseInt(string(bytes.TrimSpace(raw[from+1:to])), 10, 64)
			v, had = uint64(n), true
		}
		return err
	})
	if err == nil && !had {
		err = fmt.Errorf("document %s came without contents: %w", quoteID(d.id), errCut)
	}
	if d.digest = digestName(d.id, d.routing); contents {
		d.digest = withContents(d.digest, v)
	}
	a.docs = append(a.docs, d)
	return err
}

// plainString is unquote for what most often has no escapes.
func plainString(raw []byte) string {
	if len(raw) < 2 {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	return unquote(raw)
}

// readAll reads a piece of an index that cannot be asked for _seq_no.
func (s *side) readAll(ctx context.Context, p *part, c piece, query any, f func(digested)) error {
	r, err := s.openShard(ctx, p.x, c.shard, query, keepAlive)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	for left := c.documents; ; {
		size := s.atMost(int64(max(1, p.x.Size)))
		expected := min(size, max(1, left))
		if err := s.pace(ctx, expected); err != nil {
			return err
		}
		// Pages of a scroll cannot be asked for again, and have no limit.
		if err := s.memory.Acquire(ctx, s.memory.limit); err != nil {
			return err
		}
		page, err := r.next(ctx, int(size), 0)
		s.memory.Release(s.memory.limit)
		s.came(int64(len(page.hits)), expected)
		left -= int64(len(page.hits))
		if err != nil || len(page.hits) == 0 {
			return err
		}
		for _, h := range page.hits {
			d := digested{id: plainString(h.id), routing: plainString(h.routing)}
			d.digest = digestName(d.id, d.routing)
			if s.contents {
				v, err := s.digestSource(h.source)
				if err != nil {
					return err
				}
				d.digest = withContents(d.digest, v)
			}
			f(d)
		}
	}
}

// lookupDigests makes the digests of all documents under these ids, at most
// pageSize.
func (s *side) lookupDigests(ctx context.Context, ids []string) ([]digested, error) {
	if s.run == "" {
		return s.lookupDigestsIn(ctx, s.parts[0].x, s.index, ids)
	}
	var out []digested
	for _, p := range s.parts { // the name may stand for others by now
		docs, err := s.lookupDigestsIn(ctx, p.x, p.x.Name, ids)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	return out, nil
}

func (s *side) lookupDigestsIn(ctx context.Context, x *sourceIndex, index string, ids []string) ([]digested, error) {
	a, _, err := s.page(ctx, x, index, -1, object{"query": s.selection(x, object{"ids": object{"values": ids}}), "track_total_hits": true}, len(ids), 0)
	tooLarge := errors.Is(err, providers.ErrTooLarge)
	if !tooLarge && (err != nil || a.total <= int64(len(a.docs))) {
		return a.docs, err
	}
	if len(ids) == 1 {
		return nil, fmt.Errorf("%s holds %d documents under the id %s, which is more than can be looked at", s.title, a.total, quoteID(ids[0]))
	}
	out, err := s.lookupDigestsIn(ctx, x, index, ids[:len(ids)/2])
	if err != nil {
		return nil, err
	}
	rest, err := s.lookupDigestsIn(ctx, x, index, ids[len(ids)/2:])
	return append(out, rest...), err
}
