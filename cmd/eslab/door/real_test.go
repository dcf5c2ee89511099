package door

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// real is a server of the lab behind doors of this test's own, so that what it
// tries there is nobody else's fault: "eslab run -servers target -- go test
// ./cmd/eslab/door -run Real".
func real(t *testing.T) (s *Server, key string) {
	env := func(name string) string { return os.Getenv("ESLAB_TARGET_" + name) }
	if env("URL") == "" {
		if os.Getenv("ESMIG_TEST_REAL") == "required" {
			t.Fatal("ESLAB_TARGET_URL is not set: run make real")
		}
		t.Skip("ESLAB_TARGET_URL is not set")
	}
	roots := x509.NewCertPool()
	if file := env("CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	s, err := Connect(t.Context(), env("URL"), transport, "ApiKey "+env("API_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	return s, env("API_KEY")
}

// asks sends requests through a door and checks each answer.
func asks(t *testing.T, d *Door, key string) func(method, uri, body string, status int, words ...string) string {
	return func(method, uri, body string, status int, words ...string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://door.test"+uri, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI = uri
		r.Header.Set("Authorization", "ApiKey "+key)
		r.Header.Set("Content-Type", "application/json")
		w := &answer{header: http.Header{}}
		d.ServeHTTP(w, r)
		if w.status != status {
			t.Fatalf("%s %s: %d %s", method, uri, w.status, w.body.String())
		}
		for _, word := range words {
			if not, ok := strings.CutPrefix(word, "not "); ok == strings.Contains(w.body.String(), not) {
				t.Errorf("%s %s: %q in %s", method, uri, word, w.body.String())
			}
		}
		return w.body.String()
	}
}

type answer struct {
	header http.Header
	status int
	body   strings.Builder
}

func (a *answer) Header() http.Header  { return a.header }
func (a *answer) WriteHeader(code int) { a.status = code }
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.body.Write(b)
}

// A reindex task is real, and told as Serverless tells it.
func TestRealReindex(t *testing.T) {
	s, key := real(t)
	do := asks(t, s.Serverless(), key)
	remove := func() {
		do := asks(t, s.Streams(), key)
		do("DELETE", "/door-from,door-to?ignore_unavailable=true", "", 200)
	}
	remove()
	defer remove()
	do("PUT", "/door-from", "{}", 200)
	var bulk strings.Builder
	for i := range 100 {
		fmt.Fprintf(&bulk, "{\"index\":{}}\n{\"n\":%d}\n", i)
	}
	do("POST", "/door-from/_bulk?refresh=true", bulk.String(), 200, `"errors":false`)
	start := func() string {
		var a struct{ Task string }
		raw := do("POST", "/_reindex?wait_for_completion=false&requests_per_second=10", `{"source":{"index":"door-from","size":10},"dest":{"index":"door-to"}}`, 200)
		if err := json.Unmarshal([]byte(raw), &a); err != nil || a.Task == "" {
			t.Fatal(raw, err)
		}
		return a.Task
	}
	id := start()
	do("GET", "/_reindex/"+id, "", 200, `"completed":false`, `"id":"`+id+`"`, `"description":"reindex from [door-from] to [door-to]"`, `not "task":`)
	do("GET", "/_reindex/"+id+"?wait_for_completion=true&timeout=10ms", "", 200, `"completed":false`)
	do("GET", "/_reindex", "", 200, `"id":"`+id+`"`)
	do("POST", "/_reindex/"+id+"/_cancel", "", 200, `"completed":true`, `"canceled":"by user request"`, `"cancelled":false`)
	// Cancelled between two batches it has a response, in the middle of one an error.
	do("GET", "/_reindex/"+id, "", 200, `"completed":true`, `"canceled":"by user request"`)
	do("POST", "/_reindex/"+id+"/_cancel", "", 404, "reindex task ["+id+"] either not found or completed")
	id = start()
	do("POST", "/_reindex/"+id+"/_rethrottle?requests_per_second=-1", "", 200)
	do("GET", "/_reindex/"+id+"?wait_for_completion=true", "", 200, `"completed":true`, `"total":100`)
	do("GET", "/_door/refused", "", 200, `{"refused":[]}`)
}

