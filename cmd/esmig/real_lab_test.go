package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers/providertest"
)

// server is one real server of the lab, spoken to without esmig: what esmig
// says is not believed here.
type server struct {
	t      *testing.T
	url    string
	vars   map[string]string // URL, USERNAME, PASSWORD, API_KEY, CA_FILE, …
	client *http.Client
	// serverless: it has no scroll.
	serverless bool
}

// lab finds a server by its name in ESLAB_*. Without it the test is skipped,
// unless ESMIG_TEST_REAL=required: then that is a failure.
func lab(t *testing.T, name string) *server {
	t.Helper()
	s := &server{t: t, vars: map[string]string{}}
	prefix := "ESLAB_" + strings.ToUpper(name) + "_"
	for _, kv := range os.Environ() {
		if k, v, _ := strings.Cut(kv, "="); strings.HasPrefix(k, prefix) {
			s.vars[strings.TrimPrefix(k, prefix)] = v
		}
	}
	if s.url = s.vars["URL"]; s.url == "" {
		if os.Getenv("ESMIG_TEST_REAL") == "required" {
			t.Fatalf("the real server %q is not there: run make real", name)
		}
		t.Skipf("needs the real server %q: run make real", name)
	}
	pool := x509.NewCertPool()
	var pem []byte
	if ca := s.vars["CA_FILE"]; ca != "" {
		var err error
		pem, err = os.ReadFile(ca)
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("CA of %s: %v", name, err)
		}
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(s.client.CloseIdleConnections)
	providertest.NothingRefused(t, s.vars["DOOR_URL"], pem)
	s.serverless = name == "serverless"
	return s
}

// try sends one request and returns status and body.
func (s *server) try(method, path, body string) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	s.dress(req)
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// do is try for what must succeed.
func (s *server) do(method, path, body string) []byte {
	s.t.Helper()
	status, b := s.try(method, path, body)
	if status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s", method, path, status, b)
	}
	return b
}

// wipe removes what an earlier run may have left, now and at the end. Nothing
// of it has to be there.
func (s *server) wipe(paths ...string) {
	s.t.Helper()
	remove := func() {
		for _, p := range paths {
			if status, b := s.try("DELETE", p, ""); status != 200 && status != 404 {
				s.t.Errorf("DELETE %s: %d %s", p, status, b)
			}
		}
	}
	remove()
	s.t.Cleanup(func() {
		for _, p := range paths {
			s.later("DELETE", p, "")
		}
	})
}

// later is try for a cleanup, when the test's own context has ended. Whether it
// works is nobody's concern any more.
func (s *server) later(method, path, body string) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return
	}
	s.dress(req)
	if resp, err := s.client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}

