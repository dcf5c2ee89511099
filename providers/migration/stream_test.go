package migration

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// fakeWorld is a pair of fakes that tests of streams look into. Neither may
// read from the other.
type fakeWorld struct {
	world
	from, to *providertest.Fake
}

func newFakeWorld(t testing.TB, from providertest.Options) fakeWorld {
	var net providertest.Network
	from.Name = "source"
	w := fakeWorld{from: providertest.NewFake(from), to: providertest.NewFake(providertest.Options{Name: "target", Network: &net})}
	net.Join("127.0.0.1:9202", w.from)
	net.Join("127.0.0.1:9201", w.to)
	connect := func(name, at string) providers.Cluster {
		c, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: at}, net.Transport())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w.world = world{"fake", connect("source", "http://127.0.0.1:9202"), connect("target", "http://127.0.0.1:9201"), connect("source", "http://127.0.0.1:9202")}
	return w
}

func inFakes(t *testing.T, f func(t *testing.T, w fakeWorld)) {
	synctest.Test(t, func(t *testing.T) { f(t, newFakeWorld(t, providertest.Options{})) })
}

// streaming is the plain case by stream.
func streaming(from, to string) block {
	return with(sampled(from, to), "", "method", cty.StringVal("stream"))
}

// sampled compares contents in the simplest way.
func sampled(from, to string) block {
	return with(copying(from, to), "", "verify", cty.StringVal("sample"))
}

func isBulk(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk") }

// hand is a journal that keeps dead letters.
type hand struct {
	*memJournal
	mu      sync.Mutex
	letters []providers.DeadLetter
	keep    func(providers.DeadLetter) bool
}

func (h *hand) Refused(ds []providers.DeadLetter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letters = append(h.letters, ds...)
	return nil
}

func (h *hand) Retain(keep func(providers.DeadLetter) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep = keep
}

// kept are the ids of the letters that stay, sorted.
func (h *hand) kept() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []string{}
	for _, d := range h.letters {
		if h.keep(d) && len(d.Source) > 0 && !slices.Contains(out, d.ID) {
			out = append(out, d.ID)
		}
	}
	slices.Sort(out)
	return out
}

// A process that is killed at any record goes on at the next start, and no
// document is missing, older or there twice: the same as by reindex.
func TestStreamStoppedAtEachRecord(t *testing.T) {
	for _, how := range []struct {
		name string
		b    block
	}{
		{"index", streaming("str-crash", "str-crash")},
		{"create", with(streaming("str-crash", "str-crash"), "dest", "op_type", cty.StringVal("create"))},
		{"data stream", streaming("str-crash", "str-crash-stream")},
	} {
		t.Run(how.name, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "str-crash"
				w.fresh(t, name, 1)
				putDated(t, w.admin, name, ids(0, 40)...)
				putDated(t, w.admin, name, ids(10, 15)...)
				want := contents(t, w.admin, name)
				if how.name != "index" {
					for k, v := range want { // create makes versions of its own
						want[k] = "1" + v[1:]
					}
				}
				to := how.b.dest["index"].AsString()
				must(t, w.target, "PUT", "/_index_template/str-crash-stream", object{"index_patterns": []string{"str-crash-stream"}, "data_stream": object{}, "priority": 500})
				for _, torn := range []bool{false, true} {
					for n := 0; ; n++ {
						drop(t, w.target, name)
						_, _ = w.target.Do(t.Context(), providers.Request{Method: "DELETE", Path: "/_data_stream/str-crash-stream"})
						if to == name {
							must(t, w.target, "PUT", "/"+name, object{"settings": object{"number_of_replicas": 0}})
						}
						task := fineTask(t, w.world, how.b)
						if stopAndGoOn(t, task, w.target, to, n, torn, want) {
							break
						}
					}
				}
				for _, r := range w.to.Requests() {
					if strings.HasPrefix(r.Path, "/_reindex") {
						t.Fatal("it reindexed")
					}
				}
			})
		})
	}
}

func putDated(t testing.TB, c providers.Cluster, index string, ids ...string) {
	t.Helper()
	var b strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&b, "{\"index\":{\"_id\":%q}}\n{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"n\":%d,\"of\":%q}\n", id, i, id)
	}
	must(t, c, "POST", "/"+index+"/_bulk?refresh=true", b.String())
}

