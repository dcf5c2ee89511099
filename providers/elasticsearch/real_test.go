package elasticsearch

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/esmig/esmig/providers"
)

// TestReal makes, changes, reads back and deletes objects on the servers of
// the lab: "go run ./cmd/eslab run -servers target,streams,opensearch,es6 -- go
// test ./providers/elasticsearch -run Real". The suite of package providertest
// does it on Serverless.
func TestReal(t *testing.T) {
	for _, name := range []string{"TARGET", "STREAMS", "ES7", "ES6", "OPENSEARCH"} {
		env := func(s string) string { return os.Getenv("ESLAB_" + name + "_" + s) }
		t.Run(name, func(t *testing.T) {
			if env("URL") == "" {
				if os.Getenv("ESMIG_TEST_REAL") == "required" {
					t.Fatalf("ESLAB_%s_URL is not set: run make real", name)
				}
				t.Skipf("ESLAB_%s_URL is not set", name)
			}
			cfg := providers.ClusterConfig{Name: "target", Endpoint: env("URL"), Username: env("USERNAME"), Password: env("PASSWORD")}
			if file := env("CA_FILE"); file != "" {
				pem, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				cfg.CAPEM = pem
			}
			c, err := Connect(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			info, err := c.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for name, tt := range realCases {
				t.Run(name, func(t *testing.T) {
					if tt.recent && (info.Flavor != providers.Elasticsearch || major(info) < 9) {
						t.Skipf("%s does not know all of it", info.Title())
					}
					life(t, tt, c)
				})
			}
		})
	}
}

type realCase struct {
	kind         *providers.Kind
	first, other string // arguments
	needs        string // arguments of an index template that must be there
	recent       bool   // only Elasticsearch 9 knows all of it
}

var realCases = map[string]realCase{
	"pipeline": {kind: IngestPipeline, first: `{"name":"elx-a","processors":[],"description":"x","version":3}`, other: `{"name":"elx-a","processors":[]}`},
	"pipeline with _meta": {kind: IngestPipeline, recent: true, first: `{"name":"elx-a","processors":[],"_meta":{"x":1000,"y":12345678901234567890,"z":null}}`,
		other: `{"name":"elx-a","processors":[{"set":{"field":"a","value":1.5}}]}`},
	"component": {kind: ComponentTemplate, first: `{"name":"elx-a","template":{"settings":{"number_of_shards":1,"index.refresh_interval":"5s","index":{"number_of_replicas":0}},"mappings":{"dynamic":false,"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true}}}}},"aliases":{"elx-al":{"routing":"1"}}},"_meta":{"a":1}}`,
		other: `{"name":"elx-a","template":{"settings":{},"mappings":{},"aliases":{}}}`},
	"component with lifecycle": {kind: ComponentTemplate, recent: true, first: `{"name":"elx-a","template":{}}`, other: `{"name":"elx-a","template":{"lifecycle":{"data_retention":"7d"}}}`},
	"template": {kind: IndexTemplate, first: `{"name":"elx-a","index_patterns":"elx-q*","template":{"settings":{"number_of_shards":1,"refresh_interval":null,"analysis":{"analyzer":{"x":{"type":"custom","tokenizer":"standard","filter":["lowercase"]}}}},"mappings":{"properties":{"a":{"type":"text","analyzer":"x"}}}},"priority":7,"composed_of":[]}`,
		other: `{"name":"elx-a","index_patterns":["elx-q*","elx-r*"],"priority":9,"template":{"mappings":{"properties":{"@timestamp":{"type":"date"}}}}}`},
	"template of data streams": {kind: IndexTemplate, recent: true, first: `{"name":"elx-a","index_patterns":["elx-q*"],"data_stream":{},"priority":7}`,
		other: `{"name":"elx-a","index_patterns":["elx-q*"],"data_stream":{"hidden":true},"priority":7,"template":{"lifecycle":{"data_retention":"7d"}}}`},
	"index": {kind: Index, first: `{"name":"elx-a","mappings":{"dynamic":false,"_source":{"enabled":true},"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true,"doc_values":true}}},"t":{"type":"text","fields":{"k":{"type":"keyword","ignore_above":256}}}}},"settings":{"number_of_shards":2,"number_of_replicas":0,"refresh_interval":"5s","index.max_result_window":100,"query.default_field":["a","t"]}}`,
		other: `{"name":"elx-a","mappings":{"properties":{"a":{"properties":{"b":{"type":"keyword","ignore_above":7},"c":{"type":"date"}}},"t":{"type":"text","fields":{"k":{"type":"keyword"}}}}},"settings":{"number_of_shards":2,"number_of_replicas":1,"refresh_interval":null},"aliases":{"elx-z":{"is_write_index":true,"routing":"3","filter":{"term":{"a.b":"x"}}}}}`},
	"data stream": {kind: DataStream, first: `{"name":"elx-ds"}`, other: `{"name":"elx-ds"}`, needs: `{"name":"elx-ds","index_patterns":["elx-ds*"],"data_stream":{},"priority":900}`},
	"policy": {kind: ILMPolicy, first: `{"name":"elx-a","policy":{"phases":{"hot":{"actions":{"rollover":{"max_age":"1d","max_size":"50gb"},"set_priority":{"priority":100}}},"warm":{"min_age":"24h","actions":{"allocate":{"number_of_replicas":0},"readonly":{}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}}}`,
		other: `{"name":"elx-a","policy":{"phases":{"delete":{"actions":{"delete":{}}}}}}`},
}

// life: missing, made, changed and changed back; after each step the server
// holds what is declared, and writing it again changes nothing.
func life(t *testing.T, tt realCase, c providers.Cluster) {
	block := func(k *providers.Kind, args string) providers.Resource {
		r, err := k.Resource(instance(t, k, c, args))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	remove := func(r providers.Resource) {
		for range 2 {
			if err := r.Delete(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.Read(context.Background()); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("after deleting: %v", err)
		}
	}
	r := block(tt.kind, tt.first)
	_, err := r.Read(t.Context())
	if f := (*providers.Finding)(nil); errors.As(err, &f) && f.Code == "not_supported" {
		t.Skip(f.Detail)
	}
	if !errors.Is(err, providers.ErrNotFound) {
		t.Fatalf("before it is made: %v", err)
	}
	if tt.needs != "" {
		needed := block(IndexTemplate, tt.needs)
		if err := needed.Write(t.Context(), providers.Write{}); err != nil {
			t.Fatal(err)
		}
		defer remove(needed)
	}
	defer remove(r)
	var last, before providers.JSON
	for _, args := range []string{tt.first, tt.other, tt.first} {
		r := block(tt.kind, args)
		if err := r.Write(t.Context(), providers.Write{Now: last, Last: last, Before: before}); err != nil {
			t.Fatal(err)
		}
		got, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := providers.Contains(any(decodeObject(r.Declared())), any(decodeObject(got))); len(diff) > 0 {
			t.Errorf("the server does not hold what is declared: %v\n%s\n%s", diff, r.Declared(), got)
		}
		if err := r.Write(t.Context(), providers.Write{Now: got, Last: got, Before: r.Declared()}); err != nil {
			t.Fatal(err)
		}
		again, err := r.Read(t.Context())
		if err != nil || !providers.Equal(got, again) {
			t.Errorf("written twice: %v\n%s\n%s", err, got, again)
		}
		if k, ok := r.(providers.Container); ok {
			if n, err := k.Documents(t.Context()); n != 0 || err != nil {
				t.Errorf("%d documents, %v", n, err)
			}
		}
		last, before = again, r.Declared()
	}
}
