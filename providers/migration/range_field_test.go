package migration

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// fields are what the tests cut by.
var fields = object{"@timestamp": object{"type": "date"}, "nanos": object{"type": "date_nanos"}, "n": object{"type": "long", "ignore_malformed": true},
	"share": object{"type": "float"}, "of": object{"type": "keyword"}}

var off = object{"index.disable_sequence_numbers": true}

// freshWith makes an empty index, the same on both sides.
func (w world) freshWith(t testing.TB, name string, shards int, more object) {
	t.Helper()
	for _, c := range []providers.Cluster{w.admin, w.target} {
		drop(t, c, name)
		t.Cleanup(func() { drop(t, c, name) })
		body := sized(t, c, shards)
		if settings, ok := body["settings"].(object); ok { // else these are not there, either
			maps.Copy(settings, more)
		}
		body["mappings"] = object{"properties": fields}
		must(t, c, "PUT", "/"+name, body)
	}
}

// lines writes documents, each an id and a source.
func lines(t testing.TB, c providers.Cluster, index string, docs ...string) {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(docs); i += 2 {
		fmt.Fprintf(&b, "{\"index\":{\"_id\":%q}}\n%s\n", docs[i], docs[i+1])
	}
	if a := must(t, c, "POST", "/"+index+"/_bulk?refresh=true", b.String()); strings.Contains(string(a), `"errors":true`) {
		t.Fatalf("%.1000s", a)
	}
}

// timed is the document that is written with this number. n of them lie evenly
// over the ranges of each field.
func timed(n int) string {
	return fmt.Sprintf(`{"@timestamp":"2026-01-%02dT%02d:00:00.123Z","nanos":"2026-01-%02dT%02d:00:00.123456789Z","n":%d,"share":1.%03d5,"of":"x%d"}`,
		n/24+1, n%24, n/24+1, n%24, n*n, n, n)
}

func timedDocs(from, to int) (docs []string) {
	for n := range to - from {
		docs = append(docs, fmt.Sprintf("d %d/ü", from+n), timed(from+n))
	}
	return docs
}

func cutBy(b block, field string) block {
	return with(b, "source", "range_field", cty.StringVal(field))
}

func full(b block) block { return with(b, "", "verify", cty.StringVal("full")) }

