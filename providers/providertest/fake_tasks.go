package providertest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// node is the id of the one node that a fake has.
const node = "fakeNode00000000000000"

// task is a reindex.
type task struct {
	step sync.Mutex // held by who brings it forward

	id      int
	opaque  string
	started time.Time
	r       reindex
	stored  *task // the result of another one with this id, before the node restarted

	// Guarded by Fake.mu.
	done     bool
	canceled bool
	counts   counts
	failures []any
	err      *apiError
}

// counts are what a task's status says.
type counts struct {
	total, updated, created, batches, conflicts, noops, bulkRetries, searchRetries int
	rps                                                                            float64
}

func (t *task) status() obj {
	c := t.counts
	o := obj{"total": c.total, "updated": c.updated, "created": c.created, "deleted": 0, "batches": c.batches, "version_conflicts": c.conflicts, "noops": c.noops,
		"retries": obj{"bulk": c.bulkRetries, "search": c.searchRetries}, "throttled_millis": 0, "requests_per_second": double(c.rps), "throttled_until_millis": 0}
	if t.canceled {
		o["canceled"] = "by user request"
	}
	return o
}

func (t *task) response() obj {
	o := t.status()
	o["took"], o["timed_out"] = time.Since(t.started).Milliseconds(), false
	o["failures"] = append([]any{}, t.failures...)
	return o
}

func (t *task) name() string { return node + ":" + strconv.Itoa(t.id) }

func (t *task) shown(detailed bool) obj {
	headers := obj{}
	if t.opaque != "" {
		headers["X-Opaque-Id"] = t.opaque
	}
	o := obj{"node": node, "id": t.id, "type": "transport", "action": "indices:data/write/reindex", "start_time_in_millis": t.started.UnixMilli(),
		"running_time_in_nanos": time.Since(t.started).Nanoseconds(), "cancellable": true, "cancelled": t.canceled && !t.done, "headers": headers}
	if detailed {
		o["status"], o["description"] = t.status(), t.r.description()
	}
	return o
}

func (t *task) nested() obj {
	o := obj{"completed": t.done, "task": t.shown(true)}
	if t.done && t.err != nil {
		o["error"] = t.err.nested()
	} else if t.done {
		o["response"] = t.response()
	}
	return o
}

// find returns the task of an id in a path.
func (f *Fake) find(id string) (*task, error) {
	on, number, ok := strings.Cut(id, ":")
	if _, err := strconv.Atoi(number); !ok || err != nil {
		return nil, illegal("malformed task id %s", id)
	}
	missing := &apiError{status: 404, kind: "resource_not_found_exception", reason: "task [" + id + "] isn't running and hasn't stored its results"}
	if t := f.tasks[id]; t != nil {
		return t, nil
	}
	if on != node {
		return nil, &apiError{status: 404, kind: "resource_not_found_exception", cause: missing,
			reason: "task [" + id + "] belongs to the node [" + on + "] which isn't part of the cluster and there is no record of the task"}
	}
	return nil, missing
}

func getTask(f *Fake, c *call) (any, error) {
	f.mu.Lock()
	t, err := f.find(c.parts["task_id"])
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	batches := f.opt.ReindexBatchesPerPoll
	if c.flag("wait_for_completion", false) {
		batches = 0
	}
	f.advance(t, batches)
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(c.URL.Path, "/_reindex/") {
		return t.flat(), nil
	}
	return t.nested(), nil
}

// flat is the form of GET /_reindex/{id}.
func (t *task) flat() obj {
	o := obj{"completed": t.done, "id": t.name(), "description": t.r.description(), "start_time_in_millis": t.started.UnixMilli(),
		"running_time_in_nanos": time.Since(t.started).Nanoseconds(), "cancelled": t.canceled && !t.done, "status": t.status()}
	if t.done && t.err != nil {
		o["error"] = t.err.nested()
	} else if t.done {
		o["response"] = t.response()
	}
	return o
}

