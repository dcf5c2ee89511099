package providertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// pair is a source with documents and a target that may read from it.
func pair(t *testing.T, o providertest.Options) (source, target *providertest.Fake) {
	t.Helper()
	net := &providertest.Network{}
	source = providertest.NewFake(providertest.Options{Name: "source", APIKeys: []providertest.APIKey{{Encoded: "c291cmNlOmtleQ==", ReadOnly: true}}})
	o.Network, o.Name = net, "target"
	if o.Whitelist == nil {
		o.Whitelist = []string{"source.test:*"}
	}
	target = providertest.NewFake(o)
	net.Join("source.test:9200", source)
	source.Must("PUT", "/src", `{"settings":{"number_of_shards":2}}`)
	for i := range 10 {
		source.Put("src", fmt.Sprint(i), fmt.Sprintf(`{"n":%d,"f":1e3}`, i), "")
	}
	return source, target
}

func field(t *testing.T, raw providers.JSON, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	for p := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %s in %s", path, raw)
		}
		v = m[p]
	}
	return v
}

const fromSource = `"remote":{"host":"http://source.test:9200","api_key":"c291cmNlOmtleQ=="}`

func TestReindexInSteps(t *testing.T) {
	_, target := pair(t, providertest.Options{ReindexBatchesPerPoll: 1})
	started := target.Must("POST", "/_reindex?wait_for_completion=false", `{"source":{`+fromSource+`,"index":"src","size":4},"dest":{"index":"dst","version_type":"external"}}`)
	id := field(t, started, "task").(string)
	if n := len(target.Docs("dst")); n != 0 {
		t.Fatalf("%d documents before the first look", n)
	}
	var seen []int
	for {
		raw := target.Must("GET", "/_tasks/"+id, nil)
		seen = append(seen, len(target.Docs("dst")))
		if field(t, raw, "completed") == true {
			if got := field(t, raw, "response.created"); got != 10.0 {
				t.Errorf("created %v", got)
			}
			break
		}
		if got := field(t, raw, "task.status.total"); got != 10.0 {
			t.Errorf("total %v", got)
		}
	}
	// The last page is not full; that it is the last, an empty one shows.
	if diff := cmp.Diff([]int{4, 8, 10, 10}, seen); diff != "" {
		t.Error(diff)
	}
	if d := target.Docs("dst")["3"]; d.Source != `{"f":1000.0,"n":3}` || d.Version != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestReindexErrors(t *testing.T) {
	tests := []struct {
		name, source string
		o            providertest.Options
		status       int
		kind, reason string
	}{
		{"not whitelisted", `"remote":{"host":"http://other.test:9200"},"index":"src"`, providertest.Options{}, 400, "illegal_argument_exception", "[other.test:9200] not whitelisted in reindex.remote.whitelist"},
		{"nobody there", `"remote":{"host":"http://source.test:1"},"index":"src"`, providertest.Options{}, 500, "connect_exception", "Connection refused"},
		{"bad key", `"remote":{"host":"http://source.test:9200","api_key":"x"},"index":"src"`, providertest.Options{}, 401, "status_exception", `body={"error":{"reason":"unable to authenticate`},
		{"no index", fromSource + `,"index":"nope"`, providertest.Options{}, 404, "status_exception", `body={"error":{"index":"nope"`},
		{"chunk", fromSource + `,"index":"src"`, providertest.Options{RemoteBuffer: 700}, 400, "illegal_argument_exception", "Remote responded with a chunk that was too large. Use a smaller batch size."},
		{"old", fromSource + `,"index":"src"`, providertest.Options{Version: "9.2.0"}, 400, "x_content_parse_exception", "[1:2] [reindex] failed to parse field [source]"},
		{"opensearch", fromSource + `,"index":"src"`, providertest.Options{Flavor: providers.OpenSearch, Version: "3.8.0"}, 400, "x_content_parse_exception", "[1:2] [reindex] failed to parse field [source]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, target := pair(t, tt.o)
			status, raw := target.Do("POST", "/_reindex", `{"source":{`+tt.source+`},"dest":{"index":"dst"}}`)
			reason := field(t, raw, "error.reason").(string)
			if status != tt.status || field(t, raw, "error.type") != tt.kind || !strings.HasPrefix(reason, tt.reason) {
				t.Errorf("%d %s", status, raw)
			}
		})
	}
}

