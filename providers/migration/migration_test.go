package migration

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// offline is a cluster that is never asked anything.
func offline(cfg providers.ClusterConfig) providers.Cluster {
	return pretender{nil, cfg}
}

func offlineTask(t testing.TB, b block) *task {
	t.Helper()
	return b.task(t, map[string]providers.Cluster{
		"source": offline(providers.ClusterConfig{Name: "source", Endpoint: "https://127.0.0.1:9202"}),
		"target": offline(providers.ClusterConfig{Name: "target", Endpoint: "https://127.0.0.1:9201"}),
	})
}

func with(b block, where, name string, v cty.Value) block {
	map[string]map[string]cty.Value{"source": b.source, "dest": b.dest, "": b.args}[where][name] = v
	return b
}

func TestArguments(t *testing.T) {
	query := cty.ObjectVal(map[string]cty.Value{"term": cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(9007199254740993)})})
	for _, c := range []struct {
		name string
		b    block
		code string // empty: fine
	}{
		{"plain", copying("a", "b"), ""},
		{"query", with(copying("a", "b"), "source", "query", query), ""},
		{"query is text", with(copying("a", "b"), "source", "query", cty.StringVal("x")), "bad_argument"},
		{"pattern as destination", copying("a", "b-*"), "bad_argument"},
		{"size 0", with(copying("a", "b"), "source", "size", cty.NumberIntVal(0)), "bad_argument"},
		{"concurrency 1.5", with(copying("a", "b"), "", "concurrency", cty.NumberFloatVal(1.5)), "bad_argument"},
		{"max_refused -1", with(copying("a", "b"), "", "max_refused", cty.NumberIntVal(-1)), "bad_argument"},
		{"max_refused 0.5", with(copying("a", "b"), "", "max_refused", cty.NumberFloatVal(0.5)), "bad_argument"},
		{"max_refused 10001", with(copying("a", "b"), "", "max_refused", cty.NumberIntVal(10_001)), "bad_argument"},
		{"max_refused 10000", with(copying("a", "b"), "", "max_refused", cty.NumberIntVal(10_000)), ""},
		{"create and overwrite", with(with(copying("a", "b"), "dest", "op_type", cty.StringVal("create")), "dest", "existing", cty.StringVal("overwrite")), "bad_argument"},
		{"index and keep", with(with(copying("a", "b"), "dest", "op_type", cty.StringVal("index")), "dest", "existing", cty.StringVal("keep")), "bad_argument"},
		{"no fields", with(copying("a", "b"), "source", "_source", cty.False), "bad_argument"},
		{"same index", with(copying("a", "a"), "dest", "cluster", providers.ClusterValue("source")), "same_index"},
		{"same name elsewhere", copying("a", "a"), ""},
	} {
		_, err := newTask(c.b.instance(nil))
		if got := code(err); got != c.code {
			t.Errorf("%s: %q, want %q", c.name, got, c.code)
		}
	}
	b := with(copying("a", "b"), "source", "query", query)
	got := offlineTask(t, b).Declared()
	want := `{"conflicts":"abort","dest":{"cluster":"target","existing":"refuse","index":"b"},"method":"auto","source":{"cluster":"source","index":"a","query":{"term":{"n":9007199254740993}}},"verify":"full"}`
	if string(got) != want {
		t.Errorf("declared\n%s, want\n%s", got, want)
	}
}

