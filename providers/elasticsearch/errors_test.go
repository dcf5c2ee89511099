package elasticsearch

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/esmig/esmig/providers"
)

// Bodies as real servers answer them.
func TestParseError(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   Error
		is     error
	}{
		"object": {400,
			`{"error":{"root_cause":[{"type":"invalid_index_template_exception","reason":"index_template [x] invalid"}],"type":"invalid_index_template_exception","reason":"index_template [x] invalid"},"status":400}`,
			Error{Status: 400, Type: "invalid_index_template_exception", Reason: "index_template [x] invalid"}, nil},
		"string": {400, `{"error":"no handler found for uri [/_ilm/policy/x] and method [PUT]"}`,
			Error{Status: 400, Reason: "no handler found for uri [/_ilm/policy/x] and method [PUT]"}, nil},
		"string with status": {404, `{"error":"alias [nono] missing","status":404}`,
			Error{Status: 404, Reason: "alias [nono] missing"}, providers.ErrNotFound},
		"empty object": {404, `{}`, Error{Status: 404}, providers.ErrNotFound},
		"serverless": {410, `{"error":{"root_cause":[],"type":"api_not_available_exception","reason":"Request for uri [/_cluster/health] with method [GET] exists but is not available when running in serverless mode"},"status":410}`,
			Error{Status: 410, Type: "api_not_available_exception", Reason: "Request for uri [/_cluster/health] with method [GET] exists but is not available when running in serverless mode"}, nil},
		"caused by": {400,
			`{"error":{"root_cause":[{"type":"x_content_parse_exception","reason":"[1:47] [phase] unknown field [foo]"}],"type":"x_content_parse_exception","reason":"[1:60] [put_lifecycle_request] failed to parse field [policy]","caused_by":{"type":"x_content_parse_exception","reason":"[1:59] [lifecycle_policy] failed to parse field [phases]","caused_by":{"type":"x_content_parse_exception","reason":"[1:47] [phase] unknown field [foo]"}}},"status":400}`,
			Error{Status: 400, Type: "x_content_parse_exception", Reason: "[1:60] [put_lifecycle_request] failed to parse field [policy]",
				RootCause: "x_content_parse_exception: [1:47] [phase] unknown field [foo]"}, nil},
		"chunk too large": {400,
			`{"error":{"type":"illegal_argument_exception","reason":"Remote responded with a chunk that was too large. Use a smaller batch size.","caused_by":{"type":"content_too_long_exception","reason":"entity content is too long [255064703] for the configured buffer limit [104857600]"}}}`,
			Error{Status: 400, Type: "illegal_argument_exception", Reason: "Remote responded with a chunk that was too large. Use a smaller batch size.",
				RootCause: "content_too_long_exception: entity content is too long [255064703] for the configured buffer limit [104857600]"}, nil},
		"root cause of a search": {503,
			`{"error":{"root_cause":[{"type":"no_shard_available_action_exception","reason":"no nodes to search on"}],"type":"search_phase_execution_exception","reason":"all shards failed"},"status":503}`,
			Error{Status: 503, Type: "search_phase_execution_exception", Reason: "all shards failed", RootCause: "no_shard_available_action_exception: no nodes to search on"}, providers.ErrUnavailable},
		"remote": {401,
			`{"error":{"type":"status_exception","reason":"body={\"error\":{\"root_cause\":[],\"type\":\"security_exception\",\"reason\":\"unable to authenticate user [x]\"},\"status\":401}"},"status":401}`,
			Error{Status: 401, Type: "status_exception", Reason: `body={"error":{"root_cause":[],"type":"security_exception","reason":"unable to authenticate user [x]"},"status":401}`,
				Remote: &Error{Status: 401, Type: "security_exception", Reason: "unable to authenticate user [x]"}}, providers.ErrDenied},
		"exists":     {400, `{"error":{"type":"resource_already_exists_exception","reason":"index [x/y] already exists"}}`, Error{Status: 400, Type: "resource_already_exists_exception", Reason: "index [x/y] already exists"}, providers.ErrConflict},
		"conflict":   {409, `{"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}`, Error{Status: 409, Type: "version_conflict_engine_exception", Reason: "[1]: version conflict"}, providers.ErrConflict},
		"blocked":    {403, `{"error":{"type":"cluster_block_exception","reason":"index [x] blocked"}}`, Error{Status: 403, Type: "cluster_block_exception", Reason: "index [x] blocked"}, nil},
		"web page":   {502, "<html><head><title>502 Bad\nGateway</title></head>", Error{Status: 502, Reason: `not an answer of Elasticsearch but a web page: "502 Bad Gateway"`}, providers.ErrUnavailable},
		"plain text": {401, "Unauthorized", Error{Status: 401, Reason: `not an answer of Elasticsearch: "Unauthorized"`}, providers.ErrDenied},
		"nothing":    {500, "", Error{Status: 500, Reason: "the answer is empty"}, nil},
		"cloud":      {404, `{"ok":false,"message":"Unknown resource."}`, Error{Status: 404, Reason: "Unknown resource."}, providers.ErrNotFound},
		"kibana":     {404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`, Error{Status: 404, Reason: "Not Found: Not Found"}, providers.ErrNotFound},
		"terminal":   {400, "{\"error\":\"a\\u001b[31mb\\u0007\\nc\\u202ed\"}", Error{Status: 400, Reason: "a[31mb cd"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseError([]byte(tt.body), tt.status)
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
				t.Error(diff)
			}
			for _, s := range []error{providers.ErrNotFound, providers.ErrConflict, providers.ErrUnavailable, providers.ErrDenied} {
				if errors.Is(got, s) != (s == tt.is) {
					t.Errorf("errors.Is(%v) = %v", s, !(s == tt.is))
				}
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Method: "POST", Path: "/_reindex", Status: 400, Type: "a", Reason: "b", RootCause: "c: d"}
	if got, want := e.Error(), "POST /_reindex: 400 a: b; because of c: d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Remote = &Error{Status: 401, Type: "security_exception", Reason: "no"}
	if got, want := e.Error(), "POST /_reindex: 400 a: the remote cluster answers 401 security_exception: no"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A server that repeats credentials does not make esmig show them.
func TestNoSecrets(t *testing.T) {
	cfg := providers.ClusterConfig{Name: "c", Endpoint: "http://es:9200", APIKey: "keyid:s3cretkey", Headers: map[string]string{"X-Proxy": "t0pheader"}}
	encoded := EncodedAPIKey(cfg.APIKey)
	c, err := Connect(cfg, roundTripper(func(r *http.Request) (*http.Response, error) {
		return reply(400, `{"error":{"type":"x","reason":"`+r.Header.Get("Authorization")+` s3cretkey `+r.Header.Get("X-Proxy")+`","caused_by":{"reason":"body={\"error\":\"keyid:s3cretkey\"}"}}}`), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), providers.Request{Method: "GET", Path: "/x"})
	if err == nil {
		t.Fatal("no error")
	}
	var e *Error
	if !errors.As(err, &e) || e.Remote == nil {
		t.Fatalf("%#v", err)
	}
	all := err.Error() + e.Reason + e.RootCause + e.Remote.Error()
	for _, s := range []string{"s3cret", "t0pheader", encoded} {
		if strings.Contains(all, s) {
			t.Errorf("%q stands in %q", s, all)
		}
	}
}

// Cancelling is the caller's doing and no trouble of the cluster.
func TestCancelled(t *testing.T) {
	c := connect(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, method := range []string{"GET", "POST"} {
		_, err := c.Do(ctx, providers.Request{Method: method, Path: "/x"})
		if !errors.Is(err, context.Canceled) || errors.Is(err, providers.ErrUnavailable) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add([]byte(`{"error":{"type":"a","reason":"body={\"error\":\"x\"}","caused_by":{"reason":"y"}}}`), 400)
	f.Add([]byte(`{"error":[1],"message":{"a":null}}`), 500)
	f.Add([]byte("<title>\xff"), 502)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		for e := parseError(body, status); e != nil; e = e.Remote {
			for _, s := range []string{e.Type, e.Reason, e.RootCause, e.Error()} {
				if strings.ContainsFunc(s, unicode.IsControl) {
					t.Errorf("control character in %q", s)
				}
			}
			if n := len([]rune(e.Reason)); n > maxText+250 {
				t.Errorf("%d runes", n)
			}
		}
	})
}
