package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/esmig/esmig/state"
)

// The main job on real servers: run by make real, which boots them.

const realMain = `
component_template "base" {
  name     = "%[1]s-base"
  template = { settings = { number_of_replicas = 0 }, mappings = { properties = { "@timestamp" = { type = "date" }, n = { type = "long" } } } }
}

index_template "t" {
  name           = "%[1]s"
  index_patterns = ["%[1]s-to*"]
  composed_of    = [component_template.base.name]
  priority       = 300
  template = {
    settings = { index = { default_pipeline = ingest_pipeline.p.name } }
    mappings = { properties = {
      big  = { type = "long" }, price = { type = "double" }, word = { type = "keyword" }, text = { type = "text" },
      tags = { type = "keyword" }, sub = { properties = { x = { type = "keyword" }, y = { type = "double" } } }, flag = { type = "boolean" }
      seen = { type = "boolean" }
    } }
  }
}

index "i" {
  name                = "%[1]s-to"
  deletion_protection = false
  depends_on          = [index_template.t]
}

migration "m" {
  source {
    index = "%[1]s-from"
    %[2]s
  }
  dest { index = index.i.name }
  %[3]s
}

ingest_pipeline "p" {
  name       = "%[1]s"
  processors = [{ set = { field = "seen", value = true } }]
}
`

// onServerless is a configuration without the settings that Serverless does not
// have.
func onServerless(hcl, to string) string {
	if to == "serverless" {
		hcl = strings.Replace(hcl, "settings = { number_of_replicas = 0 }, ", "", 1)
	}
	return hcl
}

// realPair prepares source and target for a configuration named name.
func realPair(t *testing.T, from, to, name, docType string, n int) (source, target *server) {
	source, target = lab(t, from), lab(t, to)
	source.wipe("/" + name + "-from")
	target.wipe("/"+name+"-to", "/_index_template/"+name, "/_component_template/"+name+"-base", "/_ingest/pipeline/"+name)
	source.fill(name+"-from", docType, n, true)
	return source, target
}

func TestRealMainJob(t *testing.T) {
	for _, to := range []string{"target", "serverless"} {
		t.Run(to, func(t *testing.T) { mainJob(t, to) })
	}
}

func mainJob(t *testing.T, to string) {
	source, target := realPair(t, "source", to, "main", "", 3000)
	f := newFolder(t, fmt.Sprintf(onServerless(realMain, to), "main", "", ""), source, target)
	plan := f.esmig(2, "plan", "-detailed-exitcode")
	for _, words := range []string{"component_template.base", "withheld", "3,000 documents", "restored"} {
		if !strings.Contains(plan, words) {
			t.Errorf("the plan does not say %q:\n%s", words, plan)
		}
	}
	if status, _ := target.try("GET", "/main-to", ""); status != 404 {
		t.Errorf("planning made the index: %d", status)
	}
	out := f.esmig(0, "apply", "-auto-approve")
	if !strings.Contains(out, "3,000 of 3,000 identical") {
		t.Errorf("apply does not prove the documents:\n%s", out)
	}
	got := target.all("main-to")
	sameDocuments(t, source.all("main-from"), got)
	for id, d := range got {
		if strings.Contains(d.source, "seen") {
			t.Fatalf("%s was run through the pipeline: %s", id, d.source)
		}
	}
	if s := string(target.do("GET", "/main-to/_settings", "")); !strings.Contains(s, `"default_pipeline":"main"`) {
		t.Errorf("default_pipeline was not restored: %s", s)
	}
	f.settled()

	target.do("PUT", "/_ingest/pipeline/main", `{"processors":[{"set":{"field":"seen","value":"by hand"}}]}`)
	out = f.esmig(2, "plan", "-detailed-exitcode")
	for _, words := range []string{"changed on target since the last apply", "by hand", "put back"} {
		if !strings.Contains(out, words) {
			t.Errorf("the drift is not shown, %q:\n%s", words, out)
		}
	}
	f.esmig(0, "apply", "-auto-approve")
	if s := string(target.do("GET", "/_ingest/pipeline/main", "")); strings.Contains(s, "by hand") {
		t.Errorf("not put back: %s", s)
	}
	f.settled()

	f.esmig(0, "destroy", "-auto-approve")
	for _, path := range []string{"/main-to", "/_index_template/main", "/_component_template/main-base", "/_ingest/pipeline/main"} {
		if status, _ := target.try("GET", path, ""); status != 404 {
			t.Errorf("destroy left %s: %d", path, status)
		}
	}
	if n := len(source.all("main-from")); n != 3000 {
		t.Errorf("destroy touched the source: %d documents", n)
	}
}

func TestRealKilledInTheMiddle(t *testing.T) {
	for _, to := range []string{"target", "serverless"} {
		t.Run(to, func(t *testing.T) { killedInTheMiddle(t, to) })
	}
}