func TestReindexOutcomes(t *testing.T) {
	_, target := pair(t, providertest.Options{})
	run := func(dest, more string) (int, providers.JSON) {
		return target.Do("POST", "/_reindex?refresh=true", `{"source":{`+fromSource+`,"index":"src"},"dest":{"index":"dst"`+dest+`}`+more+`}`)
	}
	run(`,"version_type":"external"`, "")
	status, raw := run(`,"version_type":"external"`, `,"conflicts":"proceed"`)
	if status != 200 || field(t, raw, "version_conflicts") != 10.0 || len(field(t, raw, "failures").([]any)) != 0 {
		t.Errorf("again, external: %d %s", status, raw)
	}
	status, raw = run(`,"op_type":"create"`, "")
	if status != 409 || len(field(t, raw, "failures").([]any)) != 10 {
		t.Errorf("again, create: %d %s", status, raw)
	}
	target.Must("PUT", "/dst/_settings", `{"default_pipeline":"p"}`)
	if status, raw = run(`,"pipeline":"_none"`, ""); status != 200 {
		t.Errorf("default pipeline bypassed: %d %s", status, raw)
	}
	target.Must("PUT", "/dst/_settings", `{"final_pipeline":"p"}`)
	if status, raw = run(`,"pipeline":"_none"`, ""); status != 400 || !strings.Contains(string(raw), "pipeline with id [p] does not exist") {
		t.Errorf("final pipeline missing: %d %s", status, raw)
	}
	target.Must("PUT", "/_ingest/pipeline/p", `{"processors":[{"set":{"field":"seen","value":true}}]}`)
	if status, raw = run(`,"pipeline":"_none"`, ""); status != 200 || !strings.Contains(target.Docs("dst")["1"].Source, `"seen":true`) {
		t.Errorf("final pipeline: %d %s", status, raw)
	}
}

// A restarted node forgets what ran; what was written stays.
func TestRestartLosesTasks(t *testing.T) {
	_, target := pair(t, providertest.Options{ReindexBatchesPerPoll: 1})
	id := field(t, target.Must("POST", "/_reindex?wait_for_completion=false", `{"source":{`+fromSource+`,"index":"src","size":4},"dest":{"index":"dst"}}`), "task").(string)
	target.Must("GET", "/_tasks/"+id, nil)
	target.Restart()
	if status, _ := target.Do("GET", "/_tasks/"+id, nil); status != 404 || len(target.Docs("dst")) != 4 {
		t.Errorf("status %d, %d documents", status, len(target.Docs("dst")))
	}
}

func TestFaults(t *testing.T) {
	put := func(r *http.Request) bool { return r.Method == "PUT" }
	tests := []struct {
		name    string
		fault   providertest.Fault
		status  int
		fails   bool
		created bool
	}{
		{"none", providertest.Fault{}, 200, false, true},
		{"busy", providertest.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}, 429, false, false},
		{"hang up", providertest.Fault{HangUp: true}, 0, true, false},
		{"lost", providertest.Fault{Lost: true}, 0, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := providertest.NewFake(providertest.Options{})
			fake.Fault(providertest.Once(1, put, tt.fault))
			client := http.Client{Transport: providertest.Transport(map[string]http.Handler{"a.test:80": fake})}
			req, err := http.NewRequestWithContext(t.Context(), "PUT", "http://a.test/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if (err != nil) != tt.fails {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				if resp.StatusCode != tt.status {
					t.Errorf("status %d", resp.StatusCode)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			if got := len(fake.Indices()) == 1; got != tt.created {
				t.Errorf("created: %v", got)
			}
			if len(fake.Writes()) != 1 {
				t.Errorf("writes: %v", fake.Writes())
			}
		})
	}
}