// By what an index is cut, why, and that nothing is lost by it, by either
// method.
func TestRangeField(t *testing.T) {
	const name = "rng-by"
	logsdb := object{"index.mode": "logsdb"}
	for _, c := range []struct {
		name     string
		settings object
		field    string   // that is named
		docs     []string // besides those with all fields
		by, note string
		finding  string
		onlyFake bool
		onlyReal bool
	}{
		{name: "off", settings: off, by: "@timestamp", note: "ranges by @timestamp, because sequence numbers are off (index.disable_sequence_numbers)"},
		{name: "off, field lacking", settings: off, by: "@timestamp", docs: []string{"none", `{"n":1}`, "null", `{"@timestamp":null}`, "empty", `{"@timestamp":[]}`}},
		{name: "off, named number", settings: off, field: "n", by: "n", note: "ranges by n, because source.range_field says so"},
		{name: "off, values ignored", settings: off, field: "n", by: "n", docs: []string{"bad", `{"n":"many"}`, "bad too", `{"n":["few",3]}`}},
		{name: "off, named nanoseconds", settings: off, field: "nanos", by: "nanos",
			docs: []string{"a", `{"nanos":"2026-01-01T05:00:00.123456788Z"}`, "b", `{"nanos":"2026-01-01T05:00:00.123456790Z"}`, "c", `{"nanos":"2026-01-01T05:00:00.123999999Z"}`}},
		{name: "off, named decimal", settings: off, field: "share", by: "share", docs: []string{"far", `{"share":-12345.5}`, "far too", `{"share":99999.5}`}},
		{name: "off, a few values", settings: off, by: "@timestamp", docs: []string{"twice", `{"@timestamp":["2026-01-01T00:00:00.001Z","2026-01-01T00:00:00.002Z"]}`}},
		{name: "off, in two ranges", settings: off, docs: []string{"twice", `{"@timestamp":["2026-01-01","2026-02-01"]}`},
			note: "one range, because sequence numbers are off (index.disable_sequence_numbers), and documents have more than one @timestamp (source.range_field can name another date or number)"},
		{name: "off, named and in two ranges", settings: off, field: "n", docs: []string{"twice", `{"n":[-1,10000]}`}, by: "@timestamp", finding: "range_field"},
		{name: "off, no such field", settings: off, field: "nope", by: "@timestamp", finding: "range_field"},
		{name: "named and not needed", field: "n", by: "n", note: "ranges by n, because source.range_field says so"},
		{name: "named, no number", field: "of", by: "_seq_no", finding: "range_field"},
		{name: "usual", by: "_seq_no"},
		{name: "not indexed", settings: object{"index.seq_no.index_options": "DOC_VALUES_ONLY"}, by: "@timestamp", onlyFake: true,
			note: "ranges by @timestamp, because sequence numbers are not indexed (index.seq_no.index_options)"},
		{name: "logsdb", settings: logsdb, by: "@timestamp", onlyReal: true, note: "ranges by @timestamp, because sequence numbers are not indexed (index.seq_no.index_options)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				if c.onlyFake && w.name != "fake" || c.onlyReal && w.name != "target" {
					t.Skip("not there")
				}
				docs := append(timedDocs(0, 64), c.docs...)
				n := int64(len(docs) / 2)
				for _, b := range []block{full(copying(name, name)), full(streaming(name, name))} {
					w.freshWith(t, name, 2, c.settings)
					lines(t, w.admin, name, docs...)
					if c.field != "" {
						b = cutBy(b, c.field)
					}
					task := fineTask(t, w, b)
					e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
					if err != nil || e.RangeBy != c.by || (e.Ranges < 6) != (c.by == "") {
						t.Errorf("%d ranges by %q, %v", e.Ranges, e.RangeBy, err)
					}
					if c.note != "" && !slices.Contains(e.Notes, name+": "+c.note) {
						t.Errorf("notes %q", e.Notes)
					}
					var found []string
					for _, f := range e.Findings {
						found = append(found, f.Code)
					}
					if got := strings.Join(found, " "); got != c.finding {
						t.Errorf("findings %v", e.Findings)
					}
					result, sum, err := task.Run(t.Context(), newJournal())
					if err != nil || result.Created != n || result.Read != n {
						t.Fatalf("%+v, %v", result, err)
					}
					if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
						t.Errorf("contents (-source +destination):\n%s", diff)
					}
					j := newJournal()
					if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != n || v.Method != "full" || len(v.Notes) > 0 {
						t.Errorf("%+v, %v %q", v, err, j.notes)
					}
				}
			})
		})
	}
}

// Each of the ranges holds what its query finds, and all of them together each
// document once.
func TestFieldRangesCount(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "rng-count"
		for _, field := range []string{"@timestamp", "nanos", "n", "share"} {
			w.freshWith(t, name, 2, off)
			lines(t, w.admin, name, append(timedDocs(0, 64), "none", `{}`, "far", `{"n":1e12,"share":1e12,"nanos":"2200-01-01","@timestamp":"1901-01-01"}`)...)
			task := fineTask(t, w, cutBy(copying(name, name), field))
			indices, err := task.plan(t.Context())
			if err != nil || len(indices) != 1 || len(indices[0].Ranges) < 8 {
				t.Fatalf("%+v, %v", indices, err)
			}
			var all int64
			for _, s := range indices[0].Ranges {
				n, err := count(t.Context(), w.source, name, -1, s.query())
				if err != nil || n != s.Documents || n == 0 || n > 20 {
					t.Errorf("%s: %+v: %d, %v", field, s, n, err)
				}
				all += n
			}
			if all != 66 {
				t.Errorf("%s: %d documents", field, all)
			}
		}
	})
}

// A copy in ranges of a field is stopped at each record, and goes on.
func TestFieldRangesStopped(t *testing.T) {
	for method, b := range map[string]block{"reindex": copying("rng-stop", "rng-stop"), "stream": streaming("rng-stop", "rng-stop")} {
		t.Run(method, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "rng-stop"
				w.freshWith(t, name, 1, off)
				lines(t, w.admin, name, append(timedDocs(0, 39), "none", `{}`)...)
				lines(t, w.admin, name, timedDocs(10, 15)...)
				want := contents(t, w.admin, name)
				for n := 0; ; n++ {
					drop(t, w.target, name)
					must(t, w.target, "PUT", "/"+name, object{"settings": object{"number_of_replicas": 0}, "mappings": object{"properties": fields}})
					if stopAndGoOn(t, fineTask(t, w.world, full(b)), w.target, name, n, false, want) {
						break
					}
				}
			})
		})
	}
}

