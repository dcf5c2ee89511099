package door

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// backend answers by "METHOD /path?query", else with {}; it keeps what reached
// it.
type backend struct {
	answers map[string]string // "404 {}", or a body for 200
	got     []string
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Method + " " + r.URL.RequestURI()
	body := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(raw)
	}
	b.got = append(b.got, strings.TrimSpace(key+" "+body))
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	answer, ok := b.answers[key]
	if !ok {
		answer = "{}"
	}
	if status, rest, ok := strings.Cut(answer, " "); ok && len(status) == 3 {
		n := map[string]int{"400": 400, "401": 401, "404": 404, "429": 429}[status]
		w.WriteHeader(n)
		answer = rest
	}
	_, _ = io.WriteString(w, answer)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// open is a server with the data stream API, and what reaches it from now on.
func open(t *testing.T, answers map[string]string) (*Server, *backend) {
	t.Helper()
	b := &backend{answers: answers}
	s, err := Connect(t.Context(), "http://server.test:9200", b, "Basic admin")
	if err != nil {
		t.Fatal(err)
	}
	b.got = nil
	return s, b
}

func request(d http.Handler, method, uri, body string) (int, string) {
	r := httptest.NewRequest(method, uri, strings.NewReader(body))
	r.Header.Set("Authorization", "ApiKey key")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		method, uri, body string
		status            int
		text              string // empty: it passes
	}{
		{"GET", "/_cluster/health?level=indices", "", 410, `"type":"api_not_available_exception"`},
		{"GET", "/_cluster/health?level=indices", "", 410, "Request for uri [/_cluster/health?level=indices] with method [GET] exists but is not available when running in serverless mode"},
		{"GET", "/_tasks", "", 410, "exists but"},
		{"GET", "/_tasks/n:1", "", 200, ""},
		{"POST", "/a/_close", "", 410, "exists but"},
		{"DELETE", "/_data_stream/x/_lifecycle", "", 410, "exists but"},
		{"PUT", "/_ilm/policy/x", "{}", 400, `{"error":"no handler found for uri [/_ilm/policy/x] and method [PUT]"}`},
		{"PUT", "/idx?master_timeout=30000ms", "", 400, "Parameter validation failed for [/idx]: The http parameter [master_timeout] (with value [30000ms]) is not permitted when running in serverless mode"},
		{"POST", "/a/_search?scroll=1m", "", 400, "The http parameter [scroll]"},
		{"POST", "/a/_search?request_cache=false", "", 200, ""},
		{"POST", "/a/_search?nonsense=1", "", 400, "The http parameter [nonsense]"},
		{"POST", "/_search/scroll", "", 410, "exists but"},
		{"PUT", "/a", `{"settings":{"index":{"number_of_shards":2},"number_of_replicas":1,"codec":"default"}}`, 400, `"Settings [index.number_of_replicas,index.number_of_shards] are not available when running in serverless mode"`},
		{"PUT", "/a", `{"settings":{"index.codec":"default","analysis":{"analyzer":{"x":{"type":"custom"}}}}}`, 200, ""},
		{"PUT", "/a", `{"settings":{"refresh_interval":"1s"}}`, 400, "index setting [index.refresh_interval=1s] should be either -1 or equal to or greater than 5s"},
		{"PUT", "/a", `{"settings":{"refresh_interval":-1}}`, 200, ""},
		{"PUT", "/a/_settings", `{"index":{"refresh_interval":"-1"}}`, 200, ""},
		{"PUT", "/a/_settings", `{"index":{"translog":{"durability":"async"}}}`, 400, "Settings [index.translog.durability]"},
		{"PUT", "/_settings", `{"settings":{"max_result_window":1}}`, 400, "Settings [index.max_result_window]"},
		{"PUT", "/_component_template/x", `{"template":{"settings":{"index.number_of_shards":1}}}`, 400, "Settings [index.number_of_shards]"},
		{"POST", "/_index_template/x", `{"template":{"settings":{"lifecycle":{"name":"p","origination_date":1}}}}`, 400, "Settings [index.lifecycle.name]"},
		{"POST", "/_index_template/_simulate", `{"template":{"settings":{"number_of_shards":1}}}`, 400, "Settings [index.number_of_shards]"},
		{"PUT", "/a", `{"mappings":{"properties":{"a":{"properties":{"j":{"type":"join"}}}}}}`, 400, "The mapper type [join] declared on field [j] does not exist."},
		{"PUT", "/a/_mapping", `{"properties":{"join":{"type":"keyword","fields":{"j":{"type":"join"}}}}}`, 400, "The mapper type [join] declared on field [j]"},
		{"PUT", "/a/_mapping", `{"properties":{"join":{"type":"keyword"},"settings":{"properties":{"number_of_shards":{"type":"long"}}}}}`, 200, ""},
		{"PUT", "/a", `{"mappings":{"dynamic_templates":[{"k":{"mapping":{"type":"keyword"}}},{"d":{"match":"j*","mapping":{"type":"join"}}}]}}`, 400, "No mapper found for type [join]"},
		{"PUT", "/a/_mapping", `{"dynamic_templates":[{"d":{"mapping":{"type":"text","fields":{"j":{"type":"join"}}}}}]}`, 400, "The mapper type [join] declared on field [j]"},
		{"PUT", "/_component_template/x", `{"template":{"mappings":{"_doc":{"properties":{"j":{"type":"join"}}}}}}`, 400, "The mapper type [join] declared on field [j]"},
		{"PUT", "/_index_template/x", `{"template":{"mappings":{"_doc":{"dynamic_templates":[{"d":{"mapping":{"type":"join"}}}]}}}}`, 400, "dynamic template [d] has invalid content"},
		{"PUT", "/_index_template/x", `{"template":{"mappings":{"_doc":{"dynamic_templates":[{"join":{"mapping":{"type":"keyword"}}}]}}}}`, 200, ""},
		{"PUT", "/_data_stream/x/_mappings", `{"properties":{"j":{"type":"join"}}}`, 400, "The mapper type [join] declared on field [j]"},
		{"PUT", "/_data_stream/x/_mappings", `{"properties":{"j":{"type":"keyword"}}}`, 200, ""},
		{"GET", "/a/_settings?include_defaults=true&flat_settings=true", "", 200, ""},
		{"GET", "/a/_settings?preserve_existing=true", "", 400, "The http parameter [preserve_existing]"},
		{"PUT", "/a/_settings?preserve_existing=true", "{}", 200, ""},
		{"PUT", "/a/_settings?include_defaults=true", "{}", 400, "The http parameter [include_defaults]"},
		{"POST", "/a/_search", `{"aggs":{"a":{"filter":{},"aggs":{"m":{"scripted_metric":{"init_script":"","map_script":""}}}}}}`, 400, "[init_script] contains not allowed script: [m]"},
		{"POST", "/a/_search", `{"aggs":{"scripted_metric":{"max":{"field":"_seq_no"}}}}`, 200, ""},
		{"POST", "/_msearch", "{\"index\":\"a\"}\n{\"aggs\":{\"m\":{\"scripted_metric\":{\"map_script\":\"\"}}}}\n", 400, "[map_script] contains not allowed script: [m]"},
		{"POST", "/a/_search", `{"rank":{"rrf":{}}}`, 400, "[rank]"},
		{"POST", "/_data_stream/_modify", `{"actions":[{"add_backing_index":{}},{"delete_backing_index":{}}]}`, 400, "[actions.delete_backing_index]"},
		{"POST", "/_data_stream/_modify", `{"actions":[{"add_backing_index":{}}]}`, 200, ""},
		{"PUT", "/a", `{"settings":`, 200, ""}, // for the server to refuse
	} {
		s, b := open(t, nil)
		d := s.Serverless()
		status, body := request(d, tt.method, tt.uri, tt.body)
		want := []string{strings.TrimSpace(tt.method + " " + tt.uri + " " + strings.TrimSpace(tt.body))}
		if tt.text != "" {
			want = nil
		}
		if status != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.uri, tt.body, status, body)
		}
		if diff := cmp.Diff(want, b.got); diff != "" {
			t.Errorf("%s %s %s reached the server: %s", tt.method, tt.uri, tt.body, diff)
		}
		if recorded := strings.Contains(refused(d), `"uri":`); recorded != (tt.text != "") {
			t.Errorf("%s %s: recorded %v", tt.method, tt.uri, recorded)
		}
	}
}

