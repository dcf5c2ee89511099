package elasticsearch

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

func TestHeldAndCovers(t *testing.T) {
	both := []providers.PipelineSetting{{Setting: defaultPipeline, Pipeline: "p"}, {Setting: finalPipeline, Pipeline: "q"}}
	for name, tt := range map[string]struct {
		kind       *providers.Kind
		args       string
		held       []providers.PipelineSetting
		covers     []string
		coversNot  []string
		composedOf []string
	}{
		"template, nested": {kind: IndexTemplate, args: `{"index_patterns":["orders-*","x"],"composed_of":["base"],"template":{"settings":{"index":{"default_pipeline":"p"},"final_pipeline":"q"}}}`,
			held: both, covers: []string{"orders-1", "orders-", "x"}, coversNot: []string{"orders", "xx", "y"}, composedOf: []string{"base"}},
		"template, none": {kind: IndexTemplate, args: `{"index_patterns":"*-a*b","template":{"settings":{"index.default_pipeline":"_none","final_pipeline":null}}}`, covers: []string{"x-ab", "-a-ab"}, coversNot: []string{"ab", "x-a"}},
		"component":      {kind: ComponentTemplate, args: `{"template":{"settings":{"index.default_pipeline":"p","index.final_pipeline":"q"}}}`, held: both, coversNot: []string{"orders", ""}},
		"index":          {kind: Index, args: `{"name":"a","aliases":{"b":{}},"settings":{"default_pipeline":"p","final_pipeline":"q"}}`, held: both, covers: []string{"a", "b"}, coversNot: []string{"c"}},
		"no settings":    {kind: Index, args: `{"name":"a"}`, covers: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := resource(t, tt.kind, nil, tt.args).(providers.Withholder)
			if diff := cmp.Diff(tt.held, w.Held()); diff != "" {
				t.Error(diff)
			}
			for _, c := range tt.covers {
				if !w.Covers(c) {
					t.Errorf("does not cover %q", c)
				}
			}
			for _, c := range tt.coversNot {
				if w.Covers(c) {
					t.Errorf("covers %q", c)
				}
			}
			if c, ok := w.(interface{ ComposedOf() []string }); ok {
				if diff := cmp.Diff(tt.composedOf, c.ComposedOf()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestWithholdAndRestore(t *testing.T) {
	s := &scripted{t: t, answers: map[string]string{"PUT /gone/_settings": `404 {"error":{"type":"index_not_found_exception","reason":"x"}}`}}
	r := resource(t, IndexTemplate, s, `{"name":"t","index_patterns":["a"],"template":{"settings":{"index":{"final_pipeline":"q","codec":"x"}}}}`)
	if err := r.Write(t.Context(), providers.Write{Withhold: []string{finalPipeline}}); err != nil {
		t.Fatal(err)
	}
	if err := r.(providers.Withholder).Restore(t.Context(), []string{"gone", "a b"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(t.Context(), providers.Write{Now: providers.JSON(`{"template":{"settings":{"index.codec":"y"}}}`), Keep: []string{"template.settings.codec"}}); err != nil {
		t.Fatal(err)
	}
	x := resource(t, Index, s, `{"name":"i","aliases":{"al":{}},"settings":{"index.final_pipeline":"q"}}`)
	if err := x.(providers.Withholder).Restore(t.Context(), []string{"i", "al", "j"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`PUT /_index_template/t {"index_patterns":["a"],"template":{"settings":{"index":{"codec":"x"}}}}`,
		`PUT /_index_template/t {"index_patterns":["a"],"template":{"settings":{"index":{"codec":"x","final_pipeline":"q"}}}}`,
		`PUT /gone/_settings {"index.final_pipeline":"q"}`,
		`PUT /a%20b/_settings {"index.final_pipeline":"q"}`,
		`PUT /_index_template/t {"index_patterns":["a"],"template":{"settings":{"index.codec":"y","index.final_pipeline":"q"}}}`,
		`PUT /i/_settings {"index.final_pipeline":"q"}`,
		`PUT /j/_settings {"index.final_pipeline":"q"}`,
	}
	if diff := cmp.Diff(want, s.sent); diff != "" {
		t.Error(diff)
	}
}

// What can be known without a server is said without one, with the argument.
func TestOfflineChecks(t *testing.T) {
	policy := func(phases string) string { return `{"policy":{"phases":` + phases + `}}` }
	for name, tt := range map[string]struct {
		kind *providers.Kind
		args string
		want []string // "ARG: a part of the text" of each finding
	}{
		"index":               {kind: Index, args: `{"name":"orders-2026.a"}`},
		"index, capitals":     {kind: Index, args: `{"name":"Orders"}`, want: []string{"name: capital"}},
		"index, underscore":   {kind: Index, args: `{"name":"_orders"}`, want: []string{"name: underscore"}},
		"index, comma":        {kind: Index, args: `{"name":"a,b"}`, want: []string{"name: comma"}},
		"index, wildcard":     {kind: Index, args: `{"name":"a*"}`, want: []string{"name: *"}},
		"index, all":          {kind: Index, args: `{"name":"_all"}`, want: []string{"name: meaning"}},
		"index, space":        {kind: Index, args: `{"name":"a b"}`, want: []string{"name: space"}},
		"index, slash":        {kind: Index, args: `{"name":"a/b"}`, want: []string{"name: /"}},
		"index, long":         {kind: Index, args: `{"name":"` + strings.Repeat("ä", 128) + `"}`, want: []string{"name: 255 bytes"}},
		"index, JSON text":    {kind: Index, args: `{"mappings":"{}"}`, want: []string{"mappings: jsondecode"}},
		"index, two at once":  {kind: Index, args: `{"name":"A","settings":[]}`, want: []string{"settings: object", "name: capital"}},
		"data stream":         {kind: DataStream, args: `{"name":"logs a"}`, want: []string{"name: space"}},
		"pipeline":            {kind: IngestPipeline, args: `{"name":"My Pipeline","processors":[]}`},
		"pipeline, comma":     {kind: IngestPipeline, args: `{"name":"a,b","processors":[]}`, want: []string{"name: comma"}},
		"pipeline, no list":   {kind: IngestPipeline, args: `{"processors":{"set":{}}}`, want: []string{"processors: list"}},
		"pipeline, text":      {kind: IngestPipeline, args: `{"processors":["set"],"on_failure":"x"}`, want: []string{"processors: processors[0]", "on_failure: list"}},
		"template":            {kind: IndexTemplate, args: `{"index_patterns":"orders-*","template":{"settings":{}}}`},
		"template, none":      {kind: IndexTemplate, args: `{"index_patterns":[]}`, want: []string{"index_patterns: at least one"}},
		"template, bad":       {kind: IndexTemplate, args: `{"index_patterns":["a b"]}`, want: []string{"index_patterns: a b"}},
		"template, number":    {kind: IndexTemplate, args: `{"index_patterns":[1]}`, want: []string{"index_patterns: text"}},
		"template, name":      {kind: IndexTemplate, args: `{"name":"A","index_patterns":["a"]}`, want: []string{"name: capital"}},
		"template, a part":    {kind: IndexTemplate, args: `{"index_patterns":["a"],"template":{"mappings":"x"}}`, want: []string{"template.mappings: jsondecode"}},
		"component":           {kind: ComponentTemplate, args: `{"template":"x"}`, want: []string{"template: jsondecode"}},
		"alias":               {kind: Alias, args: `{"index":["a","b"]}`},
		"alias, nothing":      {kind: Alias, args: `{"index":[]}`, want: []string{"index: at least one"}},
		"alias, two writes":   {kind: Alias, args: `{"index":["a","b"],"is_write_index":true}`, want: []string{"is_write_index: one write index"}},
		"alias, bad index":    {kind: Alias, args: `{"index":["A",1]}`, want: []string{"index: capital", "index: name of an index"}},
		"policy":              {kind: ILMPolicy, args: policy(`{"hot":{"min_age":"0ms","actions":{"rollover":{"max_age":"1d"},"forcemerge":{"max_num_segments":1}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}`)},
		"policy, no phases":   {kind: ILMPolicy, args: `{"policy":{}}`, want: []string{"policy: phases"}},
		"policy, text":        {kind: ILMPolicy, args: `{"policy":"{}"}`, want: []string{"policy: jsondecode"}},
		"policy, name":        {kind: ILMPolicy, args: `{"name":"_p","policy":{"phases":{}}}`, want: []string{"name: underscore"}},
		"policy, phase":       {kind: ILMPolicy, args: policy(`{"lukewarm":{}}`), want: []string{"policy: phases.lukewarm"}},
		"policy, key":         {kind: ILMPolicy, args: policy(`{"hot":{"foo":1}}`), want: []string{"policy: phases.hot.foo"}},
		"policy, action":      {kind: ILMPolicy, args: policy(`{"delete":{"actions":{"shrink":{"number_of_shards":1}}}}`), want: []string{"policy: phases.delete.actions.shrink: the delete phase has no such action"}},
		"policy, no rollover": {kind: ILMPolicy, args: policy(`{"hot":{"actions":{"readonly":{}}}}`), want: []string{"policy: phases.hot.actions.readonly: in the hot phase it needs a rollover"}},
		"policy, empty":       {kind: ILMPolicy, args: policy(`{"hot":{"actions":{"rollover":{}}},"warm":{"actions":{"shrink":{},"allocate":{}}}}`), want: []string{"policy: phases.hot.actions.rollover", "policy: phases.warm.actions.allocate", "policy: phases.warm.actions.shrink"}},
		"policy, month":       {kind: ILMPolicy, args: policy(`{"delete":{"min_age":"1M","actions":{}}}`), want: []string{`policy: "1M" is no duration`}},
		"policy, words":       {kind: ILMPolicy, args: policy(`{"delete":{"min_age":"5 days","actions":{}}}`), want: []string{`policy: "5 days" is no duration`}},
		"policy, frozen":      {kind: ILMPolicy, args: policy(`{"frozen":{"actions":{}}}`), want: []string{"policy: searchable_snapshot"}},
		"policy, repository":  {kind: ILMPolicy, args: policy(`{"cold":{"actions":{"searchable_snapshot":{"snapshot_repository":"a"}}},"frozen":{"actions":{"searchable_snapshot":{"snapshot_repository":"b"}}}}`), want: []string{`policy: one repository`}},
		"policy, after snapshot": {kind: ILMPolicy, args: policy(`{"hot":{"actions":{"rollover":{"max_age":"1d"},"searchable_snapshot":{"snapshot_repository":"a"}}},"warm":{"actions":{"forcemerge":{"max_num_segments":1}}}}`),
			want: []string{"policy: phases.warm.actions.forcemerge"}},
		"policy, migrate": {kind: ILMPolicy, args: policy(`{"warm":{"actions":{"migrate":{},"allocate":{"include":{"a":"b"}}}}}`), want: []string{"policy: exclude each other"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.kind.Resource(instance(t, tt.kind, nil, tt.args))
			got := findings(err)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d findings: %v", len(got), err)
			}
			for i, w := range tt.want {
				arg, part, _ := strings.Cut(w, ": ")
				if got[i].Arg != arg || !strings.Contains(got[i].Detail, part) {
					t.Errorf("got %s: %s, want %s", got[i].Arg, got[i].Detail, w)
				}
			}
		})
	}
}

// findings are those that are joined in an error.
func findings(err error) []*providers.Finding {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*providers.Finding
		for _, e := range many.Unwrap() {
			out = append(out, findings(e)...)
		}
		return out
	}
	var f *providers.Finding
	if errors.As(err, &f) {
		return []*providers.Finding{f}
	}
	return nil
}

func TestAlias(t *testing.T) {
	s := &scripted{t: t, answers: map[string]string{"GET /_alias/orders": `{"a":{"aliases":{"orders":{"index_routing":"1","search_routing":"1"}}},"c":{"aliases":{"orders":{}}}}`}}
	r := resource(t, Alias, s, `{"index":["a","b"],"routing":"1"}`)
	now, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(t.Context(), providers.Write{Now: now}); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`POST /_aliases {"actions":[{"add":{"alias":"orders","index":"b","index_routing":"1","search_routing":"1"}},{"remove":{"alias":"orders","index":"c"}}]}`,
		`POST /_aliases {"actions":[{"remove":{"alias":"orders","index":"a"}},{"remove":{"alias":"orders","index":"c"}}]}`,
	}
	if diff := cmp.Diff(want, s.sent); diff != "" {
		t.Error(diff)
	}
}

// A rollover moves the alias on; without a policy the same is drift.
func TestAliasSettle(t *testing.T) {
	last := providers.JSON(`{"indices":{"logs-1":{"is_write_index":true}}}`)
	now := providers.JSON(`{"indices":{"logs-1":{"is_write_index":false},"logs-2":{"is_write_index":true}}}`)
	for explain, want := range map[string]providers.JSON{
		`{"indices":{"logs-1":{"managed":true,"policy":"p"}}}`: last,
		`{"indices":{"logs-1":{"managed":false}}}`:             now,
	} {
		s := &scripted{t: t, answers: map[string]string{"GET /logs-1/_ilm/explain": explain, "GET /logs-2/_ilm/explain": explain}}
		got, _, err := resource(t, Alias, s, `{"index":"logs-1","is_write_index":true}`).(providers.Volatile).Settle(t.Context(), last, now)
		if err != nil || !providers.Equal(got, want) {
			t.Errorf("%s: got %s, %v", explain, got, err)
		}
	}
}

// A server without an API is told apart from one without the object.
func TestNoAPI(t *testing.T) {
	for name, none := range map[string]string{
		"9.4.3":      `400 {"error":"no handler found for uri [/_data_stream/orders] and method [X]"}`,
		"7.17.29":    `400 {"error":{"type":"invalid_index_name_exception","reason":"Invalid index name [_data_stream], must not start with '_', '-', or '+'"},"status":400}`,
		"7, reading": `404 {"error":{"type":"index_not_found_exception","reason":"no such index [_data_stream]"},"status":404}`,
		"serverless": `410 {"error":{"type":"api_not_available_exception","reason":"Request for uri [/_data_stream/orders] with method [PUT] exists but is not available when running in serverless mode"},"status":410}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t, answers: map[string]string{"GET /_data_stream/orders": none, "PUT /_data_stream/orders": none}}
			r := resource(t, DataStream, s, "{}")
			_, err := r.Read(t.Context())
			wantCode(t, err, "not_supported")
			wantCode(t, r.Write(t.Context(), providers.Write{}), "not_supported")
		})
	}
}

func TestStages(t *testing.T) {
	for when, want := range map[string]providers.Stage{"": providers.StagePipelines, `,"when":"after_data"`: providers.StagePipelines, `,"when":"before_data"`: providers.StageLifecycle} {
		in := instance(t, IngestPipeline, nil, `{"processors":[]`+when+`}`)
		if got := IngestPipeline.StageOf(in.Args); got != want {
			t.Errorf("%q: %s", when, got)
		}
		r, err := IngestPipeline.Resource(in)
		if err != nil || !providers.Equal(r.Declared(), providers.JSON(`{"processors":[]}`)) {
			t.Errorf("%s, %v", r.Declared(), err)
		}
	}
}

// The block is gone: name, cluster and what was stored are enough.
func TestStored(t *testing.T) {
	for _, k := range []*providers.Kind{ILMPolicy, ComponentTemplate, IndexTemplate, DataStream, Index, Alias, IngestPipeline} {
		in := instance(t, k, connect(t, nil), `{}`)
		in.Stored = providers.JSON(`{"name":"orders"}`)
		r, err := k.Resource(in)
		if err != nil || r.ID() != "orders" || r.Cluster().Name() != "target" {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}