// dress sets the headers of a request.
func (s *server) dress(req *http.Request) {
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(req.URL.Path, "_bulk") {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if key := s.vars["API_KEY"]; key != "" {
		req.Header.Set("Authorization", "ApiKey "+key)
	} else if user := s.vars["USERNAME"]; user != "" {
		req.SetBasicAuth(user, s.vars["PASSWORD"])
	}
}

// fill writes n documents: dates, keywords, numbers of many kinds, text,
// unicode, nested objects, null, and if asked every seventh with a routing of
// its own (a data stream takes none).
func (s *server) fill(index, docType string, n int, routed bool) {
	s.t.Helper()
	var b bytes.Buffer
	flush := func() {
		if b.Len() == 0 {
			return
		}
		var r struct{ Errors bool }
		if answer := s.do("POST", "/_bulk", b.String()); json.Unmarshal(answer, &r) != nil || r.Errors {
			s.t.Fatalf("bulk: %.500s", answer)
		}
		b.Reset()
	}
	for i := range n {
		meta := map[string]any{"_index": index, "_id": fmt.Sprintf("d %d/ü\"", i)}
		if docType != "" {
			meta["_type"] = docType
		}
		if routed && i%7 == 0 {
			meta["routing"] = fmt.Sprint("r", i%5)
		}
		line, err := json.Marshal(map[string]any{"index": meta})
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", line)
		fmt.Fprintf(&b, `{"@timestamp":"2026-01-%02dT%02d:00:00Z","n":%d,"big":9007199254740993,"price":%d.10,"word":"w%d","text":"héllo wörld %d ✓","tags":["a","b%d"],"sub":{"x":null,"y":1.0},"flag":%v}`+"\n",
			1+i%28, i%24, i, i, i%100, i, i%3, i%2 == 0)
		if b.Len() > 4<<20 {
			flush()
		}
	}
	flush()
	s.do("POST", "/"+index+"/_refresh", "")
}

// document as it is compared: routing and contents, numbers by value.
type document struct{ routing, source string }

// page is one of a scroll or of a point in time.
type page struct {
	Scroll string `json:"_scroll_id"`
	PIT    string `json:"pit_id"`
	Hits   struct {
		Hits []struct {
			ID      string          `json:"_id"`
			Routing string          `json:"_routing"`
			Source  json.RawMessage `json:"_source"`
			Sort    json.RawMessage `json:"sort"`
		}
	}
}

// all reads every document of an index.
func (s *server) all(index string) map[string]document {
	s.t.Helper()
	s.do("POST", "/"+index+"/_refresh", "")
	docs := map[string]document{}
	first, next, end := s.pages(index)
	answer := first
	for {
		var p page
		if err := json.Unmarshal(answer, &p); err != nil {
			s.t.Fatal(err)
		}
		if len(p.Hits.Hits) == 0 {
			end(p)
			return docs
		}
		for _, h := range p.Hits.Hits {
			if _, twice := docs[h.ID]; twice {
				s.t.Errorf("%s is there twice", h.ID)
			}
			docs[h.ID] = document{h.Routing, byValue(s.t, h.Source)}
		}
		answer = next(p)
	}
}

// pages begins to read: the first page, how to get the next, and the end.
func (s *server) pages(index string) (first []byte, next func(page) []byte, end func(page)) {
	if !s.serverless {
		return s.do("POST", "/"+index+"/_search?scroll=1m&size=5000", `{"sort":["_doc"]}`),
			func(p page) []byte {
				return s.do("POST", "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, p.Scroll))
			},
			func(p page) { s.try("DELETE", "/_search/scroll", fmt.Sprintf(`{"scroll_id":[%q]}`, p.Scroll)) }
	}
	var opened struct{ ID string }
	if err := json.Unmarshal(s.do("POST", "/"+index+"/_pit?keep_alive=1m", ""), &opened); err != nil {
		s.t.Fatal(err)
	}
	read := func(id, after string) []byte {
		return s.do("POST", "/_search", fmt.Sprintf(`{"size":5000,"sort":["_shard_doc"],"pit":{"id":%q,"keep_alive":"1m"}%s}`, id, after))
	}
	return read(opened.ID, ""),
		func(p page) []byte {
			return read(p.PIT, fmt.Sprintf(`,"search_after":%s`, p.Hits.Hits[len(p.Hits.Hits)-1].Sort))
		},
		func(p page) { s.try("DELETE", "/_pit", fmt.Sprintf(`{"id":%q}`, p.PIT)) }
}

// byValue writes JSON with sorted keys and numbers as exact fractions, because
// a reindex writes 1e3 as 1000.0.
func byValue(t *testing.T, raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var norm func(v any) any
	norm = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				v[k] = norm(e)
			}
		case []any:
			for i, e := range v {
				v[i] = norm(e)
			}
		case json.Number:
			r, ok := new(big.Rat).SetString(v.String())
			if !ok {
				t.Fatalf("number %s", v)
			}
			return "number " + r.RatString()
		}
		return v
	}
	b, err := json.Marshal(norm(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sameDocuments compares two indices whole.
func sameDocuments(t *testing.T, a, b map[string]document) {
	t.Helper()
	if len(a) != len(b) {
		t.Errorf("%d documents at the source, %d at the target", len(a), len(b))
	}
	shown := 0
	for id, d := range a {
		if got, ok := b[id]; (!ok || got != d) && shown < 3 {
			shown++
			t.Errorf("%s differs:\nsource %+v\ntarget %+v (there: %v)", id, d, got, ok)
		}
	}
}

// folder is a configuration with its state, and the program run in it as its
// own process.
type folder struct {
	t   *testing.T
	dir string
	env []string
}

// newFolder writes main.hcl; the clusters' addresses and credentials come as
// variables.
func newFolder(t *testing.T, hcl string, source, target *server) *folder {
	f := &folder{t: t, dir: t.TempDir(), env: os.Environ()}
	for role, s := range map[string]*server{"source": source, "target": target} {
		f.env = append(f.env, "ESMIG_VAR_"+role+"_endpoint="+s.url)
		for key, name := range map[string]string{"API_KEY": "api_key", "USERNAME": "username", "PASSWORD": "password", "CA_FILE": "ca_file"} {
			if key != "CA_FILE" && key != "API_KEY" && s.vars["API_KEY"] != "" {
				continue
			}
			if v := s.vars[key]; v != "" {
				f.env = append(f.env, "ESMIG_VAR_"+role+"_"+name+"="+v)
			}
		}
	}
	f.write("main.hcl", hcl)
	var b strings.Builder
	for _, role := range []string{"source", "target"} {
		fmt.Fprintf(&b, "variable %q { type = string }\n", role+"_endpoint")
		for _, name := range []string{"api_key", "username", "password", "ca_file"} {
			fmt.Fprintf(&b, "variable %q {\n  type = string\n  default = null\n  sensitive = %v\n}\n", role+"_"+name, name == "api_key" || name == "password")
		}
		fmt.Fprintf(&b, "cluster %q {\n  endpoint = var.%[2]s_endpoint\n  api_key = var.%[2]s_api_key\n  username = var.%[2]s_username\n  password = var.%[2]s_password\n  ca_file = var.%[2]s_ca_file\n}\n",
			role, role)
	}
	b.WriteString("esmig {\n  source = cluster.source\n  target = cluster.target\n}\n")
	f.write("clusters.hcl", b.String())
	return f
}

func (f *folder) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(f.dir, name)), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// command is esmig as its own process: the test binary under that name, which
// TestMain puts on PATH.
func (f *folder) command(args ...string) *exec.Cmd {
	c := exec.Command("esmig", args...)
	c.Dir, c.Env = f.dir, f.env
	return c
}

// esmig runs the program, wants an exit code, and returns what it printed.
func (f *folder) esmig(code int, args ...string) string {
	f.t.Helper()
	out, err := f.command(args...).CombinedOutput()
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		f.t.Fatal(err)
	}
	if got != code {
		f.t.Fatalf("esmig %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	for _, secret := range f.secrets() {
		if strings.Contains(string(out), secret) {
			f.t.Errorf("esmig %s printed a secret", strings.Join(args, " "))
		}
	}
	return string(out)
}

// secrets that must be nowhere.
func (f *folder) secrets() []string {
	var out []string
	for _, kv := range f.env {
		if k, v, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "ESMIG_VAR_") && (strings.HasSuffix(k, "_api_key") || strings.HasSuffix(k, "_password")) {
			out = append(out, v)
		}
	}
	return out
}

