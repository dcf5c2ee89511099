package elasticsearch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

var changes = map[providers.Change]string{providers.Remove: "remove", providers.Set: "set", providers.Add: "add", providers.Unwrap: "unwrap"}

// lackLines is what a resource lacks on Serverless: where, what is done about
// it, and the group.
func lackLines(r providers.Resource, peers ...providers.Resource) []string {
	var out []string
	for _, l := range r.(providers.Selective).Lacks(providers.Serverless, append(peers, r)) {
		s := strings.Join(append([]string{l.Arg}, l.Path...), "/")
		for _, f := range l.Fixes {
			s += " " + changes[f.Do]
			if f.Do != providers.Remove {
				s += " " + strings.Join(append([]string{f.Arg}, f.Path...), "/")
			}
			if f.Value != nil {
				s += " " + string(providers.Encode(f.Value))
			}
		}
		for _, g := range l.Groups {
			s += " [" + g + "]"
		}
		if l.Stuck != "" {
			s += " stuck"
		}
		if l.Loss != "" {
			s += " loss"
		}
		out = append(out, s)
	}
	return out
}

func TestLacks(t *testing.T) {
	for name, tt := range map[string]struct {
		kind *providers.Kind
		args string
		want []string
	}{
		"every spelling of a setting": {Index, `{"settings":{"number_of_shards":1,"index.number_of_replicas":0,"index":{"gc_deletes":"1m","merge.policy.x":1,"codec":"x"},"mapping":{"nested_fields.limit":1,"total_fields":{"limit":1}},"analysis":{"analyzer":{"number_of_shards":{"type":"custom"}}}}}`,
			[]string{"settings/index/gc_deletes remove", "settings/mapping/nested_fields.limit remove", "settings/index/merge.policy.x remove", "settings/index.number_of_replicas remove", "settings/number_of_shards remove"}},
		"refreshed too often": {Index, `{"settings":{"refresh_interval":"4999ms"}}`, []string{"settings/refresh_interval set settings/refresh_interval \"5s\" loss"}},
		"refreshed seldom":    {Index, `{"settings":{"refresh_interval":"5s","index":{"hidden":true}}}`, nil},
		"never refreshed":     {Index, `{"settings":{"index.refresh_interval":-1}}`, nil},
		"default refresh":     {Index, `{"settings":{"index.refresh_interval":null}}`, nil},
		"files":               {Index, `{"settings":{"analysis":{"filter":{"a":{"synonyms_path":"x"},"b":{"synonyms_set":"x"}}}}}`, []string{"settings/analysis/filter/a/synonyms_path stuck"}},
		"join everywhere": {Index, `{"mappings":{"properties":{"type":{"type":"join"},"a":{"properties":{"b":{"type":"join"},"c":{"type":"keyword"}}}},"runtime":{"r":{"type":"long"}},"dynamic_templates":[{"d":{"mapping":{"type":"join"}}}]}}`,
			[]string{"mappings/properties/a/properties/b/type stuck", "mappings/properties/type/type stuck", "mappings/dynamic_templates/0/d/mapping/type stuck"}},
		"type level":              {Index, `{"mappings":{"doc":{"dynamic":"strict","properties":{"a":{"type":"join"}}}}}`, []string{"mappings/doc unwrap mappings/doc", "mappings/doc/properties/a/type stuck"}},
		"type _doc of an index":   {Index, `{"mappings":{"_doc":{"properties":{}}}}`, []string{"mappings/_doc unwrap mappings/_doc"}},
		"type _doc of a template": {ComponentTemplate, `{"template":{"mappings":{"_doc":{"properties":{}}}}}`, nil},
		"no type":                 {Index, `{"mappings":{"_source":{"enabled":true}}}`, nil},
		"legacy template":         {ComponentTemplate, `{"version":3,"template":{"order":1,"index_patterns":["a"],"version":3,"aliases":{},"settings":{"codec":"x"}}}`, []string{"template/index_patterns remove loss", "template/order remove loss", "template/version remove"}},
		"legacy index template":   {IndexTemplate, `{"index_patterns":["a"],"template":{"index_patterns":"a","version":3}}`, []string{"template/index_patterns remove", "template/version remove loss"}},
		"other patterns":          {IndexTemplate, `{"index_patterns":["a","b"],"template":{"index_patterns":["a"]}}`, []string{"template/index_patterns remove loss"}},
		"misspelt":                {IndexTemplate, `{"index_patterns":["a"],"template":{"mapping":{},"setting":{"index.lifecycle.name":"p"},"order":1}}`, []string{"template/mapping stuck", "template/order remove loss", "template/setting stuck"}},
		"a whole answer": {IndexTemplate, `{"index_patterns":["a"],"template":{"index_patterns":["a"],"priority":200,"version":3,"data_stream":{},"template":{"mappings":{}}}}`,
			[]string{"template/data_stream stuck", "template/index_patterns stuck", "template/priority stuck", "template/template stuck", "template/version stuck"}},
		"component template":        {ComponentTemplate, `{"template":{"settings":{"index":{"number_of_shards":1}}}}`, []string{"template/settings/index/number_of_shards remove"}},
		"policy":                    {ILMPolicy, `{"name":"p","policy":{"phases":{}}}`, []string{" remove [ilm_policy p] loss"}},
		"alias":                     {Alias, `{"name":"a","index":"b"}`, nil},
		"data stream":               {DataStream, `{"name":"a"}`, nil},
		"pipeline":                  {IngestPipeline, `{"name":"a","processors":[]}`, nil},
		"policy of an index":        {Index, `{"settings":{"index":{"lifecycle":{"name":"p","origination_date":1}}}}`, []string{"settings/index/lifecycle/name remove [ilm_policy p] loss"}},
		"no policy":                 {Index, `{"settings":{"index.lifecycle.name":null}}`, []string{"settings/index.lifecycle.name remove"}},
		"an empty policy":           {ComponentTemplate, `{"template":{"settings":{"lifecycle":{"name":""}}}}`, []string{"template/settings/lifecycle/name remove"}},
		"no policy of a stream":     {IndexTemplate, `{"index_patterns":["a"],"data_stream":{},"template":{"settings":{"index":{"lifecycle.name":null}}}}`, []string{"template/settings/index/lifecycle.name remove"}},
		"undeclared, a data stream": {IndexTemplate, `{"index_patterns":["a"],"data_stream":{},"template":{"settings":{"index.lifecycle.name":"p"}}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] stuck"}},
		"undeclared, plain":         {IndexTemplate, `{"index_patterns":["a"],"template":{"settings":{"index.lifecycle.name":"p"}}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] loss"}},
		"undeclared, with a lifecycle": {IndexTemplate, `{"index_patterns":["a"],"data_stream":{},"template":{"lifecycle":{},"settings":{"index.lifecycle.name":"p"}}}`,
			[]string{"template/settings/index.lifecycle.name remove [ilm_policy p] loss"}},
		"a lifecycle before others' policies": {ComponentTemplate, `{"template":{"settings":{"index.lifecycle.prefer_ilm":false}}}`, []string{"template/settings/index.lifecycle.prefer_ilm remove loss"}},
		"undeclared, before which the lifecycle goes": {IndexTemplate, `{"index_patterns":["a"],"data_stream":{},"template":{"lifecycle":{},"settings":{"index.lifecycle":{"name":"p","prefer_ilm":false}}}}`,
			[]string{"template/settings/index.lifecycle/prefer_ilm remove [ilm_policy p]", "template/settings/index.lifecycle/name remove [ilm_policy p]"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := resource(t, tt.kind, nil, tt.args)
			if diff := cmp.Diff(tt.want, lackLines(r)); diff != "" {
				t.Error(diff)
			}
			for _, f := range []providers.Flavor{providers.Elasticsearch, providers.OpenSearch} {
				if l := r.(providers.Selective).Lacks(f, nil); l != nil {
					t.Errorf("%s: %v", f, l)
				}
			}
		})
	}
}

// TestPolicyReaches: a policy becomes a lifecycle in the index templates whose
// data streams get it, also through component templates.
func TestPolicyReaches(t *testing.T) {
	policy := resource(t, ILMPolicy, nil, `{"name":"p","policy":{"phases":{"delete":{"min_age":"9d","actions":{"delete":{}}}}}}`)
	part := resource(t, ComponentTemplate, nil, `{"name":"part","template":{"settings":{"index.lifecycle.name":"p"}}}`)
	later := resource(t, ComponentTemplate, nil, `{"name":"later","template":{"settings":{"lifecycle":{"name":"q"}}}}`)
	living := resource(t, ComponentTemplate, nil, `{"name":"living","template":{"lifecycle":{"data_retention":"1d"}}}`)
	template := func(args string) providers.Resource {
		return resource(t, IndexTemplate, nil, `{"name":"t","index_patterns":["a"],`+args+`}`)
	}
	same := resource(t, ComponentTemplate, nil, `{"name":"same","template":{"lifecycle":{"data_retention":"9d","enabled":true}}}`)
	prefers := resource(t, ComponentTemplate, nil, `{"name":"prefers","template":{"settings":{"index":{"lifecycle.prefer_ilm":"false"}}}}`)
	const add = ` add template/lifecycle {"data_retention":"9d"} [ilm_policy p]`
	const nothing, becomes, disputed = "and nothing takes its place", `and for data streams becomes { data_retention = "9d" }`, "yours to decide"
	none := resource(t, ComponentTemplate, nil, `{"name":"none","template":{"settings":{"index.lifecycle.name":null}}}`)
	for name, tt := range map[string]struct {
		args   string
		want   []string
		part   []string
		policy string
	}{
		"its own null wins": {`"data_stream":{},"composed_of":["later","part"],"template":{"settings":{"index.lifecycle.name":null}}`,
			[]string{"template/settings/index.lifecycle.name remove [ilm_policy q] [ilm_policy p]"}, []string{"Nothing that is composed of it here gets the policy from it"}, nothing},
		"a part's null wins":                 {`"data_stream":{},"composed_of":["part","none"]`, nil, []string{"Nothing that is composed of it here gets the policy from it"}, nothing},
		"a null before it":                   {`"data_stream":{},"composed_of":["none","part"]`, []string{"composed_of" + add}, []string{"stands in t"}, becomes},
		"plain, its null wins":               {`"composed_of":["part"],"template":{"settings":{"index.lifecycle.name":null}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p]"}, []string{"Nothing that is composed of it here"}, nothing},
		"itself":                             {`"data_stream":{},"template":{"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove" + add}, []string{"Nothing takes"}, becomes},
		"through a part":                     {`"data_stream":{},"composed_of":["part"]`, []string{"composed_of" + add}, []string{"the lifecycle of the data streams stands in t"}, becomes},
		"the last part wins":                 {`"data_stream":{},"composed_of":["part","later"]`, []string{"composed_of [ilm_policy q] stuck"}, nil, nothing},
		"its own wins":                       {`"data_stream":{},"composed_of":["later"],"template":{"settings":{"lifecycle":{"name":"p"}}}`, []string{"template/settings/lifecycle/name remove" + add + " [ilm_policy q]"}, nil, becomes},
		"plain":                              {`"composed_of":["part"]`, nil, []string{"Nothing takes the place of the policy p for the plain indices of t", "deleted after 9d stays"}, nothing},
		"a lifecycle":                        {`"data_stream":{},"template":{"lifecycle":{"data_retention":"1d"},"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] stuck"}, nil, disputed},
		"one that is the same":               {`"data_stream":{},"template":{"lifecycle":{"data_retention":"9d"},"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p]"}, nil, becomes},
		"one that is off":                    {`"data_stream":{},"template":{"lifecycle":{"data_retention":"9d","enabled":false},"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] stuck"}, nil, disputed},
		"one that goes before":               {`"data_stream":{},"composed_of":["prefers"],"template":{"lifecycle":{"data_retention":"1d"},"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p]"}, nil, nothing},
		"one that is off does not":           {`"data_stream":{},"composed_of":["prefers"],"template":{"lifecycle":{"enabled":false},"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] stuck"}, nil, disputed},
		"both of parts":                      {`"data_stream":{},"composed_of":["part","living"]`, []string{"composed_of [ilm_policy p] stuck"}, nil, disputed},
		"both of parts, the same":            {`"data_stream":{},"composed_of":["part","same"]`, nil, nil, becomes},
		"its own lifecycle, a part's policy": {`"data_stream":{},"composed_of":["part"],"template":{"lifecycle":{"enabled":true}}`, []string{"composed_of [ilm_policy p] stuck"}, nil, disputed},
		"a part's lifecycle, its own policy": {`"data_stream":{},"composed_of":["living"],"template":{"settings":{"index.lifecycle.name":"p"}}`, []string{"template/settings/index.lifecycle.name remove [ilm_policy p] stuck"}, nil, disputed},
	} {
		t.Run(name, func(t *testing.T) {
			r := template(tt.args)
			peers := []providers.Resource{policy, part, later, living, same, prefers, none}
			if diff := cmp.Diff(tt.want, lackLines(r, peers...)); diff != "" {
				t.Error(diff)
			}
			got := part.(providers.Selective).Lacks(providers.Serverless, append(peers, r))
			if len(got) != 1 || got[0].Groups[0] != "ilm_policy p" || len(got[0].Fixes) != 1 {
				t.Fatalf("%+v", got)
			}
			for _, text := range tt.part {
				if !strings.Contains(got[0].Detail, text) {
					t.Errorf("no %q in %s", text, got[0].Detail)
				}
			}
			if strings.Contains(tt.args, `"none"`) {
				want := "template/settings/index.lifecycle.name remove"
				if strings.Contains(tt.args, `"part","none"`) {
					want += " [ilm_policy p]"
				}
				if diff := cmp.Diff([]string{want}, lackLines(none, append(peers, r)...)); diff != "" {
					t.Error(diff)
				}
			}
			if got := policy.(providers.Selective).Lacks(providers.Serverless, append(peers, r)); !strings.Contains(got[0].Loss, tt.policy) {
				t.Errorf("no %q in %s", tt.policy, got[0].Loss)
			}
		})
	}
}

func TestConvertPolicy(t *testing.T) {
	for name, tt := range map[string]struct {
		phases string
		want   string
		parts  []string
	}{
		"retention": {`{"hot":{"actions":{"rollover":{"max_age":"1d"}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}`, `{"data_retention":"30d"}`,
			[]string{"hot.rollover: the server rolls over by conditions of its own, not by max_age 1d", "as before"}},
		"never rolled over": {`{"delete":{"min_age":"30d","actions":{"delete":{"delete_searchable_snapshot":false}}}}`, `{"data_retention":"30d"}`,
			[]string{"no longer from when the index was made. No snapshot stays behind"}},
		"for ever": {`{"warm":{"min_age":"1d","actions":{}}}`, `{"enabled":true}`, []string{"warm: has no action", "no delete: the data is kept for ever"}},
		"no deleting": {`{"delete":{"min_age":"1d","actions":{"wait_for_snapshot":{"policy":"x"}}}}`, `{"enabled":true}`,
			[]string{"delete.wait_for_snapshot: no counterpart", "no delete"}},
		"downsampling": {`{"hot":{"actions":{"rollover":{"max_docs":1},"downsample":{"fixed_interval":"1h","sampling_method":"last_value"}}},"cold":{"min_age":"9d","actions":{"downsample":{"fixed_interval":"1d"}}}}`,
			`{"downsampling":[{"after":"0ms","fixed_interval":"1h"},{"after":"9d","fixed_interval":"1d"}],"downsampling_method":"last_value"}`, []string{"cold.downsample: downsampling after 9d to 1d"}},
		"downsampling that does not fit": {`{"warm":{"min_age":"1d","actions":{"downsample":{"fixed_interval":"1m"}}},"cold":{"min_age":"9d","actions":{"downsample":{"fixed_interval":"1h"}}}}`,
			`{"downsampling":[{"after":"9d","fixed_interval":"1h"}]}`, []string{"warm.downsample: no counterpart, because a round has at least five minutes"}},
		"downsampling to no multiple": {`{"warm":{"min_age":"1d","actions":{"downsample":{"fixed_interval":"1h"}}},"cold":{"min_age":"9d","actions":{"downsample":{"fixed_interval":"90m"}}}}`,
			`{"downsampling":[{"after":"1d","fixed_interval":"1h"}]}`, []string{"cold.downsample: no counterpart, because each round is a multiple"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := resource(t, ILMPolicy, nil, `{"name":"p","policy":{"phases":`+tt.phases+`}}`)
			c := convert(p.(*ilmPolicy))
			if diff := cmp.Diff(tt.want, string(providers.Encode(c.lifecycle))); diff != "" {
				t.Error(diff)
			}
			for _, want := range tt.parts {
				if !strings.Contains(strings.Join(c.parts, "\n"), want) {
					t.Errorf("no %q in\n%s", want, strings.Join(c.parts, "\n"))
				}
			}
		})
	}
}

// TestEveryActionIsTold: no action of a policy is lost without a word.
func TestEveryActionIsTold(t *testing.T) {
	for phase, actions := range phaseActions {
		for _, a := range actions {
			if c, told := noCounterpart[a]; !told && a != "rollover" && a != "delete" && a != "downsample" {
				t.Errorf("%s.%s: %q", phase, a, c)
			}
		}
	}
}

func TestClusterLacks(t *testing.T) {
	for _, tt := range []struct {
		cfg  providers.ClusterConfig
		want string
	}{
		{providers.ClusterConfig{Endpoint: "https://x", APIKey: "k"}, "[]"},
		{providers.ClusterConfig{Endpoint: "https://x", Username: "u", Password: "p"}, "[username]"},
		{providers.ClusterConfig{CloudID: "x", APIKey: "k"}, "[cloud_id]"},
		{providers.ClusterConfig{Endpoint: "https://x", ClientCertPEM: []byte("x")}, "[client_cert]"},
	} {
		var args []string
		for _, l := range Offline(tt.cfg).(providers.Selective).Lacks(providers.Serverless, nil) {
			args = append(args, l.Arg)
		}
		if got := fmt.Sprint(args); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	if l := Offline(providers.ClusterConfig{CloudID: "x"}).(providers.Selective).Lacks(providers.Elasticsearch, nil); l != nil {
		t.Error(l)
	}
}
