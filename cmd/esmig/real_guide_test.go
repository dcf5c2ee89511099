package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ownNames gives an example's objects names of the test's own.
func ownNames(text string) string {
	return strings.NewReplacer("flights", "guide-flights", "carriers", "guide-carriers").Replace(text)
}

// pasted finds the requests that a file tells its reader to send, by their
// first line: "POST /_security/api_key".
func pasted(t *testing.T, file, request string) []string {
	t.Helper()
	const margin = "#     "
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, rest := range strings.Split(string(b), margin+request+"\n")[1:] {
		var body strings.Builder
		for line := range strings.Lines(rest) {
			text, ok := strings.CutPrefix(line, margin)
			if !ok {
				break
			}
			body.WriteString(text)
		}
		out = append(out, body.String())
	}
	return out
}

// makeKey sends such a request as a user with all rights, for a key cannot make
// a key that may do something. It returns "encoded".
func (s *server) makeKey(body string) string {
	s.t.Helper()
	user := *s
	user.vars = map[string]string{"USERNAME": s.vars["USERNAME"], "PASSWORD": s.vars["PASSWORD"]}
	var key struct{ ID, Encoded string }
	if err := json.Unmarshal(user.do("POST", "/_security/api_key", body), &key); err != nil || key.Encoded == "" {
		s.t.Fatalf("no key: %v", err)
	}
	s.t.Cleanup(func() {
		user.later("DELETE", "/_security/api_key", fmt.Sprintf(`{"ids":[%q]}`, key.ID))
	})
	return key.Encoded
}

// hostedSource is what examples/hosted-to-serverless finds at its source, but
// for the lifecycle policy, which the lab's build does not have.
func hostedSource(t *testing.T, n int) *server {
	s := lab(t, "source")
	paths := []string{"/guide-carriers"}
	for m := range 3 {
		paths = append(paths, fmt.Sprintf("/guide-flights-2013-%02d", m+1))
	}
	s.wipe(paths...)
	s.do("PUT", "/_index_template/guide-flights-live", `{"index_patterns":["guide-flights-live"],"data_stream":{},"priority":300,"template":{"settings":{"number_of_replicas":0}}}`)
	// A stream cannot be deleted on this build, but emptied.
	empty := func(send func(method, path, body string)) {
		send("POST", "/guide-flights-live/_delete_by_query?refresh=true&conflicts=proceed&ignore_unavailable=true", `{"query":{"match_all":{}}}`)
	}
	empty(func(method, path, body string) { s.try(method, path, body) })
	t.Cleanup(func() { empty(s.later) })
	var b bytes.Buffer
	line := func(action, index string, id int, more string) {
		fmt.Fprintf(&b, `{%q:{"_index":%q,"_id":"n-%d"}}`+"\n"+`{%s"time_hour":"2013-0%d-01T05:00:00Z","carrier":"UA","airline":"United Air Lines Inc.","flight":%d,"dep_delay":%d}`+"\n",
			action, index, id, more, 1+id%9, id, id%90)
	}
	for i := range n {
		for _, p := range paths[1:] {
			line("index", strings.TrimPrefix(p, "/"), i, "")
		}
		line("create", "guide-flights-live", i, `"@timestamp":"2013-12-01T05:00:00Z",`)
	}
	fmt.Fprintln(&b, `{"index":{"_index":"guide-carriers","_id":"UA"}}`+"\n"+`{"code":"UA","name":"United Air Lines Inc."}`)
	var answer struct{ Errors bool }
	if raw := s.do("POST", "/_bulk?refresh=true", b.String()); json.Unmarshal(raw, &answer) != nil || answer.Errors {
		t.Fatalf("bulk: %.500s", raw)
	}
	return s
}

