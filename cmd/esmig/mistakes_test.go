package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

// Addresses in Elastic Cloud, of a deployment and of a project.
const (
	deployment = "shop.es.us-east-1.aws.found.io:443"
	project    = "shop.es.us-east-1.aws.elastic.cloud:443"
)

// guided is the job of Elastic's guide on fakes: a hosted deployment with 20
// orders, a Serverless project, a Kibana beside the deployment.
type guided struct {
	t                   *testing.T
	net                 *providertest.Network
	deployment, project *providertest.Fake
	world               World
}

const guideFiles = `
esmig {
  source = cluster.hosted
  target = cluster.project
}

cluster "hosted" {
  endpoint = "https://shop.es.us-east-1.aws.found.io"
  api_key  = "hosted:thehostedkey"
}

cluster "project" {
  endpoint = "https://shop.es.us-east-1.aws.elastic.cloud:443"
  api_key  = "project:theprojectkey"
}

index "orders" {
  mappings = { properties = { total = { type = "long" } } }
}

migration "orders" {
  source {
    index = "orders"
  }
  dest {
    index = index.orders.name
  }
}
`

// newGuided makes the world; what of guideFiles is to be otherwise comes in
// pairs of old and new.
func newGuided(t *testing.T, replace ...string) *guided {
	g := &guided{t: t, net: &providertest.Network{}}
	key := func(s string) []providertest.APIKey {
		return []providertest.APIKey{{Encoded: elasticsearch.EncodedAPIKey(s)}}
	}
	g.deployment = providertest.NewFake(providertest.Options{Name: "deployment", Network: g.net, Whitelist: []string{"*.io:*", "*.com:*"}, APIKeys: key("hosted:thehostedkey"),
		Users: map[string]string{"elastic": "p4ssword-of-elastic"}})
	g.project = providertest.NewFake(providertest.Options{Name: "project", Flavor: providers.Serverless, Network: g.net, Whitelist: []string{"*.found.io:443", "*.elastic.cloud:443"},
		APIKeys: key("project:theprojectkey")})
	g.net.Join(deployment, g.deployment)
	g.net.Join(project, g.project)
	kibana := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Kbn-Name", "kibana")
		http.Redirect(w, r, "/spaces/enter", http.StatusFound)
	})
	g.net.Join("kibana.example:5601", kibana)
	for i := range 20 {
		g.deployment.Put("orders", fmt.Sprint("o-", i), fmt.Sprintf(`{"total":%d}`, i), "")
	}
	files := guideFiles
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(files, replace[i]) {
			t.Fatalf("%q is not in the files", replace[i])
		}
		files = strings.ReplaceAll(files, replace[i], replace[i+1])
	}
	fsys := state.NewMemFS()
	if err := state.WriteFile(fsys, "work/main.hcl", []byte(files)); err != nil {
		t.Fatal(err)
	}
	g.world = World{Dir: "work", Stdin: strings.NewReader(""), FS: fsys, TempDir: "tmp", Signals: make(chan os.Signal), Version: "0.1.0",
		Transport: func(string) http.RoundTripper { return g.net.Transport() }}
	return g
}

func (g *guided) run(code int, args ...string) string {
	g.t.Helper()
	var out bytes.Buffer
	g.world.Args, g.world.Stdout, g.world.Stderr = args, &out, &out
	if got := run(g.t.Context(), g.world); got != code {
		g.t.Fatalf("esmig %v: exit code %d, want %d:\n%s", args, got, code, out.String())
	}
	return out.String()
}

// What a text says, however its lines are broken.
func says(text, part string) bool {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return strings.Contains(words(text), words(part))
}

