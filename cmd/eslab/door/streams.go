package door

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// streams is the API of data streams over a server whose build lacks only that:
// streams themselves are real. They are read from the cluster's state, and made
// by writing a document. Not to be had for real are deleting a stream, which is
// hidden instead (dropped.go), its own lifecycle, which is kept here, and
// _modify.
type streams struct {
	server *Server

	mu         sync.Mutex
	dropped    map[string]bool
	lifecycles map[string]any // PUT _lifecycle, over what the template says
}

// api is what answers a request to the data stream API; nil: another API, or a
// part of it that is left out.
func (s *streams) api(r *http.Request, segs []string) func(*http.Request, []string) (any, *failure) {
	if len(segs) == 0 || segs[0] != "_data_stream" {
		return nil
	}
	if len(segs) == 2 && strings.HasPrefix(segs[1], "_") && segs[1] != "_all" {
		return nil
	}
	lifecycle := len(segs) == 3 && segs[2] == "_lifecycle"
	switch {
	case r.Method == http.MethodGet && len(segs) <= 2:
		return s.get
	case r.Method == http.MethodPut && len(segs) == 2:
		return s.put
	case r.Method == http.MethodDelete && len(segs) == 2:
		return s.delete
	case r.Method == http.MethodGet && lifecycle:
		return s.getLifecycle
	case lifecycle && (r.Method == http.MethodPut || r.Method == http.MethodDelete):
		return s.changeLifecycle
	}
	return nil
}

// all are the streams that are shown, as the cluster's state has them. Those
// that an expression names and a bulk request has made anew come back.
func (s *streams) all(ctx context.Context, expr string) map[string]map[string]any {
	out := s.real(ctx)
	maps.DeleteFunc(out, func(name string, _ map[string]any) bool {
		if !s.isDropped(name) {
			return false
		}
		named := slices.ContainsFunc(strings.Split(expr, ","), func(p string) bool { return p == "_all" || wildcard(p, name) })
		return !named || !s.written(ctx, name) || s.setDropped(ctx, name, false) != nil
	})
	return out
}

func (s *streams) real(ctx context.Context) map[string]map[string]any {
	body, status, err := s.server.ask(ctx, http.MethodGet, "/_cluster/state/metadata?filter_path=metadata.data_stream", nil)
	if f := failed(body, status, err); f != nil {
		panic(http.ErrAbortHandler)
	}
	out := map[string]map[string]any{}
	for name, v := range find(body.(map[string]any), "metadata.data_stream.data_stream") {
		out[name], _ = v.(map[string]any)
	}
	return out
}

// matching are the streams that an expression names.
func (s *streams) matching(ctx context.Context, expr string) ([]map[string]any, *failure) {
	all := s.all(ctx, expr)
	var out []map[string]any
	for p := range strings.SplitSeq(expr, ",") {
		found := false
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if p == "_all" || wildcard(p, name) {
				found = true
				out = append(out, all[name])
			}
		}
		if !found && !strings.Contains(p, "*") && p != "_all" {
			return nil, noIndex(p)
		}
	}
	return out, nil
}

func expression(segs []string) string {
	if len(segs) < 2 {
		return "*"
	}
	return segs[1]
}

func (s *streams) get(r *http.Request, segs []string) (any, *failure) {
	list, f := s.matching(r.Context(), expression(segs))
	if f != nil {
		return nil, f
	}
	out := []any{}
	for _, stream := range list {
		out = append(out, s.shown(r.Context(), stream))
	}
	return map[string]any{"data_streams": out}, nil
}

// shown is a stream as GET _data_stream tells it.
func (s *streams) shown(ctx context.Context, stream map[string]any) map[string]any {
	name := text(stream["name"])
	out := map[string]any{"next_generation_managed_by": "Unmanaged", "prefer_ilm": true, "index_mode": "standard", "status": "GREEN", "mappings": map[string]any{},
		"failure_store": map[string]any{"enabled": false, "rollover_on_write": true, "indices": []any{}}}
	for _, key := range []string{"name", "timestamp_field", "generation", "hidden", "system", "replicated", "allow_custom_routing", "rollover_on_write", "settings", "_meta"} {
		if v, ok := stream[key]; ok {
			out[key] = v
		}
	}
	indices := []any{}
	backing, _ := stream["indices"].([]any)
	for _, b := range backing {
		ix := b.(map[string]any)
		indices = append(indices, map[string]any{"index_name": ix["index_name"], "index_uuid": ix["index_uuid"], "prefer_ilm": true, "managed_by": "Unmanaged", "index_mode": "standard"})
	}
	out["indices"] = indices
	if t, _ := s.template(ctx, name); t != "" {
		out["template"] = t
	}
	if l := s.lifecycle(stream); l != nil {
		out["lifecycle"] = l
		out["next_generation_managed_by"] = "Data stream lifecycle"
	}
	return out
}