// settled wants an empty second plan with exit code 0, and no secret on disk.
func (f *folder) settled() {
	f.t.Helper()
	if out := f.esmig(0, "plan", "-detailed-exitcode"); !strings.Contains(out, "No changes.") {
		f.t.Errorf("the second plan is not empty:\n%s", out)
	}
	names, err := filepath.Glob(filepath.Join(f.dir, "esmig.*"))
	if err != nil || len(names) == 0 {
		f.t.Fatalf("no state: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, secret := range f.secrets() {
			if bytes.Contains(b, []byte(secret)) {
				f.t.Errorf("%s holds a secret", filepath.Base(name))
			}
		}
	}
}

// killAfter starts an apply and kills it, without a chance to say good-bye, as
// soon as the line that it prints holds the words.
func (f *folder) killAfter(words string, args ...string) {
	f.t.Helper()
	if out, killed := f.killWhen(func(line string) bool { return strings.Contains(line, words) }, args...); !killed {
		f.t.Fatalf("esmig never said %q, or had ended when it said it:\n%s", words, out)
	}
}

// killWhen does so at the first line for which it is time; false: it ended
// before. It returns what was printed.
func (f *folder) killWhen(now func(line string) bool, args ...string) (string, bool) {
	f.t.Helper()
	c := f.command(args...)
	out, err := c.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		f.t.Fatal(err)
	}
	var seen strings.Builder
	for s := bufio.NewScanner(out); s.Scan(); {
		seen.WriteString(s.Text() + "\n")
		if now(s.Text()) {
			if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				f.t.Fatal(err)
			}
			err := c.Wait()
			if err != nil && c.ProcessState.ExitCode() >= 0 { // it was no signal
				f.t.Fatalf("esmig %s: %v\n%s", strings.Join(args, " "), err, seen.String())
			}
			return seen.String(), err != nil
		}
	}
	if err := c.Wait(); err != nil {
		f.t.Fatalf("esmig %s: %v\n%s", strings.Join(args, " "), err, seen.String())
	}
	return seen.String(), false
}