// What passes through is the same bytes.
func TestStreamPassesBytesThrough(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-bytes"
		w.fresh(t, name, 1)
		docs := map[string]string{
			"plain":            `{"f":1.10,"e":1e3,"big":9007199254740993,"one":1.0}`,
			"quotes \" and \\": `{"q\"\\":"a\\\"b\\\\","n":{"d":["]}","{["],"x":{"y":"{["}}}`,
			"ünïcode/\u2028 %": `{"ü":"\u00fc\ud83d\ude00😀"}`,
			"empty":            `{}`,
		}
		for id, d := range docs {
			r := providers.Request{Method: "PUT", Path: "/" + name + "/_doc/" + url.PathEscape(id), Body: []byte(d),
				Query: map[string][]string{"refresh": {"true"}, "routing": {"r\"" + id}}}
			if _, err := w.admin.Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := streaming(name, name).task(t, w.clusters()).Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		a, err := search(t.Context(), w.target, name, -1, object{"size": 100, "version": true})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Hits.Hits) != len(docs) {
			t.Errorf("%d documents, want %d", len(a.Hits.Hits), len(docs))
		}
		for _, h := range a.Hits.Hits {
			want := docs[h.ID]
			if string(h.Source) != want || h.Routing != "r\""+h.ID {
				t.Errorf("%s: %s routed by %s, want %s", h.ID, h.Source, h.Routing, want)
			}
		}
	})
}

// Documents that are rejected go again, and only they; fewer requests are
// under way then; nothing is counted twice.
func TestStreamRejections(t *testing.T) {
	reject := func(items string) providertest.Fault { return providertest.Fault{Status: 200, Body: items} }
	for _, c := range []struct {
		name  string
		fault func() func(*http.Request) providertest.Fault
		least time.Duration
		check func(t *testing.T, w fakeWorld, result providers.Result)
	}{
		{name: "the whole, with Retry-After", least: 10 * time.Second, fault: func() func(*http.Request) providertest.Fault {
			return providertest.Once(2, isBulk, providertest.Fault{Status: 429, Type: "es_rejected_execution_exception", Reason: "full", Header: http.Header{"Retry-After": {"10"}}})
		}},
		{name: "the whole, for minutes", least: 2 * time.Minute, fault: func() func(*http.Request) providertest.Fault {
			until := time.Now().Add(2 * time.Minute)
			return func(r *http.Request) providertest.Fault {
				if isBulk(r) && time.Now().Before(until) {
					return providertest.Fault{Status: 429, Type: "circuit_breaking_exception", Reason: "[parent] Data too large"}
				}
				return providertest.Fault{}
			}
		}},
		{name: "answer lost", fault: func() func(*http.Request) providertest.Fault {
			return providertest.Once(3, isBulk, providertest.Fault{Lost: true})
		}, check: func(t *testing.T, w fakeWorld, result providers.Result) {
			if result.Conflicts == 0 {
				t.Errorf("what arrived and was sent again is a conflict: %+v", result)
			}
		}},
		{name: "some documents", least: firstPause, fault: func() func(*http.Request) providertest.Fault {
			return providertest.Once(1, isBulk, reject(`{"errors":true,"items":[`+strings.TrimSuffix(strings.Repeat(
				`{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"}}},`, 10), ",")+`]}`))
		}},
		{name: "too large in one", fault: func() func(*http.Request) providertest.Fault {
			return func(r *http.Request) providertest.Fault {
				if isBulk(r) && r.ContentLength > 300 {
					return providertest.Fault{Status: 413, Body: "<html><title>413 Request Entity Too Large</title></html>"}
				}
				return providertest.Fault{}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "str-429"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				task := streaming(name, name).task(t, w.clusters())
				task.size, task.concurrency = 10, 2
				w.to.Fault(c.fault())
				begin := time.Now()
				result, _, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < c.least {
					t.Errorf("it waited %v, want at least %v", took, c.least)
				}
				if result.Read != 40 || result.Created+result.Conflicts != 40 {
					t.Errorf("account %+v", result)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
				if c.check != nil {
					c.check(t, w, result)
				}
			})
		})
	}
}

