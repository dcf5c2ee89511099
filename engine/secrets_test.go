package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

const (
	secret = "hunter2-very-secret"
	token  = "variable \"token\" {\n  type = string\n  sensitive = true\n}\n"
)

// clean fails when a secret is in the plan, the events, the state or its
// journal and backup.
func (w *world) clean(p *engine.Plan, secrets ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := map[string]string{}
	for what, v := range map[string]any{"plan": p, "events": w.events} {
		b, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		texts[what] = string(b)
	}
	for _, name := range []string{"esmig.state.json", "esmig.state.json.journal", "esmig.state.json.backup"} {
		b, err := w.fs.ReadFile(name)
		if err == nil {
			texts[name] = string(b)
		}
	}
	for what, text := range texts {
		for _, s := range secrets {
			if i := strings.Index(text, s); i >= 0 {
				w.t.Errorf("the %s holds %q: …%s…", what, s, text[max(0, i-80):min(len(text), i+80)])
			}
		}
	}
}

func TestSecretInAMigration(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	w.documents(w.source, "src", 3)
	w.source.Put("src", "mine", `{"n":1,"word":"`+secret+`"}`, "")
	w.write("main.hcl", token+indexA+strings.Replace(migrationA, `{ index = "src" }`, "{\n index = \"src\"\n query = { term = { word = var.token } }\n}", 1))
	p := w.plan(engine.PlanOptions{})
	w.apply()
	w.clean(p, secret)
	w.settled()
	w.vars = []string{"token=another-secret"}
	wantSteps(t, w.plan(engine.PlanOptions{}), "migrate migration.m")
}

func TestSecretInKeysNumbersAndLists(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret, "pin=98765"}
	w.write("main.hcl", token+"variable \"pin\" {\n type = number\n sensitive = true\n}\n"+`
ingest_pipeline "p" {
  processors = [{ set = { field = "a", value = var.pin } }, { set = { field = "b", value = ["x", "${var.token}!"] } }]
  _meta      = { "(${var.token})" = 1, "plain" = { "${var.token}" = "x" } }
}`)
	p := w.plan(engine.PlanOptions{})
	w.apply()
	w.settled()
	w.send(w.target, "PUT", "/_ingest/pipeline/p", `{"processors":[],"_meta":{"`+secret+`":"`+secret+`","pin":98765}}`)
	q := w.plan(engine.PlanOptions{})
	w.clean(p, secret, "98765")
	w.clean(q, secret, "98765")
	wantSteps(t, q, "update ingest_pipeline.p")
	w.apply()
	w.settled()
	w.clean(p, secret, "98765")
}

// What was a secret at the last apply is one in what the cluster answers now,
// also when the files do not know it any more.
func TestFormerSecret(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	with := `
ingest_pipeline "p" {
  name       = "p"
  processors = [{ set = { field = "token", value = var.token } }]
}`
	w.write("main.hcl", token+with)
	w.apply()
	w.events = nil
	w.vars = nil
	w.write("main.hcl", pipeline)
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update ingest_pipeline.p")
	if len(p.Drift) > 0 {
		t.Errorf("nobody changed anything: %s %s", p.Drift[0].Before, p.Drift[0].After)
	}
	w.clean(p, secret)
	w.write("main.hcl", "")
	w.clean(w.plan(engine.PlanOptions{}), secret)
}

// A value that was stored in the clear becomes sensitive: it goes.
func TestValueBecomesSensitive(t *testing.T) {
	w := newWorld(t)
	w.write("main.hcl", strings.Replace(pipeline, "value = true", `value = "`+secret+`"`, 1))
	w.apply()
	w.vars = []string{"token=" + secret}
	w.write("main.hcl", token+strings.Replace(pipeline, "value = true", "value = var.token", 1))
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update ingest_pipeline.p")
	w.events = nil
	w.apply()
	b, err := w.fs.ReadFile("esmig.state.json")
	if err != nil || strings.Contains(string(b), secret) {
		t.Errorf("the state still holds it: %v", err)
	}
	b, err = json.Marshal([]any{p, w.events})
	if err != nil || strings.Contains(string(b), secret) {
		t.Errorf("shown: %s", b)
	}
	w.settled()
}

// A hash stands for a secret in the state. It must never be sent.
func TestHashesAreNotSent(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	meta := strings.Replace(indexA, "mappings = {", "mappings = {\n_meta = { token = var.token }\n", 1)
	w.write("main.hcl", token+meta)
	w.apply()
	w.send(w.target, "PUT", "/a/_mapping", `{"_meta":{"token":"`+secret+`","by":"hand"}}`)
	w.apply()
	w.settled()
	w.write("main.hcl", indexA) // the secret goes, and something is changed by hand
	w.send(w.target, "PUT", "/a/_mapping", `{"_meta":{"token":"by hand"},"dynamic":"strict"}`)
	w.vars = nil
	w.apply()
	w.settled()
	for _, r := range w.target.Writes() {
		if strings.Contains(string(r.Body), "(sensitive") {
			t.Errorf("%s %s sent a hash: %s", r.Method, r.Path, r.Body)
		}
	}
}

// A change of a sensitive static setting is compared by its values.
func TestSecretInAStaticSetting(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	index := func(more string) string {
		return token + strings.Replace(indexA, "mappings", "settings = { analysis = { filter = { f = { type = \"stop\", stopwords = [var.token] } } } "+more+" }\n mappings", 1)
	}
	w.write("main.hcl", index(""))
	w.apply()
	w.settled()
	w.documents(w.target, "a", 1)
	w.write("main.hcl", index(", number_of_replicas = 0"))
	p := w.plan(engine.PlanOptions{})
	wantSteps(t, p, "update index.a")
	w.apply()
	w.settled()
	w.clean(p, secret)
}

func TestSecretAsAName(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	w.write("main.hcl", token+strings.Replace(pipeline, `= "p"`, `= "x-${var.token}"`, 1))
	p := w.plan(engine.PlanOptions{})
	wantError(t, p, "sensitive_name")
	w.clean(p, secret)
}

func TestSecretInAClusterBlock(t *testing.T) {
	w := newWorld(t)
	w.vars = []string{"token=" + secret}
	if err := state.WriteFile(w.fs, "main.hcl", []byte(token+`
cluster "target" {
  endpoint = "http://`+secret+`.example:9200"
  api_key  = "literal-k3y:with-a-secret"
}
`+strings.Replace(pipeline, "name  ", "cluster = cluster.target\nname  ", 1))); err != nil {
		t.Fatal(err)
	}
	w.net.Join(secret+".example:9200", w.target)
	p := w.plan(engine.PlanOptions{})
	w.clean(p, secret, "literal-k3y:with-a-secret", "with-a-secret")
	w.target.Fault(nil)
	w.apply()
	w.clean(p, secret)
	e, _ := w.load()
	e.Config.Clusters["target"].APIKey = "x"
	for _, d := range e.Validate() {
		t.Error(d)
	}
}

func TestSecretInASourceLine(t *testing.T) {
	w := newWorld(t)
	w.documents(w.source, "src", 1)
	w.vars = []string{"token=" + secret}
	// The finding is about the argument, and the argument is a literal that
	// the cluster block declares a secret.
	w.write("main.hcl", token+strings.Replace(pipeline, "processors = [{", "processors = \""+secret+"\"\n on_failure = [{", 1))
	p := w.plan(engine.PlanOptions{})
	if !p.Failed() {
		t.Fatal("no error")
	}
	w.clean(p, secret)
	_ = providers.SeverityError
}
