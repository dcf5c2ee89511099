package providertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// route is one API: a path whose {parts} are named, and the query parameters
// that it takes.
type route struct {
	methods string // "GET POST"
	path    string
	params  string
	run     func(*Fake, *call) (any, error)
	// free: runs without the fake's lock, and takes it itself.
	free bool
	// since: not there before that version.
	since [2]int
}

// call is one request as a handler sees it.
type call struct {
	*http.Request
	raw   []byte
	parts map[string]string
	query url.Values
}

// ServeHTTP answers one request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := readBody(r)
	fault := f.record(r, raw)
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if fault.HangUp {
		panic(http.ErrAbortHandler)
	}
	if f.opt.Flavor != providers.OpenSearch && (f.atLeast(7, 14)) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	if id := r.Header.Get("X-Opaque-Id"); id != "" {
		w.Header().Set("X-Opaque-Id", id)
	}
	if fault.Status != 0 {
		for k, v := range fault.Header {
			w.Header()[k] = v
		}
		body := any(fault.Body)
		if fault.Body == "" {
			body = (&apiError{status: fault.Status, kind: fault.Type, reason: fault.Reason}).body()
		}
		respond(w, r, fault.Status, body)
		return
	}
	var out any
	if err == nil {
		out, err = f.handle(r, raw)
	}
	if fault.Lost {
		panic(http.ErrAbortHandler)
	}
	f.answer(w, r, out, err)
}

// answer writes what a handler returned.
func (f *Fake) answer(w http.ResponseWriter, r *http.Request, out any, err error) {
	status := 200
	if a, ok := out.(answer); ok {
		status, out = a.status, a.body
	}
	if err != nil {
		e, ok := err.(*apiError)
		if !ok {
			e = &apiError{status: 400, kind: "parse_exception", reason: err.Error()}
		}
		if e.status == 401 {
			if f.opt.Flavor != providers.Serverless { // which knows API keys only
				w.Header().Add("WWW-Authenticate", `Basic realm="security", charset="UTF-8"`)
			}
			w.Header().Add("WWW-Authenticate", "ApiKey")
		}
		status, out = e.status, e.body()
	}
	respond(w, r, status, out)
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(in)
}

func respond(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if body == nil || r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	if text, ok := body.(string); ok {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // the client went away: nothing to tell it
		return
	}
	raw := providers.Encode(body)
	if p := r.URL.Query().Get("filter_path"); p != "" {
		if v, err := providers.Decode(raw); err == nil {
			raw = providers.Encode(filterPath(v, p))
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// handle lets a request in and carries it out.
func (f *Fake) handle(r *http.Request, raw []byte) (any, error) {
	if err := f.authenticate(r); err != nil {
		return nil, err
	}
	return f.dispatch(r, raw)
}

// dispatch finds the route and runs it. A body of a shape that the fake does
// not expect is an answer, too, and never the end of the test's process.
func (f *Fake) dispatch(r *http.Request, raw []byte) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, unsupported("this body: %v", p)
		}
	}()
	var segs []string
	if p := strings.Trim(r.URL.EscapedPath(), "/"); p != "" {
		for _, s := range strings.Split(p, "/") {
			s, err := url.PathUnescape(s)
			if err != nil {
				return nil, illegal("invalid path %q", r.URL.EscapedPath())
			}
			segs = append(segs, s)
		}
	}
	if f.opt.Flavor == providers.Serverless {
		if err := onServerless(r); err != nil {
			return nil, err
		}
	}
	var allowed []string
	literal := false // an API has the path, so it is no index
	for _, rt := range f.routes {
		parts, ok := match(rt.path, segs)
		byIndex := strings.HasPrefix(rt.path, "/{index}")
		if !ok || byIndex && literal || slices.ContainsFunc(strings.Split(rt.path, "/"), f.lacks) || f.onlyOpenSearch(segs) || !f.atLeast(rt.since[0], rt.since[1]) && rt.since[0] > 0 {
			continue
		}
		methods := strings.Fields(rt.methods)
		if !slices.Contains(methods, r.Method) {
			allowed = append(allowed, methods...)
			literal = literal || !byIndex
			continue
		}
		c := &call{Request: r, raw: raw, parts: parts, query: r.URL.Query()}
		if err := f.checkParams(c, rt.params); err != nil {
			return nil, err
		}
		if !rt.free {
			f.mu.Lock()
			defer f.mu.Unlock()
		}
		return rt.run(f, c)
	}
	if allowed != nil {
		order := "GET POST PUT DELETE HEAD"
		slices.SortFunc(allowed, func(a, b string) int { return strings.Index(order, a) - strings.Index(order, b) })
		return nil, &apiError{status: 405, plain: true, withStatus: true, reason: fmt.Sprintf(
			"Incorrect HTTP method for uri [%s] and method [%s], allowed: [%s]", r.URL.RequestURI(), r.Method, strings.Join(slices.Compact(allowed), ", "))}
	}
	return nil, &apiError{status: 400, plain: true, reason: fmt.Sprintf(
		"no handler found for uri [%s] and method [%s]", r.URL.RequestURI(), r.Method)}
}

