package providertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

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
