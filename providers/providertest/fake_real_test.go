package providertest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

var update = flag.Bool("update", false, "write testdata/answers.jsonl from the real server of ESLAB_TARGET_URL")

const answersFile = "testdata/answers.jsonl"

// ask sends one request and returns status and body.
type ask func(method, path, body string) (int, []byte)

// TestLikeRealServer holds the fake to what a real Elasticsearch 9.4.3
// answered to testdata/requests.txt.
func TestLikeRealServer(t *testing.T) {
	fake := providertest.NewFake(providertest.Options{Lacks: []string{"_ilm", "_data_stream"}, Whitelist: []string{"127.0.0.1:*"}})
	got := play(t, func(method, path, body string) (int, []byte) {
		status, raw := fake.Do(method, path, body)
		return status, raw
	})
	golden, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(golden)), "\n")
	for i, line := range requests(t) {
		if i >= len(want) || i >= len(got) {
			t.Fatalf("%d requests, %d answers; run with -update on a real server", len(requests(t)), len(want))
		}
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("%s\n real: %s\n fake: %s", line, want[i], got[i])
		}
	}
}

// TestRealServer checks that a real server still answers what was recorded,
// or with -update records it.
func TestRealServer(t *testing.T) {
	send := realServer(t, "TARGET")
	got := play(t, send)
	if *update {
		if err := os.WriteFile(answersFile, []byte(strings.Join(got, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(golden)), "\n"), got); diff != "" {
		t.Error(diff)
	}
}

func requests(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// play sends all requests and returns one line for each answer.
func play(t *testing.T, send ask) []string {
	t.Helper()
	clean := func() {
		for _, p := range []string{"/fkreal1", "/fkreal3", "/fkrealt-1", "/fkreald", "/_index_template/fkrealt", "/_component_template/fkrealc", "/_ingest/pipeline/fkrealp"} {
			send("DELETE", p, "")
		}
		// A stream cannot be deleted there: it goes without documents.
		send("POST", "/fkrealt2-s/_delete_by_query?refresh&conflicts=proceed", `{"query":{"match_all":{}}}`)
	}
	clean()
	t.Cleanup(clean)
	var out []string
	for _, line := range requests(t) {
		line, whole := strings.CutPrefix(line, "=")
		method, rest, _ := strings.Cut(line, " ")
		path, body, _ := strings.Cut(rest, " ")
		if strings.HasSuffix(path, "/_bulk") {
			body = strings.ReplaceAll(body, `\n`, "\n")
		}
		status, raw := send(method, path, body)
		if status >= 500 && status != 500 || strings.Contains(string(raw), "fake: not supported") {
			t.Errorf("%s: %d %s", line, status, raw)
		}
		out = append(out, fmt.Sprintf("%d %s", status, normal(t, raw, whole)))
	}
	return out
}

var (
	position = regexp.MustCompile(`\[\d+:\d+\]|at \d+:\d+`)
	uuid     = regexp.MustCompile(`/[A-Za-z0-9_-]{22}\]`)
	writers  = regexp.MustCompile(`than one write index \[.*?\]`) // in no order
	day      = regexp.MustCompile(`-\d{4}\.\d\d\.\d\d-`)
)

// normal is an answer without what differs between two servers.
func normal(t *testing.T, raw []byte, all bool) string {
	t.Helper()
	if len(bytes.TrimSpace(raw)) == 0 {
		return ""
	}
	v, err := providers.Decode(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if m, ok := v.(map[string]any); ok {
		if inner, ok := m["error"].(map[string]any); ok && m["found"] == nil {
			v = map[string]any{"error": map[string]any{"type": inner["type"], "reason": inner["reason"]}}
		} else if !all && m["error"] == nil {
			return ""
		}
	}
	s := string(providers.Encode(stripped(v)))
	s = writers.ReplaceAllString(s, "than one write index")
	s = day.ReplaceAllString(uuid.ReplaceAllString(position.ReplaceAllString(s, "[P]"), "/UUID]"), "-DAY-")
	return s
}

// stripped leaves out ids, times and what only describes the machine.
func stripped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			switch k {
			case "took", "ingest_took", "uuid", "index_uuid", "creation_date", "index.uuid", "index.creation_date", "created_date_millis",
				"modified_date_millis", "index.version.created", "version", "shard", "caused_by", "username", "blocklist", "forced_refresh":
				if k != "version" || isObject(e) {
					continue
				}
			case "nodes":
				nodes := []any{}
				for _, n := range e.(map[string]any) {
					nodes = append(nodes, stripped(n))
				}
				out[k] = nodes
				continue
			}
			out[k] = stripped(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = stripped(e)
		}
		return out
	}
	return v
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// realServer is a server of the lab, or of the user, by environment.
func realServer(t *testing.T, name string) ask {
	t.Helper()
	cfg := realConfig(t, name)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cfg.CAPEM)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return func(method, path, body string) (int, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, cfg.Endpoint+path, strings.NewReader(body))
		if t.Context().Err() != nil { // while cleaning up
			req, err = http.NewRequest(method, cfg.Endpoint+path, strings.NewReader(body))
		}
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth(cfg.Username, cfg.Password)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, raw
	}
}

// realConfig reads ESLAB_NAME_*; without it the test is skipped, or fails with
// ESMIG_TEST_REAL=required.
func realConfig(t *testing.T, name string) providers.ClusterConfig {
	t.Helper()
	env := func(s string) string { return os.Getenv("ESLAB_" + name + "_" + s) }
	if env("URL") == "" {
		if os.Getenv("ESMIG_TEST_REAL") == "required" {
			t.Fatalf("ESLAB_%s_URL is not set", name)
		}
		t.Skipf("ESLAB_%s_URL is not set", name)
	}
	cfg := providers.ClusterConfig{Name: "target", Endpoint: env("URL"), Username: env("USERNAME"), Password: env("PASSWORD")}
	if cfg.Username == "" { // Serverless
		cfg.APIKey = env("API_KEY")
	}
	if file := env("CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cfg.CAPEM = pem
	}
	return cfg
}