// Searches see what was refreshed, or is older than the interval; a point in
// time does not change, and ends.
func TestVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := providertest.NewFake(providertest.Options{})
		count := func() any { return field(t, fake.Must("GET", "/a/_count", nil), "count") }
		fake.Must("PUT", "/a/_doc/1", `{"x":1}`)
		if n := count(); n != 0.0 {
			t.Errorf("%v documents before a refresh", n)
		}
		time.Sleep(time.Second)
		if n := count(); n != 1.0 {
			t.Errorf("%v documents after the interval", n)
		}
		pit := field(t, fake.Must("POST", "/a/_pit?keep_alive=1m", nil), "id").(string)
		fake.Must("PUT", "/a/_doc/2?refresh", `{"x":2}`)
		body := `{"pit":{"id":"` + pit + `"}}`
		if n := field(t, fake.Must("POST", "/_search", body), "hits.total.value"); n != 1.0 {
			t.Errorf("%v documents in the point in time", n)
		}
		time.Sleep(2 * time.Minute)
		if status, _ := fake.Do("POST", "/_search", body); status != 404 {
			t.Errorf("status %d after the end", status)
		}
	})
}

// Slices and pages of a point in time give each document once.
func TestSlicedReading(t *testing.T) {
	source, _ := pair(t, providertest.Options{})
	pit := field(t, source.Must("POST", "/src/_pit?keep_alive=1m", nil), "id").(string)
	got := map[string]int{}
	for slice := range 3 {
		after := ""
		for {
			raw := source.Must("POST", "/_search", fmt.Sprintf(`{"pit":{"id":%q},"size":2,"sort":["_shard_doc"],"slice":{"id":%d,"max":3}%s}`, pit, slice, after))
			hits := field(t, raw, "hits.hits").([]any)
			if len(hits) == 0 {
				break
			}
			for _, h := range hits {
				got[h.(map[string]any)["_id"].(string)]++
				after = fmt.Sprintf(`,"search_after":[%.0f]`, h.(map[string]any)["sort"].([]any)[0])
			}
		}
	}
	want := map[string]int{}
	for i := range 10 {
		want[fmt.Sprint(i)] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsGuessed(t *testing.T) {
	fake := providertest.NewFake(providertest.Options{})
	fake.Put("a", "1", `{"x":1}`, "")
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/a/_search", `{"query":{"nested":{"path":"x"}}}`},
		{"POST", "/a/_search", `{"aggs":{"a":{"composite":{}}}}`},
		{"POST", "/a/_search", `{"collapse":{"field":"x"}}`},
		{"POST", "/a/_search", `{"query":{"range":{"x":{"gte":"now-1d"}}}}`},
		{"PUT", "/_ingest/pipeline/p", `{"processors":["set"]}`},
	} {
		if status, raw := fake.Do(tt.method, tt.path, tt.body); status != 501 || !strings.Contains(string(raw), "fake: not supported") {
			t.Errorf("%s: %d %s", tt.body, status, raw)
		}
	}
}

func TestServerless(t *testing.T) {
	fake := providertest.NewFake(providertest.Options{Flavor: providers.Serverless})
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/_tasks", "", 410, "api_not_available_exception"},
		{"PUT", "/_ilm/policy/x", "{}", 400, `"error":"no handler found for uri [/_ilm/policy/x] and method [PUT]"`},
		{"PUT", "/x?master_timeout=1s", "", 400, "The http parameter [master_timeout] (with value [1s]) is not permitted"},
		{"PUT", "/x", `{"settings":{"number_of_shards":1,"number_of_replicas":0}}`, 400, "Settings [index.number_of_replicas,index.number_of_shards] are not available"},
		{"PUT", "/_component_template/x", `{"template":{"settings":{"index":{"max_result_window":9}}}}`, 400, "Settings [index.max_result_window] are not available"},
		{"PUT", "/x", `{"settings":{"refresh_interval":"1s"}}`, 400, "[index.refresh_interval=1s] should be either -1 or equal to or greater than 5s"},
		{"PUT", "/x?wait_for_active_shards=1", "", 400, "The http parameter [wait_for_active_shards] (with value [1]) is not permitted"},
		{"GET", "/_search/scroll", "", 410, "api_not_available_exception"},
		{"PUT", "/x", "", 200, "acknowledged"},
		{"GET", "/x/_settings?flat_settings=true", "", 200, `"index.version.created":"9094000"}}}`},
		{"POST", "/x/_search", `{"aggs":{"a":{"scripted_metric":{"map_script":"1"}}}}`, 400, "[map_script] contains not allowed script"},
	} {
		if status, raw := fake.Do(tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(string(raw), tt.text) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, status, raw)
		}
	}
}
