package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"syscall"

	"github.com/esmig/esmig/providers"
)

// localPager reads the fake's own documents.
type localPager struct {
	hits  []sourceHit
	begun bool
}

func (p *localPager) next(f *Fake, t *task) ([]sourceHit, *apiError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.begun {
		p.begun = true
		raw := providers.Encode(obj{"query": cmpNil(t.r.query, obj{"match_all": obj{}})})
		c := &call{raw: raw, parts: map[string]string{"index": t.r.index}, query: url.Values{}}
		s, err := f.readSearch(c)
		if err != nil {
			return nil, err.(*apiError)
		}
		s.size = 0
		views, err := f.views(c, t.r.index)
		if err != nil {
			return nil, err.(*apiError)
		}
		found, err := f.run(s, views)
		if err != nil {
			return nil, err.(*apiError)
		}
		for _, h := range found {
			src := shownSource(t.r.sourceOnly, h.d)
			p.hits = append(p.hits, sourceHit{ID: h.d.id, Routing: h.d.routing, Version: h.d.version, Source: providers.Encode(src)})
		}
		t.counts.total = len(found)
	}
	n := min(t.r.size, len(p.hits))
	page := p.hits[:n]
	p.hits = p.hits[n:]
	return page, nil
}

// remotePager reads over the network, as a server does: a scroll, or from
// Serverless a point in time.
type remotePager struct {
	scroll string
	pit    string
	after  []any
	begun  bool
}

func (p *remotePager) next(f *Fake, t *task) ([]sourceHit, *apiError) {
	path := url.PathEscape(t.r.index)
	body := obj{"query": cmpNil(t.r.query, obj{"match_all": obj{}})}
	if t.r.sourceOnly != nil {
		body["_source"] = t.r.sourceOnly
	}
	versions := strconv.FormatBool(t.r.dest.versionType != "internal")
	if !p.begun {
		p.begun = true
		info, err := f.ask(t, "GET", "/", nil)
		if err != nil {
			return nil, err
		}
		version, _ := info["version"].(obj)
		if version["build_flavor"] == "serverless" {
			opened, err := f.ask(t, "POST", "/"+path+"/_pit?keep_alive=15m", nil)
			if err != nil {
				return nil, err
			}
			p.pit = fmt.Sprint(opened["id"])
		}
	}
	var page obj
	var err *apiError
	switch {
	case p.pit != "":
		body["pit"], body["size"], body["sort"] = obj{"id": p.pit, "keep_alive": "15m"}, t.r.size, []any{"_shard_doc"}
		if p.after != nil {
			body["search_after"] = p.after
		}
		page, err = f.ask(t, "POST", "/_search?version="+versions, body)
	case p.scroll == "":
		page, err = f.ask(t, "POST", fmt.Sprintf("/%s/_search?scroll=5m&sort=_doc%%3Aasc&size=%d&allow_partial_search_results=false&version=%s", path, t.r.size, versions), body)
	default:
		page, err = f.ask(t, "POST", "/_search/scroll", obj{"scroll": "5m", "scroll_id": p.scroll})
	}
	if err != nil {
		return nil, err
	}
	first := p.scroll == "" && p.after == nil
	p.scroll, _ = page["_scroll_id"].(string)
	found, _ := page["hits"].(obj)
	if first {
		total := found["total"]
		if o, ok := total.(obj); ok {
			total = o["value"]
		}
		f.mu.Lock()
		t.counts.total = whole(total, 0)
		f.mu.Unlock()
	}
	var hits []sourceHit
	if e := json.Unmarshal(providers.Encode(cmpNil(found["hits"], []any{})), &hits); e != nil {
		return nil, &apiError{status: 500, kind: "fake_exception", reason: e.Error()}
	}
	for i, h := range hits {
		v, e := providers.Decode(h.Source)
		if e != nil {
			return nil, illegal("[%s] has no _source", h.ID)
		}
		hits[i].Source, p.after = providers.Encode(reparsed(v)), h.Sort
	}
	if len(hits) == 0 { // the server, too, reads on after a page that is not full
		if p.pit != "" {
			_, err = f.ask(t, "DELETE", "/_pit", obj{"id": p.pit})
		} else {
			_, err = f.ask(t, "DELETE", "/_search/scroll", obj{"scroll_id": []any{p.scroll}})
		}
		if err != nil && err.status != 404 {
			return hits, nil // the server logs it and goes on
		}
	}
	return hits, nil
}

// ask sends a request to the remote; an error is in the words of the server
// that reindexes.
func (f *Fake) ask(t *task, method, path string, body obj) (obj, *apiError) {
	for range 5 {
		status, raw, err := f.send(t.r.remote, method, path, body)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return nil, &apiError{status: 500, kind: "connect_exception", reason: "Connection refused"}
		case err != nil:
			return nil, &apiError{status: 500, kind: "connection_closed_exception", reason: "Connection is closed"}
		case status == 429:
			f.mu.Lock()
			t.counts.searchRetries++
			f.mu.Unlock()
			continue
		case len(raw) > f.opt.RemoteBuffer:
			e := illegal("Remote responded with a chunk that was too large. Use a smaller batch size.")
			e.cause = &apiError{kind: "content_too_long_exception", reason: fmt.Sprintf("entity content is too long [%d] for the configured buffer limit [%d]", len(raw), f.opt.RemoteBuffer)}
			return nil, e
		case status >= 300:
			return nil, &apiError{status: status, kind: "status_exception", reason: "body=" + string(raw), cause: &apiError{kind: "response_exception", reason: fmt.Sprintf(
				"method [%s], host [%s://%s], URI [%s], status line [HTTP/1.1 %d]\n%s", method, t.r.remote.host.Scheme, t.r.remote.host.Host, path, status, raw)}}
		}
		v, err := providers.Decode(raw)
		o, ok := v.(obj)
		if err != nil || !ok {
			return nil, illegal("Error parsing the response, remote is likely not an Elasticsearch instance")
		}
		return o, nil
	}
	return nil, &apiError{status: 429, kind: "status_exception", reason: "body=too many requests"}
}
