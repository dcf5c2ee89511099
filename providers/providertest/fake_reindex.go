package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// reindex is what a request says.
type reindex struct {
	remote      *remote // nil: from the same cluster
	index       string
	query       any
	sourceOnly  any // _source
	size        int
	dest        write // a template of every write
	keepRouting string
	proceed     bool
	maxDocs     int // -1: all
	refresh     bool

	pages pager // set when it has begun
}

type remote struct {
	host    *url.URL
	headers map[string]string
}

// pager reads the source batch by batch; an empty one is the end.
type pager interface {
	next(f *Fake, t *task) ([]sourceHit, *apiError)
}

type sourceHit struct {
	ID      string          `json:"_id"`
	Routing string          `json:"_routing"`
	Version int64           `json:"_version"`
	Source  json.RawMessage `json:"_source"`
	Sort    []any           `json:"sort"`
}

func (r reindex) description() string {
	from := ""
	if r.remote != nil {
		scheme := ""
		if r.remote.host.Scheme != "http" {
			scheme = "scheme=" + r.remote.host.Scheme + " "
		}
		from = "[" + scheme + "host=" + r.remote.host.Hostname() + " port=" + r.remote.host.Port() + "]"
	}
	return "reindex from " + from + "[" + r.index + "] to [" + r.dest.index + "]"
}

func badSource(cause *apiError) *apiError {
	return &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:2] [reindex] failed to parse field [source]", cause: cause}
}

func invalidRequest(format string, a ...any) *apiError {
	return &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: " + fmt.Sprintf(format, a...) + ";"}
}

// readReindex checks what is checked before a task starts.
func (f *Fake) readReindex(c *call) (reindex, error) {
	r := reindex{maxDocs: -1}
	body, err := c.object()
	if err != nil {
		return r, err
	}
	if err := onlyKeys(body, "[reindex] unknown field [%s]", "source", "dest", "conflicts", "max_docs", "script", "size"); err != nil {
		return r, err
	}
	if body["script"] != nil {
		return r, illegal("script_lang not supported [painless]")
	}
	source, _ := body["source"].(obj)
	dest, _ := body["dest"].(obj)
	for _, k := range sortedKeys(source) {
		if !slices.Contains(strings.Fields("index query remote size sort _source slice runtime_mappings"), k) {
			return r, badSource(&apiError{kind: "parsing_exception", reason: "Unknown key for a VALUE_NUMBER in [" + k + "].", extra: obj{"line": 1, "col": 8}})
		}
	}
	if err := onlyKeys(dest, "[dest] unknown field [%s]", "index", "op_type", "version_type", "pipeline", "routing"); err != nil {
		return r, &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:2] [reindex] failed to parse field [dest]", cause: err.(*apiError)}
	}
	if rem, ok := source["remote"].(obj); ok {
		if r.remote, err = f.readRemote(rem); err != nil {
			return r, err
		}
		if n := whole(c.query.Get("slices"), 1); n > 1 || c.query.Get("slices") == "auto" {
			return r, invalidRequest("reindex from remote sources doesn't support slices > 1 but was [%d]", n)
		}
		if source["slice"] != nil {
			return r, invalidRequest("reindex from remote sources doesn't support source.slice but was [%v]", javaMap(source["slice"]))
		}
	}
	for _, k := range []string{"sort", "slice", "runtime_mappings"} {
		if source[k] != nil {
			return r, unsupported("source.%s in _reindex", k)
		}
	}
	r.index = strings.Join(strings.Split(list(slices.DeleteFunc(flatten(source["index"]), func(v any) bool { return v == nil })), ", "), ",")
	if r.index == "" {
		return r, invalidRequest("use _all if you really want to copy from all existing indexes")
	}
	r.query, r.sourceOnly, r.size = source["query"], source["_source"], whole(source["size"], 1000)
	if r.sourceOnly == false {
		return r, invalidRequest("source:_source may not be set to false")
	}
	q := func(k string) string {
		if dest[k] == nil || k == "routing" {
			return ""
		}
		return fmt.Sprint(dest[k])
	}
	if r.dest, err = writeFrom(q, write{index: q("index"), op: "index"}); err != nil {
		return r, err
	}
	r.dest.requireAlias = c.flag("require_alias", false)
	r.keepRouting, _ = dest["routing"].(string)
	if r.dest.index == "" {
		return r, invalidRequest("index must be specified")
	}
	if r.dest.op == "create" && r.dest.versionType != "internal" {
		return r, invalidRequest("create operations only support internal versioning. use index instead;2: create operations only support internal versioning. use index instead")
	}
	if r.remote == nil && r.index == r.dest.index {
		return r, invalidRequest("reindex cannot write into an index its reading from [%s]", r.index)
	}
	switch body["conflicts"] {
	case nil, "abort":
	case "proceed":
		r.proceed = true
	default:
		return r, illegal("conflicts may only be \"proceed\" or \"abort\" but was [%v]", body["conflicts"])
	}
	r.maxDocs = whole(c.query.Get("max_docs"), whole(body["max_docs"], -1))
	r.refresh = c.flag("refresh", false)
	return r, nil
}