// TestMistakes makes every mistake that people make with the guide, and wants
// one error at the line to change that says which it is and what to paste from
// where.
func TestMistakes(t *testing.T) {
	const hostedAt, hostedKey, projectAt, projectKey = `"https://shop.es.us-east-1.aws.found.io"`, `"hosted:thehostedkey"`, `"https://shop.es.us-east-1.aws.elastic.cloud:443"`, `"project:theprojectkey"`
	for _, c := range []struct {
		name    string
		replace []string
		offline bool // validate finds it
		summary string
		line    string // of the file, that is shown
		has     []string
	}{
		{"Kibana's address", []string{"shop.es.us-east-1.aws.found.io", "shop.kb.us-east-1.aws.found.io"}, true,
			"This is Kibana, not Elasticsearch", "endpoint = ", []string{`endpoint = "https://shop.es.us-east-1.aws.found.io"`, "deployment's page: Elasticsearch, Copy endpoint"}},
		{"Kibana's address, elsewhere", []string{hostedAt, `"https://kibana.example:5601"`}, false,
			"This is Kibana, not Elasticsearch", "kibana.example", []string{"Kibana listens at 5601", "usually at 9200"}},
		{"the console's address", []string{hostedAt, `"https://cloud.elastic.co/deployments/0123"`}, true,
			"This is not Elasticsearch", "cloud.elastic.co", []string{"Write the Elasticsearch endpoint"}},
		{"a key of the organisation", []string{projectKey, `"essu_VkdWc3QwMDAw"`}, false,
			"This is a key of the organisation, not of the cluster", "api_key", []string{"EC_API_KEY", "To get a key of the project, send POST /_security/api_key", `"encoded"`}},
		{"a cloud id for a project", []string{"endpoint = " + projectAt, `cloud_id = "shop:dXMtZWFzdC0xLmF3cy5lbGFzdGljLmNsb3VkJGExLmVzJGExLmti"`}, true,
			"Serverless projects have no cloud id", "cloud_id", []string{"Write the project's endpoint instead of cloud_id", "project's page: Elasticsearch endpoint"}},
		{"a project's id as a cloud id", []string{"endpoint = " + projectAt, `cloud_id = "0123456789abcdef0123456789abcdef"`}, true,
			"Unusable cloud id", "cloud_id", []string{"A Serverless project has none"}},
		{"the port left out", []string{hostedAt, `"https://es.example"`}, false,
			"Connection refused", "es.example", []string{"The endpoint names no port, and without one https means 443", `endpoint = "https://es.example:9200"`}},
		{"a user name for a project", []string{"api_key  = " + projectKey, "username = \"elastic\"\n  password = \"thepassword\""}, false,
			"Serverless takes no user name and password", "username", []string{"write api_key in the place of username and password"}},
		{"the secret without the id", []string{hostedKey, `"ui2lp2axTNmsyakw9tvNnw"`}, false,
			"This is no API key of Elasticsearch", "api_key", []string{`paste the value of "encoded", or both as id:key`}},
		{"the encoded key after the id", []string{hostedKey, `"hosted:aG9zdGVkOnRoZWhvc3RlZGtleQ=="`}, false,
			"This is no API key of Elasticsearch", "api_key", []string{"the encoded key already", "paste it alone"}},
		{"keys exchanged", []string{hostedKey, `"project:theprojectkey_"`, projectKey, hostedKey, `"project:theprojectkey_"`, `"x:y"`}, false,
			"Cluster refused the credentials", "api_key", []string{"are the keys of two cluster blocks exchanged?"}},
		{"the project's address on both sides, as in callout 1", []string{hostedAt, projectAt}, false,
			"Cluster refused the credentials", "api_key", []string{`Cluster "project" has the same endpoint: does hosted belong to another address?`}},
		{"source and destination exchanged", []string{"source = cluster.hosted", "source = cluster.project", "target = cluster.project", "target = cluster.hosted"}, false,
			"Source and destination look exchanged", "migration \"orders\"", []string{"project, from which documents are to be read, is a Serverless project and has no orders", "holds 20 documents", "The source is where the documents are now"}},
		{"addresses and keys exchanged", []string{hostedAt, "A", projectAt, hostedAt, "A", projectAt, hostedKey, "K", projectKey, hostedKey, "K", projectKey}, false,
			"Source and destination look exchanged", "migration \"orders\"", []string{"the addresses and keys of the two cluster blocks"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuided(t, c.replace...)
				if c.offline {
					g.run(exitError, "validate")
				} else {
					g.run(exitDone, "validate")
				}
				out := g.run(exitError, "plan")
				for _, s := range append(c.has, c.summary, c.line) {
					if !says(out, s) {
						t.Errorf("%q is missing in\n%s", s, out)
					}
				}
				if n := strings.Count(out, "Error"); n != 1 && c.name != "keys exchanged" {
					t.Errorf("%d errors, want one:\n%s", n, out)
				}
				for _, secret := range []string{"thehostedkey", "theprojectkey", "thepassword", "ui2lp2axTNmsyakw9tvNnw", "essu_VkdWc3QwMDAw"} {
					if strings.Contains(out, secret) {
						t.Errorf("the secret %s is shown:\n%s", secret, out)
					}
				}
				if w := append(g.deployment.Writes(), g.project.Writes()...); len(w) > 0 {
					t.Errorf("written: %v", w)
				}
			})
		})
	}
}

