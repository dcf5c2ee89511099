package elasticsearch

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

func TestCanonicalSettings(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"short":       {`{"number_of_shards":1}`, `{"index.number_of_shards":"1"}`},
		"full":        {`{"index.number_of_shards":"1"}`, `{"index.number_of_shards":"1"}`},
		"nested":      {`{"index":{"number_of_shards":1,"mapping":{"total_fields":{"limit":2000}}}}`, `{"index.mapping.total_fields.limit":"2000","index.number_of_shards":"1"}`},
		"mixed":       {`{"index":{"mapping.total_fields":{"limit":1}}}`, `{"index.mapping.total_fields.limit":"1"}`},
		"nested wins": {`{"index.codec":"a","index":{"codec":"b"}}`, `{"index.codec":"b"}`},
		"short wins":  {`{"codec":"b","index.codec":"a"}`, `{"index.codec":"b"}`},
		"scalars":     {`{"a":true,"b":12345678901234567890,"c":1.5,"d":null,"e":""}`, `{"index.a":"true","index.b":"12345678901234567890","index.c":"1.5","index.d":null,"index.e":""}`},
		"lists":       {`{"query":{"default_field":["a",1]}}`, `{"index.query.default_field":["a","1"]}`},
		"empty":       {`{"index":{}}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(mustDecode(t, tt.want), canonicalSettings(mustDecode(t, tt.in))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever is declared, the canonical form of the canonical form is itself.
func FuzzCanonical(f *testing.F) {
	f.Add(`{"settings":{"index.a":"1","index":{"a":{"b":null}}},"mappings":{"properties":{"a":{"type":"object","index":true}}},"aliases":{"x":{"routing":1}}}`)
	f.Add(`{"template":{"settings":{"a.b":[1,{"c":2}]},"lifecycle":{}},"index_patterns":"x","data_stream":{"failure_store":false}}`)
	f.Add(`{"policy":{"phases":{"hot":{"actions":{"allocate":null}}}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := providers.Decode([]byte(s))
		m, ok := v.(map[string]any)
		if err != nil || !ok {
			return
		}
		before := string(providers.Encode(m))
		for name, canonical := range map[string]func(map[string]any) map[string]any{
			"index": canonicalIndex, "index_template": canonicalIndexTemplate, "component_template": canonicalComponentTemplate, "ilm_policy": canonicalPolicy,
		} {
			once := canonical(m)
			if twice := canonical(once); !same(once, twice) {
				t.Errorf("%s: %s became %s", name, providers.Encode(once), providers.Encode(twice))
			}
		}
		if after := string(providers.Encode(m)); after != before {
			t.Errorf("%s was changed to %s", before, after)
		}
	})
}

// Pairs of a body as it is written and as a real server gives it back.
func TestReadBack(t *testing.T) {
	for name, tt := range map[string]struct {
		canonical          func(map[string]any) map[string]any
		declared, observed string
		differs            bool
	}{
		"index defaults": {canonical: canonicalIndex,
			declared: `{"mappings":{"dynamic":false,"_source":{"mode":"stored"},"properties":{"o":{"type":"object","properties":{"k":{"type":"keyword","index":true,"doc_values":true,"null_value":null}}},"v":{"type":"dense_vector","element_type":"float","index":true,"index_options":{"type":"int8_hnsw","on_disk_rescore":false}},"t":{"type":"text","analyzer":"english","search_analyzer":"english"}}},"settings":{"number_of_shards":1}}`,
			observed: `{"aliases":{},"mappings":{"dynamic":"false","properties":{"o":{"properties":{"k":{"type":"keyword"}}},"v":{"type":"dense_vector","index":true,"index_options":{"type":"int8_hnsw","m":16,"ef_construction":100}},"t":{"type":"text","analyzer":"english"}}},"settings":{"index":{"routing":{"allocation":{"include":{"_tier_preference":"data_content"}}},"number_of_shards":"1","provided_name":"a","creation_date":"1","number_of_replicas":"1","uuid":"x","version":{"created":"9094000"}}}}`},
		"index, empty parts": {canonical: canonicalIndex, declared: `{"mappings":{},"settings":{},"aliases":{}}`, observed: `{"aliases":{},"mappings":{},"settings":{"index":{"uuid":"x"}}}`},
		"index, other type":  {canonical: canonicalIndex, declared: `{"mappings":{"properties":{"a":{"type":"keyword"}}}}`, observed: `{"mappings":{"properties":{"a":{"type":"text"}}}}`, differs: true},
		"binary doc values": {canonical: canonicalIndex, declared: `{"mappings":{"properties":{"a":{"type":"binary","doc_values":true}}}}`,
			observed: `{"mappings":{"properties":{"a":{"type":"binary"}}}}`, differs: true},
		"durations":           {canonical: canonicalIndex, declared: `{"settings":{"refresh_interval":"60s"}}`, observed: `{"settings":{"index":{"refresh_interval":"1m"}}}`},
		"null":                {canonical: canonicalIndex, declared: `{"settings":{"refresh_interval":null}}`, observed: `{"settings":{"index":{"number_of_shards":"1"}}}`},
		"null, on Serverless": {canonical: canonicalIndex, declared: `{"settings":{"refresh_interval":null}}`, observed: `{"settings":{"index":{"uuid":"x"}}}`},
		"index template": {canonical: canonicalIndexTemplate,
			declared: `{"index_patterns":"a*","template":{"settings":{"number_of_shards":1},"aliases":{"x":{"routing":"1"}},"lifecycle":{"data_retention":"30d"}},"data_stream":{"failure_store":false}}`,
			observed: `{"index_patterns":["a*"],"composed_of":[],"template":{"settings":{"index":{"number_of_shards":"1"}},"aliases":{"x":{"index_routing":"1","search_routing":"1"}},"lifecycle":{"enabled":true,"data_retention":"30d"}},"data_stream":{"hidden":false,"allow_custom_routing":false},"created_date_millis":1,"modified_date_millis":2}`},
		"no data stream": {canonical: canonicalIndexTemplate, declared: `{"index_patterns":["a"],"data_stream":{}}`, observed: `{"index_patterns":["a"]}`, differs: true},
		"component":      {canonical: canonicalComponentTemplate, declared: `{"template":{"settings":{},"mappings":{}}}`, observed: `{"template":{},"created_date_millis":1}`},
		"policy": {canonical: canonicalPolicy,
			declared: `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_age":"1d"}}},"warm":{"min_age":"24h","actions":{"allocate":{"number_of_replicas":0},"migrate":{}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}}}`,
			observed: `{"version":3,"modified_date":"2026-01-01T00:00:00.000Z","in_use_by":{"indices":[]},"policy":{"phases":{"hot":{"min_age":"0ms","actions":{"rollover":{"max_age":"1d"}}},"warm":{"min_age":"24h","actions":{"allocate":{"number_of_replicas":0,"include":{},"exclude":{},"require":{}},"migrate":{"enabled":true}}},"delete":{"min_age":"30d","actions":{"delete":{"delete_searchable_snapshot":true}}}}}}`},
		"policy of 6.8": {canonical: canonicalPolicy,
			declared: `{"policy":{"phases":{"delete":{"actions":{"delete":{}}}}}}`,
			observed: `{"version":1,"policy":{"phases":{"delete":{"min_age":"0ms","actions":{"delete":{}}}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			diff := providers.Contains(any(tt.canonical(mustDecode(t, tt.declared))), any(tt.canonical(mustDecode(t, tt.observed))))
			if (len(diff) > 0) != tt.differs {
				t.Errorf("differs at %v", diff)
			}
		})
	}
}

// Numbers arrive as they were written, whatever their size.
func TestValue(t *testing.T) {
	n := func(s string) cty.Value {
		v, err := cty.ParseNumberVal(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	got := value(cty.ObjectVal(map[string]cty.Value{
		"big": n("9223372036854775807"), "huge": n("12345678901234567890"), "float": n("0.1"), "int": n("1e3"), "null": cty.NullVal(cty.DynamicPseudoType),
		"list": cty.TupleVal([]cty.Value{cty.True, cty.StringVal("a")}), "set": cty.SetVal([]cty.Value{cty.StringVal("x")}), "empty": cty.EmptyObjectVal,
	}))
	want := map[string]any{
		"big": json.Number("9223372036854775807"), "huge": json.Number("12345678901234567890"), "float": json.Number("0.1"), "int": json.Number("1000"), "null": nil,
		"list": []any{true, "a"}, "set": []any{"x"}, "empty": map[string]any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
