package door

import (
	"net/http"
	"net/url"
	"time"
)

// reindexAPI is the API of reindex tasks that Serverless has, told by the tasks
// of the server. _rethrottle is real. nil: another API.
func (d *Door) reindexAPI(r *http.Request, segs []string) func(*http.Request, []string) (any, *failure) {
	switch {
	case len(segs) == 0 || segs[0] != "_reindex":
	case r.Method == http.MethodGet && len(segs) == 1:
		return d.listReindex
	case r.Method == http.MethodGet && len(segs) == 2:
		return d.getReindex
	case r.Method == http.MethodPost && len(segs) == 3 && segs[2] == "_cancel":
		return d.cancelReindex
	}
	return nil
}

const reindexAction = "indices:data/write/reindex"

func (d *Door) listReindex(r *http.Request, _ []string) (any, *failure) {
	body, status, err := d.ask(r.Context(), http.MethodGet, "/_tasks?detailed=true&actions="+url.QueryEscape(reindexAction), nil)
	if f := failed(body, status, err); f != nil {
		return nil, f
	}
	list := []any{}
	for _, n := range find(body.(map[string]any), "nodes") {
		tasks, _ := n.(map[string]any)
		for _, t := range find(tasks, "tasks") {
			if t, ok := t.(map[string]any); ok && t["parent_task_id"] == nil {
				flat := flatten(map[string]any{"task": t})
				delete(flat, "completed")
				list = append(list, flat)
			}
		}
	}
	return map[string]any{"reindex": list}, nil
}

// getReindex waits if it is asked to, and then says how far the task is.
func (d *Door) getReindex(r *http.Request, segs []string) (any, *failure) {
	query := r.URL.Query()
	if v := query.Get("wait_for_completion"); query.Has("wait_for_completion") && v != "false" {
		timeout := query.Get("timeout")
		if timeout == "" {
			timeout = "30s"
		}
		body, status, err := d.ask(r.Context(), http.MethodGet, "/_tasks/"+escaped(segs[1])+"?wait_for_completion=true&timeout="+url.QueryEscape(timeout), nil)
		if status != http.StatusTooManyRequests { // which means that the time was over
			return d.toldReindex(segs[1], body, status, err)
		}
	}
	body, status, err := d.ask(r.Context(), http.MethodGet, "/_tasks/"+escaped(segs[1]), nil)
	return d.toldReindex(segs[1], body, status, err)
}

func (d *Door) toldReindex(id string, body any, status int, err error) (any, *failure) {
	missing := &failure{status: http.StatusNotFound, kind: "resource_not_found_exception", reason: "Reindex operation [" + id + "] not found"}
	if status == http.StatusNotFound {
		return nil, missing
	}
	if f := failed(body, status, err); f != nil {
		return nil, f
	}
	answer := body.(map[string]any)
	if find(answer, "task")["action"] != reindexAction {
		return nil, missing
	}
	return flatten(answer), nil
}

// cancelReindex waits until the task has ended, unless it is told not to.
func (d *Door) cancelReindex(r *http.Request, segs []string) (any, *failure) {
	wait := "true"
	if r.URL.Query().Get("wait_for_completion") == "false" {
		wait = "false"
	}
	body, status, err := d.ask(r.Context(), http.MethodPost, "/_tasks/"+escaped(segs[1])+"/_cancel?actions="+url.QueryEscape(reindexAction)+"&wait_for_completion="+wait, nil)
	if f := failed(body, status, err); f != nil && status != http.StatusNotFound {
		return nil, f
	}
	if answer, _ := body.(map[string]any); len(find(answer, "nodes")) == 0 {
		return nil, &failure{status: http.StatusNotFound, kind: "resource_not_found_exception", reason: "reindex task [" + segs[1] + "] either not found or completed"}
	}
	if wait == "false" {
		return map[string]any{"acknowledged": true}, nil
	}
	// The result is stored a moment after the task has ended.
	for range 20 {
		body, status, err = d.ask(r.Context(), http.MethodGet, "/_tasks/"+escaped(segs[1])+"?wait_for_completion=true", nil)
		if status != http.StatusNotFound {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	return d.toldReindex(segs[1], body, status, err)
}

// flatten is the task as GET _reindex/{id} tells it. Only what has ended has an
// error or a response.
func flatten(answer map[string]any) map[string]any {
	task := find(answer, "task")
	out := map[string]any{"completed": answer["completed"], "id": text(task["node"]) + ":" + text(task["id"])}
	for _, key := range []string{"description", "start_time_in_millis", "running_time_in_nanos", "cancelled", "status"} {
		out[key] = task[key]
	}
	for _, key := range []string{"error", "response"} {
		if v, ok := answer[key]; ok {
			out[key] = v
		}
	}
	return out
}