func (f *Fake) readRemote(o obj) (*remote, error) {
	var bad []string
	for _, k := range sortedKeys(o) {
		known := slices.Contains(strings.Fields("host username password headers socket_timeout connect_timeout"), k)
		if !known && (k != "api_key" || !f.atLeast(9, 3)) {
			bad = append(bad, k)
		}
	}
	if bad != nil {
		return nil, badSource(illegal("Unsupported fields in [remote]: [%s]", strings.Join(bad, ",")))
	}
	host := fmt.Sprint(o["host"])
	u, err := url.Parse(host)
	if err != nil || u.Scheme == "" || u.Port() == "" {
		e := illegal("[host] must be of the form [scheme]://[host]:[port](/[pathPrefix])? but was [%s]", host)
		e.cause = &apiError{kind: "u_r_i_syntax_exception", reason: "The port was not defined in the [host]: " + host}
		return nil, badSource(e)
	}
	r := &remote{host: u, headers: map[string]string{}}
	headers, _ := o["headers"].(obj)
	for k, v := range headers {
		r.headers[k] = fmt.Sprint(v)
	}
	if key := o["api_key"]; key != nil {
		if r.headers["Authorization"] != "" {
			return nil, badSource(illegal("Cannot specify both [api_key] and [headers] including [Authorization] key"))
		}
		r.headers["Authorization"] = "ApiKey " + fmt.Sprint(key)
	}
	user, pass := o["username"], o["password"]
	if (user == nil) != (pass == nil) {
		return nil, invalidRequest("reindex from remote source included username but not password")
	}
	if user != nil {
		u.User = url.UserPassword(fmt.Sprint(user), fmt.Sprint(pass))
	}
	return r, nil
}

func postReindex(f *Fake, c *call) (any, error) {
	if c.query.Has("pipeline") {
		return nil, illegal("_reindex doesn't support [pipeline] as a query parameter. Specify it in the [dest] object instead.")
	}
	r, err := f.readReindex(c)
	if err != nil {
		return nil, err
	}
	rps := -1.0
	if n, ok := number(c.query.Get("requests_per_second")); ok {
		rps = n
	}
	f.mu.Lock()
	f.counter++
	t := &task{id: f.counter - f.started, opaque: c.Header.Get("X-Opaque-Id"), started: time.Now(), r: r, counts: counts{rps: rps}}
	t.stored = f.tasks[t.name()]
	f.tasks[t.name()] = t
	f.mu.Unlock()
	if !c.flag("wait_for_completion", true) {
		return obj{"task": t.name()}, nil
	}
	f.advance(t, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tasks, t.name()) // a task that was waited for leaves no result
	if t.err != nil {
		return nil, t.err
	}
	status := 200
	for _, v := range t.failures {
		status = max(status, v.(obj)["status"].(int))
	}
	return answer{status, t.response()}, nil
}

// advance carries out up to n batches of a task; 0: all. The fake's lock is
// not held while the source is asked, which may be another fake, or this one.
func (f *Fake) advance(t *task, n int) {
	t.step.Lock()
	defer t.step.Unlock()
	for i := 0; (n == 0 || i < n) && !f.finished(t); i++ {
		hits, err := f.nextBatch(t)
		f.writeBatch(t, hits, err)
	}
}

func (f *Fake) finished(t *task) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return t.done
}

func (f *Fake) nextBatch(t *task) ([]sourceHit, *apiError) {
	if t.r.pages == nil {
		if err := f.begin(t); err != nil {
			return nil, err
		}
	}
	return t.r.pages.next(f, t)
}

func (f *Fake) begin(t *task) *apiError {
	if t.r.remote == nil {
		t.r.pages = &localPager{}
		return nil
	}
	host := t.r.remote.host.Host
	if !slices.ContainsFunc(f.opt.Whitelist, func(p string) bool { return wildcard(p, host) }) {
		switch f.opt.Flavor {
		case providers.Serverless:
			return illegal("[%s] either not whitelisted in reindex.remote.whitelist or blocked in reindex.remote.blocklist", host)
		case providers.OpenSearch:
			return illegal("[%s] not allowlisted in reindex.remote.allowlist", host)
		}
		return illegal("[%s] not whitelisted in reindex.remote.whitelist", host)
	}
	t.r.pages = &remotePager{}
	return nil
}

// writeBatch writes what was read and keeps the account.
func (f *Fake) writeBatch(t *task, hits []sourceHit, err *apiError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.done { // cancelled meanwhile
		return
	}
	c := &t.counts
	if err != nil {
		t.err, t.done = err, true
		return
	}
	limit := len(hits)
	if t.r.maxDocs >= 0 {
		limit = min(limit, t.r.maxDocs-(c.created+c.updated+c.conflicts+c.noops))
		c.total = min(c.total, t.r.maxDocs)
	}
	if limit > 0 {
		c.batches++
	}
	for _, h := range hits[:limit] {
		w := t.r.dest
		w.id, w.source, w.routing = h.ID, h.Source, h.Routing
		if w.versionType != "internal" {
			w.version = h.Version
		}
		switch k := t.r.keepRouting; {
		case k == "discard":
			w.routing = ""
		case strings.HasPrefix(k, "="):
			w.routing = k[1:]
		}
		item, err := f.apply(w)
		var e *apiError
		switch {
		case errors.As(err, &e):
			if e.status == 409 {
				c.conflicts++
				if t.r.proceed {
					continue
				}
			}
			t.failures = append(t.failures, obj{"index": w.index, "id": w.id, "cause": e.nested(), "status": e.status})
		case item["result"] == "created":
			c.created++
		case item["result"] == "noop":
			c.noops++
		default:
			c.updated++
		}
	}
	if t.failures != nil || limit < len(hits) || len(hits) == 0 {
		t.done = true
	}
	if t.done && t.r.refresh {
		for _, ix := range f.members(t.r.dest.index) {
			ix.refresh()
		}
	}
}
