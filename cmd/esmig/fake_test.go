package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// fakes are the clusters of one script, on loopback sockets.
type fakes struct {
	net     providertest.Network
	servers map[string]*fakeServer
}

type fakesKey struct{}

func setup(env *testscript.Env) error {
	f := &fakes{servers: map[string]*fakeServer{}}
	env.Values[fakesKey{}] = f
	env.Setenv("GORACE", "atexit_sleep_ms=10") // one process a line: a second each is too long
	env.Defer(func() {
		for _, s := range f.servers {
			s.release()
			s.http.CloseClientConnections() // of an esmig that was killed
			s.http.Close()
		}
	})
	return nil
}

// fakeServer is a fake that can be told to keep a request waiting.
type fakeServer struct {
	*providertest.Fake
	http *httptest.Server

	mu      sync.Mutex
	method  string
	path    string
	arrived chan struct{} // closed when the request is there
	free    chan struct{} // closed when it may go on
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	free := s.free
	hit := free != nil && r.Method == s.method && strings.HasPrefix(r.URL.Path, s.path)
	if hit {
		select {
		case <-s.arrived:
		default:
			close(s.arrived)
		}
	}
	s.mu.Unlock()
	if hit {
		<-free
	}
	s.Fake.ServeHTTP(w, r)
}

func (s *fakeServer) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free != nil {
		close(s.free)
		s.free = nil
	}
}

// fake runs and asks fake clusters:
//
//	fake start NAME [whitelist] [key=ENCODED] [flavor=FLAVOR]  and ESMIG_VAR_NAME is its address
//	fake stop NAME                             connections are refused
//	fake send NAME METHOD PATH [BODY]          as a hand would, the answer is stdout
//	fake wait NAME METHOD PATH                 keep such requests waiting
//	fake arrived NAME                          until one waits
//	fake release NAME                          let it go on
//	fake writes NAME                           what was sent to be changed, then forget it
func fake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fake COMMAND NAME …")
	}
	f := ts.Value(fakesKey{}).(*fakes)
	verb, name, args := args[0], args[1], args[2:]
	if verb == "start" {
		f.start(ts, name, args)
		return
	}
	s := f.servers[name]
	if s == nil {
		ts.Fatalf("no fake %s", name)
	}
	switch verb {
	case "stop":
		s.http.CloseClientConnections()
		s.http.Close()
	case "send":
		send(ts, s, args)
	case "wait":
		s.mu.Lock()
		s.method, s.path, s.arrived, s.free = args[0], args[1], make(chan struct{}), make(chan struct{})
		s.mu.Unlock()
	case "arrived":
		<-s.arrived
	case "release":
		s.release()
	case "writes":
		fmt.Fprint(ts.Stdout()) // also when there are none
		for _, w := range s.Writes() {
			fmt.Fprintln(ts.Stdout(), w.Method, w.Path)
		}
		s.Forget()
	default:
		ts.Fatalf("fake has no command %s", verb)
	}
}

func (f *fakes) start(ts *testscript.TestScript, name string, args []string) {
	o := providertest.Options{Name: name, Network: &f.net}
	for _, a := range args {
		if key, ok := strings.CutPrefix(a, "key="); ok {
			o.APIKeys = []providertest.APIKey{{Encoded: key}}
		} else if flavor, ok := strings.CutPrefix(a, "flavor="); ok {
			o.Flavor = providers.Flavor(flavor)
		} else {
			o.Whitelist = append(o.Whitelist, a)
		}
	}
	s := &fakeServer{Fake: providertest.NewFake(o)}
	s.http = httptest.NewServer(s)
	f.servers[name] = s
	f.net.Join(strings.TrimPrefix(s.http.URL, "http://"), s.Fake)
	ts.Setenv("ESMIG_VAR_"+name, s.http.URL)
}

func send(ts *testscript.TestScript, s *fakeServer, args []string) {
	body := ""
	if len(args) > 2 {
		body = args[2]
	}
	r := httptest.NewRequest(args[0], args[1], strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if strings.Contains(args[1], "_bulk") {
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(body, "} {", "}\n{") + "\n"))
	}
	rec := httptest.NewRecorder()
	s.Fake.ServeHTTP(rec, r)
	fmt.Fprintln(ts.Stdout(), rec.Body.String())
	if rec.Code >= 400 {
		ts.Fatalf("%s %s: %d %s", args[0], args[1], rec.Code, rec.Body)
	}
	s.Forget()
}
