package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// server is one end of the lab, spoken to without esmig: what esmig says of
// itself is not believed here.
type server struct {
	name             string // source, target
	url, auth        string // auth is the whole header
	readAuth         string // of a key that may only read, where there is one
	key, readKey     string
	user, password   string
	caFile           string
	client           *http.Client
	version, runtime string
}

// fromEnvironment finds a server by the variables that eslab sets.
func fromEnvironment(name string) (*server, error) {
	v := func(key string) string { return os.Getenv("ESLAB_" + strings.ToUpper(name) + "_" + key) }
	s := &server{name: name, url: strings.TrimRight(v("URL"), "/"), caFile: v("CA_FILE"),
		key: v("API_KEY"), readKey: v("READ_API_KEY"), user: v("USERNAME"), password: v("PASSWORD")}
	if s.url == "" {
		return nil, fmt.Errorf("the server %s is not there: run this by make bench, or inside eslab run", name)
	}
	if s.readKey == "" {
		s.readKey = s.key
	}
	s.auth, s.readAuth = "ApiKey "+s.key, "ApiKey "+s.readKey
	if s.key == "" {
		s.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password))
		s.readAuth = s.auth
	}
	t := &http.Transport{MaxIdleConnsPerHost: 64}
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file of %s holds no certificate", name)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	s.client = &http.Client{Transport: t}
	return s, nil
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %.600s", r.status, r.body) }

// open sends a request and leaves the answer's body to the caller.
func (s *server) open(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", s.auth)
	switch {
	case strings.Contains(path, "/_bulk"):
		req.Header.Set("Content-Type", "application/x-ndjson")
	case len(body) > 0:
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, &refusal{resp.StatusCode, string(text)})
}

// call sends a request and decodes the answer. A nil answer is read away.
func (s *server) call(ctx context.Context, method, path, body string, answer any) error {
	b, err := s.open(ctx, method, path, []byte(body))
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if answer != nil {
		err = json.NewDecoder(b).Decode(answer)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, b)
	}
	return err
}

// remove deletes an index; one that is not there is fine.
func (s *server) remove(ctx context.Context, index string) error {
	return s.call(ctx, http.MethodDelete, "/"+index+"?ignore_unavailable=true", "", nil)
}

// settle makes documents searchable and durable.
func (s *server) settle(ctx context.Context, index string) error {
	if err := s.call(ctx, http.MethodPost, "/"+index+"/_refresh", "", nil); err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, "/"+index+"/_flush", "", nil)
}

func (s *server) count(ctx context.Context, index string) (int, error) {
	if err := s.call(ctx, http.MethodPost, "/"+index+"/_refresh", "", nil); err != nil {
		return 0, err
	}
	var a struct{ Count int }
	err := s.call(ctx, http.MethodGet, "/"+index+"/_count", "", &a)
	return a.Count, err
}

// cpu is what its processes have used since they were started, in seconds.
func (s *server) cpu(ctx context.Context) (seconds float64, err error) {
	var a struct {
		Nodes map[string]struct {
			Process struct {
				CPU struct {
					Total float64 `json:"total_in_millis"`
				}
			}
		}
	}
	err = s.call(ctx, http.MethodGet, "/_nodes/stats/process?filter_path=nodes.*.process.cpu", "", &a)
	for _, n := range a.Nodes {
		seconds += n.Process.CPU.Total / 1000
	}
	return seconds, err
}

// remote is how the other server's _reindex reaches this one.
func (s *server) remote() map[string]any {
	r := map[string]any{"host": s.url, "headers": map[string]string{"Authorization": s.readAuth}}
	if u, err := url.Parse(s.url); err == nil && u.Port() == "" { // it insists on a port
		u.Host += map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
		r["host"] = u.String()
	}
	return r
}

// introduce asks who it is, for the description of the machine.
func (s *server) introduce(ctx context.Context) error {
	var root struct {
		Version struct{ Number, Distribution string }
	}
	if err := s.call(ctx, http.MethodGet, "/", "", &root); err != nil {
		return err
	}
	s.version = "Elasticsearch " + root.Version.Number
	if root.Version.Distribution == "opensearch" {
		s.version = "OpenSearch " + root.Version.Number
	}
	var nodes struct {
		Nodes map[string]struct {
			JVM struct {
				Version string
				Mem     struct {
					Heap int64 `json:"heap_max_in_bytes"`
				}
			}
		}
	}
	if err := s.call(ctx, http.MethodGet, "/_nodes/jvm?filter_path=nodes.*.jvm.version,nodes.*.jvm.mem", "", &nodes); err != nil {
		return err
	}
	for _, n := range nodes.Nodes {
		s.runtime = fmt.Sprintf("%d node(s), Java %s, heap %s", len(nodes.Nodes), n.JVM.Version, bytesText(float64(n.JVM.Mem.Heap)))
	}
	return nil
}
