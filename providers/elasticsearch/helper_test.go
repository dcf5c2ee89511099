package elasticsearch

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// roundTripper is a server without a socket.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return f(r)
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

const esInfo = `{"name":"n","cluster_name":"c","cluster_uuid":"u","version":{"number":"9.4.3","build_flavor":"default"},"tagline":"You Know, for Search"}`

// scripted answers by "METHOD /path", GET / by itself, and keeps what it was
// sent. A key it does not know fails the test.
type scripted struct {
	t       *testing.T
	mu      sync.Mutex
	answers map[string]string // "404 {}", or a body for 200
	sent    []string          // "PUT /x {…}", without GETs
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		body = string(b)
	}
	key := r.Method + " " + r.URL.RequestURI()
	if r.Method != http.MethodGet {
		s.sent = append(s.sent, strings.TrimSpace(key+" "+body))
	}
	a, ok := s.answers[key]
	if !ok && key == "GET /" {
		a, ok = esInfo, true
	}
	if !ok && r.Method != http.MethodGet {
		a, ok = `{"acknowledged":true}`, true
	}
	if !ok {
		s.t.Errorf("unexpected request %s", key)
		return reply(404, "{}"), nil
	}
	status := 200
	if len(a) > 4 && a[3] == ' ' {
		if _, err := fmt.Sscan(a[:3], &status); err == nil {
			a = a[4:]
		}
	}
	return reply(status, a), nil
}

func connect(t *testing.T, rt http.RoundTripper) providers.Cluster {
	t.Helper()
	c, err := Connect(providers.ClusterConfig{Name: "target", Endpoint: "http://es:9200"}, rt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// instance is a block of the kind with the arguments given as JSON.
func instance(t *testing.T, k *providers.Kind, c providers.Cluster, args string) providers.Instance {
	t.Helper()
	typ, err := ctyjson.ImpliedType([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	given, err := ctyjson.Unmarshal([]byte(args), typ)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	m := map[string]cty.Value{}
	for _, a := range k.Attrs {
		known[a.Name] = true
		switch {
		case a.Type.Equals(providers.ClusterType):
			m[a.Name] = providers.ClusterValue("target")
		case typ.HasAttribute(a.Name):
			m[a.Name] = given.GetAttr(a.Name)
		case a.FromLabel:
			m[a.Name] = cty.StringVal("orders")
		case a.Default != cty.NilVal:
			m[a.Name] = a.Default
		default:
			m[a.Name] = cty.NullVal(a.Type)
		}
	}
	for name := range typ.AttributeTypes() {
		if !known[name] {
			t.Fatalf("%s has no argument %s", k.Name, name)
		}
	}
	return providers.Instance{
		Addr: providers.Addr{Kind: k.Name, Name: "orders"}, Args: cty.ObjectVal(m),
		Clusters: map[string]providers.Cluster{"target": c},
	}
}

func resource(t *testing.T, k *providers.Kind, rt http.RoundTripper, args string) providers.Resource {
	t.Helper()
	r, err := k.Resource(instance(t, k, connect(t, rt), args))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustDecode(t *testing.T, s string) map[string]any {
	t.Helper()
	v, err := providers.Decode([]byte(s))
	if err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return v.(map[string]any)
}
