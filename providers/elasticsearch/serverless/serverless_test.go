package serverless

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		want         string // the endpoint's path; empty: not there
	}{
		{"GET", "/", "/"},
		{"HEAD", "/", "/"},
		{"PUT", "/orders", "/{index}"},
		{"PUT", "/orders/", "/{index}"},
		{"GET", "/_all", "/{index}"},
		{"PUT", "/_orders", ""},
		{"GET", "/_cluster/health", ""},
		{"GET", "/_nodes", ""},
		{"GET", "/_tasks", ""},
		{"GET", "/_tasks/_X:1", "/_tasks/{task_id}"},
		{"POST", "/_tasks/X:1/_cancel", ""},
		{"GET", "/_reindex", "/_reindex"},
		{"GET", "/_reindex/X%3A1", "/_reindex/{task_id}"},
		{"POST", "/_reindex/X%3A1/_cancel", "/_reindex/{task_id}/_cancel"},
		{"GET", "/orders/_stats", ""},
		{"GET", "/_stats", ""},
		{"GET", "/orders/_doc/_stats", "/{index}/_doc/{id}"},
		{"GET", "/_data_stream/_stats", ""},
		{"DELETE", "/_data_stream/x/_lifecycle", ""},
		{"PUT", "/_data_stream/x/_lifecycle", "/_data_stream/{name}/_lifecycle"},
		{"PUT", "/_security/api_key/clone", ""},
		{"PUT", "/_security/api_key/x", "/_security/api_key/{id}"},
		{"POST", "/_ingest/pipeline/_simulate", "/_ingest/pipeline/_simulate"},
		{"PUT", "/_ingest/pipeline/p", "/_ingest/pipeline/{id}"},
		{"PUT", "/_template/x", ""},
		{"PUT", "/_ilm/policy/x", ""},
		{"POST", "/_search/scroll", ""},
		{"POST", "/a/_close", ""},
		{"POST", "/a/_flush", ""},
	} {
		e, ok := Find(tt.method, tt.path)
		if ok != (tt.want != "") || ok && e.Path != tt.want {
			t.Errorf("%s %s: %q %v", tt.method, tt.path, e.Path, ok)
		}
	}
}

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		method, path, param string
		want                bool
	}{
		{"PUT", "/a", "timeout", true},
		{"PUT", "/a", "master_timeout", false},
		{"PUT", "/a", "wait_for_active_shards", false},
		{"PUT", "/a", "pretty", true},
		{"GET", "/", "-", false},
		{"GET", "/", "filter_path", true},
		{"POST", "/a/_search", "scroll", false},
		{"POST", "/a/_search", "request_cache", true},
		{"POST", "/a/_delete_by_query", "conflicts", true}, // not looked up
		{"POST", "/a/_delete_by_query", "master_timeout", false},
		{"POST", "/_reindex/x/_rethrottle", "group_by", false},
		{"GET", "/a/_settings", "include_defaults", true},
		{"GET", "/a/_settings", "preserve_existing", false},
		{"PUT", "/a/_settings", "preserve_existing", true},
		{"PUT", "/a/_settings", "include_defaults", false},
	} {
		e, ok := Find(tt.method, tt.path)
		if got := e.Allows(tt.param); !ok || got != tt.want {
			t.Errorf("%s %s?%s: %v, there %v", tt.method, tt.path, tt.param, got, ok)
		}
	}
}

func TestSettings(t *testing.T) {
	got := Missing(map[string]any{
		"number_of_shards": 1, "index.number_of_replicas": nil, "refresh_interval": "5s", "analysis.analyzer.x.type": "custom",
		"index":    map[string]any{"codec": "x", "analysis": map[string]any{"filter": map[string]any{"f": map[string]any{"stopwords": []any{"a"}}}}, "sort.field": []any{"a"}, "max_result_window": 1},
		"mapping":  map[string]any{"total_fields.limit": 9, "nested_fields": map[string]any{"limit": 9}},
		"sort":     map[string]any{"fields": 1},
		"analysed": 1,
	})
	want := []string{"index.analysed", "index.mapping.nested_fields.limit", "index.max_result_window", "index.number_of_replicas", "index.number_of_shards", "index.sort.fields"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := NoSettings(want[3:5]); text != "Settings [index.number_of_replicas,index.number_of_shards] are not available when running in serverless mode" {
		t.Error(text)
	}
}

func TestLacks(t *testing.T) {
	if HasKind("ilm_policy") || !HasKind("index") || HasAggregation("scripted_metric") || !HasAggregation("max") || HasFieldType("join") || !HasFieldType("keyword") {
		t.Error("wrong")
	}
	if e, _ := Find("POST", "/_data_stream/_modify"); len(e.Without) != 1 || e.Without[0] != "actions.delete_backing_index" {
		t.Errorf("%+v", e)
	}
	for uri, want := range map[string]int{"/_ilm/policy/x": 400, "/_slm/status": 400, "/_cluster/health?level=indices": 410} {
		if text, status, plain := NoAPI("GET", uri); status != want || plain != (want == 400) {
			t.Errorf("%s: %d %v %s", uri, status, plain, text)
		}
	}
}

func TestRefreshInterval(t *testing.T) {
	for value, want := range map[string]bool{"-1": true, "5s": true, "1m": true, "1d": true, "5000ms": true, "1s": false, "0": false, "4999ms": false, "-1s": false, "x": true, "": true} {
		if got := RefreshInterval(value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
