package migration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// What a former run copied is no stranger's, and a plan says what becomes of
// it. What lies in another destination is.
func TestCopiedBefore(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-before", 1)
		w.fresh(t, "mig-other", 1)
		put(t, w.admin, "mig-before", 1, ids(0, 20)...)
		put(t, w.target, "mig-other", 1, ids(0, 20)...)
		task := copying("mig-before", "mig-before").task(t, w.clusters())
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			dest, existing, script, codes, note string
		}{
			{"mig-before", "", "", "", "mig-before holds 20 documents already: only what is missing, or older than on the source, is copied"},
			{"mig-before", "", "ctx._source.x = 1", "", "a script changes them"},
			{"mig-before", "overwrite", "", "", "are overwritten"},
			{"mig-before", "keep", "", "", "they stay as they are"},
			{"mig-other", "", "", "error dest_not_empty dest.index", ""},
		} {
			b := copying("mig-before", c.dest)
			if c.script != "" {
				b = with(b, "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal(c.script)}))
			}
			task := b.task(t, w.clusters())
			task.existing = orRefuse(c.existing)
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true, Done: sum})
			codes, _ := findings(e)
			if err != nil || codes != c.codes || !strings.Contains(strings.Join(e.Notes, "\n"), c.note) {
				t.Errorf("%+v: %q %q %v", c, codes, e.Notes, err)
			}
		}
	})
}

// A closed index cannot be read and must not be left out in silence.
func TestClosedSource(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		for _, n := range []string{"mig-closed", "mig-closed-1", "mig-closed-2"} {
			w.fresh(t, n, 1)
		}
		put(t, w.admin, "mig-closed-1", 1, ids(0, 5)...)
		must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-closed-*", "alias": "mig-opened"}}}})
		must(t, w.admin, "POST", "/mig-closed-2/_close", nil)
		for index, has := range map[string]string{"mig-closed-2": "mig-closed-2 is closed", "mig-opened": "mig-closed-2 is closed",
			"mig-closed-*": `with source { index = "mig-closed-*,-mig-closed-2" }`} {
			task := copying(index, "mig-closed").task(t, w.clusters())
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			codes, details := findings(e)
			if err != nil || codes != "error source_closed source.index" || !strings.Contains(details, has) {
				t.Errorf("%s: %q %v\n%s", index, codes, err, details)
			}
			if _, _, err := task.Run(t.Context(), newJournal()); err == nil {
				t.Errorf("%s: copied", index)
			}
		}
		task := copying("mig-closed-*,-mig-closed-2", "mig-closed").task(t, w.clusters())
		e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
		if codes, _ := findings(e); err != nil || codes != "" || e.Documents != 5 {
			t.Errorf("%q %+v %v", codes, e, err)
		}
		if r, _, err := task.Run(t.Context(), newJournal()); err != nil || r.Created != 5 {
			t.Errorf("%+v %v", r, err)
		}
	})
}

// What was never kept cannot be copied: the plan says so.
func TestSourceWithoutContents(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		for _, c := range []struct {
			source      object
			codes, text string
		}{
			{object{"enabled": false}, "error source_disabled source.index", "mig-unkept was made with _source disabled, so its documents cannot be read back"},
			{object{"excludes": []string{"secret*"}}, "warning source_filtered source.index", "mig-unkept has _source includes or excludes"},
			{object{"includes": []string{"n"}}, "warning source_filtered source.index", "mig-unkept has _source includes or excludes"},
			{object{"enabled": true}, "", ""},
		} {
			w.fresh(t, "mig-unkept", 1)
			drop(t, w.admin, "mig-unkept")
			must(t, w.admin, "PUT", "/mig-unkept", object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}, "mappings": object{"_source": c.source}})
			e, err := copying("mig-unkept", "mig-unkept").task(t, w.clusters()).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			codes, details := findings(e)
			if err != nil || codes != c.codes || !strings.Contains(details, c.text) {
				t.Errorf("%v: %q %v\n%s", c.source, codes, err, details)
			}
		}
	})
}