// moving changes, while the first range is copied, documents of the others so
// that they belong to that one.
func moving(t *testing.T, w world, name string) *memJournal {
	j, once := newJournal(), true
	j.at = func(r record) {
		if r.What == wroteEnd && once {
			once = false
			lines(t, w.admin, name, "d 60/ü", timed(0), "d 61/ü", timed(1), "d 2/ü", timed(62))
		}
	}
	return j
}

// Without sequence numbers nothing brings what moved between the ranges while
// they were copied: verification finds it, and repair copies it. With them the
// tail pass does, whatever the ranges are of.
func TestFieldRangesWrittenTo(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "rng-moved"
		w.freshWith(t, name, 2, off)
		lines(t, w.admin, name, timedDocs(0, 64)...)
		allowed := w
		allowed.source = w.admin // may ask for _stats
		task := fineTask(t, allowed, full(copying(name, name)))
		task.concurrency = 1
		j := moving(t, w, name)
		_, sum, err := task.Run(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(j.notes, func(s string) bool {
			return strings.Contains(s, "rng-moved was written to while it was copied (3 operations)")
		}) {
			t.Errorf("notes %q", j.notes)
		}
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Missing != 2 || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "cannot be told from lost ones") {
			t.Errorf("%+v, %v", v, err)
		}
		if got, v, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil || got.Created != 2 || v.Identical != 64 {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		if diff := cmp.Diff(unversioned(contents(t, w.admin, name)), unversioned(contents(t, w.target, name))); diff != "" {
			t.Errorf("contents (-source +destination):\n%s", diff)
		}

		w.freshWith(t, name, 2, nil)
		lines(t, w.admin, name, timedDocs(0, 64)...)
		task = fineTask(t, w, cutBy(full(copying(name, name)), "@timestamp"))
		task.concurrency = 1
		j = moving(t, w, name)
		if _, sum, err = task.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
			t.Errorf("contents (-source +destination):\n%s", diff)
		}
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 64 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// Who may not ask for _stats is told by the counts.
func TestFieldRangesGrow(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "rng-grown"
		w.freshWith(t, name, 1, off)
		lines(t, w.admin, name, timedDocs(0, 64)...)
		w.from.Fault(func(r *http.Request) providertest.Fault {
			if strings.HasSuffix(r.URL.Path, "/_stats/docs") {
				return providertest.Fault{Status: 403, Type: "security_exception", Reason: "action [indices:monitor/stats] is unauthorized"}
			}
			return providertest.Fault{}
		})
		j := newJournal()
		j.at = func(r record) {
			if r.What == wroteCut {
				lines(t, w.admin, name, "new", "{}")
			}
		}
		if _, _, err := fineTask(t, w.world, full(copying(name, name))).Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(j.notes, func(s string) bool { return strings.Contains(s, "(64 documents then, 65 now)") }) {
			t.Errorf("notes %q", j.notes)
		}
	})
}

func unversioned(docs map[string]string) map[string]string {
	for id, s := range docs {
		_, docs[id], _ = strings.Cut(s, " ")
	}
	return docs
}

// A plan that would not notice what moved says so.
func TestNoTailPass(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "rng-loose"
		w.freshWith(t, name, 1, off)
		lines(t, w.admin, name, timedDocs(0, 64)...)
		for _, c := range []struct {
			b    block
			want string
		}{
			{full(copying(name, name)), ""},
			{with(copying(name, name), "", "verify", cty.StringVal("count")), `Only verify = "full" would find it, and here it is "count".`},
			{with(full(copying(name, name)), "source", "_source", cty.StringVal("n")), "because _source leaves fields out"},
		} {
			e, err := fineTask(t, w, c.b).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(e.Findings) == 0 {
				continue
			}
			if len(e.Findings) != 1 || e.Findings[0].Code != "no_tail_pass" || !strings.Contains(e.Findings[0].Detail, c.want) {
				t.Errorf("%v, want %q", e.Findings, c.want)
			}
		}
	})
}