// The tail pass meets what the ranges have brought: where neither versions nor
// contents tell, it is not taken for somebody else's.
func TestTailOfCreates(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-tail"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 40)...)
		b := with(with(streaming(name, name), "dest", "op_type", cty.StringVal("create")), "source", "_source", cty.TupleVal([]cty.Value{cty.StringVal("n")}))
		j := newJournal()
		late := false
		j.at = func(r record) {
			if r.What == wroteEnd && !late {
				late = true
				put(t, w.admin, name, 1, ids(40, 42)...)
			}
		}
		task := b.task(t, w.clusters())
		task.small, task.big = 1, 10
		result, _, err := task.Run(t.Context(), j)
		if err != nil || result.Created != 42 || !late {
			t.Errorf("%+v %v", result, err)
		}
	})
}

// Where neither versions nor contents tell whose a document is, one whose answer
// was lost is not taken for somebody else's; one that was there before is.
func TestStreamAnswerLostOfCreates(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool
		fault  providertest.Fault
	}{
		{"connection", false, providertest.Fault{Lost: true}},
		{"connection, and others", true, providertest.Fault{Lost: true}},
		{"nothing done", false, providertest.Fault{Status: 502, Body: "Bad Gateway"}},
		{"rejected, and others", true, providertest.Fault{Status: 429, Type: "es_rejected_execution_exception", Reason: "full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "str-lost"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				others := slices.Concat(ids(5, 10), ids(15, 20), ids(25, 30), ids(35, 40))
				if c.before {
					put(t, w.target, name, 1, others...) // some in each request
				}
				w.to.Fault(providertest.Once(3, isBulk, c.fault))
				b := with(with(streaming(name, name), "dest", "op_type", cty.StringVal("create")), "source", "_source", cty.TupleVal([]cty.Value{cty.StringVal("n")}))
				task := b.task(t, w.clusters())
				task.size, task.concurrency = 10, 1
				j := newJournal()
				result, _, err := task.Run(t.Context(), j)
				if !c.before {
					if err != nil || result.Read != 40 || result.Created+result.Conflicts != 40 {
						t.Errorf("%+v %v", result, err)
					}
					return
				}
				if code(err) != "conflicts_unexplained" {
					t.Fatal(err)
				}
				for _, id := range others {
					remove(t, w.target, name, id, "")
				}
				again := newJournal()
				again.records = j.records
				if _, _, err := task.Run(t.Context(), again); err != nil {
					t.Errorf("they are gone: %v", err)
				}
			})
		})
	}
}

// A destination that takes nothing for minutes is given up, with its reason.
func TestStreamGivesUp(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-full"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, "a", "b")
		w.to.Fault(func(r *http.Request) providertest.Fault {
			if !isBulk(r) {
				return providertest.Fault{}
			}
			return providertest.Fault{Status: 200, Body: `{"errors":true,"items":[` + strings.Repeat(`{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue is full"}}},`, 1) +
				`{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue is full"}}}]}`}
		})
		begin := time.Now()
		_, _, err := streaming(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
		if code(err) != "copy_failed" || !strings.Contains(err.Error(), "queue is full") {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took < patience || took > 3*patience {
			t.Errorf("it gave up after %v", took)
		}
	})
}

// A refused document is a dead letter with its reason, fails the step, and
// keeps no other document out; when it is mended the next run is whole.
func TestStreamRefusedDocument(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-dead"
		for _, c := range []providers.Cluster{w.admin, w.target} {
			must(t, c, "PUT", "/"+name, object{"settings": object{"number_of_replicas": 0},
				"mappings": object{"properties": object{"n": object{"type": map[providers.Cluster]string{w.admin: "keyword", w.target: "long"}[c]}}}})
		}
		put(t, w.admin, name, 1, ids(0, 20)...)
		must(t, w.admin, "PUT", "/"+name+"/_doc/bad?refresh=true&routing=r", object{"n": "twelve"})
		task := streaming(name, name).task(t, w.clusters())
		j := &hand{memJournal: newJournal()}
		result, _, err := task.Run(t.Context(), j)
		if code(err) != "documents_refused" || !strings.Contains(err.Error(), "field [n] of type [long]") || !strings.Contains(err.Error(), "for example bad") {
			t.Errorf("%v", err)
		}
		if result.Failed != 1 || result.Read != result.Created+result.Failed {
			t.Errorf("account %+v", result)
		}
		if len(j.letters) != 1 {
			t.Fatalf("letters %+v", j.letters)
		}
		d := j.letters[0]
		if d.ID != "bad" || d.Routing != "r" || d.Version != 1 || d.Field != "n" || d.Status != 400 || string(d.Source) != `{"n":"twelve"}` ||
			!strings.Contains(d.Type, "parsing_exception") || strings.Contains(d.Reason, "'bad'") || !strings.Contains(d.Advice, "Declare n") {
			t.Errorf("letter %+v", d)
		}
		if got := contents(t, w.target, name); len(got) != 20 {
			t.Errorf("%d documents arrived, want the 20 others", len(got))
		}
		must(t, w.admin, "PUT", "/"+name+"/_doc/bad?refresh=true&routing=r", object{"n": 12})
		again := newJournal()
		again.records = j.records
		if _, _, err := task.Run(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
			t.Error(diff)
		}
	})
}