// TestGuide does the guide's job: an index of a hosted deployment into a
// Serverless project, which is proven, and what is left to do is said once.
func TestGuide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuided(t)
		plan := g.run(exitDone, "plan")
		for _, s := range []string{"project    Elasticsearch Serverless", "reindex: project can reach hosted", "hosted     Elasticsearch 9.4.3       https://shop.es.us-east-1.aws.found.io          only read"} {
			if !says(plan, s) {
				t.Errorf("%q is missing in\n%s", s, plan)
			}
		}
		out := g.run(exitDone, "apply", "-auto-approve")
		for _, s := range []string{"20 of 20 identical", "left to do", "https://shop.kb.us-east-1.aws.found.io/api/saved_objects/_export", "https://shop.kb.us-east-1.aws.elastic.cloud/api/saved_objects/_import"} {
			if !says(out, s) {
				t.Errorf("%q is missing in\n%s", s, out)
			}
		}
		// The request is the guide's, with the source's address and port, and the
		// key in the form that the server takes.
		sent := ""
		for _, r := range g.project.Requests() {
			if r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/_reindex") {
				sent = string(r.Body)
			}
		}
		for _, s := range []string{`"host":"https://shop.es.us-east-1.aws.found.io:443"`, `"api_key":"` + elasticsearch.EncodedAPIKey("hosted:thehostedkey") + `"`, `"index":"orders"`} {
			if !strings.Contains(sent, s) {
				t.Errorf("%s is missing in %s", s, sent)
			}
		}
		if len(g.deployment.Writes()) > 0 {
			t.Errorf("written at the source: %v", g.deployment.Writes())
		}
		if out := g.run(exitDone, "plan", "-detailed-exitcode"); !says(out, "No changes.") {
			t.Error(out)
		}
		for _, again := range [][]string{{"verify"}, {"apply", "-auto-approve"}} {
			if out := g.run(exitDone, again...); strings.Contains(out, "left to do") {
				t.Errorf("%v says it again:\n%s", again, out)
			}
		}
	})
}

// TestPasswordIsKeptNowhere reads from a deployment by user name and password:
// neither that nor what is sent for it stands in any file, or on the screen.
func TestPasswordIsKeptNowhere(t *testing.T) {
	const password = "p4ssword-of-elastic"
	synctest.Test(t, func(t *testing.T) {
		g := newGuided(t, `"hosted:thehostedkey"`, "null\n  username = \"elastic\"\n  password = var.password", "esmig {", `
variable "password" {
  type      = string
  sensitive = true
}

esmig {`)
		g.world.Env = []string{"ESMIG_VAR_password=" + password}
		written := &everything{}
		g.world.FS = recording{g.world.FS, written}
		out := g.run(exitDone, "plan", "-out", "plan.esmig") + g.run(exitDone, "apply", "-json-into", "events.ndjson", "plan.esmig") + g.run(exitDone, "show", "-json", "plan.esmig")
		if !strings.Contains(out, "20 of 20 identical") {
			t.Errorf("nothing was copied:\n%s", out)
		}
		hide := []string{password, base64.StdEncoding.EncodeToString([]byte("elastic:" + password)), base64.StdEncoding.EncodeToString([]byte(password))}
		for what, text := range map[string]string{"the screen": out, "a file": written.text.String()} {
			for _, s := range hide {
				if strings.Contains(text, s) {
					t.Errorf("%s has the password", what)
				}
			}
		}
		for _, name := range []string{"esmig.state.json", "esmig.state.json.journal", "plan.esmig", "events.ndjson"} {
			if !strings.Contains(written.text.String(), "\n"+name+"\n") {
				t.Errorf("%s was not written", name)
			}
		}
	})
}