// template is the name and the body of the index template that a stream
// follows, whether it is one for streams or not.
func (s *streams) template(ctx context.Context, stream string) (string, map[string]any) {
	body, status, err := s.server.ask(ctx, http.MethodGet, "/_index_template", nil)
	if f := failed(body, status, err); f != nil {
		panic(http.ErrAbortHandler)
	}
	best, found, most := "", map[string]any(nil), int64(-1)
	list, _ := body.(map[string]any)["index_templates"].([]any)
	for _, e := range list {
		e := e.(map[string]any)
		t := find(e, "index_template")
		patterns, _ := t["index_patterns"].([]any)
		priority := whole(t["priority"])
		if !strings.HasPrefix(text(e["name"]), droppedPrefix) && priority > most && slices.ContainsFunc(patterns, func(p any) bool { return wildcard(text(p), stream) }) {
			best, found, most = text(e["name"]), t, priority
		}
	}
	return best, found
}

func (s *streams) put(r *http.Request, segs []string) (any, *failure) {
	name := segs[1]
	t, body := s.template(r.Context(), name)
	switch {
	case s.all(r.Context(), name)[name] != nil:
		return nil, &failure{status: 400, kind: "resource_already_exists_exception", reason: "data_stream [" + name + "] already exists"}
	case t == "":
		return nil, illegal("no matching index template found for data stream [%s]", name)
	case body["data_stream"] == nil:
		return nil, illegal("matching index template [%s] for data stream [%s] has no data stream template", t, name)
	}
	if s.isDropped(name) {
		if f := s.revive(r.Context(), name); f != nil {
			return nil, f
		}
		return acknowledged(), nil
	}
	document := map[string]any{"@timestamp": time.Now().UTC().Format(time.RFC3339)}
	answer, status, err := s.server.ask(r.Context(), http.MethodPut, "/"+escaped(name)+"/_create/eslab?refresh=true&pipeline=_none", document)
	if f := failed(answer, status, err); f != nil {
		return nil, f
	}
	answer, status, err = s.server.ask(r.Context(), http.MethodPost, "/"+escaped(name)+"/_delete_by_query?refresh=true", map[string]any{"query": map[string]any{"match_all": map[string]any{}}})
	if f := failed(answer, status, err); f != nil {
		return nil, f
	}
	return acknowledged(), nil
}

// lifecycle is what a stream has of its own, or from its template.
func (s *streams) lifecycle(stream map[string]any) any {
	s.mu.Lock()
	own, ok := s.lifecycles[text(stream["name"])]
	s.mu.Unlock()
	if !ok {
		own = stream["lifecycle"]
	}
	of, ok := own.(map[string]any)
	if !ok {
		return nil
	}
	out := maps.Clone(of)
	if v := out["data_retention"]; v != nil {
		out["effective_retention"], out["retention_determined_by"] = v, "data_stream_configuration"
	}
	return out
}

func (s *streams) getLifecycle(r *http.Request, segs []string) (any, *failure) {
	list, f := s.matching(r.Context(), segs[1])
	if f != nil {
		return nil, f
	}
	out := []any{}
	for _, stream := range list {
		one := map[string]any{"name": stream["name"]}
		if l := s.lifecycle(stream); l != nil {
			one["lifecycle"] = l
		}
		out = append(out, one)
	}
	return map[string]any{"data_streams": out, "global_retention": map[string]any{}}, nil
}

// changeLifecycle puts a lifecycle in the place of the one that is there, or
// takes it away.
func (s *streams) changeLifecycle(r *http.Request, segs []string) (any, *failure) {
	list, f := s.matching(r.Context(), segs[1])
	if f != nil {
		return nil, f
	}
	var lifecycle any
	if r.Method == http.MethodPut {
		values, f := hold(r)
		if f != nil {
			return nil, f
		}
		body := map[string]any{}
		if len(values) == 1 {
			body, _ = values[0].(map[string]any)
		}
		for key := range body {
			if !slices.Contains([]string{"data_retention", "downsampling", "downsampling_method", "enabled", "frozen_after"}, key) {
				return nil, &failure{status: 400, kind: "x_content_parse_exception", reason: "[lifecycle] unknown field [" + key + "]"}
			}
		}
		if body["enabled"] == nil {
			body["enabled"] = true
		}
		lifecycle = body
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range list {
		s.lifecycles[text(stream["name"])] = lifecycle
	}
	return acknowledged(), nil
}

func acknowledged() any { return map[string]any{"acknowledged": true} }

func illegal(format string, args ...any) *failure {
	return &failure{status: 400, kind: "illegal_argument_exception", reason: fmt.Sprintf(format, args...)}
}

func noIndex(name string) *failure {
	return &failure{status: http.StatusNotFound, kind: "index_not_found_exception", reason: "no such index [" + name + "]"}
}

// wildcard knows "*" only; names hold no other sign that path.Match knows.
func wildcard(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func whole(v any) int64 {
	var n int64
	_, _ = fmt.Sscan(text(v), &n) // none is 0
	return n
}