func killedInTheMiddle(t *testing.T, to string) {
	source, target := realPair(t, "source", to, "killed", "", 20000)
	f := newFolder(t, fmt.Sprintf(onServerless(realMain, to), "killed", "size = 500", "requests_per_second = 4000"), source, target)
	f.killAfter(`"type":"progress"`, "apply", "-auto-approve", "-json")
	var at int
	if n := len(target.all("killed-to")); n >= 20000 {
		t.Fatalf("killed too late: %d documents were there", n)
	} else {
		at = n
	}
	out := f.esmig(0, "apply", "-auto-approve")
	if !strings.Contains(out, "Continuing the apply of") {
		t.Errorf("it does not say that it goes on:\n%s", out)
	}
	t.Logf("killed at %d of 20000 documents", at)
	sameDocuments(t, source.all("killed-from"), target.all("killed-to"))
	f.settled()
}

func TestRealFrom6(t *testing.T) {
	source, target := realPair(t, "es6", "target", "six", "_doc", 2000)
	f := newFolder(t, fmt.Sprintf(realMain, "six", "", ""), source, target)
	f.esmig(0, "apply", "-auto-approve")
	sameDocuments(t, source.all("six-from"), target.all("six-to"))
	f.settled()
}

func TestRealFrom7(t *testing.T) {
	source, target := realPair(t, "es7", "target", "seven", "", 2000)
	f := newFolder(t, fmt.Sprintf(realMain, "seven", "", ""), source, target)
	f.esmig(0, "apply", "-auto-approve")
	sameDocuments(t, source.all("seven-from"), target.all("seven-to"))
	f.settled()
}

const realStream = `
index_template "t" {
  name           = "stream"
  index_patterns = ["stream-to"]
  priority       = 300
  data_stream    = {}
  template       = { settings = { index = { default_pipeline = ingest_pipeline.p.name } }, mappings = { properties = { "@timestamp" = { type = "date" } } } }
}

data_stream "d" {
  name                = "stream-to"
  deletion_protection = false
  depends_on          = [index_template.t]
}

migration "m" {
  source { index = "stream-from" }
  dest { index = data_stream.d.name }
}

ingest_pipeline "p" {
  name       = "stream"
  processors = [{ set = { field = "seen", value = true } }]
}
`

func TestRealDataStream(t *testing.T) {
	for _, to := range []string{"opensearch", "streams", "serverless"} {
		t.Run(to, func(t *testing.T) { dataStream(t, to) })
	}
}

func dataStream(t *testing.T, to string) {
	source, target := lab(t, "source"), lab(t, to)
	source.wipe("/stream-from")
	target.wipe("/_data_stream/stream-to", "/_index_template/stream", "/_ingest/pipeline/stream")
	source.fill("stream-from", "", 2000, false)
	f := newFolder(t, realStream, source, target)
	f.esmig(0, "apply", "-auto-approve")
	sameDocuments(t, source.all("stream-from"), target.all("stream-to"))
	f.settled()
	f.esmig(0, "destroy", "-auto-approve")
	if status, _ := target.try("GET", "/_data_stream/stream-to", ""); status != 404 {
		t.Errorf("destroy left the data stream: %d", status)
	}
}

// TestRealServerlessReadiness: what check -fix makes of a folder with two dozen
// problems is planned and applied by a server with the face of Serverless, and
// before it nothing is asked there that Serverless does not have.
func TestRealServerlessReadiness(t *testing.T) {
	source, target := lab(t, "source"), lab(t, "serverless")
	source.wipe("/shop-orders")
	target.wipe("/shop-orders", "/shop-customers", "/_index_template/shop-logs", "/_index_template/shop-metrics", "/_index_template/shop-audit", "/_component_template/shop-base")
	source.do("PUT", "/shop-orders", `{"mappings":{"properties":{"@timestamp":{"type":"date"},"customer":{"type":"keyword"},"total":{"type":"double"}}}}`)
	for i := range 20 {
		source.do("PUT", fmt.Sprintf("/shop-orders/_doc/%d?refresh=true", i), fmt.Sprintf(`{"@timestamp":"2026-01-%02d","customer":"c","total":%d.5}`, i+1, i))
	}
	f := newFolder(t, "", source, target)
	disk := state.NewMemFS()
	for _, name := range unready(t, disk, false) {
		if b, err := disk.ReadFile(name); err != nil {
			t.Fatal(err)
		} else if name != "clusters.hcl" { // those of newFolder are there
			f.write(name, string(b))
		}
	}
	if out := f.esmig(1, "plan"); !strings.Contains(out, "24 errors. Nothing has been changed.") {
		t.Errorf("the plan does not name everything:\n%s", out)
	}
	f.esmig(1, "check", "-target-flavor", "serverless")
	f.esmig(0, "check", "-target-flavor", "serverless", "-fix", "-auto-approve")
	f.esmig(0, "check", "-target-flavor", "serverless")
	f.esmig(2, "plan", "-detailed-exitcode")
	if out := f.esmig(0, "apply", "-auto-approve"); !strings.Contains(out, "20 of 20 identical") {
		t.Errorf("apply does not prove the documents:\n%s", out)
	}
	f.esmig(0, "plan", "-detailed-exitcode")
	if b := target.do("GET", "/_index_template/shop-logs", ""); !strings.Contains(string(b), `"data_retention":"30d"`) {
		t.Errorf("the policy's retention is not on the template: %s", b)
	}
	door := *target
	door.url = target.vars["DOOR_URL"]
	if b := door.do("GET", "/refused", ""); !strings.Contains(string(b), `"refused":[]`) {
		t.Errorf("was asked for what Serverless does not have: %s", b)
	}
}