// A name that is not there is answered with those that look like it: of
// indices, aliases and data streams, the nearest first.
func TestNamesLikeTheMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{})
		for _, name := range []string{"orders-2025", "orders-2026", "invoices", ".order-2026"} {
			w.source.Must("PUT", "/"+name, object{})
		}
		w.source.Must("POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "invoices", "alias": "order-2026x"}}}})
		w.source.Must("PUT", "/_index_template/logs", object{"index_patterns": []string{"logs-*"}, "data_stream": object{}})
		w.source.Must("PUT", "/_data_stream/logs-shop", nil)
		for index, want := range map[string]string{
			"order-2026":          `There is no index, alias or data stream "order-2026" on source. Did you mean "order-2026x" or "orders-2026" or "orders-2025"?`,
			"orders":              `Did you mean "orders-2025" or "orders-2026"?`,
			"log-shop":            `Did you mean "logs-shop"?`,
			"nothing-of-the-kind": `There is no index, alias or data stream "nothing-of-the-kind" on source.`,
		} {
			e, err := copying(index, "a").task(t, w.clusters()).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			codes, details := findings(e)
			if err != nil || codes != "error source_missing source.index" || !strings.HasSuffix(details, want) {
				t.Errorf("%s: %q %v\n%s", index, codes, err, details)
			}
		}
	})
}

// A migration of nothing is no success without a word.
func TestNothingMatches(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-none", 1)
		w.fresh(t, "mig-empty", 1)
		put(t, w.admin, "mig-none", 1, ids(0, 20)...)
		must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-none", "alias": "mig-nobody",
			"filter": object{"term": object{"n": 7}}}}}})
		for _, c := range []struct {
			index, field, codes string
			has                 []string
		}{
			{"mig-none", "n", "warning nothing_matches source.query", []string{"0 of 20 documents in source/mig-none match"}},
			{"mig-none", "of.keywrod", "warning nothing_matches source.query", []string{"no field of.keywrod. Did you mean of.keyword?"}},
			{"mig-none", "_id", "warning nothing_matches source.query", nil},
			{"mig-nobody", "", "warning nothing_matches source.index", []string{"0 of 20", "The alias has a filter"}},
			{"mig-empty", "n", "", nil},
		} {
			b := copying(c.index, "mig-empty")
			if c.field != "" {
				b = with(b, "source", "query", cty.ObjectVal(map[string]cty.Value{"bool": cty.ObjectVal(map[string]cty.Value{"filter": cty.TupleVal([]cty.Value{
					cty.ObjectVal(map[string]cty.Value{"term": cty.ObjectVal(map[string]cty.Value{c.field: cty.StringVal("8")})})})})}))
			}
			e, err := b.task(t, w.clusters()).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			codes, details := findings(e)
			if err != nil || codes != c.codes {
				t.Errorf("%+v: %q %v", c, codes, err)
			}
			for _, s := range c.has {
				if !strings.Contains(details, s) {
					t.Errorf("%q is missing in %s", s, details)
				}
			}
			if c.field != "of.keywrod" && strings.Contains(details, "no field") {
				t.Errorf("%s: %s", c.field, details)
			}
		}
	})
}