// A data stream with a failure store answers that what it refuses is created.
func TestStreamFailureStore(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name, to = "str-failing", "str-failing-stream"
		w.fresh(t, name, 1)
		putDated(t, w.admin, name, "a")
		must(t, w.target, "PUT", "/_index_template/"+to, object{"index_patterns": []string{to}, "data_stream": object{}, "priority": 500})
		must(t, w.target, "PUT", "/_data_stream/"+to, nil)
		w.to.Fault(providertest.Once(1, isBulk, providertest.Fault{Status: 200,
			Body: `{"errors":false,"items":[{"create":{"status":201,"result":"created","failure_store":"used"}}]}`}))
		task := streaming(name, to).task(t, w.clusters())
		j := &hand{memJournal: newJournal()}
		result, _, err := task.Run(t.Context(), j)
		if code(err) != "documents_refused" || !strings.Contains(err.Error(), "failure store") || !strings.Contains(err.Error(), "GET /"+to+"::failures/_search") {
			t.Errorf("%v", err)
		}
		if result.Created != 0 || result.Failed != 1 || len(j.letters) != 1 || j.letters[0].ID != "a" {
			t.Errorf("account %+v, letters %+v", result, j.letters)
		}
		for _, r := range w.to.Requests() {
			if strings.Contains(r.Path, "/_bulk") && !strings.Contains(r.Path, url.QueryEscape("items.*.failure_store")) {
				t.Errorf("what would tell is left out: %s", r.Path)
			}
		}
	})
}

// A repair counts what went into the failure store as failed.
func TestRepairFailureStore(t *testing.T) {
	r, n := &repair{task: &task{destIndex: "logs"}}, new(int64)
	err := r.account(providers.JSON(`{"errors":false,"items":[{"create":{"status":201,"result":"created","failure_store":"used"}}]}`), []*int64{n})
	if err != nil || *n != 0 || r.Failed != 1 || !strings.Contains(r.reason, "failure store") {
		t.Errorf("%d done, %d failed: %s, %v", *n, r.Failed, r.reason, err)
	}
}

// A reindex cannot tell what went into a failure store: the plan says so, and
// the run, which may find a data stream that was not there yet.
func TestReindexFailureStore(t *testing.T) {
	for _, on := range []bool{false, true} {
		for _, method := range methods {
			inFakes(t, func(t *testing.T, _ fakeWorld) {
				w := newPair(t, providertest.Options{})
				const name, to = "str-failing", "str-failing-stream"
				w.fresh(t, name, 1)
				putDated(t, w.admin, name, "a")
				must(t, w.world.target, "PUT", "/_index_template/"+to, object{"index_patterns": []string{to}, "data_stream": object{}, "priority": 500,
					"template": object{"data_stream_options": object{"failure_store": object{"enabled": on}}}})
				must(t, w.world.target, "PUT", "/_data_stream/"+to, nil)
				task := with(copying(name, to), "", "method", cty.StringVal(method)).task(t, w.clusters())
				e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
				found := slices.ContainsFunc(e.Findings, func(f *providers.Finding) bool {
					return f.Code == "failure_store" && f.Severity == providers.SeverityWarning && strings.Contains(f.Detail, to)
				})
				if want := on && method == "reindex"; err != nil || found != want {
					t.Errorf("%s, %v: %v %v", method, on, e.Findings, err)
				}
				j := newJournal()
				if _, _, err := task.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if told := strings.Contains(strings.Join(j.notes, "\n"), "failure store"); told != found {
					t.Errorf("%s, %v: %v", method, on, j.notes)
				}
			})
		}
	}
}