func TestChanged(t *testing.T) {
	text, number := cty.StringVal, cty.NumberIntVal
	for _, c := range []struct {
		where, name string
		value       cty.Value
		want        providers.TaskChange
	}{
		{"source", "index", text("z"), providers.TaskChange{Copy: []string{"source.index"}}},
		{"source", "query", cty.ObjectVal(map[string]cty.Value{"match_all": cty.EmptyObjectVal}), providers.TaskChange{Copy: []string{"query"}}},
		{"source", "_source", text("n"), providers.TaskChange{Copy: []string{"_source"}}},
		{"source", "size", number(10), providers.TaskChange{}},
		{"source", "range_field", text("n"), providers.TaskChange{}},
		{"dest", "index", text("z"), providers.TaskChange{Copy: []string{"dest.index"}}},
		{"dest", "cluster", providers.ClusterValue("source"), providers.TaskChange{Copy: []string{"dest.cluster"}}},
		{"dest", "pipeline", text("p"), providers.TaskChange{Copy: []string{"pipeline"}}},
		{"dest", "op_type", text("create"), providers.TaskChange{Copy: []string{"op_type"}}},
		{"dest", "existing", text("keep"), providers.TaskChange{Copy: []string{"existing"}}},
		{"", "max_refused", cty.NumberIntVal(7), providers.TaskChange{}},
		{"", "script", cty.ObjectVal(map[string]cty.Value{"source": text("x")}), providers.TaskChange{Copy: []string{"script"}}},
		{"", "method", text("reindex"), providers.TaskChange{}},
		{"", "concurrency", number(8), providers.TaskChange{}},
		{"", "requests_per_second", number(8), providers.TaskChange{}},
		{"", "conflicts", text("proceed"), providers.TaskChange{}},
		{"", "verify", text("count"), providers.TaskChange{Verify: true}},
	} {
		before := offlineTask(t, copying("a", "b")).Declared()
		got := offlineTask(t, with(copying("a", "b"), c.where, c.name, c.value)).Changed(before)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s.%s (-want +got):\n%s", c.where, c.name, diff)
		}
	}
}

func TestRequest(t *testing.T) {
	x := &sourceIndex{Name: "i"}
	for _, c := range []struct {
		name string
		b    block
		d    destination
		want string
	}{
		{"index", copying("a", "b"), destination{}, `{"index":"b","pipeline":"_none","version_type":"external"}`},
		{"stream", copying("a", "b"), destination{Stream: true}, `{"index":"b","op_type":"create","pipeline":"_none"}`},
		{"keep", with(copying("a", "b"), "dest", "existing", cty.StringVal("keep")), destination{}, `{"index":"b","op_type":"create","pipeline":"_none"}`},
		{"overwrite", with(copying("a", "b"), "dest", "existing", cty.StringVal("overwrite")), destination{}, `{"index":"b","pipeline":"_none"}`},
		{"pipeline", with(copying("a", "b"), "dest", "pipeline", cty.StringVal("p")), destination{}, `{"index":"b","pipeline":"p","version_type":"external"}`},
		{"version by script", with(copying("a", "b"), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._version = 3")})), destination{}, `{"index":"b","pipeline":"_none"}`},
	} {
		var got struct{ Dest json.RawMessage }
		if err := json.Unmarshal(offlineTask(t, c.b).request(x, nil, 10, nil, c.d, ""), &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Dest) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.Dest, c.want)
		}
	}
}