func TestQueriedFields(t *testing.T) {
	for query, want := range map[string]string{
		`{"range":{"@timestamp":{"gte":"x"}}}`:                                                       "[@timestamp]",
		`{"bool":{"must_not":[{"exists":{"field":"a"}}],"filter":{"terms":{"b":[1],"boost":1}}}}`:    "[a b]",
		`{"nested":{"path":"o","query":{"match":{"o.x":"1"}}}}`:                                      "[o.x]",
		`{"geo_distance":{"distance":"1km","at":{"lat":1,"lon":1}}}`:                                 "[at]",
		`{"ids":{"values":["a"]}}`:                                                                   "[]",
		`{"constant_score":{"filter":{"terms":{"user":{"index":"u","id":"2","path":"followers"}}}}}`: "[user]",
	} {
		v, err := providers.Decode(providers.JSON(query))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		queried(v, &got)
		slices.Sort(got)
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

// Documents that no search sees yet are not copied; nobody may believe they
// were.
func TestUnrefreshedSource(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		for _, reader := range []string{"may not ask for _stats", "may"} {
			w.fresh(t, "mig-unseen", 1)
			if reader == "may" {
				w.source = w.admin
			}
			must(t, w.admin, "PUT", "/mig-unseen/_settings", object{"index": object{"refresh_interval": "-1"}})
			put(t, w.admin, "mig-unseen", 1, ids(0, 20)...)
			must(t, w.admin, "PUT", "/mig-unseen/_doc/late", object{"n": 1})
			must(t, w.admin, "PUT", "/mig-unseen/_doc/later", object{"n": 1})
			task := copying("mig-unseen", "mig-unseen").task(t, w.clusters())
			has := "up to 2 documents (or deletions) since its last refresh are not visible"
			if w.name != "fake" && reader != "may" {
				has = "what was written since its last refresh is not visible"
			}
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if codes, details := findings(e); err != nil || codes != "warning source_unrefreshed source.index" || !strings.Contains(details, has) {
				t.Errorf("%q %v\n%s", codes, err, details)
			}
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			for _, verify := range []string{"count", "sample", "full"} {
				task.verify = verify
				v, err := task.Verify(t.Context(), newJournal(), sum)
				if err != nil || v.Source != 20 || v.Newer != 0 || !strings.Contains(strings.Join(v.Notes, "\n"), has) {
					t.Errorf("%s: %+v %v", verify, v, err)
				}
			}
			must(t, w.admin, "POST", "/mig-unseen/_refresh", nil)
			put(t, w.admin, "mig-unseen", 2, ids(0, 1)...) // and one is changed since
			for _, verify := range []string{"count", "sample", "full"} {
				task.verify = verify
				v, err := task.Verify(t.Context(), newJournal(), sum)
				if err != nil || v.Source != 19 || v.Newer != 3 || v.Missing != 0 || v.Destination != 20 {
					t.Errorf("%s: %+v %v", verify, v, err)
				}
				if text := strings.Join(v.Notes, "\n"); strings.Contains(text, "deleted") || strings.Contains(text, "more than") {
					t.Errorf("%s: %s", verify, text)
				}
			}
			if reader == "may" { // all is visible
				e, err = task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true, Done: sum})
				if codes, _ := findings(e); err != nil || codes != "" {
					t.Errorf("%q %v", codes, err)
				}
			}
		}
	})
}

// Totals can agree although a document is missing.
func TestOnlyTotals(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-totals", 1)
		put(t, w.admin, "mig-totals", 1, ids(0, 20)...)
		task := copying("mig-totals", "mig-totals").task(t, w.clusters())
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		must(t, w.target, "DELETE", "/mig-totals/_doc/d%2003%2F%C3%BC", nil)
		put(t, w.target, "mig-totals", 1, "somebody else's")
		for verify, missing := range map[string]int64{"count": 0, "sample": 1, "full": 1} {
			task.verify = verify
			v, _ := task.Verify(t.Context(), newJournal(), sum)
			says := strings.Contains(strings.Join(v.Notes, "\n"), "only totals were compared")
			if v.Missing != missing || says != (verify == "count") {
				t.Errorf("%s: %+v", verify, v)
			}
		}
	})
}

// A pipeline that is not there is found before thousands of documents are
// refused for it.
func TestNamedPipeline(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-pipeline", 1)
		put(t, w.admin, "mig-pipeline", 1, ids(0, 5)...)
		task := with(copying("mig-pipeline", "mig-pipeline"), "dest", "pipeline", cty.StringVal("mig-nope")).task(t, w.clusters())
		for _, c := range []struct {
			declared []string
			codes    string
		}{{nil, ""}, {[]string{}, "error pipeline_missing dest.pipeline"}, {[]string{"mig-nope"}, ""}} {
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true, Pipelines: c.declared})
			if codes, _ := findings(e); err != nil || codes != c.codes {
				t.Errorf("%v: %q %v", c.declared, codes, err)
			}
		}
		for _, method := range []string{"reindex", "stream"} {
			task.method = method
			_, _, err := task.Run(t.Context(), newJournal())
			f, _ := err.(*providers.Finding)
			if code(err) != "documents_refused" || f.Arg != "dest.pipeline" || !strings.Contains(f.Detail, "dest.pipeline names mig-nope") || strings.Contains(f.Detail, "final_pipeline") {
				t.Errorf("%s: %#v", method, err)
			}
		}
		must(t, w.target, "PUT", "/_ingest/pipeline/mig-nope", object{"processors": []any{}})
		t.Cleanup(func() { drop(t, w.target, "_ingest/pipeline/mig-nope") })
		e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true, Pipelines: []string{}})
		if codes, _ := findings(e); err != nil || strings.Contains(codes, "pipeline") {
			t.Errorf("%q %v", codes, err)
		}
	})
}