// recording keeps what was ever written, also what is gone again, each after
// its file's name.
type recording struct {
	state.FS
	written *everything
}

// everything may be written to by several files at once.
type everything struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *everything) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (r recording) Create(name string) (state.File, error) { return r.record(name, r.FS.Create) }
func (r recording) Append(name string) (state.File, error) { return r.record(name, r.FS.Append) }

func (r recording) record(name string, open func(string) (state.File, error)) (state.File, error) {
	f, err := open(name)
	fmt.Fprintf(r.written, "\n%s\n", path.Base(strings.TrimSuffix(name, ".tmp")))
	return recorded{f, r.written}, err
}

type recorded struct {
	state.File
	written *everything
}

func (r recorded) Write(b []byte) (int, error) {
	_, _ = r.written.Write(b)
	return r.File.Write(b)
}

// TestGuideOrder declares everything in the wrong order: what must be there
// before the data comes before it, and a lifecycle policy is refused where there
// is none.
func TestGuideOrder(t *testing.T) {
	const index = `
index "orders" {
  mappings = { properties = { total = { type = "long" } } }
}
`
	const shuffled = `
ingest_pipeline "after" {
  processors = [{ set = { field = "late", value = true } }]
}

index "orders" {
  depends_on = [index_template.orders]
}

index_template "orders" {
  index_patterns = ["orders*"]
  composed_of    = [component_template.orders.name]
  template       = { settings = { default_pipeline = ingest_pipeline.after.name } }
}

component_template "orders" {
  template = { mappings = { properties = { total = { type = "long" } } } }
}

ingest_pipeline "before" {
  when       = "before_data"
  processors = [{ set = { field = "seen", value = true } }]
}
`
	synctest.Test(t, func(t *testing.T) {
		g := newGuided(t, index, shuffled)
		g.run(exitDone, "apply", "-auto-approve")
		var order []string
		for _, w := range g.project.Writes() {
			path, _, _ := strings.Cut(w.Path, "?")
			if path == "/orders/_settings" {
				continue // relaxed while it is filled
			}
			if w.Method == http.MethodPut || strings.HasPrefix(path, "/_reindex") {
				order = append(order, path)
			}
		}
		got := strings.Join(order, " ")
		want := "/_ingest/pipeline/before /_component_template/orders /_index_template/orders /orders /_reindex /_ingest/pipeline/after"
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newGuided(t, index, index+`
ilm_policy "orders" {
  policy = { phases = { delete = { min_age = "30d", actions = { delete = {} } } } }
}
`)
		out := g.run(exitError, "plan")
		if !says(out, "ilm_policy") || strings.Count(out, "Error") != 1 || len(g.project.Writes()) > 0 {
			t.Errorf("%v\n%s", g.project.Writes(), out)
		}
	})
}

// TestNothingIsLeftYet: what is left to do is said when all that was planned is
// done, and not before.
func TestNothingIsLeftYet(t *testing.T) {
	for name, c := range map[string]struct {
		replace []string
		args    []string
		code    int
	}{
		"a part only":       {nil, []string{"apply", "-auto-approve", "-target", "migration.orders"}, exitDone},
		"documents refused": {[]string{`type = "long"`, `type = "boolean"`}, []string{"apply", "-auto-approve"}, exitError},
		"nothing was copied": {[]string{guideFiles[strings.Index(guideFiles, "migration "):], `
ingest_pipeline "orders" {
  processors = [{ set = { field = "seen", value = true } }]
}
`}, []string{"apply", "-auto-approve"}, exitDone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuided(t, c.replace...)
				if out := g.run(c.code, c.args...); strings.Contains(out, "left to do") {
					t.Errorf("it is said:\n%s", out)
				}
			})
		})
	}
}
