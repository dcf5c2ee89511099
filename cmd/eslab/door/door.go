// Package door gives a real Elasticsearch of the lab another face: that of
// Serverless, or the data stream API that the lab's build lacks. A door is a
// reverse proxy, so that documents, tasks, templates and mappings stay real;
// only what the face changes is answered, changed or refused on the way.
//
//	tests ── door ── refuse (serverless.go)
//	          │       └─ recorded: GET /_door/refused, /_door/total
//	          ├───── reindex API out of tasks (reindex.go)
//	          ├───── data stream API out of real streams (streams.go, dropped.go)
//	          └───── a real Elasticsearch
//
// The Serverless face is strict: what providers/elasticsearch/serverless does
// not list is refused with the server's own text, and recorded. A test that
// went through the door ends with an empty record, or esmig tried what
// Serverless does not have.
//
// A door has requests of its own: GET /_door/refused shows the record, DELETE
// shows and clears it, so that each refusal is told once also where tests run
// side by side; GET /_door/total shows all since the door opened, and nothing
// clears that; POST /_door/delay?ms=200 lets writes of documents take that
// long, each batch of a reindex too (delay.go), as they do on Serverless at best.
//
// Memory is bounded: bodies of bulk requests and searched documents stream
// through, and only bodies that must be looked into are held.
package door

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Door is one face of a server.
type Door struct {
	*Server
	serverless bool
	proxy      *httputil.ReverseProxy

	mu      sync.Mutex
	refused []Refusal
	total   Total
	delay   time.Duration
	speeds  map[string]float64 // of reindex tasks while there is a delay, in documents per second
}

// Refusal is one request that Serverless would not have carried out.
type Refusal struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	URI    string    `json:"uri"`
	Status int       `json:"status"`
	Reason string    `json:"reason"`
	Client string    `json:"client"` // User-Agent
}

// Total is what a door has refused since it opened.
type Total struct {
	Count   int       `json:"count"`
	ByEsmig int       `json:"by_esmig"`
	Refused []Refusal `json:"refused"` // the first 200
}

// esmig is how esmig's client calls itself; tests that speak to a server
// without esmig are Go's.
const esmig = "go-elasticsearch/"

// Streams is the ordinary server with the data stream API.
func (s *Server) Streams() *Door { return s.door(false) }

// Serverless is the server as a Serverless project.
func (s *Server) Serverless() *Door { return s.door(true) }

func (s *Server) door(serverless bool) *Door {
	d := &Door{Server: s, serverless: serverless, speeds: map[string]float64{}}
	d.proxy = &httputil.ReverseProxy{
		Transport: s.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(s.url)
			r.Out.Host = s.url.Host
		},
		ModifyResponse: d.reface,
		// The client is to see what it would see of a server that went away.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return d
}

// ServeHTTP answers one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_door/") {
		d.control(w, r)
		return
	}
	if d.serverless {
		f := d.check(r)
		if f != nil {
			d.record(r, f)
			d.answer(w, r, f.status, f.body())
			return
		}
		if r, f = d.slow(r); f != nil {
			d.answer(w, r, f.status, f.body())
			return
		}
	}
	if d.local(w, r) {
		return
	}
	d.pass(w, r)
}

// local answers what the face answers itself.
func (d *Door) local(w http.ResponseWriter, r *http.Request) bool {
	segs := segments(r)
	run := func(h func(*http.Request, []string) (any, *failure)) bool {
		if status, body, ok := d.authenticated(r); !ok {
			d.answer(w, r, status, body)
			return true
		}
		out, f := h(r, segs)
		if f != nil {
			d.answer(w, r, f.status, f.body())
		} else {
			d.answer(w, r, http.StatusOK, out)
		}
		return true
	}
	if d.serverless {
		if h := d.reindexAPI(r, segs); h != nil {
			return run(h)
		}
	}
	if d.streams != nil {
		if h := d.streams.api(r, segs); h != nil {
			return run(h)
		}
		if f := d.streams.enter(r, segs); f != nil {
			d.answer(w, r, f.status, f.body())
			return true
		}
	}
	return false
}

// pass hands a request on to the server.
func (d *Door) pass(w http.ResponseWriter, r *http.Request) {
	if d.changes(r) {
		r.Header.Set("Accept-Encoding", "identity")
	}
	d.proxy.ServeHTTP(w, r)
}

// authenticated lets the server itself say whether it knows the client.
func (d *Door) authenticated(r *http.Request) (status int, body any, ok bool) {
	body, status, err := d.send(r.Context(), http.MethodGet, "/_security/_authenticate", nil, r.Header.Get("Authorization"))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return status, body, status == http.StatusOK
}

func (d *Door) answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "ApiKey")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(encode(body)) // the client went away: nothing to tell it
	}
}

func (d *Door) record(r *http.Request, f *failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := Refusal{time.Now(), r.Method, r.URL.RequestURI(), f.status, f.root().reason, r.UserAgent()}
	if len(d.refused) < 1000 {
		d.refused = append(d.refused, one)
	}
	if len(d.total.Refused) < 200 {
		d.total.Refused = append(d.total.Refused, one)
	}
	d.total.Count++
	if strings.HasPrefix(one.Client, esmig) {
		d.total.ByEsmig++
	}
}

// control are the door's own requests.
func (d *Door) control(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /_door/refused", "DELETE /_door/refused":
		d.answer(w, r, http.StatusOK, map[string]any{"refused": append([]Refusal{}, d.refused...)})
		if r.Method == http.MethodDelete {
			d.refused = nil
		}
	case "GET /_door/total":
		d.answer(w, r, http.StatusOK, d.total)
	case "POST /_door/delay":
		ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
		if err != nil || ms < 0 {
			d.answer(w, r, http.StatusBadRequest, map[string]any{"error": "ms must be a number of milliseconds"})
			return
		}
		d.delay = time.Duration(ms) * time.Millisecond
		clear(d.speeds)
		d.answer(w, r, http.StatusOK, map[string]any{})
	default:
		d.answer(w, r, http.StatusNotFound, map[string]any{"error": "the door knows GET and DELETE /_door/refused, GET /_door/total, and POST /_door/delay?ms="})
	}
}

// segments are the parts of a request's path, decoded.
func segments(r *http.Request) []string {
	var out []string
	for s := range strings.SplitSeq(strings.Trim(r.URL.EscapedPath(), "/"), "/") {
		if s, err := url.PathUnescape(s); err == nil && s != "" {
			out = append(out, s)
		}
	}
	return out
}