// A pattern decides index by index.
func TestRangeFieldOfEachIndex(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.freshWith(t, "rng-each", 1, nil)
		w.freshWith(t, "rng-each-1", 1, off)
		w.freshWith(t, "rng-each-2", 1, nil)
		w.freshWith(t, "rng-each-3", 1, off)
		lines(t, w.admin, "rng-each-1", timedDocs(0, 40)...)
		lines(t, w.admin, "rng-each-2", timedDocs(40, 80)...)
		lines(t, w.admin, "rng-each-3", "a", `{"n":1}`, "b", `{"n":2}`)
		task := fineTask(t, w, full(copying("rng-each-*", "rng-each")))
		e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
		if err != nil || e.RangeBy != "@timestamp and _seq_no" {
			t.Errorf("%+v, %v", e, err)
		}
		want := []string{"rng-each-3: one range, because sequence numbers are off (index.disable_sequence_numbers), and no document has a @timestamp (source.range_field can name another date or number)",
			"rng-each-1: ranges by @timestamp, because sequence numbers are off (index.disable_sequence_numbers)"}
		if diff := cmp.Diff(want, e.Notes); diff != "" {
			t.Error(diff)
		}
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 82 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// An index from before 6.0 has documents that no range of _seq_no finds. The
// counts say so before anything is copied.
func TestDocumentsWithoutSeqNo(t *testing.T) {
	for _, c := range []struct {
		docs []string
		by   string
	}{{timedDocs(0, 64), "@timestamp"}, {numbered(64), ""}} {
		inFakes(t, func(t *testing.T, w fakeWorld) {
			const name = "rng-old"
			w.freshWith(t, name, 2, nil)
			lines(t, w.admin, name, c.docs...)
			w.from.ForgetSeqNo(name, c.docs[10], c.docs[90])
			task := fineTask(t, w.world, full(copying(name, name)))
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil || e.RangeBy != c.by || len(e.Notes) == 0 || !strings.Contains(e.Notes[0], "because some of its documents have no sequence number") {
				t.Errorf("%+v, %v", e, err)
			}
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
				t.Errorf("contents (-source +destination):\n%s", diff)
			}
			if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 64 {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

func numbered(n int) (docs []string) {
	for i := range n {
		docs = append(docs, fmt.Sprint("n", i), fmt.Sprintf(`{"of":"%d"}`, i))
	}
	return docs
}

// A journal of a former esmig says the same as it did, and one of this esmig
// is not misread by a former one: to it each range of a field is everything,
// so that it copies too much and not too little.
func TestRangesInJournal(t *testing.T) {
	var old span
	if err := decode([]byte(`{"from":5,"to":9,"documents":3}`), &old); err != nil || !cmp.Equal(old, span{From: 5, To: 9, Documents: 3}) {
		t.Errorf("%+v, %v", old, err)
	}
	if got := string(providers.Encode(old)); got != `{"documents":3,"from":5,"to":9}` && got != `{"from":5,"to":9,"documents":3}` {
		t.Error(got)
	}
	for _, s := range fieldRanges("@timestamp", true, []float64{1767225600000, 1767225700000.5}) {
		var former struct{ From, To int64 }
		var again span
		raw := providers.Encode(s)
		if decode(raw, &former) != nil || former.From != 0 || former.To != -1 {
			t.Errorf("%s: %+v", raw, former)
		}
		if err := decode(raw, &again); err != nil || !cmp.Equal(again, s) {
			t.Errorf("%s: %+v, %v", raw, again, err)
		}
	}
}

func TestFieldRangeQueries(t *testing.T) {
	var got []string
	for _, s := range append(fieldRanges("@timestamp", true, []float64{1767225600000, 1767225700000}), fieldRanges("n", false, []float64{0.5, math.Pow(2, 60)})...) {
		got = append(got, string(providers.Encode(s.query())))
	}
	s := span{From: 3, To: 9, By: fieldRange{Field: "n", Gte: "1"}}
	got = append(got, string(providers.Encode(s.query())))
	want := []string{
		`{"range":{"@timestamp":{"format":"epoch_millis","lt":1767225600000}}}`,
		`{"range":{"@timestamp":{"format":"epoch_millis","gte":1767225600000,"lt":1767225700000}}}`,
		`{"range":{"@timestamp":{"format":"epoch_millis","gte":1767225700000}}}`,
		`{"bool":{"must_not":[{"range":{"@timestamp":{"format":"epoch_millis","lt":1767225600000}}},{"range":{"@timestamp":{"format":"epoch_millis","gte":1767225600000}}}]}}`,
		`{"range":{"n":{"lt":0.5}}}`,
		`{"range":{"n":{"gte":0.5,"lt":1152921504606847000}}}`,
		`{"range":{"n":{"gte":1152921504606847000}}}`,
		`{"bool":{"must_not":[{"range":{"n":{"lt":0.5}}},{"range":{"n":{"gte":0.5}}}]}}`,
		`{"bool":{"filter":[{"range":{"_seq_no":{"gte":3,"lte":9}}},{"range":{"n":{"gte":1}}}]}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