// The whole life of data streams, twice, because what is left of the first is
// in the way of the second.
func TestRealStreams(t *testing.T) {
	s, key := real(t)
	if s.streams == nil {
		t.Skip("the server has the API itself")
	}
	for name, d := range map[string]*Door{"streams": s.Streams(), "serverless": s.Serverless()} {
		t.Run(name, func(t *testing.T) {
			do := asks(t, d, key)
			const template = `{"index_patterns":["door-ds*"],"priority":911,"data_stream":{},"template":{"settings":{"final_pipeline":"door-p"},"lifecycle":{"data_retention":"30d"}}}`
			do("PUT", "/_ingest/pipeline/door-p", `{"processors":[{"set":{"field":"a","value":1}}]}`, 200)
			do("PUT", "/_data_stream/door-ds", "", 400, "no matching index template found for data stream [door-ds]")
			do("PUT", "/_index_template/door-t", template, 200)
			do("GET", "/_data_stream/door-ds", "", 404, "no such index [door-ds]")
			do("PUT", "/_data_stream/door-ds", "", 200, `"acknowledged":true`)
			do("PUT", "/_data_stream/door-ds", "", 400, "data_stream [door-ds] already exists")
			do("GET", "/_data_stream/door-*", "", 200, `"name":"door-ds"`, `"template":"door-t"`, `"data_retention":"30d"`, `"allow_custom_routing":false`)
			do("GET", "/door-ds/_count", "", 200, `"count":0`)
			do("PUT", "/_data_stream/door-ds/_lifecycle", `{"data_retention":"9d"}`, 200)
			do("GET", "/_data_stream/door-ds/_lifecycle", "", 200, `"data_retention":"9d"`, `"enabled":true`, `"effective_retention":"9d"`)
			do("POST", "/door-ds/_bulk?refresh=true", "{\"create\":{\"_id\":\"1\"}}\n{\"@timestamp\":\"2026-01-01\"}\n", 200, `"errors":false`)
			do("POST", "/door-ds/_rollover", "", 200, `"rolled_over":true`)
			do("GET", "/_resolve/index/door-*", "", 200, `"name":"door-ds"`)
			do("DELETE", "/_index_template/door-t", "", 400, "in use by a data streams [door-ds]")
			do("DELETE", "/_data_stream/door-ds", "", 200)
			do("GET", "/_data_stream/door-ds", "", 404)
			do("GET", "/_data_stream/door-*", "", 200, `not door-ds`)
			do("GET", "/_resolve/index/door-*", "", 200, `not door-ds`)
			do("GET", "/door-ds/_search", "", 404, "no such index [door-ds]")
			do("DELETE", "/_data_stream/door-ds", "", 404)
			// A write makes it anew, also one that the door does not look into.
			do("PUT", "/door-ds/_create/1?refresh=true", `{"@timestamp":"2026-01-01"}`, 201)
			do("GET", "/_data_stream/door-ds", "", 200, `"data_retention":"30d"`)
			do("DELETE", "/_data_stream/door-ds", "", 200)
			do("POST", "/_bulk?refresh=true", "{\"create\":{\"_index\":\"door-ds\"}}\n{\"@timestamp\":\"2026-01-01\"}\n", 200, `"errors":false`)
			do("GET", "/_data_stream/door-ds", "", 200)
			do("GET", "/door-ds/_count", "", 200, `"count":1`)
			do("DELETE", "/_data_stream/door-ds", "", 200)
			do("DELETE", "/_index_template/door-t", "", 200)
			do("GET", "/_index_template", "", 200, "not "+droppedPrefix)
			do("DELETE", "/_ingest/pipeline/door-p", "", 200)
			do("GET", "/_door/refused", "", 200, `{"refused":[]}`)
		})
	}
	// A door that opens later knows what was dropped.
	later, _ := real(t)
	asks(t, later.Streams(), key)("GET", "/_data_stream/door-ds", "", 404)
}