// TestRealHostedToServerless does what the example says, with the keys that it
// tells to make and through the strict door: lab fails the test if anything is
// tried there that Serverless does not have.
func TestRealHostedToServerless(t *testing.T) {
	const n = 2000
	project := lab(t, "serverless")
	source := hostedSource(t, n)
	key, release := project.vars["API_KEY"], func() {}
	names := []string{"guide-flights-2013-01", "guide-flights-2013-02", "guide-flights-2013-03", "guide-flights-live", "guide-carriers"}
	objects := []string{"/_data_stream/guide-flights-live", "/guide-flights-2013-01", "/guide-flights-2013-02", "/guide-flights-2013-03", "/guide-carriers",
		"/_index_template/guide-flights-months", "/_index_template/guide-flights-live", "/_component_template/guide-flights-base",
		"/_ingest/pipeline/guide-flights-late", "/_ingest/pipeline/guide-flights-written-here"}
	root := filepath.Join("..", "..", "examples", "hosted-to-serverless")
	f := &folder{t: t, dir: t.TempDir(), env: os.Environ()}
	for _, name := range []string{"main.hcl", "variables.hcl"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		f.write(name, ownNames(string(b)))
	}
	keys := pasted(t, filepath.Join(f.dir, "variables.hcl"), "POST /_security/api_key")
	if len(keys) != 2 {
		t.Fatalf("the example tells how to make %d keys", len(keys))
	}
	if project.vars["DOOR_URL"] != "" { // else it is a real project, with the key that its owner gave
		behind := lab(t, "target")
		key = behind.makeKey(keys[1])
		// The door only hides a deleted stream, which keeps a last backing index
		// made by its template: that one must not hold on to the pipeline.
		release = func() {
			behind.do("PUT", "/_index_template/guide-flights-live", `{"index_patterns":["guide-flights-live"],"priority":200,"data_stream":{}}`)
		}
		release()
	}
	project.wipe(objects...)
	for role, c := range map[string]struct{ url, ca, key string }{
		"source": {source.url, source.vars["CA_FILE"], source.makeKey(keys[0])},
		"target": {project.url, project.vars["CA_FILE"], key},
	} {
		f.env = append(f.env, "ESMIG_VAR_"+role+"_endpoint="+c.url, "ESMIG_VAR_"+role+"_ca_file="+c.ca, "ESMIG_VAR_"+role+"_api_key="+c.key)
	}
	plan := f.esmig(exitChanges, "plan", "-detailed-exitcode")
	for _, words := range []string{"project    Elasticsearch Serverless", "reindex: project can reach hosted", "is withheld until the data is in", "11 to create, 5 to migrate (8,001 documents), 1 to restore"} {
		if !strings.Contains(plan, words) {
			t.Errorf("the plan does not say %q:\n%s", words, plan)
		}
	}
	out := f.esmig(exitDone, "apply", "-auto-approve")
	if got := len(regexp.MustCompile(`([\d,]+) of ([\d,]+) identical`).FindAllString(out, -1)); got != len(names) || !strings.Contains(out, "5 migrated and verified") || !strings.Contains(out, "/api/saved_objects/_export") {
		t.Errorf("%d migrations are proven:\n%s", got, out)
	}
	f.settled()
	for _, name := range names {
		docs := project.all(name)
		sameDocuments(t, source.all(name), docs)
		for id, d := range docs {
			if strings.Contains(d.source, `"late"`) || strings.Contains(d.source, `"written_to"`) {
				t.Fatalf("%s was run through a pipeline: %s", id, d.source)
			}
		}
	}
	// What is written from now on is transformed.
	project.do("PUT", "/guide-flights-2013-01/_doc/new", `{"carrier":"UA"}`)
	if s := string(project.do("GET", "/guide-flights-2013-01/_doc/new", "")); !strings.Contains(s, `"written_to":"project"`) {
		t.Errorf("default_pipeline was not restored: %s", s)
	}
	release()
	f.esmig(exitDone, "destroy", "-auto-approve")
	for _, path := range objects {
		if status, _ := project.try("GET", path, ""); status != 404 {
			t.Errorf("destroy left %s: %d", path, status)
		}
	}
	if got := len(source.all("guide-flights-2013-01")); got != n {
		t.Errorf("the source holds %d documents", got)
	}
}