// The advice about a mapping that does not fit is followed to its end.
func TestMappingAdvice(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		begin := func() (*task, *memJournal) {
			w.fresh(t, "mig-advice", 1)
			put(t, w.admin, "mig-advice", 1, ids(0, 20)...)
			put(t, w.admin, "mig-advice", 40112, ids(3, 5)...)
			drop(t, w.target, "mig-advice")
			must(t, w.target, "PUT", "/mig-advice", object{"mappings": object{"properties": object{"n": object{"type": "short"}}}})
			task, j := fineTask(t, w, copying("mig-advice", "mig-advice")), newJournal()
			_, _, err := task.Run(t.Context(), j)
			for _, s := range []string{"delete the half-filled mig-advice", "DELETE /mig-advice on target", "esmig apply -restart 'migration.test'", "ignore_malformed = true"} {
				if code(err) != "documents_refused" || !strings.Contains(err.Error(), s) {
					t.Errorf("%q is missing in %v", s, err)
				}
			}
			return task, j
		}
		for _, way := range []string{"restart", "the index is gone", "in place"} {
			task, j := begin()
			switch way {
			case "in place":
				must(t, w.target, "PUT", "/mig-advice/_mapping", object{"properties": object{"n": object{"type": "short", "ignore_malformed": true}}})
			default:
				drop(t, w.target, "mig-advice")
				must(t, w.target, "PUT", "/mig-advice", object{"mappings": object{"properties": object{"n": object{"type": "integer"}}}})
				if way == "restart" {
					j = newJournal()
				}
			}
			_, sum, err := task.Run(t.Context(), j)
			if err != nil {
				t.Fatalf("%s: %v", way, err)
			}
			if diff := cmp.Diff(contents(t, w.admin, "mig-advice"), contents(t, w.target, "mig-advice")); diff != "" {
				t.Errorf("%s: %s", way, diff)
			}
			if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 20 {
				t.Errorf("%s: %+v %v", way, v, err)
			}
			for _, n := range j.notes {
				if strings.Contains(n, "still run") {
					t.Errorf("%s: %s", way, n)
				}
			}
		}
		// Where others have documents there, nothing is to be deleted.
		task := copying("a", "b").task(t, w.clusters())
		task.existing = "keep"
		if s := advice(task, "failed to parse field [n] of type [short]"); strings.Contains(s, "delete") {
			t.Error(s)
		}
	})
}

// Tasks that have ended do not run any more.
func TestEndedTasksAreNotFollowed(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-ended", 1)
		put(t, w.admin, "mig-ended", 1, ids(0, 20)...)
		task, j := copying("mig-ended", "mig-ended").task(t, w.clusters()), newJournal()
		j.left = 3 // cut, begin, task
		if _, _, err := task.Run(t.Context(), j); code(err) != errStopped.Error() {
			t.Fatal(err)
		}
		j.left = -1
		if _, _, err := task.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(j.notes, "\n"); !strings.Contains(text, "1 task has ended well meanwhile") {
			t.Error(text)
		}
	})
}