// onServerless refuses what Serverless does not have.
func onServerless(r *http.Request) error {
	e, there := serverless.Find(r.Method, r.URL.EscapedPath())
	if !there {
		reason, status, plain := serverless.NoAPI(r.Method, r.URL.RequestURI())
		return &apiError{status: status, kind: serverless.TypeNoAPI, plain: plain, reason: reason}
	}
	query := r.URL.Query()
	for _, k := range sortedKeys(query) {
		if !e.Allows(k) {
			return &apiError{status: 400, kind: serverless.TypeParam, reason: serverless.NoParam(r.URL.Path, k, query.Get(k))}
		}
	}
	return nil
}

// match binds path parts. What begins with "_" is an index only where it is all
// of the path; it is refused as one then.
func match(pattern string, segs []string) (map[string]string, bool) {
	want := strings.Split(strings.Trim(pattern, "/"), "/")
	if pattern == "/" {
		want = nil
	}
	if len(want) != len(segs) {
		return nil, false
	}
	parts := map[string]string{}
	for i, w := range want {
		switch {
		case w == "{index}":
			if strings.HasPrefix(segs[i], "_") && segs[i] != "_all" && len(segs) > 1 {
				return nil, false
			}
			parts["index"] = segs[i]
		case strings.HasPrefix(w, "{"):
			parts[strings.Trim(w, "{}")] = segs[i]
		case w != segs[i]:
			return nil, false
		}
	}
	return parts, true
}

func (f *Fake) checkParams(c *call, params string) error {
	known := append(strings.Fields(params), "error_trace", "filter_path", "human", "pretty")
	var bad []string
	for _, k := range sortedKeys(c.query) {
		if !slices.Contains(known, k) {
			bad = append(bad, "["+k+"]")
		}
	}
	if len(bad) == 0 {
		return nil
	}
	s := ""
	if len(bad) > 1 {
		s = "s"
	}
	return illegal("request [%s] contains unrecognized parameter%s: %s", c.URL.Path, s, strings.Join(bad, ", "))
}

// object decodes the request's body.
func (c *call) object() (obj, error) {
	if len(bytes.TrimSpace(c.raw)) == 0 {
		return obj{}, nil
	}
	v, err := providers.Decode(c.raw)
	if err != nil {
		return nil, &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:1] " + err.Error()}
	}
	o, ok := v.(obj)
	if !ok {
		return nil, &apiError{status: 400, kind: "parsing_exception", reason: "Expected [START_OBJECT] but found a " + fmt.Sprintf("%T", v)}
	}
	return o, nil
}

// flag is a boolean parameter; "" and its mere presence mean true.
func (c *call) flag(name string, otherwise bool) bool {
	if !c.query.Has(name) {
		return otherwise
	}
	v := c.query.Get(name)
	return v == "" || v == "true"
}