func (f *Fake) running() []*task {
	var out []*task
	for _, id := range sortedKeys(f.tasks) {
		if !f.tasks[id].done {
			out = append(out, f.tasks[id])
		}
	}
	slices.SortFunc(out, func(a, b *task) int { return a.id - b.id })
	return out
}

// pass is what happens between two looks at the list.
func (f *Fake) pass() {
	f.mu.Lock()
	list := f.running()
	f.mu.Unlock()
	for _, t := range list {
		f.advance(t, f.opt.ReindexBatchesPerPoll)
	}
}

func listTasks(f *Fake, c *call) (any, error) {
	defer f.pass() // they were seen running
	f.mu.Lock()
	defer f.mu.Unlock()
	tasks := obj{}
	for _, t := range f.running() {
		match := c.query.Get("actions") == ""
		for _, a := range strings.Split(c.query.Get("actions"), ",") {
			match = match || wildcard(a, "indices:data/write/reindex")
		}
		if match {
			tasks[t.name()] = t.shown(c.flag("detailed", false))
		}
	}
	return shownNodes(tasks), nil
}

func shownNodes(tasks obj) obj {
	if len(tasks) == 0 {
		return obj{"nodes": obj{}}
	}
	return obj{"nodes": obj{node: obj{"name": "fake", "transport_address": "127.0.0.1:9300", "host": "127.0.0.1", "ip": "127.0.0.1:9300",
		"roles": []any{"data", "ingest", "master"}, "attributes": obj{}, "tasks": tasks}}}
}

func listReindex(f *Fake, c *call) (any, error) {
	defer f.pass() // they were seen running
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []any{}
	for _, t := range f.running() {
		out = append(out, t.flat())
	}
	return obj{"reindex": out}, nil
}

func cancelTask(f *Fake, c *call) (any, error) {
	id := c.parts["task_id"]
	t, err := f.find(id)
	api := strings.HasPrefix(c.URL.Path, "/_reindex/")
	if err != nil || t.done {
		missing := &apiError{kind: "resource_not_found_exception", reason: "task [" + id + "] is not found"}
		if api {
			return nil, &apiError{status: 404, kind: missing.kind, reason: "reindex task [" + id + "] either not found or completed"}
		}
		if e, ok := err.(*apiError); ok && e.status == 400 {
			return nil, e
		}
		return obj{"nodes": obj{}, "node_failures": []any{obj{"type": "failed_node_exception", "reason": "Failed node [" + node + "]", "node_id": node, "caused_by": missing.inner()}}}, nil
	}
	t.canceled = true
	shown := t.shown(false)
	t.done = true
	if api {
		return t.flat(), nil
	}
	return shownNodes(obj{t.name(): shown}), nil
}

func rethrottle(f *Fake, c *call) (any, error) {
	t, err := f.find(c.parts["task_id"])
	if err != nil {
		return nil, err
	}
	rps, ok := number(c.query.Get("requests_per_second"))
	if !ok {
		return nil, illegal("requests_per_second is a required parameter")
	}
	if !t.done {
		t.counts.rps = rps
	}
	return shownNodes(obj{t.name(): t.shown(true)}), nil
}

// FinishTasks brings every running task to its end, as if time had passed.
func (f *Fake) FinishTasks() {
	f.mu.Lock()
	list := f.running()
	f.mu.Unlock()
	for _, t := range list {
		f.advance(t, 0)
	}
}

// Restart is what a node's restart does at its worst: running tasks, points in
// time and scrolls are gone, and of indices whose translog is not synced with
// each request, what came after the last flush; results of finished tasks stay,
// while ids of tasks begin anew.
func (f *Fake) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.running() {
		if delete(f.tasks, t.name()); t.stored != nil {
			f.tasks[t.name()] = t.stored
		}
	}
	f.started = f.counter
	f.readers = map[string]*reader{}
	for _, ix := range f.indices {
		ix.restarts++
		if ix.settings["index.translog.durability"] == "async" {
			ix.docs = maps.Clone(ix.flushed)
			if ix.docs == nil {
				ix.docs = map[docKey]*doc{}
			}
			ix.refresh()
		}
	}
}