func TestRemoteBlock(t *testing.T) {
	es := func(v string) providers.Info { return providers.Info{Flavor: providers.Elasticsearch, Version: v} }
	key := providers.ClusterConfig{APIKey: "id:key", Headers: map[string]string{"X-Found": "1"}}
	for _, c := range []struct {
		name string
		cfg  providers.ClusterConfig
		dest providers.Info
		want string
	}{
		{"9.3", key, es("9.3.0"), `"api_key":"aWQ6a2V5","headers":{"X-Found":"1"}`},
		{"serverless", key, providers.Info{Flavor: providers.Serverless, Version: "8.11.0"}, `"api_key":"aWQ6a2V5","headers":{"X-Found":"1"}`},
		{"9.2", key, es("9.2.9"), `"headers":{"Authorization":"ApiKey aWQ6a2V5","X-Found":"1"}`},
		{"10.0", key, es("10.0.0"), `"api_key":"aWQ6a2V5","headers":{"X-Found":"1"}`},
		{"opensearch", key, providers.Info{Flavor: providers.OpenSearch, Version: "9.9.9"}, `"headers":{"Authorization":"ApiKey aWQ6a2V5","X-Found":"1"}`},
		{"basic", providers.ClusterConfig{Username: "u", Password: "p"}, es("9.4.3"), `"password":"p","username":"u"`},
		{"open", providers.ClusterConfig{}, es("9.4.3"), ``},
	} {
		r := remoteBlock(c.cfg, "https://h:443", c.dest)
		for _, k := range []string{"host", "connect_timeout", "socket_timeout"} {
			delete(r, k)
		}
		if got := strings.Trim(string(providers.Encode(r)), "{}"); got != strings.Trim(c.want, "{}") {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if len(key.Headers) != 1 {
		t.Error("the cluster's own headers were changed")
	}
}

// The answers are those of real servers (facts.md).
func TestRemoteFindings(t *testing.T) {
	task := offlineTask(t, copying("a", "b"))
	for _, c := range []struct {
		name, answer, code string
		has                []string
	}{
		{"whitelist", `{"error":{"type":"illegal_argument_exception","reason":"[127.0.0.1:9202] not whitelisted in reindex.remote.whitelist"},"status":400}`,
			"not_whitelisted", []string{`reindex.remote.whitelist: ["127.0.0.1:9202", "*.io:*", "*.com:*"]`, `which holds "*.io:*" and "*.com:*"`}},
		{"OpenSearch", `{"error":{"type":"illegal_argument_exception","reason":"[127.0.0.1:9202] not allowlisted in reindex.remote.allowlist"},"status":400}`,
			"not_whitelisted", []string{`reindex.remote.allowlist: ["127.0.0.1:9202"`}},
		{"blocklist", `{"error":{"type":"illegal_argument_exception","reason":"[127.0.0.1:9202] either not whitelisted in reindex.remote.whitelist or blocked in reindex.remote.blocklist"},"status":400}`,
			"outside_cloud", []string{"in Elastic Cloud", "no setting"}},
		{"refused", `{"error":{"type":"connect_exception","reason":"Connection refused"},"status":500}`, "remote_unreachable", []string{"127.0.0.1 is the machine itself"}},
		{"http to https", `{"error":{"type":"connection_closed_exception","reason":"Connection is closed"},"status":500}`, "remote_scheme", []string{`"http://127.0.0.1:9202"`}},
		{"CA", `{"error":{"type":"s_s_l_handshake_exception","reason":"(certificate_unknown) PKIX path building failed: unable to find valid certification path to requested target"},"status":500}`,
			"remote_untrusted", []string{"reindex.ssl.certificate_authorities"}},
		{"key", `{"error":{"type":"status_exception","reason":"body={\"error\":{\"type\":\"security_exception\",\"reason\":\"unable to authenticate\"},\"status\":401}"},"status":401}`,
			"remote_credentials", []string{"unable to authenticate"}},
		{"privileges", `{"error":{"type":"status_exception","reason":"body={\"error\":{\"type\":\"security_exception\",\"reason\":\"action [indices:data/read/search] is unauthorized\"},\"status\":403}"},"status":403}`,
			"remote_privileges", []string{"monitor", "view_index_metadata"}},
		{"missing", `{"error":{"type":"status_exception","reason":"body={\"error\":{\"type\":\"index_not_found_exception\",\"reason\":\"no such index [a]\"},\"status\":404}"},"status":404}`,
			"source_missing", []string{"no such index [a]"}},
		{"name", `{"error":{"type":"unknown_host_exception","reason":"nohost: Name or service not known"},"status":500}`, "remote_unknown_host", nil},
		{"fields", `{"error":{"type":"x_content_parse_exception","reason":"[1:2] [reindex] failed to parse field [source]","caused_by":{"type":"illegal_argument_exception","reason":"Unsupported fields in [remote]: [api_key]"}},"status":400}`,
			"remote_fields", nil},
		{"something else", `{"error":{"type":"illegal_argument_exception","reason":"no"},"status":400}`, "", nil},
	} {
		f := remoteFinding(task, elasticsearch.ParseError(providers.JSON(c.answer)), destSide{listed: func() []string { return []string{"*.io:*", "*.com:*"} }})
		if f == nil {
			if c.code != "" {
				t.Errorf("%s: no finding", c.name)
			}
			continue
		}
		if f.Code != c.code || f.Arg != "source.cluster" && f.Arg != "source.index" {
			t.Errorf("%s: %s about %s, want %s", c.name, f.Code, f.Arg, c.code)
		}
		for _, s := range c.has {
			if !strings.Contains(f.Detail, s) {
				t.Errorf("%s: %q is missing in %s", c.name, s, f.Detail)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	const account = `"total":3,"created":2,"updated":0,"deleted":0,"noops":0,"version_conflicts":1`
	for _, c := range []struct {
		name, answer string
		want         outcome
	}{
		{"done", `{"completed":true,"response":{` + account + `,"failures":[]}}`, fine},
		{"flat", `{"completed":true,"status":{` + account + `},"response":{` + account + `,"failures":[]}}`, fine},
		{"account is open", `{"completed":true,"response":{"total":4,"created":2,"failures":[]}}`, unclosed},
		{"no result", `{"completed":true,"task":{"status":{` + account + `}}}`, later},
		{"cancelled in the middle of a batch", `{"completed":true,"task":{"status":{"canceled":"by user request"}},"error":{"type":"task_cancelled_exception","reason":"parent task was cancelled [by user request]"}}`, canceled},
		{"cancelled", `{"completed":true,"response":{` + account + `,"canceled":"by user request","failures":[]}}`, canceled},
		{"timed out", `{"completed":true,"response":{` + account + `,"timed_out":true,"failures":[]}}`, later},
		{"large", `{"completed":true,"error":{"type":"illegal_argument_exception","reason":"Remote responded with a chunk that was too large. Use a smaller batch size.","caused_by":{"type":"content_too_long_exception","reason":"entity content is too long [2] for the configured buffer limit [1]"}}}`, tooLarge},
		{"source went away", `{"completed":true,"error":{"type":"connect_exception","reason":"Connection refused"}}`, later},
		{"what it read from is gone", `{"completed":true,"task":{"status":{"total":3,"created":1}},"error":{"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,"failed_shards":[{"shard":0,"index":"x","reason":{"type":"search_context_missing_exception","reason":"No search context found for id [7]"}}]}}`, later},
		{"what it read from remote is gone", `{"completed":true,"error":{"type":"status_exception","reason":"body={\"error\":{\"root_cause\":[{\"type\":\"search_context_missing_exception\",\"reason\":\"No search context found for id [7]\"}],\"type\":\"search_phase_execution_exception\",\"reason\":\"all shards failed\"},\"status\":404}"}}`, later},
		{"context alone", `{"completed":true,"error":{"type":"search_context_missing_exception","reason":"No search context found for id [7]"}}`, later},
		{"relocated", `{"completed":true,"task":{"status":{"total":3,"created":1}},"error":{"type":"task_relocated_exception","reason":"Task was relocated","original_task_id":"a:1","relocated_task_id":"b:2"}}`, later},
		{"credentials", `{"completed":true,"error":{"type":"status_exception","reason":"body={\"error\":{\"type\":\"security_exception\",\"reason\":\"x\"},\"status\":401}"}}`, broken},
		{"rejected", `{"completed":true,"response":{"total":3,"created":2,"failures":[{"id":"a","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"full"}}]}}`, later},
		{"always too much", `{"completed":true,"response":{"total":3,"created":0,"failures":[{"id":"a","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, coordinating_operation_bytes=125829120, max_coordinating_bytes=53687091]"}}]}}`, tooLarge},
		{"too much now", `{"completed":true,"response":{"total":3,"created":0,"failures":[{"id":"a","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation [coordinating_and_primary_bytes=50000000, replica_bytes=0, all_bytes=50000000, coordinating_operation_bytes=5829120, max_coordinating_bytes=53687091]"}}]}}`, later},
		{"refused", `{"completed":true,"response":{"total":3,"created":2,"failures":[{"id":"a","status":429,"cause":{"type":"es_rejected_execution_exception","reason":"full"}},{"id":"b","status":400,"cause":{"type":"mapper_parsing_exception","reason":"x"}}]}}`, refused},
	} {
		var a taskAnswer
		if err := decode([]byte(c.answer), &a); err != nil {
			t.Fatal(err)
		}
		if got := judge(a); got.what != c.want {
			t.Errorf("%s: %d (%s), want %d", c.name, got.what, got.reason(), c.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want string // path from → to, …
	}{
		{`{"a":1e3,"b":1.10}`, `{"b":1.1,"a":1000.0}`, ""},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, "a 9007199254740993→9007199254740992"},
		{`{"a":9007199254740993}`, `{"a":9007199254740992.0}`, "a 9007199254740993→9007199254740992.0"},
		{`{"a":123456789012345678901234567890}`, `{"a":123456789012345678901234567890}`, ""},
		{`{"a":1}`, `{"a":1.0}`, ""},
		{`{"a":1}`, `{"a":"1"}`, `a 1→"1"`},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, "a.0 1→2 a.1 2→1"},
		{`{"a":null}`, `{}`, "a null→absent"},
		{`{}`, `{"a":{}}`, "a absent→{}"},
		{`{"a":{"b":true},"c":1}`, `{"a":{"b":false},"d":1}`, "a.b true→false c 1→absent d absent→1"},
		{`{}`, `{}`, ""},
		{`{"a":1e400}`, `{"a":1e400}`, ""},
	} {
		got, err := differences("x", providers.JSON(c.a), providers.JSON(c.b))
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, d := range got {
			s = append(s, d.Path+" "+d.From+"→"+d.To)
		}
		if strings.Join(s, " ") != c.want {
			t.Errorf("%s and %s: %s, want %s", c.a, c.b, strings.Join(s, " "), c.want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*", "", true}, {"*-x", "a-x", true},
		{"a*b*c", "a1b2c", true}, {"a*b*c", "abc", true}, {"a*b", "a", false}, {"ab*ba", "aba", false}, {"a**c", "abc", true},
	} {
		if matches(c.pattern, c.name) != c.want {
			t.Errorf("%q and %q", c.pattern, c.name)
		}
	}
}

func TestTornJournal(t *testing.T) {
	j := newJournal()
	_ = j.Append(record{What: wroteEnd, Unit: "7.7"})
	if _, err := replay(j); err == nil {
		t.Error("a record of a range that was never cut is accepted")
	}
	for _, r := range []record{{What: wroteBegin, Unit: "0.tail", Opaque: "esmig-abc-0.tail"}, {What: wroteTail, Index: 0}} {
		j = newJournal()
		_ = j.Append(r)
		if _, err := replay(j); !errors.As(err, &gapError{}) {
			t.Errorf("%+v without a cut: %v", r, err)
		}
	}
	j = newJournal() // where a line is missing, what it began is found all the same
	_ = j.Append(record{What: wroteTail, Index: 0})
	_ = j.Append(record{What: wroteBegin, Unit: "0.tail", Opaque: "esmig-abc-0.tail"})
	_ = j.Append(record{What: wroteTask, Unit: "0.tail", Task: "t"})
	_ = j.Append(record{What: wroteEnd, Unit: "0.0", Counts: &counts{Total: 2, Created: 2}})
	s, err := salvage(j)
	if err != nil || len(s.units) != 2 || !s.units[0].open() || s.units[0].task != "t" || s.opaque(s.units[0]) != "esmig-abc-0.tail" || s.units[1].open() {
		t.Errorf("%+v %v", s, err)
	}
	j = newJournal()
	_ = j.Append(record{What: wroteCut, Indices: []*sourceIndex{{Name: "i", Ranges: []span{{}}}}})
	_ = j.Append(record{What: wroteTask, Unit: "0.0", Task: "t"})
	if s, err = replay(j); err != nil || !s.units[0].open() {
		t.Errorf("a task whose begin is missing is not looked for: %+v %v", s, err)
	}
	j = newJournal()
	_ = j.Append(record{What: wroteCut, Run: "r", Indices: []*sourceIndex{{Name: "i", Ranges: []span{{}, {}}}}})
	_ = j.Append(record{What: wroteBegin, Unit: "0.1", Size: 5})
	_ = j.Append(record{What: wroteTask, Unit: "0.1", Task: "t"})
	_ = j.Append(record{What: wroteEnd, Unit: "0.1", Counts: &counts{Total: 2, Created: 2}})
	_ = j.Append(record{What: wroteTail, Index: 0, From: 3})
	l, err := replay(j)
	if err != nil {
		t.Fatal(err)
	}
	if n, c := l.sum(); n != 1 || c.Created != 2 || len(l.units) != 2 || !cmp.Equal(l.tails[0].span, span{From: 3, To: -1}) {
		t.Errorf("%+v", l)
	}
	_ = j.Append(record{What: wroteReset})
	if l, err = replay(j); err != nil || len(l.indices) != 0 {
		t.Errorf("%+v %v", l, err)
	}
}

// No secret is in what a task says of itself or in its findings.
func TestNoSecret(t *testing.T) {
	b := copying("a", "b")
	task := b.task(t, map[string]providers.Cluster{
		"source": offline(providers.ClusterConfig{Name: "source", Endpoint: "https://h:1", APIKey: "id:hunter2", Headers: map[string]string{"X": "hunter2"}}),
	})
	text := string(task.Declared())
	for _, e := range []string{"[h:1] not whitelisted in reindex.remote.whitelist", "PKIX path", "Connection refused"} {
		f := remoteFinding(task, &elasticsearch.Error{Reason: e}, destSide{})
		if f == nil {
			t.Fatal(e)
		}
		text += errors.Join(f).Error()
	}
	if strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

// What Serverless does not show of the settings follows from the mode.
func TestSlowBySettings(t *testing.T) {
	for _, tt := range []struct {
		settings, defaults map[string]any
		want               bool
	}{
		{map[string]any{"index.mode": "logsdb"}, nil, true},
		{map[string]any{"index.mode": "time_series"}, map[string]any{"index.seq_no.index_options": "POINTS_AND_DOC_VALUES"}, false},
		{nil, map[string]any{"index.seq_no.index_options": "DOC_VALUES_ONLY", "index.mode": "standard"}, true},
		{nil, map[string]any{"index.mode": "standard"}, false},
		{nil, nil, false},
	} {
		if got := (settings{tt.settings, tt.defaults}).slow(); got != tt.want {
			t.Errorf("%v %v: %v", tt.settings, tt.defaults, got)
		}
	}
}

// Only the metadata counts, not a field whose name looks like it.
func TestScriptNames(t *testing.T) {
	for script, want := range map[string][3]bool{
		`ctx._source.remove('user_id')`:                       {},
		`ctx._source.user_id = ctx._source['x_id']`:           {},
		`ctx._source._version = 1; ctx._source.ctx_op = 'op'`: {},
		`ctx._id = 'x'`:            {true, false, false},
		`ctx [ "_id" ] = 'x'`:      {true, false, false},
		`ctx.put('_id', 'x')`:      {true, false, false},
		`if (true) ctx.op='noop'`:  {false, true, false},
		`ctx["op"] = "noop"`:       {false, true, false},
		`ctx['_version'] = 3`:      {false, false, true},
		`ctx._version = ctx?._id;`: {true, false, true},
	} {
		if got := [3]bool{names(script, "_id"), names(script, "op"), names(script, "_version")}; got != want {
			t.Errorf("%s: %v", script, got)
		}
	}
}
