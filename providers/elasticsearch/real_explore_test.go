package elasticsearch

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/esmig/esmig/providers"
)

// TestExplore: every body is made on a real server, read back, contained,
// written again without a change, deleted twice.
func TestExplore(t *testing.T) {
	name := os.Getenv("ELX_SERVER")
	if os.Getenv("ESLAB_"+name+"_URL") == "" {
		t.Skip("no lab")
	}
	pem, _ := os.ReadFile(os.Getenv("ESLAB_" + name + "_CA_FILE"))
	c, err := Connect(providers.ClusterConfig{Name: "target", Endpoint: os.Getenv("ESLAB_" + name + "_URL"), CAPEM: pem,
		Username: os.Getenv("ESLAB_" + name + "_USERNAME"), Password: os.Getenv("ESLAB_" + name + "_PASSWORD")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.Info(t.Context()))
	for _, tt := range []struct {
		kind         *providers.Kind
		first, other string
	}{
		{IngestPipeline, `{"name":"elx-a","processors":[{"set":{"field":"a","value":1.5}}],"_meta":{"x":1e3,"y":12345678901234567890,"z":null},"version":3}`, `{"name":"elx-a","processors":[]}`},
		{ComponentTemplate, `{"name":"elx-a","template":{"settings":{"number_of_shards":1,"index.refresh_interval":"5s","index":{"number_of_replicas":0}},"mappings":{"dynamic":false,"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true}}}}},"aliases":{"elx-al":{"routing":"1"}}},"_meta":{"a":1}}`, `{"name":"elx-a","template":{}}`},
		{ComponentTemplate, `{"name":"elx-a","template":{"settings":{},"mappings":{},"aliases":{}}}`, `{"name":"elx-a","template":{"lifecycle":{"data_retention":"7d"}}}`},
		{IndexTemplate, `{"name":"elx-a","index_patterns":"elx-q*","template":{"settings":{"number_of_shards":1,"refresh_interval":null,"analysis":{"analyzer":{"x":{"type":"custom","tokenizer":"standard","filter":["lowercase"]}}}},"mappings":{"properties":{"a":{"type":"text","analyzer":"x"}}}},"priority":7,"composed_of":[]}`, `{"name":"elx-a","index_patterns":["elx-q*","elx-r*"],"data_stream":{},"priority":9,"template":{"mappings":{"properties":{"@timestamp":{"type":"date"}}}}}`},
		{Index, `{"name":"elx-a","mappings":{"dynamic":false,"_source":{"enabled":true},"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true,"doc_values":true}}},"t":{"type":"text","fields":{"k":{"type":"keyword","ignore_above":256}}}}},"settings":{"number_of_shards":2,"number_of_replicas":0,"refresh_interval":"5s","index.max_result_window":100,"query.default_field":["a","t"]}}`,
			`{"name":"elx-a","mappings":{"properties":{"a":{"properties":{"b":{"type":"keyword","ignore_above":7},"c":{"type":"date"}}},"t":{"type":"text","fields":{"k":{"type":"keyword"}}}}},"settings":{"number_of_shards":2,"number_of_replicas":1,"refresh_interval":null},"aliases":{"elx-z":{"is_write_index":true,"routing":"3","filter":{"term":{"a.b":"x"}}}}}`},
		{DataStream, `{"name":"elx-ds"}`, `{"name":"elx-ds"}`},
		{ILMPolicy, `{"name":"elx-a","policy":{"phases":{"hot":{"actions":{"rollover":{"max_age":"1d","max_size":"50gb"},"set_priority":{"priority":100}}},"warm":{"min_age":"24h","actions":{"allocate":{"number_of_replicas":0},"readonly":{}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}}}`, `{"name":"elx-a","policy":{"phases":{"delete":{"actions":{"delete":{}}}}}}`},
	} {
		t.Run(tt.kind.Name, func(t *testing.T) {
			if tt.kind == DataStream {
				r, _ := IndexTemplate.Resource(instance(t, IndexTemplate, c, `{"name":"elx-ds","index_patterns":["elx-ds*"],"data_stream":{},"priority":900}`))
				if err := r.Write(t.Context(), providers.Write{}); err != nil {
					t.Fatal(err)
				}
				defer r.Delete(context.Background())
			}
			mk := func(s string) providers.Resource {
				r, err := tt.kind.Resource(instance(t, tt.kind, c, s))
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			r := mk(tt.first)
			defer func() {
				for range 2 {
					if err := r.Delete(context.Background()); err != nil {
						t.Error(err)
					}
				}
				if _, err := r.Read(context.Background()); !errors.Is(err, providers.ErrNotFound) {
					t.Error(err)
				}
			}()
			if _, err := r.Read(t.Context()); !errors.Is(err, providers.ErrNotFound) {
				t.Fatal("missing:", err)
			}
			var last, before providers.JSON
			for _, s := range []string{tt.first, tt.other, tt.first} {
				r := mk(s)
				if in, ok := r.(providers.Container); ok && before != nil {
					t.Log("in place:", in.InPlace(before, r.Declared()))
				}
				if err := r.Write(t.Context(), providers.Write{Now: last, Last: last, Before: before}); err != nil {
					t.Error(err)
					return
				}
				got, err := r.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				d, _ := providers.Decode(r.Declared())
				o, _ := providers.Decode(got)
				if diff := providers.Contains(d, o); len(diff) > 0 {
					t.Errorf("not contained: %v\n%s\n%s", diff, r.Declared(), got)
				}
				if err := r.Write(t.Context(), providers.Write{Now: got, Last: got, Before: r.Declared()}); err != nil {
					t.Fatal(err)
				}
				again, _ := r.Read(t.Context())
				if !providers.Equal(got, again) {
					t.Errorf("not stable\n%s\n%s", got, again)
				}
				t.Logf("%s", got)
				last, before = again, r.Declared()
			}
		})
	}
}