// Servers without a point in time are read with a scroll, and a lost one costs
// its range.
func TestStreamReaders(t *testing.T) {
	lost := func(path string, n int) func(*http.Request) providertest.Fault {
		seen := 0
		return func(r *http.Request) providertest.Fault {
			if r.Method != "POST" || r.URL.Path != path {
				return providertest.Fault{}
			}
			if seen++; seen != n {
				return providertest.Fault{}
			}
			return providertest.Fault{Status: 404, Body: `{"error":{"root_cause":[{"type":"search_context_missing_exception","reason":"No search context found for id [7]"}],"type":"search_phase_execution_exception","reason":"all shards failed"},"status":404}`}
		}
	}
	partly := func(path, body string) func(*http.Request) providertest.Fault {
		return providertest.Once(1, func(r *http.Request) bool { return r.Method == "POST" && r.URL.Path == path }, providertest.Fault{Status: 200, Body: body})
	}
	openSearch := providertest.Options{Flavor: providers.OpenSearch, Version: "3.8.0"}
	for _, c := range []struct {
		name   string
		from   providertest.Options
		fault  func(*http.Request) providertest.Fault
		open   string // the request that begins to read
		begun  int
		closed string
	}{
		{"9.4", providertest.Options{}, nil, "/str-read/_pit", 1, "/_pit"},
		{"7.11", providertest.Options{Version: "7.11.2"}, nil, "/str-read/_search?allow_partial_search_results=false&scroll=10m", 1, "/_search/scroll"},
		{"6.8", providertest.Options{Version: "6.8.23"}, nil, "/str-read/_search?allow_partial_search_results=false&scroll=10m", 1, "/_search/scroll"},
		{"OpenSearch", openSearch, nil, "/str-read/_search/point_in_time?allow_partial_pit_creation=false&", 1, "/_search/point_in_time"},
		{"OpenSearch, without a shard", openSearch, partly("/str-read/_search/point_in_time", `{"pit_id":"x","_shards":{"total":3,"successful":2,"failed":1}}`), "/str-read/_search/point_in_time", 2, "/_search/point_in_time"},
		{"9.4, without a shard", providertest.Options{}, partly("/str-read/_pit", `{"id":"x","_shards":{"total":3,"successful":2,"failed":0}}`), "/str-read/_pit", 2, "/_pit"},
		{"Serverless", providertest.Options{Flavor: providers.Serverless}, nil, "/str-read/_pit", 1, "/_pit"},
		{"lost point in time", providertest.Options{}, lost("/_search", 3), "/str-read/_pit", 2, "/_pit"},
		{"scroll without a shard", providertest.Options{Version: "6.8.23"}, partly("/_search/scroll", `{"_scroll_id":"x","timed_out":false,"_shards":{"total":3,"successful":2,"failed":1},"hits":{"total":50,"hits":[]}}`),
			"/str-read/_search?allow_partial_search_results=false&scroll=10m", 2, "/_search/scroll"},
		{"lost scroll", providertest.Options{Version: "6.8.23"}, lost("/_search/scroll", 2), "/str-read/_search?allow_partial_search_results=false&scroll=10m", 2, "/_search/scroll"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld(t, c.from)
				const name = "str-read"
				if c.from.Flavor == providers.Serverless {
					must(t, w.admin, "PUT", "/"+name, object{})
					must(t, w.target, "PUT", "/"+name, object{})
				} else {
					w.fresh(t, name, 3)
				}
				put(t, w.admin, name, 1, ids(0, 50)...)
				task := streaming(name, name).task(t, w.clusters())
				task.size, task.concurrency = 7, 1
				w.from.Forget()
				w.from.Fault(c.fault)
				j := newJournal()
				result, _, err := task.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				begun, opened, closed := 0, 0, 0
				for _, r := range j.records {
					if strings.Contains(string(r), wroteBegin) {
						begun++
					}
				}
				for _, r := range w.from.Requests() {
					if strings.HasPrefix(r.Path, c.open) && r.Method == "POST" {
						opened++
					}
					if strings.Contains(r.Body, `"pit":{"id":"x"`) {
						t.Error("it reads from a point in time that lacks a shard")
					}
					if r.Path == c.closed && r.Method == "DELETE" {
						closed++
					}
				}
				if begun != c.begun || opened != c.begun || closed != c.begun {
					t.Errorf("begun %d times, opened %d, closed %d, want %d", begun, opened, closed, c.begun)
				}
				if result.Read != 50 || result.Created != 50 && c.begun == 1 {
					t.Errorf("account %+v", result)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// counting measures, from outside, what of the documents was read and is not
// yet acknowledged.
type counting struct {
	providers.Cluster
	now, most *int64
	mu        *sync.Mutex
	source    bool
}

func (c *counting) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	add := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		*c.now += int64(n)
		*c.most = max(*c.most, *c.now)
	}
	if !c.source && strings.HasSuffix(r.Path, "/_bulk") {
		raw, err := c.Cluster.Do(ctx, r)
		time.Sleep(time.Second) // slow, so that reading runs ahead if it may
		if err == nil {
			add(-len(r.Body))
		}
		return raw, err
	}
	raw, err := c.Cluster.Do(ctx, r)
	if c.source && r.Path == "/_search" && err == nil {
		add(len(raw))
	}
	return raw, err
}

// Whatever the documents are like, no more than the bound is in memory.
func TestStreamMemory(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    func(i int) int
		n       int
		version string
		stream  bool // the destination is a data stream
	}{
		{"even", func(int) int { return 300 }, 2000, "", false},
		{"huge", func(int) int { return 30_000 }, 60, "", false},
		{"small, then huge", func(i int) int { return 20 + i/300*9000 }, 600, "", false},
		{"one larger than a page", func(i int) int { return 20 + i/199*90_000 }, 200, "", false},
		{"one larger than a page of a scroll", func(i int) int { return 20 + i/199*90_000 }, 200, "6.8.23", false},
		{"one larger than a page of a scroll, in between", func(i int) int { return 20 + i/105*(209-i)/104*90_000 }, 200, "6.8.23", false},
		{"one larger than a page of a scroll, in between, into a data stream", func(i int) int { return 20 + i/105*(209-i)/104*90_000 }, 200, "6.8.23", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld(t, providertest.Options{Version: c.version})
				const name = "str-memory"
				w.fresh(t, name, 1)
				to, stamp := name, ""
				if c.stream {
					to, stamp = "str-memory-stream", "\"@timestamp\":0,"
					must(t, w.target, "PUT", "/_index_template/str-memory-stream", object{"index_patterns": []string{to}, "data_stream": object{}, "priority": 500})
				}
				var b strings.Builder
				for i := range c.n {
					fmt.Fprintf(&b, "{\"index\":{\"_id\":\"%d\"}}\n{%s\"t\":\"%s\"}\n", i, stamp, strings.Repeat("x", c.size(i)))
				}
				must(t, w.admin, "POST", "/"+name+"/_bulk?refresh=true", b.String())
				var now, most int64
				var mu sync.Mutex
				w.source = &counting{w.source, &now, &most, &mu, true}
				w.target = &counting{w.target, &now, &most, &mu, false}
				task := fineTask(t, w.world, streaming(name, to))
				task.concurrency = 8
				task.sizes = sizes{bulk: 10_000, limit: 20_000, inFlight: 96_000, kept: mostKept}
				if c.stream {
					task.sizes.inFlight = 40_000 // a page is read when the one before is written
				}
				result, _, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				if result.Created != int64(c.n) && (c.version == "" || result.Created+result.Conflicts != int64(c.n)) {
					t.Errorf("account %+v", result) // a scroll that begins again finds conflicts
				}
				// Pages are counted as they travel: a little more than what is kept of them.
				if most > 2*96_000 {
					t.Errorf("%d bytes were in flight", most)
				}
				if c.version == "" && c.n*c.size(c.n-1) > 200_000 && most < 20_000 { // of scrolls nothing is counted
					t.Errorf("only %d bytes were in flight: nothing ran side by side", most)
				}
				t.Log(most)
			})
		})
	}
}

