package elasticsearch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

const managed = `{"indices":{"orders":{"index":"orders","managed":true,"policy":"logs","phase":"warm"}}}`

// canonicalOf is what Read answers of an index that the server shows so.
func canonicalOf(t *testing.T, s string) providers.JSON {
	if s == "" {
		return nil
	}
	return encode(canonicalIndex(mustDecode(t, s)))
}

func TestIndexWrite(t *testing.T) {
	const real = `{"settings":{"index":{"number_of_shards":"1","uuid":"x"}}}`
	for name, tt := range map[string]struct {
		args, now, last, before string
		keep, withhold          []string
		explain                 string
		answers                 map[string]string
		want                    []string
		fails                   bool
	}{
		"create": {args: `{"settings":{"number_of_shards":1,"default_pipeline":null},"mappings":{"properties":{"a":{"type":"long","index":true}}}}`,
			want: []string{`PUT /orders {"mappings":{"properties":{"a":{"index":true,"type":"long"}}},"settings":{"default_pipeline":null,"number_of_shards":1}}`}},
		"create, withheld": {args: `{"settings":{"index":{"default_pipeline":"p","codec":"x"},"final_pipeline":"q"}}`, withhold: []string{defaultPipeline, finalPipeline},
			want: []string{`PUT /orders {"settings":{"index":{"codec":"x"}}}`}},
		"create, there already as declared": {args: `{"settings":{"number_of_shards":1}}`,
			answers: map[string]string{"PUT /orders": `400 {"error":{"type":"resource_already_exists_exception","reason":"x"}}`, "GET /orders": `{"orders":` + real + `}`},
			want:    []string{`PUT /orders {"settings":{"number_of_shards":1}}`}},
		"create, there already and different": {args: `{"settings":{"number_of_shards":2}}`,
			answers: map[string]string{"PUT /orders": `400 {"error":{"type":"resource_already_exists_exception","reason":"x"}}`, "GET /orders": `{"orders":` + real + `}`},
			want:    []string{`PUT /orders {"settings":{"number_of_shards":2}}`}, fails: true},
		"nothing to do": {args: `{"settings":{"number_of_shards":1},"mappings":{"properties":{"a":{"type":"long"}}}}`,
			now:  `{"settings":{"index":{"number_of_shards":"1"}},"mappings":{"properties":{"a":{"type":"long"},"b":{"type":"date"}}}}`,
			last: `{"settings":{"index":{"number_of_shards":"1"}},"mappings":{"properties":{"a":{"type":"long"}}}}`},
		"a setting and a field": {args: `{"settings":{"refresh_interval":"5s"},"mappings":{"properties":{"a":{"type":"long"}}}}`, now: real, last: real, before: `{}`,
			want: []string{`PUT /orders/_settings {"index.refresh_interval":"5s"}`, `PUT /orders/_mapping {"properties":{"a":{"type":"long"}}}`}},
		"a setting is declared no more": {args: `{}`, now: `{"settings":{"index.refresh_interval":"5s","index.codec":"x"}}`, last: `{"settings":{"index.refresh_interval":"5s","index.codec":"x"}}`, before: `{"settings":{"refresh_interval":"5s","codec":"x"}}`,
			want: []string{`PUT /orders/_settings {"index.refresh_interval":null}`}},
		"changed by hand": {args: `{}`, now: `{"settings":{"index.refresh_interval":"5s","index.max_result_window":"9"}}`, last: `{"settings":{"index.refresh_interval":"7s","index.priority":"3"}}`,
			explain: `400 {"error":"no handler found for uri [/orders/_ilm/explain] and method [GET]"}`,
			want:    []string{`PUT /orders/_settings {"index.max_result_window":null,"index.priority":"3","index.refresh_interval":"7s"}`}},
		"changed by a policy": {args: `{"settings":{"number_of_replicas":1,"refresh_interval":"5s"}}`,
			now:  `{"settings":{"index.number_of_replicas":"0","index.priority":"50","index.blocks.write":"true","index.lifecycle.indexing_complete":"true"}}`,
			last: `{"settings":{"index.number_of_replicas":"1"}}`, explain: managed,
			want: []string{`PUT /orders/_settings {"index.refresh_interval":"5s"}`}},
		"left to others": {args: `{"settings":{"number_of_replicas":1,"refresh_interval":"5s"}}`, keep: []string{"settings.number_of_replicas"},
			now: `{"settings":{"index.number_of_replicas":"2"}}`, last: `{"settings":{"index.number_of_replicas":"2"}}`,
			want: []string{`PUT /orders/_settings {"index.refresh_interval":"5s"}`}},
		"withheld on a living index": {args: `{"settings":{"final_pipeline":"p"}}`, now: `{"settings":{"index.final_pipeline":"p"}}`, last: `{"settings":{"index.final_pipeline":"p"}}`, withhold: []string{finalPipeline},
			want: []string{`PUT /orders/_settings {"index.final_pipeline":null}`}},
		"a parameter is declared no more": {args: `{"mappings":{"properties":{"a":{"type":"keyword"}}}}`,
			before: `{"mappings":{"dynamic":"strict","_meta":{"a":1},"runtime":{"r":{"type":"long"}},"properties":{"a":{"type":"keyword","ignore_above":9}}}}`,
			now:    `{"mappings":{"dynamic":"strict","_meta":{"a":1},"runtime":{"r":{"type":"long"}},"properties":{"a":{"type":"keyword","ignore_above":9}}}}`,
			last:   `{"mappings":{"dynamic":"strict","_meta":{"a":1},"runtime":{"r":{"type":"long"}},"properties":{"a":{"type":"keyword","ignore_above":9}}}}`,
			want:   []string{`PUT /orders/_mapping {"_meta":{},"dynamic":"true","properties":{"a":{"type":"keyword"}},"runtime":{"r":null}}`}},
		"a mapping changed by hand": {args: `{"mappings":{"properties":{"a":{"type":"keyword"}}}}`, before: `{"mappings":{"properties":{"a":{"type":"keyword"}}}}`,
			now:  `{"mappings":{"dynamic":"strict","properties":{"a":{"type":"keyword"},"b":{"type":"keyword","ignore_above":1},"c":{"type":"date"}}}}`,
			last: `{"mappings":{"properties":{"a":{"type":"keyword"},"b":{"type":"keyword","ignore_above":256}}}}`,
			want: []string{`PUT /orders/_mapping {"dynamic":"true","properties":{"a":{"type":"keyword"},"b":{"ignore_above":256,"type":"keyword"}}}`}},
		"aliases": {args: `{"aliases":{"x":{"routing":"1"},"y":{}}}`, now: `{"aliases":{"y":{},"z":{}}}`, last: `{"aliases":{"y":{}}}`,
			want: []string{`POST /_aliases {"actions":[{"add":{"alias":"x","index":"orders","index_routing":"1","search_routing":"1"}},{"remove":{"alias":"z","index":"orders"}}]}`}},
		"aliases of others": {args: `{}`, now: `{"aliases":{"z":{}}}`, last: `{"settings":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t, answers: map[string]string{}}
			for k, v := range tt.answers {
				s.answers[k] = v
			}
			if tt.explain != "" {
				s.answers["GET /orders/_ilm/explain"] = tt.explain
			}
			err := resource(t, Index, s, tt.args).Write(t.Context(), providers.Write{
				Now: canonicalOf(t, tt.now), Last: canonicalOf(t, tt.last), Before: canonicalOf(t, tt.before), Keep: tt.keep, Withhold: tt.withhold})
			if (err != nil) != tt.fails {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, s.sent); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSettle(t *testing.T) {
	for name, tt := range map[string]struct {
		args, last, now, want string // want: as what it settles; empty: as last
		explain               string
		lines                 []string
	}{
		"nothing": {last: `{"mappings":{"properties":{"a":{"type":"long"}}}}`, now: `{"mappings":{"properties":{"a":{"type":"long"}}}}`},
		"fields of documents": {
			last:  `{"mappings":{"properties":{"a":{"type":"long"},"o":{"properties":{"x":{"type":"long"}}},"t":{"type":"text"}}}}`,
			now:   `{"mappings":{"properties":{"a":{"type":"long"},"b":{"type":"text","fields":{"keyword":{"type":"keyword"}}},"o":{"properties":{"x":{"type":"long"},"y":{"properties":{"p":{"type":"long"},"q":{"type":"long"}}}}},"t":{"type":"text","fields":{"k":{"type":"keyword"}}}}}}`,
			lines: []string{"4 fields were added by documents"}},
		"the first field": {last: `{}`, now: `{"mappings":{"properties":{"a":{"type":"long"}}}}`, lines: []string{"1 field was added by documents"}},
		"runtime field":   {last: `{"mappings":{"dynamic":"runtime"}}`, now: `{"mappings":{"dynamic":"runtime","runtime":{"a":{"type":"long"}}}}`, lines: []string{"1 field was added by documents"}},
		"a field is gone": {last: `{"mappings":{"properties":{"a":{"type":"long"}}}}`, now: `{"mappings":{"properties":{"b":{"type":"long"}}}}`,
			want: `{"mappings":{"properties":{}}}`, lines: []string{"1 field was added by documents"}},
		"another type": {last: `{"mappings":{"properties":{"a":{"type":"long"}}}}`, now: `{"mappings":{"properties":{"a":{"type":"date"}}}}`, want: `{"mappings":{"properties":{"a":{"type":"date"}}}}`},
		"a parameter":  {last: `{"mappings":{"properties":{"a":{"type":"keyword"}}}}`, now: `{"mappings":{"properties":{"a":{"type":"keyword","ignore_above":1}}}}`, want: `{"mappings":{"properties":{"a":{"type":"keyword","ignore_above":1}}}}`},
		"the server's settings": {last: `{"settings":{"index.routing.allocation.include._tier_preference":"data_content","index.resize.source.name":"x"}}`,
			now: `{"settings":{"index.routing.allocation.include._tier_preference":"data_warm","index.verified_before_close":"true","index.blocks.read_only_allow_delete":"true"}}`},
		"a policy": {last: `{"settings":{"index.number_of_replicas":"1"}}`, now: `{"settings":{"index.number_of_replicas":"0","index.priority":"100","index.blocks.write":"true","index.lifecycle.indexing_complete":"true","index.routing.allocation.include.box":"x"}}`,
			explain: managed, lines: []string{`policy "logs" changed blocks.write, number_of_replicas, priority, routing.allocation.include.box`}},
		"a policy leaves other settings": {last: `{"settings":{"index.priority":"1","index.refresh_interval":"1s"}}`, now: `{"settings":{"index.priority":"2","index.refresh_interval":"2s"}}`,
			explain: managed, want: `{"settings":{"index.priority":"1","index.refresh_interval":"2s"}}`, lines: []string{`policy "logs" changed priority`}},
		"no policy": {last: `{"settings":{"index.priority":"1"}}`, now: `{"settings":{"index.priority":"2"}}`, explain: `{"indices":{"orders":{"index":"orders","managed":false}}}`, want: `{"settings":{"index.priority":"2"}}`},
		"no policies here": {last: `{"settings":{"index.priority":"1"}}`, now: `{"settings":{"index.priority":"2"}}`, explain: `400 {"error":"no handler found for uri [/orders/_ilm/explain] and method [GET]"}`,
			want: `{"settings":{"index.priority":"2"}}`},
		"aliases of others":    {last: `{}`, now: `{"aliases":{"x":{}}}`},
		"aliases of the block": {args: `{"aliases":{"y":{}}}`, last: `{"aliases":{"y":{}}}`, now: `{"aliases":{"x":{},"y":{}}}`, want: `{"aliases":{"x":{},"y":{}}}`},
		"a rollover": {args: `{"aliases":{"y":{"is_write_index":true}}}`, last: `{"aliases":{"y":{"is_write_index":true}}}`, now: `{"aliases":{"y":{"is_write_index":false}}}`,
			explain: managed, lines: []string{`policy "logs" changed is_write_index of y`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t, answers: map[string]string{}}
			if tt.explain != "" {
				s.answers["GET /orders/_ilm/explain"] = tt.explain
			}
			if tt.args == "" {
				tt.args = "{}"
			}
			r := resource(t, Index, s, tt.args).(providers.Volatile)
			last := canonicalOf(t, tt.last)
			got, lines, err := r.Settle(t.Context(), last, canonicalOf(t, tt.now))
			if err != nil {
				t.Fatal(err)
			}
			want := last
			if tt.want != "" {
				want = providers.JSON(tt.want)
			}
			if !providers.Equal(want, got) {
				t.Errorf("got %s, want %s", got, want)
			}
			if diff := cmp.Diff(tt.lines, lines); diff != "" {
				t.Error(diff)
			}
			again, _, err := r.Settle(t.Context(), last, got)
			if err != nil || !providers.Equal(got, again) {
				t.Errorf("settled again: %s, %v", again, err)
			}
		})
	}
}

func TestInPlace(t *testing.T) {
	props := func(s string) string { return `{"mappings":{"properties":` + s + `}}` }
	for name, tt := range map[string]struct {
		before, after, real string // real: what the server shows, if it was read
		want                []string
	}{
		"dynamic settings":         {before: `{"settings":{"refresh_interval":"1s","number_of_replicas":1}}`, after: `{"settings":{"refresh_interval":"2s","number_of_replicas":2}}`},
		"shards":                   {before: `{"settings":{"number_of_shards":1}}`, after: `{"settings":{"number_of_shards":3}}`, want: []string{"number_of_shards 1 → 3"}},
		"shards, first declared":   {before: `{}`, after: `{"settings":{"number_of_shards":1}}`, real: `{"settings":{"index":{"number_of_shards":"1"}}}`},
		"shards, really others":    {before: `{}`, after: `{"settings":{"number_of_shards":2}}`, real: `{"settings":{"index":{"number_of_shards":"1"}}}`, want: []string{"number_of_shards (default) → 2"}},
		"shards, declared no more": {before: `{"settings":{"number_of_shards":1}}`, after: `{}`},
		"routing shards":           {before: `{"settings":{"number_of_routing_shards":4}}`, after: `{"settings":{"number_of_routing_shards":8}}`, want: []string{"number_of_routing_shards 4 → 8"}},
		"analysis": {before: `{"settings":{"analysis":{"analyzer":{"a":{"type":"standard"}}}}}`, after: `{"settings":{"analysis":{"analyzer":{"a":{"type":"english"}}}}}`,
			want: []string{"analysis.analyzer.a.type standard → english"}},
		"codec, sort, mode": {before: `{"settings":{"codec":"default","sort":{"field":"a"},"mode":"standard"}}`, after: `{"settings":{"codec":"best_compression","sort":{"field":"b"},"mode":"logsdb"}}`,
			want: []string{"codec default → best_compression", "mode standard → logsdb", "sort.field a → b"}},
		"a new field":       {before: props(`{"a":{"type":"long"}}`), after: props(`{"a":{"type":"long"},"b":{"type":"date"}}`)},
		"a new multi-field": {before: props(`{"a":{"type":"text"}}`), after: props(`{"a":{"type":"text","fields":{"k":{"type":"keyword"}}}}`)},
		"type":              {before: props(`{"a":{"type":"long"}}`), after: props(`{"a":{"type":"double"}}`), want: []string{"mappings.properties.a.type long → double"}},
		"object to nested":  {before: props(`{"a":{"properties":{"b":{"type":"long"}}}}`), after: props(`{"a":{"type":"nested","properties":{"b":{"type":"long"}}}}`), want: []string{"mappings.properties.a.type object → nested"}},
		"nested type":       {before: props(`{"a":{"properties":{"b":{"type":"long"}}}}`), after: props(`{"a":{"type":"object","properties":{"b":{"type":"ip"}}}}`), want: []string{"mappings.properties.a.properties.b.type long → ip"}},
		"analyzer":          {before: props(`{"a":{"type":"text"}}`), after: props(`{"a":{"type":"text","analyzer":"english"}}`), want: []string{"mappings.properties.a.analyzer (default) → english"}},
		"analyzer taken away": {before: props(`{"a":{"type":"text","analyzer":"english"}}`), after: props(`{"a":{"type":"text"}}`),
			want: []string{"mappings.properties.a.analyzer english → (default)"}},
		"updatable":                         {before: props(`{"a":{"type":"keyword"}}`), after: props(`{"a":{"type":"keyword","ignore_above":5,"eager_global_ordinals":true,"copy_to":["b"]}}`)},
		"norms off":                         {before: props(`{"a":{"type":"text"}}`), after: props(`{"a":{"type":"text","norms":false}}`)},
		"norms on":                          {before: props(`{"a":{"type":"text","norms":false}}`), after: props(`{"a":{"type":"text"}}`), want: []string{"mappings.properties.a.norms false → (default)"}},
		"a default written out":             {before: props(`{"a":{"type":"keyword"}}`), after: props(`{"a":{"type":"keyword","index":true,"doc_values":true}}`)},
		"a field is removed":                {before: props(`{"a":{"type":"long"},"b":{"type":"long"}}`), after: props(`{"a":{"type":"long"}}`), want: []string{"mappings.properties.b removed"}},
		"it is gone already":                {before: props(`{"a":{"type":"long"},"b":{"type":"long"}}`), after: props(`{"a":{"type":"long"}}`), real: props(`{"a":{"type":"long"}}`)},
		"observed holds more":               {before: "real", real: `{"settings":{"index":{"number_of_shards":"1","codec":"x"}},"mappings":{"_routing":{"required":true},"properties":{"a":{"type":"long","null_value":1},"b":{"type":"date"}}}}`, after: props(`{"a":{"type":"long"}}`)},
		"observed has other type":           {before: "real", real: props(`{"a":{"type":"text"},"b":{"type":"date"}}`), after: props(`{"a":{"type":"long"}}`), want: []string{"mappings.properties.a.type text → long"}},
		"source":                            {before: `{"mappings":{}}`, after: `{"mappings":{"_source":{"enabled":false}}}`, want: []string{`mappings._source (default) → {"enabled":false}`}},
		"routing":                           {before: `{"mappings":{"_routing":{"required":true}}}`, after: `{"mappings":{}}`, want: []string{`mappings._routing {"required":true} → (default)`}},
		"dynamic":                           {before: `{"mappings":{"dynamic":true}}`, after: `{"mappings":{"dynamic":"strict"}}`},
		"dynamic of an object is inherited": {before: props(`{"a":{"dynamic":"strict","properties":{}}}`), after: props(`{"a":{"properties":{}}}`), want: []string{"mappings.properties.a.dynamic strict → (default)"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t, answers: map[string]string{"GET /orders": `{"orders":` + tt.real + `}`}}
			x := resource(t, Index, s, "{}").(providers.Container)
			before := canonicalOf(t, "{}")
			if tt.before != "real" {
				before = canonicalOf(t, tt.before)
			}
			if tt.real != "" {
				seen, err := x.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if tt.before == "real" {
					before = seen
				}
			}
			if diff := cmp.Diff(tt.want, x.InPlace(before, canonicalOf(t, tt.after))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	for name, tt := range map[string]struct {
		refresh, count string
		want           int64
		fails          bool
	}{
		"some":           {"{}", `{"count":7,"_shards":{"failed":0}}`, 7, false},
		"missing":        {"404 {}", "404 {}", 0, false},
		"may not":        {"403 {}", `{"count":7,"_shards":{"failed":0}}`, 7, false},
		"a shard failed": {"{}", `{"count":0,"_shards":{"failed":1}}`, 0, true},
		"closed":         {`400 {"error":{"type":"index_closed_exception","reason":"closed"}}`, "{}", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t, answers: map[string]string{"POST /orders/_refresh": tt.refresh, "GET /orders/_count": tt.count}}
			got, err := resource(t, Index, s, "{}").(providers.Container).Documents(t.Context())
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

// The name of an alias answers with another index: that must not be taken for
// the declared one.
func TestReadOfAnAlias(t *testing.T) {
	s := &scripted{t: t, answers: map[string]string{"GET /orders": `{"orders-1":{"settings":{}}}`}}
	_, err := resource(t, Index, s, "{}").Read(t.Context())
	wantCode(t, err, "not_an_index")
}

// Elasticsearch 6 is asked for mappings without a type.
func TestTypeless(t *testing.T) {
	s := &scripted{t: t, answers: map[string]string{
		"GET /":                               `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"6.8.23"},"tagline":"You Know, for Search"}`,
		"GET /orders?include_type_name=false": `{"orders":{"mappings":{"properties":{"a":{"type":"long"}}}}}`,
	}}
	r := resource(t, Index, s, `{"mappings":{"properties":{"a":{"type":"long"},"b":{"type":"long"}}}}`)
	now, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []providers.Write{{}, {Now: now}} {
		if err := r.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`PUT /orders?include_type_name=false {"mappings":{"properties":{"a":{"type":"long"},"b":{"type":"long"}}}}`,
		`PUT /orders/_mapping?include_type_name=false {"properties":{"a":{"type":"long"},"b":{"type":"long"}}}`,
	}
	if diff := cmp.Diff(want, s.sent); diff != "" {
		t.Error(diff)
	}
}