// A key that may only read gets each privilege named that a copy needs.
func TestReadOnlyDestination(t *testing.T) {
	var net providertest.Network
	source := providertest.NewFake(providertest.Options{Name: "source"})
	target := providertest.NewFake(providertest.Options{Name: "target", Whitelist: []string{"127.0.0.1:*"}, Network: &net,
		APIKeys: []providertest.APIKey{{Encoded: elasticsearch.EncodedAPIKey("id:key"), ReadOnly: true}}})
	net.Join("127.0.0.1:9202", source)
	net.Join("127.0.0.1:9201", target)
	source.Put("mig-a", "1", `{"n":1}`, "")
	target.Must("PUT", "/_index_template/mig", object{"index_patterns": []string{"mig-*"}})
	connect := func(c providers.ClusterConfig) providers.Cluster {
		out, err := elasticsearch.Connect(c, net.Transport())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	clusters := map[string]providers.Cluster{"source": connect(providers.ClusterConfig{Name: "source", Endpoint: "http://127.0.0.1:9202"}),
		"target": connect(providers.ClusterConfig{Name: "target", Endpoint: "http://127.0.0.1:9201", APIKey: "id:key"})}
	e, err := copying("mig-a", "mig-a").task(t, clusters).Estimate(t.Context(), providers.Prospect{})
	codes, details := findings(e)
	if err != nil || codes != "error dest_privileges dest.cluster" || !strings.Contains(details, "need the index privilege write and the index privilege create_index for mig-a") {
		t.Errorf("%q %v\n%s", codes, err, details)
	}
	for _, s := range target.Requests() {
		if strings.HasPrefix(s.Path, "/_reindex") && s.Method == http.MethodPost {
			t.Error("it was asked to copy")
		}
	}
}

func TestNumberOutOfRange(t *testing.T) {
	for _, c := range []struct {
		where, name string
		v           cty.Value
		want        string
	}{
		{"", "requests_per_second", cty.NumberIntVal(0), "requests_per_second is 0; it must be a number from 0.001 to 1,000,000,000."},
		{"", "concurrency", cty.NumberFloatVal(1.5), "concurrency is 1.5; it must be a whole number from 1 to 1,000."},
		{"source", "size", cty.NumberIntVal(1_000_000), "size is 1000000; it must be a whole number from 1 to 100,000."},
	} {
		_, err := newTask(with(copying("a", "b"), c.where, c.name, c.v).instance(nil))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// Large documents begin with small batches: to be refused for their size costs
// a minute each time.
func TestSizeOfLargeDocuments(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		if w.name != "fake" {
			t.Skip("a matter of numbers")
		}
		w.fresh(t, "mig-large", 1)
		text := strings.Repeat("x", 300<<10)
		var b strings.Builder
		for _, id := range ids(0, 160) {
			fmt.Fprintf(&b, "{\"index\":{\"_id\":%q}}\n{\"text\":%q}\n", id, text)
		}
		must(t, w.admin, "POST", "/mig-large/_bulk?refresh=true", b.String())
		task := copying("mig-large", "mig-large").task(t, w.clusters())
		indices, err := task.plan(t.Context())
		if err != nil || indices[0].Size < 15 || indices[0].Size > 18 {
			t.Errorf("%+v %v", indices[0], err)
		}
		if n := len(indices[0].Ranges); n < 8 { // few documents, but 48 MB of them
			t.Errorf("%d ranges", n)
		}
	})
}

// A bulk request that is more than a node ever takes is halved at once.
func TestStreamOverLimit(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		if w.name != "fake" {
			t.Skip("a real one has no such small limit")
		}
		w.fresh(t, "mig-limit", 1)
		put(t, w.admin, "mig-limit", 1, ids(0, 20)...)
		refused := 0
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if strings.HasSuffix(r.Path, "/_bulk") && len(r.Body) > 600 {
				refused++
				return nil, &elasticsearch.Error{Status: http.StatusTooManyRequests, Type: "es_rejected_execution_exception",
					Reason: fmt.Sprintf("rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, coordinating_operation_bytes=%d, max_coordinating_bytes=600]", len(r.Body))}
			}
			return pass()
		}}
		task := copying("mig-limit", "mig-limit").task(t, w.clusters())
		task.method = "stream"
		begin := time.Now()
		r, _, err := task.Run(t.Context(), newJournal())
		if err != nil || r.Created != 20 || refused == 0 || time.Since(begin) > firstPause {
			t.Errorf("%+v %v, refused %d times, %v", r, err, refused, time.Since(begin))
		}
	})
}
