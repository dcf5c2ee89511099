package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// request is the body of the reindex of one range. extra narrows it further
// than the range does. remote is nil on one and the same cluster. into is the index
// to write to, empty: the destination's name.
func (t *task) request(x *sourceIndex, query any, size int, remote object, d destination, into string) providers.JSON {
	source := object{"index": x.Name, "size": size, "query": query}
	if t.filter != nil {
		source["_source"] = t.filter
	}
	if remote != nil {
		source["remote"] = remote
	}
	dest := object{"index": cmp.Or(into, t.destIndex), "pipeline": cmp.Or(t.pipeline, "_none")}
	switch {
	case t.createOnly(d):
		dest["op_type"] = "create" // which refuses version_type external
	case t.existing != "overwrite" && !t.changesVersion:
		dest["version_type"] = "external"
	}
	body := object{"conflicts": "proceed", "source": source, "dest": dest}
	if t.script != nil {
		body["script"] = t.script
	}
	return providers.Encode(body)
}

// external says whether documents keep the source's version.
func (t *task) external(d destination) bool {
	return !t.createOnly(d) && t.existing != "overwrite" && !t.changesVersion
}

// counts are a reindex task's, running or done.
type counts struct {
	Total     int64 `json:"total"`
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Deleted   int64 `json:"deleted"`
	Noops     int64 `json:"noops"`
	Conflicts int64 `json:"version_conflicts"`
	// Refused is esmig's own: documents that a range leaves behind. A task says
	// it in its failures.
	Refused int64 `json:"refused,omitempty"`
}

func (c counts) done() int64 {
	return c.Created + c.Updated + c.Deleted + c.Noops + c.Conflicts + c.Refused
}

// failure is a document that the destination refused, or, without an ID, a
// search that failed.
type failure struct {
	ID     string         `json:"id"`
	Status int            `json:"status"`
	Cause  providers.JSON `json:"cause"`
	Reason providers.JSON `json:"reason"`
}

// taskAnswer is what the server says of a task: nested by the tasks API, flat
// by GET _reindex/{id}, which Serverless has.
type taskAnswer struct {
	Completed bool `json:"completed"`
	Task      struct {
		Headers map[string]string `json:"headers"`
		Status  taskStatus        `json:"status"`
		Nanos   int64             `json:"running_time_in_nanos"`
	} `json:"task"`
	Status   taskStatus     `json:"status"`
	Nanos    int64          `json:"running_time_in_nanos"`
	Error    providers.JSON `json:"error"`
	Response *struct {
		counts
		TimedOut bool      `json:"timed_out"`
		Canceled string    `json:"canceled"`
		Failures []failure `json:"failures"`
	} `json:"response"`
}

type taskStatus struct {
	counts
	Retries struct {
		Bulk   int64 `json:"bulk"`
		Search int64 `json:"search"`
	} `json:"retries"`
	Canceled          string  `json:"canceled"`
	RequestsPerSecond float64 `json:"requests_per_second"` // -1: any number
}

func (a taskAnswer) status() taskStatus {
	s := a.Task.Status
	if a.Status != (taskStatus{}) {
		s = a.Status
	}
	if a.Response != nil {
		s.counts = a.Response.counts
		s.Canceled = cmp.Or(a.Response.Canceled, s.Canceled)
	}
	return s
}

// sentAs says whether a task may be the one that was sent with this X-Opaque-Id.
// Its id alone does not: a node counts anew when it starts, and results of
// before stay. What has no X-Opaque-Id cannot be told.
func sentAs(headers map[string]string, opaque string) bool {
	for k, v := range headers {
		if strings.EqualFold(k, "X-Opaque-Id") {
			return v == opaque
		}
	}
	return true
}

// start sends the reindex and returns the task's id. It is never sent twice.
func (t *task) start(ctx context.Context, on providers.Cluster, body providers.JSON, opaque string, perSecond float64) (string, error) {
	q := url.Values{"wait_for_completion": {"false"}}
	if perSecond > 0 {
		q.Set("requests_per_second", strconv.FormatFloat(perSecond, 'f', -1, 64))
	}
	raw, err := on.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/_reindex", Query: q, Body: body, OpaqueID: opaque})
	if err != nil {
		return "", err
	}
	var a struct{ Task string }
	if err := decode(raw, &a); err != nil || a.Task == "" {
		return "", fmt.Errorf("%s answered POST _reindex without a task: %w", t.dstName, cmp.Or(err, providers.ErrUnavailable))
	}
	return a.Task, nil
}

// look asks for a task, wherever it runs by now. ErrNotFound: the server does not
// know it (any more), or knows another one by this id.
func (t *task) look(ctx context.Context, id, opaque string, info providers.Info) (taskAnswer, error) {
	path := "/_tasks/"
	if info.Flavor == providers.Serverless {
		path = "/_reindex/"
	}
	for hops := 0; ; hops++ {
		var a taskAnswer
		err := get(ctx, t.dst, path+url.PathEscape(id), nil, &a)
		if err == nil && !sentAs(a.Task.Headers, opaque) {
			return taskAnswer{}, fmt.Errorf("task %s of %s is another one by now: %w", id, t.dstName, providers.ErrNotFound)
		}
		to := a.relocated()
		if err != nil || to == "" || hops == mostHops {
			return a, err
		}
		id = to
	}
}

// mostHops is over how many nodes a task is followed in one look.
const mostHops = 10

// relocated is the id under which a task goes on that its node has handed on
// before it left; empty: it was not. A server follows that itself, but answers so
// when it does not find the task there.
func (a taskAnswer) relocated() string {
	var e struct {
		Type string `json:"type"`
		To   string `json:"relocated_task_id"`
	}
	if !a.Completed || json.Unmarshal(a.Error, &e) != nil || e.Type != "task_relocated_exception" {
		return ""
	}
	return e.To
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
