package door

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A stream that was deleted through the door cannot be deleted on the server.
// It is emptied and hidden: reading it says that there is none, and making it
// again gives it a new backing index out of the template of that day. A write
// that makes streams by itself does so too. In the lines of a bulk request that
// cannot be seen: it is found out at the next look, and for its sake each new
// template gives new backing indices to the dropped streams that it fits.
//
// The server refuses to delete a template that streams follow, so each dropped
// one follows a template of its own, which is called by the prefix below and its
// name: what was dropped outlives the door, and two doors before one server do
// not meet. What is left of a dropped stream: its name can be no index any more,
// and no other template with a pattern for it can have the same priority. A lab
// does not live long.
const droppedPrefix = "eslab-dropped-"

func (s *streams) isDropped(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped[name]
}

func (s *streams) anyDropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dropped) > 0
}

// remember reads what a former door has dropped.
func (s *streams) remember(ctx context.Context) *failure {
	answer, status, err := s.server.ask(ctx, http.MethodGet, "/_index_template/"+droppedPrefix+"*", nil)
	if status == http.StatusNotFound {
		return nil
	}
	if f := failed(answer, status, err); f != nil {
		return f
	}
	list, _ := answer.(map[string]any)["index_templates"].([]any)
	for _, e := range list {
		s.dropped[strings.TrimPrefix(text(e.(map[string]any)["name"]), droppedPrefix)] = true
	}
	return nil
}

// setDropped writes it down on the server, too.
func (s *streams) setDropped(ctx context.Context, name string, dropped bool) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped[name] == dropped {
		return nil
	}
	path := "/_index_template/" + escaped(droppedPrefix+name)
	var f *failure
	if !dropped {
		answer, status, err := s.server.ask(ctx, http.MethodDelete, path, nil)
		f = failed(answer, status, err)
	}
	// As low as it can be: no priority at all is 0.
	for priority := 1; priority < 10 && dropped; priority++ {
		answer, status, err := s.server.ask(ctx, http.MethodPut, path, map[string]any{
			"index_patterns": []string{name}, "priority": priority, "data_stream": map[string]any{}})
		if f = failed(answer, status, err); f == nil || !strings.Contains(f.reason, "that have the same priority") {
			break
		}
	}
	if f == nil {
		s.dropped[name] = true
		if !dropped {
			delete(s.dropped, name)
		}
		delete(s.lifecycles, name)
	}
	return f
}

func (s *streams) delete(r *http.Request, segs []string) (any, *failure) {
	list, f := s.matching(r.Context(), segs[1])
	for _, stream := range list {
		name := text(stream["name"])
		for _, step := range []func(context.Context, string) *failure{s.renew, s.noPipelines, s.noAliases, s.drop} {
			if f == nil {
				f = step(r.Context(), name)
			}
		}
	}
	return acknowledged(), f
}

// drop hides a stream that was emptied.
func (s *streams) drop(ctx context.Context, name string) *failure {
	return s.setDropped(ctx, name, true)
}

// noPipelines takes from a dropped stream what would keep its pipelines from
// being deleted.
func (s *streams) noPipelines(ctx context.Context, name string) *failure {
	answer, status, err := s.server.ask(ctx, http.MethodPut, "/"+escaped(name)+"/_settings",
		map[string]any{"index.default_pipeline": nil, "index.final_pipeline": nil})
	return failed(answer, status, err)
}

// renew gives a stream a new write index, and removes all others.
func (s *streams) renew(ctx context.Context, name string) *failure {
	answer, status, err := s.server.ask(ctx, http.MethodPost, "/"+escaped(name)+"/_rollover", nil)
	if f := failed(answer, status, err); f != nil {
		return f
	}
	backing, _ := s.real(ctx)[name]["indices"].([]any)
	for _, b := range backing[:max(0, len(backing)-1)] {
		ix := text(b.(map[string]any)["index_name"])
		answer, status, err := s.server.ask(ctx, http.MethodDelete, "/"+escaped(ix), nil)
		if f := failed(answer, status, err); f != nil && status != http.StatusNotFound {
			return f
		}
	}
	return nil
}