// auto goes around what stands between the clusters, and says so; reindex,
// asked for, does not.
func TestStreamByItself(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-auto"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 10)...)
		p := providers.Prospect{DestinationDeclared: true}
		e, err := copying(name, name).task(t, w.clusters()).Estimate(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if e.Method != "stream" || e.Why != "target may not read from source: not whitelisted" || len(e.Findings) != 1 ||
			e.Findings[0].Code != "not_whitelisted" || e.Findings[0].Severity != providers.SeverityNote {
			t.Errorf("%+v", e)
		}
		result, _, err := copying(name, name).task(t, w.clusters()).Run(t.Context(), newJournal())
		if err != nil || result.Created != 10 {
			t.Errorf("%+v %v", result, err)
		}
		for _, b := range []block{
			with(copying(name, name), "", "method", cty.StringVal("reindex")),
			with(copying(name, name), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.remove('n')")})),
		} {
			e, err = b.task(t, w.clusters()).Estimate(t.Context(), p)
			if err != nil || e.Method != "reindex" || !slices.ContainsFunc(e.Findings, func(f *providers.Finding) bool {
				return f.Code == "not_whitelisted" && f.Severity == providers.SeverityError
			}) {
				t.Errorf("%+v %v", e, err)
			}
		}
	})
}

// What the source itself refuses, or a destination that is busy, is no reason
// to go around anything.
func TestStreamNotByItself(t *testing.T) {
	const refused = `{"error":{"type":"status_exception","reason":"method [POST], host [http://127.0.0.1:9202], URI [/a/_search], status line [HTTP/1.1 400 Bad Request] body={\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"no such thing\"},\"status\":400}"},"status":400}`
	for _, c := range []struct {
		fault  providertest.Fault
		method string
	}{
		{providertest.Fault{Status: 400, Body: refused}, "reindex"},
		{providertest.Fault{Status: 429, Type: "circuit_breaking_exception", Reason: "full"}, "reindex"},
		{providertest.Fault{Status: 403, Type: "security_exception", Reason: "action [indices:data/write/reindex] is unauthorized"}, "stream"},
		{providertest.Fault{Status: 500, Type: "connect_exception", Reason: "Connection refused"}, "stream"},
	} {
		inFakes(t, func(t *testing.T, w fakeWorld) {
			const name = "str-refuses"
			w.fresh(t, name, 1)
			w.to.Fault(providertest.Once(100, func(r *http.Request) bool { return r.URL.Path == "/_reindex" }, c.fault))
			e, err := copying(name, name).task(t, w.clusters()).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil || e.Method != c.method || len(e.Findings) != 1 || (e.Findings[0].Severity == providers.SeverityError) == (c.method == "stream") {
				t.Errorf("%+v: %+v %v", c.fault, e, err)
			}
		})
	}
}

