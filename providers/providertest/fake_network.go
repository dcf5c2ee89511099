package providertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"

	"github.com/esmig/esmig/providers"
)

// Network joins hosts ("127.0.0.1:9201") to the handlers that answer there:
// fakes, or anything else. It stands for every socket: of esmig to its
// clusters, and of a fake that reindexes from another.
type Network struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
}

// Join makes a handler answer at host:port.
func (n *Network) Join(hostport string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = map[string]http.Handler{}
	}
	n.hosts[hostport] = h
}

// Leave makes host:port refuse connections.
func (n *Network) Leave(hostport string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hosts, hostport)
}

// Transport is the way for clients.
func (n *Network) Transport() http.RoundTripper { return roundTrip(n.find) }

// Transport answers with the handler of the request's host:port.
func Transport(hosts map[string]http.Handler) http.RoundTripper {
	n := &Network{hosts: hosts}
	return n.Transport()
}

func (n *Network) find(hostport string) (http.Handler, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h, ok := n.hosts[hostport]; ok {
		return h, nil
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("%s: %w", hostport, syscall.ECONNREFUSED)}
}

type roundTrip func(hostport string) (http.Handler, error)

// RoundTrip calls the handler in this goroutine. A handler that panics with
// http.ErrAbortHandler hangs up.
func (find roundTrip) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	host := r.URL.Host
	if r.URL.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[r.URL.Scheme]
	}
	h, err := find(host)
	if err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if err = r.Body.Close(); err != nil {
			return nil, err
		}
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.RequestURI = r.URL.RequestURI()
	in.Host = strings.TrimPrefix(host, "//")
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			resp, err = nil, errors.Join(r.Context().Err(), io.ErrUnexpectedEOF)
		}
	}()
	h.ServeHTTP(rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err // the client went away before the answer came
	}
	resp = rec.Result()
	resp.Request = r
	return resp, nil
}

// send is a fake's own request to another cluster.
func (f *Fake) send(to *remote, method, path string, body obj) (int, []byte, error) {
	if f.opt.Network == nil {
		return 0, nil, syscall.ECONNREFUSED
	}
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(providers.Encode(body))
	}
	base := *to.host
	base.User = nil
	req, err := http.NewRequest(method, strings.TrimSuffix(base.String(), "/")+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range to.headers {
		req.Header.Set(k, v)
	}
	if u := to.host.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	resp, err := f.opt.Network.Transport().RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, errors.Join(err, resp.Body.Close())
}
