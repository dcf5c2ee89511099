package providertest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is what happens to one request instead of, or beside, its answer. The
// zero value is none.
type Fault struct {
	// Status, with Type and Reason or a whole Body, is answered without
	// anything being done.
	Status       int
	Type, Reason string
	Body         string
	Header       http.Header // "Retry-After"
	// HangUp ends the connection before anything was done.
	HangUp bool
	// Lost does all of it and ends the connection instead of answering.
	Lost bool
	// Delay passes first.
	Delay time.Duration
}

// Seen is one request that reached the fake.
type Seen struct {
	Method string
	Path   string // with the query
	Body   string
}

// Fault sets what decides on the fault of each request; nil: none. The
// function is called by one request at a time, in order of arrival, and may
// count them, or cancel a context to stop the n-th.
func (f *Fake) Fault(fn func(*http.Request) Fault) {
	f.log.Lock()
	defer f.log.Unlock()
	f.fault = fn
}

func (f *Fake) record(r *http.Request, raw []byte) Fault {
	f.log.Lock()
	defer f.log.Unlock()
	f.seen = append(f.seen, Seen{r.Method, r.URL.RequestURI(), string(raw)})
	if f.fault == nil {
		return Fault{}
	}
	return f.fault(r)
}

// Requests lists what was sent, in order.
func (f *Fake) Requests() []Seen {
	f.log.Lock()
	defer f.log.Unlock()
	return slices.Clone(f.seen)
}

// Writes lists the requests that may have changed something.
func (f *Fake) Writes() []Seen {
	return slices.DeleteFunc(f.Requests(), func(s Seen) bool {
		path, _, _ := strings.Cut(s.Path, "?")
		return isRead(s.Method, path) || isProbe(s)
	})
}

// isProbe knows the reindex that copies nothing.
func isProbe(s Seen) bool {
	return strings.HasPrefix(s.Path, "/_reindex") && strings.Contains(s.Body, `"match_none"`)
}

// Forget empties the list of requests.
func (f *Fake) Forget() {
	f.log.Lock()
	defer f.log.Unlock()
	f.seen = nil
}

// isRead says whether a request changes nothing that a user can see.
func isRead(method, path string) bool {
	switch method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost, http.MethodDelete:
		for s := range strings.SplitSeq(path, "/") {
			switch s {
			case "_search", "_count", "_mget", "_pit", "_has_privileges", "_field_caps", "_refresh", "_simulate", "_simulate_index":
				return true
			}
		}
	}
	return false
}

// Once is a fault for the first n requests that match.
func Once(n int, match func(*http.Request) bool, what Fault) func(*http.Request) Fault {
	return func(r *http.Request) Fault {
		if n <= 0 || !match(r) {
			return Fault{}
		}
		n--
		return what
	}
}
