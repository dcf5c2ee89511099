package providertest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
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

// apiError is an answer in the server's error shape.
type apiError struct {
	status int
	kind   string
	reason string
	extra  obj
	cause  *apiError
	// plain: {"error": reason}, with the status only if withStatus.
	plain, withStatus bool
}

func (e *apiError) Error() string { return e.kind + ": " + e.reason }

func (e *apiError) inner() obj {
	o := obj{"type": e.kind, "reason": e.reason}
	for k, v := range e.extra {
		o[k] = v
	}
	return o
}

func (e *apiError) nested() obj {
	o := e.inner()
	if e.cause != nil {
		o["caused_by"] = e.cause.nested()
	}
	return o
}

func (e *apiError) body() obj {
	if e.plain {
		o := obj{"error": e.reason}
		if e.withStatus {
			o["status"] = e.status
		}
		return o
	}
	o := e.nested()
	o["root_cause"] = []any{e.inner()}
	return obj{"error": o, "status": e.status}
}

// illegal is the commonest refusal.
func illegal(format string, a ...any) *apiError {
	return &apiError{status: 400, kind: "illegal_argument_exception", reason: fmt.Sprintf(format, a...)}
}

// unsupported is what no real server answers: a test that meets it must fail
// and the fake must learn.
func unsupported(format string, a ...any) *apiError {
	return &apiError{status: 501, kind: "fake_exception", reason: "fake: not supported: " + fmt.Sprintf(format, a...)}
}

func acknowledged() obj { return obj{"acknowledged": true} }

// answer is a reply whose status is not 200.
type answer struct {
	status int
	body   any
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
			w.Header().Add("WWW-Authenticate", `Basic realm="security", charset="UTF-8"`)
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

// dispatch finds the route and runs it.
func (f *Fake) dispatch(r *http.Request, raw []byte) (any, error) {
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
	if len(segs) > 0 && f.opt.Flavor == providers.Serverless && notOnServerless(segs) {
		return nil, &apiError{status: 410, kind: "api_not_available_exception", reason: fmt.Sprintf(
			"Request for uri [%s] with method [%s] exists but is not available when running in serverless mode", r.URL.RequestURI(), r.Method)}
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

func notOnServerless(segs []string) bool {
	switch segs[0] {
	case "_cluster", "_nodes", "_slm", "_snapshot", "_template":
		return true
	case "_tasks":
		return len(segs) != 2
	case "_search":
		return len(segs) > 1 && segs[1] == "scroll"
	}
	return slices.Contains(segs, "_stats")
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
		if k == "master_timeout" && f.opt.Flavor == providers.Serverless {
			return &apiError{status: 400, kind: "status_exception", reason: fmt.Sprintf(
				"Parameter validation failed for [%s]: The http parameter [master_timeout] (with value [%s]) is not permitted when running in serverless mode",
				c.URL.Path, c.query.Get(k))}
		}
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

func (f *Fake) authenticate(r *http.Request) error {
	if len(f.opt.APIKeys) == 0 && len(f.opt.Users) == 0 {
		return nil
	}
	denied := func(status int, format string, a ...any) error {
		return &apiError{status: status, kind: "security_exception", reason: fmt.Sprintf(format, a...)}
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "ApiKey"):
		for _, k := range f.opt.APIKeys {
			if k.Encoded == value {
				if k.ReadOnly && !readOnly(r) {
					return denied(403, "action [%s] is unauthorized for API key id [%s] of user [elastic], this action is granted by the index privileges [create_index,manage,all]", "indices:admin/create", keyID(value))
				}
				return nil
			}
		}
		return denied(401, "unable to authenticate with provided credentials and anonymous access is not allowed for this request")
	case strings.EqualFold(scheme, "Basic"):
		user, pass, _ := r.BasicAuth()
		if want, ok := f.opt.Users[user]; ok && want == pass {
			return nil
		}
		return denied(401, "unable to authenticate user [%s] for REST request [%s]", user, r.URL.RequestURI())
	}
	return denied(401, "missing authentication credentials for REST request [%s]", r.URL.RequestURI())
}

func keyID(encoded string) string {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "unknown"
	}
	id, _, _ := strings.Cut(string(b), ":")
	return id
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

// onlyKeys refuses what is not in known, in the words of the server's parser.
func onlyKeys(o obj, format string, known ...string) error {
	for _, k := range sortedKeys(o) {
		if !slices.Contains(known, k) {
			return &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:2] " + fmt.Sprintf(format, k)}
		}
	}
	return nil
}

// filterPath keeps what the dotted paths name: "*" is any key, "**" any path,
// "-" in front takes away.
func filterPath(v any, paths string) any {
	var keep, drop [][]string
	for _, p := range strings.Split(paths, ",") {
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			drop = append(drop, strings.Split(rest, "."))
		} else {
			keep = append(keep, strings.Split(p, "."))
		}
	}
	out := v
	if keep != nil {
		out, _ = filter(v, keep, true)
	}
	if drop != nil {
		out, _ = filter(out, drop, false)
	}
	if out == nil {
		return obj{}
	}
	return out
}

// filter walks with the patterns that still match. keeping: a leaf stays when
// a pattern ends at or above it; else when none does.
func filter(v any, pats [][]string, keeping bool) (any, bool) {
	for _, p := range pats {
		if len(p) == 0 || len(p) == 1 && p[0] == "**" {
			return v, keeping
		}
	}
	switch v := v.(type) {
	case obj:
		out := obj{}
		for k, e := range v {
			var next [][]string
			for _, p := range pats {
				if p[0] == "**" {
					next = append(next, p)
					p = p[1:]
				}
				if wildcard(p[0], k) {
					next = append(next, p[1:])
				}
			}
			if next == nil {
				if !keeping {
					out[k] = e
				}
				continue
			}
			if e, ok := filter(e, next, keeping); ok {
				out[k] = e
			}
		}
		return out, len(out) > 0 || !keeping
	case []any:
		out := []any{}
		for _, e := range v {
			if e, ok := filter(e, pats, keeping); ok {
				out = append(out, e)
			}
		}
		return out, len(out) > 0 || !keeping
	}
	return v, !keeping
}

// wildcard matches "*" in a pattern.
func wildcard(pattern, s string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	for s = s[len(first):]; ; s = s[1:] {
		if wildcard(rest, s) {
			return true
		}
		if s == "" {
			return false
		}
	}
}

// number reads a JSON number or its text.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

// whole is number as an int, with a default.
func whole(v any, otherwise int) int {
	if n, ok := number(v); ok {
		return int(n)
	}
	return otherwise
}

// double writes a float as Java does: 1000.0, 1.0E10.
func double(n float64) json.RawMessage {
	if a := max(n, -n); a != 0 && (a < 1e-3 || a >= 1e7) {
		s := strconv.FormatFloat(n, 'E', -1, 64)
		mant, exp, _ := strings.Cut(s, "E")
		if !strings.Contains(mant, ".") {
			mant += ".0"
		}
		e, _ := strconv.Atoi(exp)
		return json.RawMessage(mant + "E" + strconv.Itoa(e))
	}
	s := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.RawMessage(s)
}

// reparsed is v as a server writes it that has parsed it: 1e3 is 1000.0 and
// 1.10 is 1.1.
func reparsed(v any) any {
	switch v := v.(type) {
	case obj:
		out := make(obj, len(v))
		for k, e := range v {
			out[k] = reparsed(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = reparsed(e)
		}
		return out
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			if n, err := v.Float64(); err == nil {
				return json.Number(double(n))
			}
		}
	}
	return v
}
