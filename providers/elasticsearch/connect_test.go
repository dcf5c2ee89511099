package elasticsearch

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

func TestHeaders(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  providers.ClusterConfig
		want string
		code string
	}{
		"nothing":      {},
		"encoded":      {cfg: providers.ClusterConfig{APIKey: "aWQ6a2V5"}, want: "ApiKey aWQ6a2V5"},
		"id and key":   {cfg: providers.ClusterConfig{APIKey: "id:key"}, want: "ApiKey aWQ6a2V5"},
		"from a file":  {cfg: providers.ClusterConfig{APIKey: "id:key\n"}, want: "ApiKey aWQ6a2V5"},
		"basic":        {cfg: providers.ClusterConfig{Username: "u", Password: "p:q"}, want: "Basic dTpwOnE="},
		"both":         {cfg: providers.ClusterConfig{APIKey: "x", Username: "u", Password: "p"}, code: "two_credentials"},
		"no password":  {cfg: providers.ClusterConfig{Username: "u"}, code: "half_credentials"},
		"spaces":       {cfg: providers.ClusterConfig{APIKey: "ApiKey x"}, code: "bad_api_key"},
		"header break": {cfg: providers.ClusterConfig{Headers: map[string]string{"a": "b\nc: d"}}, code: "bad_header"},
		"own":          {cfg: providers.ClusterConfig{Headers: map[string]string{"authorization": "Bearer x"}}, want: "Bearer x"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := headers(tt.cfg)
			wantCode(t, err, tt.code)
			if got := h.Get("Authorization"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	var f *providers.Finding
	if !errors.As(err, &f) || f.Code != code {
		t.Errorf("got %v, want code %s", err, code)
	}
}

func TestEndpoint(t *testing.T) {
	id := func(s string) string { return "name:" + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct {
		endpoint, cloudID string
		want, code        string
	}{
		"https":            {endpoint: "https://es.example", want: "https://es.example:443"},
		"http":             {endpoint: "http://es.example", want: "http://es.example:80"},
		"port and prefix":  {endpoint: " https://es.example:9243/a%2Fb/ ", want: "https://es.example:9243/a%2Fb"},
		"IPv6":             {endpoint: "http://[::1]:9200", want: "http://[::1]:9200"},
		"no scheme":        {endpoint: "es.example:9200", code: "bad_endpoint"},
		"password":         {endpoint: "https://u:p@es.example", code: "bad_endpoint"},
		"query":            {endpoint: "https://es.example?x=1", code: "bad_endpoint"},
		"no host":          {endpoint: "https://", code: "bad_endpoint"},
		"nothing":          {code: "no_endpoint"},
		"both":             {endpoint: "https://es.example", cloudID: id("h$e$k"), code: "two_endpoints"},
		"cloud":            {cloudID: id("us-east-1.aws.found.io$abc$def"), want: "https://abc.us-east-1.aws.found.io:443"},
		"cloud, a port":    {cloudID: id("host:9243$abc$def"), want: "https://abc.host:9243"},
		"cloud, own port":  {cloudID: id("host:9243$abc:9244$def:1"), want: "https://abc.host:9244"},
		"cloud, no Kibana": {cloudID: id("host$abc"), want: "https://abc.host:443"},
		"cloud, colons":    {cloudID: "a:b:" + id("host$abc$"), want: "https://abc.host:443"},
		"cloud, no name":   {cloudID: base64.StdEncoding.EncodeToString([]byte("host$abc$")), want: "https://abc.host:443"},
		"cloud, one part":  {cloudID: id("host"), code: "bad_cloud_id"},
		"cloud, no host":   {cloudID: id("$abc$"), code: "bad_cloud_id"},
		"cloud, no base64": {cloudID: "name:!!!", code: "bad_cloud_id"},
		"cloud, attack":    {cloudID: id("evil.example#$abc$"), code: "bad_cloud_id"},
		"cloud, user":      {cloudID: id("a@evil.example$abc$"), code: "bad_cloud_id"},
		"cloud, bad port":  {cloudID: id("host:x$abc$"), code: "bad_cloud_id"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := RemoteHost(providers.ClusterConfig{Endpoint: tt.endpoint, CloudID: tt.cloudID})
			wantCode(t, err, tt.code)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "u:p") {
				t.Error("the password stands in the error")
			}
		})
	}
}

func FuzzCloudID(f *testing.F) {
	f.Add("name:aG9zdCRhYmMkZGVm")
	f.Fuzz(func(t *testing.T, id string) {
		u, err := cloudURL(id)
		if err == nil && (u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Port() == "" || u.Path != "") {
			t.Errorf("%q became %s", id, u)
		}
	})
}

// What is sent: the prefix, escapes, headers, content types.
func TestRequest(t *testing.T) {
	var got []string
	c, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: "https://es:9243/pre%2Ffix", Username: "u", Password: "pw", Headers: map[string]string{"x-a": "b"}},
		roundTripper(func(r *http.Request) (*http.Response, error) {
			body := ""
			if r.Body != nil {
				b, _ := io.ReadAll(r.Body)
				body = string(b)
			}
			got = append(got, strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("X-Opaque-Id"), r.Header.Get("X-A"), r.Header.Get("Authorization"), body}, "|"))
			return reply(200, "{}"), nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []providers.Request{
		{Method: "GET", Path: "/_ingest/pipeline/" + url.PathEscape("a/b c%"), Query: url.Values{"x": {"1 2"}}},
		{Method: "POST", Path: "/i/_bulk", Body: []byte("{}\n"), OpaqueID: "op"},
		{Method: "PUT", Path: "/i", Body: []byte("{}")},
	} {
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"GET|https://es:9243/pre%2Ffix/_ingest/pipeline/a%2Fb%20c%25?x=1+2|||b|Basic dTpwdw==|",
		"POST|https://es:9243/pre%2Ffix/i/_bulk|application/x-ndjson|op|b|Basic dTpwdw==|{}\n",
		"PUT|https://es:9243/pre%2Ffix/i|application/json||b|Basic dTpwdw==|{}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string // body, or "STATUS body"
		want   providers.Info
		code   string
		is     error
	}{
		"elasticsearch": {answer: esInfo, want: providers.Info{ClusterName: "c", UUID: "u", Version: "9.4.3", Flavor: providers.Elasticsearch}},
		"old":           {answer: `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"6.8.23"},"tagline":"You Know, for Search"}`, want: providers.Info{ClusterName: "c", UUID: "u", Version: "6.8.23", Flavor: providers.Elasticsearch}},
		"serverless":    {answer: `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"8.11.0","build_flavor":"serverless"},"tagline":"You Know, for Search"}`, want: providers.Info{ClusterName: "c", UUID: "u", Version: "8.11.0", Flavor: providers.Serverless}},
		"opensearch":    {answer: `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"3.8.0","distribution":"opensearch"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`, want: providers.Info{ClusterName: "c", UUID: "u", Version: "3.8.0", Flavor: providers.OpenSearch}},
		"kibana":        {answer: `404 {"statusCode":404,"error":"Not Found","message":"Not Found"}`, code: "kibana_address"},
		"html":          {answer: `<html><title>Welcome</title>`, code: "not_elasticsearch"},
		"other JSON":    {answer: `{"version":{"number":"1.0"}}`, code: "not_elasticsearch"},
		"impostor":      {answer: `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"1"},"tagline":"hello"}`, code: "not_elasticsearch"},
		"denied":        {answer: `401 {"error":{"type":"security_exception","reason":"no"}}`, is: providers.ErrDenied},
		"no master":     {answer: `{"cluster_name":"c","cluster_uuid":"_na_","version":{"number":"9.4.3"},"tagline":"You Know, for Search"}`, code: "no_master", is: providers.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := connect(t, &scripted{t: t, answers: map[string]string{"GET /": tt.answer}}).Info(t.Context())
			if tt.is == nil {
				wantCode(t, err, tt.code)
			} else if !errors.Is(err, tt.is) {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Success and refusal are remembered; being cancelled or out of reach is not.
func TestInfoIsAskedOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		first func(cancel func()) (*http.Response, error)
		asked int
		ok    bool
	}{
		"success":   {func(func()) (*http.Response, error) { return reply(200, esInfo), nil }, 1, true},
		"refused":   {func(func()) (*http.Response, error) { return reply(401, `{}`), nil }, 1, false},
		"cancelled": {func(cancel func()) (*http.Response, error) { cancel(); return nil, context.Canceled }, 2, true},
		"no master": {func(func()) (*http.Response, error) {
			return reply(200, strings.Replace(esInfo, `"u"`, `"_na_"`, 1)), nil
		}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := connect(t, roundTripper(func(*http.Request) (*http.Response, error) {
				if asked++; asked == 1 {
					return tt.first(cancel)
				}
				return reply(200, esInfo), nil
			}))
			_, _ = c.Info(ctx)
			_, err := c.Info(t.Context())
			if asked != tt.asked || (err == nil) != tt.ok {
				t.Errorf("asked %d times, error %v", asked, err)
			}
		})
	}
}

// What Serverless does not have is not sent there; the error is the server's.
func TestServerlessIsNotAsked(t *testing.T) {
	info := strings.Replace(esInfo, `"default"`, `"serverless"`, 1)
	c := connect(t, &scripted{t: t, answers: map[string]string{"GET /": info, "GET /x/_count": "{}"}})
	if _, err := c.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/_cluster/health":  "GET /_cluster/health: 410 api_not_available_exception: Request for uri [/_cluster/health] with method [GET] exists but is not available when running in serverless mode",
		"/x/_stats/docs":    "GET /x/_stats/docs: 410 api_not_available_exception: Request for uri [/x/_stats/docs] with method [GET] exists but is not available when running in serverless mode",
		"/_ilm/policy/hot%": "GET /_ilm/policy/hot%: 400: no handler found for uri [/_ilm/policy/hot%] and method [GET]",
	} {
		_, err := c.Do(t.Context(), providers.Request{Method: "GET", Path: path})
		if e := (*Error)(nil); !errors.As(err, &e) || !e.NoAPI() || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := c.Do(t.Context(), providers.Request{Method: "GET", Path: "/x/_count"}); err != nil {
		t.Error(err)
	}
}

// A kind finds out first, even with its very first request.
func TestServerlessKinds(t *testing.T) {
	info := strings.Replace(esInfo, `"default"`, `"serverless"`, 1)
	r := resource(t, ILMPolicy, &scripted{t: t, answers: map[string]string{"GET /": info}}, `{"policy":{"phases":{}}}`)
	_, err := r.Read(t.Context())
	wantCode(t, err, "not_supported")
	wantCode(t, r.Write(t.Context(), providers.Write{}), "not_supported")
}