// The user's choice of fields, query and pipeline is kept.
func TestStreamRequests(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-kept"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 10)...)
		put(t, w.admin, name, 2, ids(5, 10)...)
		b := with(streaming(name, name), "source", "query", cty.ObjectVal(map[string]cty.Value{"term": cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(2)})}))
		b = with(b, "source", "_source", cty.TupleVal([]cty.Value{cty.StringVal("n")}))
		if _, _, err := b.task(t, w.clusters()).Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		got := contents(t, w.target, name)
		if len(got) != 5 || slices.ContainsFunc(slices.Collect(maps.Values(got)), func(s string) bool { return s != `2  {"n":2}` }) {
			t.Errorf("%v", got)
		}
		for _, r := range w.to.Requests() {
			if strings.Contains(r.Path, "/_bulk") && (!strings.Contains(r.Path, "pipeline=_none") || !strings.Contains(r.Body, `"version":2,"version_type":"external"`)) {
				t.Errorf("%+v", r)
			}
		}
		for _, r := range w.from.Requests() {
			if strings.Contains(r.Body, `"pit"`) && !strings.Contains(r.Body, `"exclude_vectors":false,"includes":["n"]`) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// requests_per_second holds for all ranges together.
func TestStreamSpeed(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "str-slow"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 50)...)
		task := fineTask(t, w.world, with(streaming(name, name), "", "requests_per_second", cty.NumberIntVal(1)))
		begin := time.Now()
		if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 35*time.Second || took > 65*time.Second {
			t.Errorf("50 documents, one a second, took %v", took)
		}
	})
}