// revive makes a dropped stream out of its template of today.
func (s *streams) revive(ctx context.Context, name string) *failure {
	if f := s.setDropped(ctx, name, false); f != nil {
		return f
	}
	return s.renew(ctx, name)
}

// noAliases takes a stream out of all aliases.
func (s *streams) noAliases(ctx context.Context, name string) *failure {
	body, status, err := s.server.ask(ctx, http.MethodGet, "/_cluster/state/metadata?filter_path=metadata.data_stream.data_stream_aliases", nil)
	if f := failed(body, status, err); f != nil {
		return f
	}
	actions := []any{}
	for alias, v := range find(body.(map[string]any), "metadata.data_stream.data_stream_aliases") {
		of, _ := v.(map[string]any)
		if list, _ := of["data_streams"].([]any); slices.Contains(list, any(name)) {
			actions = append(actions, map[string]any{"remove": map[string]any{"index": name, "alias": alias}})
		}
	}
	if len(actions) == 0 {
		return nil
	}
	body, status, err = s.server.ask(ctx, http.MethodPost, "/_aliases", map[string]any{"actions": actions})
	return failed(body, status, err)
}

// enter looks at a request to a stream that was dropped: a write makes the
// stream anew, all else finds nothing.
func (s *streams) enter(r *http.Request, segs []string) *failure {
	if len(segs) == 0 || !s.anyDropped() {
		return nil
	}
	names, writes := strings.Split(segs[0], ","), false
	if len(segs) > 1 {
		writes = slices.Contains([]string{"_doc", "_create", "_bulk"}, segs[1]) && r.Method != http.MethodGet && r.Method != http.MethodHead
	}
	if segs[0] == "_reindex" && len(segs) == 1 {
		values, f := hold(r)
		if f != nil || len(values) != 1 {
			return f
		}
		body, _ := values[0].(map[string]any)
		names, writes = []string{text(find(body, "dest")["index"])}, true
	}
	for _, name := range names {
		if !s.isDropped(name) {
			continue
		}
		f := noIndex(name)
		if t, body := s.template(r.Context(), name); writes && t != "" && body["data_stream"] != nil {
			f = s.revive(r.Context(), name)
		} else if s.written(r.Context(), name) { // by a bulk request
			f = s.setDropped(r.Context(), name, false)
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// written says whether a dropped stream has documents: then it is back.
func (s *streams) written(ctx context.Context, name string) bool {
	for _, path := range []string{"/_refresh", "/_count"} {
		answer, status, err := s.server.ask(ctx, http.MethodGet, "/"+escaped(name)+path, nil)
		if failed(answer, status, err) != nil {
			return false
		}
		if whole(answer.(map[string]any)["count"]) > 0 {
			return true
		}
	}
	return false
}

// templateChanged lets dropped streams follow a template that was written.
func (s *streams) templateChanged(ctx context.Context, changed string) {
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.dropped))
	s.mu.Unlock()
	for _, name := range names {
		if t, body := s.template(ctx, name); t == changed && body["data_stream"] != nil && !s.written(ctx, name) {
			if s.renew(ctx, name) == nil { // else it is as it was
				_ = s.noPipelines(ctx, name)
			}
		}
	}
}

// hide leaves dropped streams, and the template of the door, out of an answer.
func (s *streams) hide(answer map[string]any) {
	for _, key := range []string{"data_streams", "index_templates", "overlapping"} {
		list, ok := answer[key].([]any)
		if !ok {
			continue
		}
		answer[key] = slices.DeleteFunc(list, func(e any) bool {
			o, _ := e.(map[string]any)
			name := text(o["name"])
			return strings.HasPrefix(name, droppedPrefix) || key == "data_streams" && s.isDropped(name)
		})
	}
	list, ok := answer["indices"].([]any)
	if !ok {
		return
	}
	answer["indices"] = slices.DeleteFunc(list, func(e any) bool {
		o, _ := e.(map[string]any)
		return s.isDropped(text(o["data_stream"]))
	})
}