func refused(d http.Handler) string {
	_, body := request(d, "GET", "/_door/refused", "")
	return body
}

// Only API keys; what they are worth the server knows.
func TestAuthentication(t *testing.T) {
	for header, want := range map[string]int{"Basic dTpw": 401, "Bearer x": 401, "ApiKey x": 200, "apikey x": 200, "": 200} {
		s, b := open(t, nil)
		r := httptest.NewRequest("GET", "/a/_count", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		s.Serverless().ServeHTTP(w, r)
		if w.Code != want || len(b.got) != 1 == (want == 200) {
			t.Errorf("%q: %d %s, %v", header, w.Code, w.Body, b.got)
		}
		if want == 401 && w.Header().Get("WWW-Authenticate") != "ApiKey" {
			t.Errorf("%q: %v", header, w.Header())
		}
	}
	// What the door answers itself it answers only those whom the server knows.
	s, _ := open(t, map[string]string{"GET /_security/_authenticate": `401 {"error":{"type":"security_exception","reason":"no"},"status":401}`})
	if status, body := request(s.Serverless(), "GET", "/_reindex", ""); status != 401 || !strings.Contains(body, `"reason":"no"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestCompressedBody(t *testing.T) {
	s, b := open(t, nil)
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = io.WriteString(z, `{"settings":{"number_of_shards":1}}`)
	_ = z.Close()
	for uri, want := range map[string]int{"/a": 400, "/a/_doc/1": 200} {
		r := httptest.NewRequest("PUT", uri, bytes.NewReader(body.Bytes()))
		r.Header.Set("Content-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.Serverless().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d %s", uri, w.Code, w.Body)
		}
	}
	if len(b.got) != 1 || !strings.HasSuffix(b.got[0], strings.TrimSpace(body.String())) {
		t.Errorf("%q", b.got)
	}
}

// What is read is the server's, but for what Serverless does not show.
func TestShown(t *testing.T) {
	settings := `{"index":{"routing":{"allocation":{"include":{"_tier_preference":"data_content"}}},"number_of_shards":"1","number_of_replicas":"1","uuid":"x","version":{"created":"9094000"},"default_pipeline":"p"}}`
	shown := `{"index":{"default_pipeline":"p","uuid":"x","version":{"created":"9094000"}}}`
	mappings := `{"properties":{"settings":{"properties":{"number_of_shards":{"type":"long"}}}}}`
	for uri, tt := range map[string][2]string{
		"/": {`{"name":"n","cluster_uuid":"u","version":{"number":"9.4.3","build_flavor":"default"},"tagline":"You Know, for Search"}`,
			`{"cluster_name":"lab-project","cluster_uuid":"tYRRPgV_p4iJUCqEw4fuFw","name":"serverless","tagline":"You Know, for Search","version":{"build_flavor":"serverless","build_type":"docker","number":"9.5.0"}}`},
		"/a": {`{"a":{"aliases":{},"mappings":` + mappings + `,"settings":` + settings + `}}`, `{"a":{"aliases":{},"mappings":` + mappings + `,"settings":` + shown + `}}`},
		"/a/_settings?include_defaults=true&flat_settings=true": {`{"a":{"settings":{"index.number_of_shards":"1","index.codec":"x"},"defaults":{"index.gc_deletes":"60s","index.hidden":"false"}}}`,
			`{"a":{"defaults":{"index.hidden":"false"},"settings":{"index.codec":"x"}}}`},
		"/_index_template/t": {`{"index_templates":[{"name":"t","index_template":{"_meta":{"settings":{"a":1}},"template":{"settings":` + settings + `}}}]}`,
			`{"index_templates":[{"index_template":{"_meta":{"settings":{"a":1}},"template":{"settings":` + shown + `}},"name":"t"}]}`},
		"/a/_search": {`{"hits":{"hits":[{"_source":{"settings":{"index":{"number_of_shards":1e3}}}}]}}`, `{"hits":{"hits":[{"_source":{"settings":{"index":{"number_of_shards":1e3}}}}]}}`},
	} {
		s, _ := open(t, map[string]string{"GET " + uri: tt[0]})
		if status, body := request(s.Serverless(), "GET", uri, ""); status != 200 || body != tt[1] {
			t.Errorf("%s: %d\n%s, want\n%s", uri, status, body, tt[1])
		}
	}
}

const (
	running = `{"node":"n","id":7,"type":"transport","action":"indices:data/write/reindex","status":{"total":2},"description":"reindex","start_time_in_millis":1795510128185,"running_time_in_nanos":44432731,"cancellable":true,"cancelled":false,"headers":{}}`
	flat    = `"cancelled":false,"completed":true,"description":"reindex","id":"n:7","response":{"failures":[]},"running_time_in_nanos":44432731,"start_time_in_millis":1795510128185,"status":{"total":2}`
	ended   = `{"completed":true,"task":` + running + `,"response":{"failures":[]}}`
	unknown = `404 {"error":{"type":"resource_not_found_exception","reason":"task [n:8] isn't running"},"status":404}`
)

func TestReindexTasks(t *testing.T) {
	answers := map[string]string{
		"GET /_tasks?detailed=true&actions=indices%3Adata%2Fwrite%2Freindex": `{"nodes":{"n":{"name":"x","tasks":{"n:7":` + running + `}}}}`,
		"GET /_tasks/n:7": ended,
		"GET /_tasks/n:8": unknown,
		"GET /_tasks/n:9": `{"completed":false,"task":{"node":"n","id":9,"action":"indices:data/write/bulk"}}`,
		"GET /_tasks/n:5": strings.Replace(ended, `"response":{"failures":[]}`, `"error":{"type":"x"}`, 1),
		"GET /_tasks/n:7?wait_for_completion=true&timeout=1s":                                         `429 {"error":{"type":"timeout_exception","reason":"timed out after [1s/1s]"},"status":429}`,
		"GET /_tasks/n:7?wait_for_completion=true":                                                    ended,
		"POST /_tasks/n:7/_cancel?actions=indices%3Adata%2Fwrite%2Freindex&wait_for_completion=true":  `{"nodes":{"n":{"tasks":{"n:7":{}}}}}`,
		"POST /_tasks/n:7/_cancel?actions=indices%3Adata%2Fwrite%2Freindex&wait_for_completion=false": `{"nodes":{"n":{"tasks":{"n:7":{}}}}}`,
		"POST /_tasks/n:8/_cancel?actions=indices%3Adata%2Fwrite%2Freindex&wait_for_completion=true":  `{"node_failures":[{}],"nodes":{}}`,
		"POST /_reindex/n:7/_rethrottle?requests_per_second=5":                                        `{"nodes":{}}`,
	}
	for _, tt := range []struct {
		method, uri string
		status      int
		want        string
	}{
		{"GET", "/_reindex", 200, `{"reindex":[{"cancelled":false,"description":"reindex","id":"n:7","running_time_in_nanos":44432731,"start_time_in_millis":1795510128185,"status":{"total":2}}]}`},
		{"GET", "/_reindex/n:7", 200, "{" + flat + "}"},
		{"GET", "/_reindex/n%3A7", 200, "{" + flat + "}"},
		{"GET", "/_reindex/n:7?wait_for_completion=true&timeout=1s", 200, "{" + flat + "}"},
		{"GET", "/_reindex/n:5", 200, "{" + strings.Replace(strings.Replace(flat, `"response":{"failures":[]},`, "", 1), `"id"`, `"error":{"type":"x"},"id"`, 1) + "}"},
		{"GET", "/_reindex/n:8", 404, "Reindex operation [n:8] not found"},
		{"GET", "/_reindex/n:9", 404, "Reindex operation [n:9] not found"},
		{"POST", "/_reindex/n:7/_cancel", 200, "{" + flat + "}"},
		{"POST", "/_reindex/n:7/_cancel?wait_for_completion=false", 200, `{"acknowledged":true}`},
		{"POST", "/_reindex/n:8/_cancel", 404, "reindex task [n:8] either not found or completed"},
		{"POST", "/_reindex/n:7/_rethrottle?requests_per_second=5", 200, `{"nodes":{}}`},
	} {
		s, _ := open(t, answers)
		if status, body := request(s.Serverless(), tt.method, tt.uri, ""); status != tt.status || !strings.Contains(body, tt.want) || tt.status == 200 && body != tt.want {
			t.Errorf("%s %s: %d %s", tt.method, tt.uri, status, body)
		}
	}
}

// A server that has the data stream API is left to answer it.
func TestOwnStreams(t *testing.T) {
	s, b := open(t, nil)
	request(s.Streams(), "PUT", "/_data_stream/x", "")
	request(s.Serverless(), "GET", "/_data_stream/x", "")
	if diff := cmp.Diff([]string{"PUT /_data_stream/x", "GET /_data_stream/x"}, b.got); diff != "" {
		t.Error(diff)
	}
}

func TestMakeStream(t *testing.T) {
	for template, tt := range map[string]struct {
		answer string
		status int
		text   string
	}{
		"none":        {`{"index_templates":[]}`, 400, "no matching index template found for data stream [x]"},
		"other":       {`{"index_templates":[{"name":"t","index_template":{"index_patterns":["y*"],"data_stream":{}}}]}`, 400, "no matching index template found"},
		"plain":       {`{"index_templates":[{"name":"t","index_template":{"index_patterns":["x*"]}}]}`, 400, "matching index template [t] for data stream [x] has no data stream template"},
		"highest":     {`{"index_templates":[{"name":"t","index_template":{"index_patterns":["x*"],"data_stream":{}}},{"name":"u","index_template":{"index_patterns":["x"],"priority":2}}]}`, 400, "matching index template [u]"},
		"for streams": {`{"index_templates":[{"name":"t","index_template":{"index_patterns":["x*"],"data_stream":{}}}]}`, 200, `{"acknowledged":true}`},
	} {
		s, b := open(t, map[string]string{
			"GET /_data_stream":                    `400 {"error":"no handler found for uri [/_data_stream] and method [GET]"}`,
			"GET /_index_template/eslab-dropped-*": `404 {"error":{"type":"x","reason":"x"}}`,
			"GET /_index_template":                 tt.answer,
		})
		status, body := request(s.Streams(), "PUT", "/_data_stream/x", "")
		if status != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %d %s", template, status, body)
		}
		made := strings.Contains(strings.Join(b.got, "\n"), "PUT /x/_create/eslab?refresh=true&pipeline=_none {\"@timestamp\":")
		if made != (tt.status == 200) {
			t.Errorf("%s: %v", template, b.got)
		}
	}
}

// A server that went away is seen as such.
func TestAway(t *testing.T) {
	s, b := open(t, nil)
	s.transport = away{}
	front := httptest.NewServer(s.Serverless())
	defer front.Close()
	if resp, err := http.Get(front.URL + "/a/_count"); err == nil {
		t.Errorf("answered %s; %v", resp.Status, b.got)
	}
}

type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// Bodies of bulk requests are not held.
func TestBulkStreams(t *testing.T) {
	s, _ := open(t, nil)
	s.transport = reads(64)
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 128)), never{t})
	r := httptest.NewRequest("POST", "/_bulk", body)
	w := httptest.NewRecorder()
	s.Serverless().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Error(w.Code)
	}
}

// reads answers after so many bytes.
type reads int

func (n reads) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.ReadFull(r.Body, make([]byte, n)); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	_ = json.NewEncoder(w).Encode(map[string]any{})
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

type never struct{ t *testing.T }

func (n never) Read([]byte) (int, error) {
	n.t.Error("the whole body was read before anything was answered")
	return 0, io.EOF
}