// However slow it is to be, no range is given up because the source forgets
// meanwhile what was being read, and what waits is not read yet.
func TestStreamThrottled(t *testing.T) {
	for _, c := range []struct {
		name      string
		from      providertest.Options
		documents int
		rate      string
		ranges    int64 // documents of one
	}{
		{"ranges that take turns", providertest.Options{}, 480, "0.1", 60},
		{"scrolls that take turns", providertest.Options{Version: "6.8.23"}, 480, "0.1", 60},
		{"one range", providertest.Options{}, 100, "0.01", 1000},
		{"slower than is kept otherwise", providertest.Options{}, 50, "0.001", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld(t, c.from)
				const name = "str-throttled"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, c.documents)...)
				task := fineTask(t, w.world, with(streaming(name, name), "", "requests_per_second", cty.MustParseNumberVal(c.rate)))
				task.big, task.size, task.concurrency = c.ranges, 10, 8
				task.sizes = sizes{bulk: 800, limit: 1600, inFlight: 7200}
				j := newJournal()
				begin := time.Now()
				result, _, err := task.Run(t.Context(), j)
				if err != nil || result.Created != int64(c.documents) {
					t.Errorf("%+v %v", result, err)
				}
				if notes := strings.Join(j.notes, "\n"); strings.Contains(notes, "starts again") {
					t.Error(notes)
				}
				rate, _ := cty.MustParseNumberVal(c.rate).AsBigFloat().Float64()
				if want, took := float64(c.documents)/rate, time.Since(begin).Seconds(); took < 0.8*want || took > 1.2*want {
					t.Errorf("it took %v seconds, want %v", took, want)
				}
			})
		})
	}
}

// What goes through a network is compressed in both directions, what stays on
// this machine is not.
func TestStreamCompresses(t *testing.T) {
	for _, c := range []struct {
		host string
		want bool
	}{{"far", true}, {"127.0.0.1", false}, {"127.8.0.1", false}, {"[::1]", false}, {"localhost", false}, {"10.0.0.1", true}} {
		t.Run(c.host, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "str-small"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 10)...)
				var net providertest.Network
				var mu sync.Mutex
				bulks, reads := 0, 0
				reach := func(name, port string, f *providertest.Fake) providers.Cluster {
					net.Join(c.host+port, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						mu.Lock()
						switch sent, wanted := r.Header.Get("Content-Encoding") == "gzip", r.Header.Get("Accept-Encoding") == "gzip"; {
						case isBulk(r):
							bulks++
							if sent != c.want {
								t.Errorf("bulk to %s: %v", c.host, r.Header)
							}
						case r.URL.Path == "/_search": // of a point in time
							reads++
							if sent != c.want || wanted != c.want {
								t.Errorf("read from %s: %v", c.host, r.Header)
							}
						}
						mu.Unlock()
						f.ServeHTTP(rw, r)
					}))
					out, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: "http://" + c.host + port}, net.Transport())
					if err != nil {
						t.Fatal(err)
					}
					return out
				}
				w.source, w.target = reach("source", ":9202", w.from), reach("target", ":9201", w.to)
				if _, _, err := streaming(name, name).task(t, w.clusters()).Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
				if bulks == 0 || reads == 0 {
					t.Errorf("%d bulk requests, %d reads", bulks, reads)
				}
			})
		})
	}
}

// What one range was read from is lost: it begins again, and no other does.
func TestStreamLosesOneReader(t *testing.T) {
	for _, c := range []struct {
		version, path string
		nth           int
	}{{"", "/_search", 7}, {"6.8.23", "/_search/scroll", 5}} {
		t.Run(c.version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld(t, providertest.Options{Version: c.version})
				const name = "str-one-lost"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 60)...)
				task := fineTask(t, w.world, streaming(name, name))
				task.size, task.concurrency = 3, 3
				seen := 0
				w.from.Fault(func(r *http.Request) providertest.Fault {
					if r.Method != "POST" || r.URL.Path != c.path {
						return providertest.Fault{}
					}
					if seen++; seen != c.nth {
						return providertest.Fault{}
					}
					return providertest.Fault{Status: 404, Body: `{"error":{"root_cause":[{"type":"search_context_missing_exception","reason":"No search context found for id [7]"}],"type":"search_phase_execution_exception","reason":"all shards failed"},"status":404}`}
				})
				j := newJournal()
				var mu sync.Mutex
				begun := map[string]int{}
				j.at = func(r record) {
					mu.Lock()
					defer mu.Unlock()
					if r.What == wroteBegin {
						begun[r.Unit]++
					}
				}
				result, _, err := task.Run(t.Context(), j)
				if err != nil || result.Read != 60 || result.Created+result.Conflicts != 60 {
					t.Errorf("%+v %v", result, err)
				}
				again := 0
				for _, n := range begun {
					again += n - 1
				}
				if len(begun) < 4 || again != 1 {
					t.Errorf("begun %v, want one of several twice", begun)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
