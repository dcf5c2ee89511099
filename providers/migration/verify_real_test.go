package migration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/esmig/esmig/providers"
)

// flatDocument is about 250 bytes.
func flatDocument(n, distance int) string {
	return fmt.Sprintf(`{"year":2013,"month":%d,"day":%d,"dep_time":%d,"dep_delay":%d.0,"arr_delay":%d.5,"carrier":"UA","flight":%d,`+
		`"tailnum":"N%05d","origin":"EWR","dest":"IAH","air_time":227.0,"distance":%d,"ratio":1e-3,"time_hour":"2013-01-%02dT05:00:00Z"}`,
		n%12+1, n%28+1, n%2400, n%90-20, n%77-9, n%9000, n%99991, distance, n%28+1)
}

// flat writes records as people have them.
func flat(t testing.TB, c providers.Cluster, index, kind string, from, to int) {
	t.Helper()
	for from < to {
		var b strings.Builder
		for end := min(from+10_000, to); from < end; from++ {
			fmt.Fprintf(&b, "{\"index\":{\"_id\":\"f-%d\"%s}}\n%s\n", from, kind, flatDocument(from, from%5000))
		}
		if a := must(t, c, "POST", "/"+index+"/_bulk", b.String()); !strings.Contains(string(a[:min(len(a), 60)]), `"errors":false`) {
			t.Fatalf("%.1000s", a)
		}
	}
	must(t, c, "POST", "/"+index+"/_refresh", nil)
}

// An equal copy has no difference; one digit, one document missing, one there
// twice are each found and repaired, whatever servers the sides are on.
func TestRealFull(t *testing.T) {
	for _, way := range []struct {
		from, to  string
		shards, n int
	}{{"source", "target", 1, 20_000}, {"source", "target", 3, 20_000}, {"es6", "target", 2, 3000}, {"opensearch", "target", 1, 3000}, {"source", "opensearch", 2, 3000}, {"source", "serverless", 2, 20_000}} {
		t.Run(fmt.Sprintf("%s to %s, %d shards", way.from, way.to, way.shards), func(t *testing.T) {
			needLab(t, way.from, way.to)
			from, to := connect(t, labConfig(t, way.from)), admin(t, way.to)
			owner := admin(t, way.from)
			const index = "dig-full"
			drop(t, owner, index)
			drop(t, to, index)
			t.Cleanup(func() { drop(t, owner, index); drop(t, to, index) })
			must(t, owner, "PUT", "/"+index, object{"settings": object{"number_of_shards": way.shards, "number_of_replicas": 0}})
			flat(t, owner, index, map[bool]string{true: `,"_type":"_doc"`}[way.from == "es6"], 0, way.n)
			task := copying(index, index).task(t, map[string]providers.Cluster{"source": from, "target": to})
			task.small, task.big = 1000, 2500
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			all := int64(way.n)
			j := newJournal()
			v, err := task.Verify(t.Context(), j, sum)
			if err != nil || v.Identical != all || v.Compared != all || len(j.notes) > 0 {
				t.Fatalf("an equal copy: %+v, %v, %s", v, err, j.notes)
			}
			for _, c := range []struct {
				spoil func()
				want  string
				fixed providers.Repaired
			}{
				{func() { write(t, to, index, "f-2745", sameVersion, flatDocument(2745, 2746)) }, "different f-2745 distance 2745 2746", providers.Repaired{Updated: 1}},
				{func() { remove(t, to, index, "f-2000", "") }, "missing f-2000   ", providers.Repaired{Created: 1}},
				{func() { write(t, to, index, "f-2745 again", "", flatDocument(2745, 2745)) }, "extra f-2745 again   ", providers.Repaired{Deleted: 1}},
			} {
				c.spoil()
				v, err := task.Verify(t.Context(), newJournal(), sum)
				var got []string
				for _, e := range v.Examples {
					got = append(got, strings.Join([]string{e.What, e.ID, e.Path, e.From, e.To}, " "))
				}
				if !errors.Is(err, providers.ErrVerify) || strings.Join(got, ", ") != c.want || v.Missing+v.Different+v.Extra != 1 {
					t.Errorf("%+v, %v, want %s", v, err, c.want)
				}
				if fixed, v, err := task.Repair(t.Context(), newJournal(), sum, true); err != nil || fixed != c.fixed || v.Identical != all {
					t.Errorf("repaired %+v, %+v, %v", fixed, v, err)
				}
			}
		})
	}
}

// A verification of many documents finds the one that is not the same, whether
// the cluster adds the digests up or gives that of each hit. A million of them
// with ESMIG_TEST_MILLION=1, else fewer.
func TestRealMillion(t *testing.T) {
	needLab(t, "source", "target")
	n := 60_000
	if os.Getenv("ESMIG_TEST_MILLION") == "1" {
		n = 1_000_000
	}
	from, to := connect(t, labConfig(t, "source")), admin(t, "target")
	owner := admin(t, "source")
	const index = "dig-million"
	drop(t, owner, index)
	drop(t, to, index)
	t.Cleanup(func() { drop(t, owner, index); drop(t, to, index) })
	must(t, owner, "PUT", "/"+index, object{"settings": object{"number_of_shards": 2, "number_of_replicas": 0}})
	must(t, to, "PUT", "/"+index, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
	flat(t, owner, index, "", 0, n)
	task := copying(index, index).task(t, map[string]providers.Cluster{"source": from, "target": to})
	_, sum, err := task.Run(t.Context(), newJournal())
	if err != nil {
		t.Fatal(err)
	}
	some := n/2 + 17
	id := fmt.Sprintf("f-%d", some)
	right, wrong := flatDocument(some, some%5000), flatDocument(some, some%5000+1)
	for _, c := range []struct {
		name        string
		spoil, mend func()
		want        string
	}{
		{"nothing", func() {}, func() {}, ""},
		{"one digit", func() { write(t, to, index, id, "", wrong) }, func() { write(t, to, index, id, "", right) },
			fmt.Sprintf("different %s distance %d %d", id, some%5000, some%5000+1)},
		{"one missing", func() { remove(t, to, index, id, "") }, func() { write(t, to, index, id, "", right) }, "missing " + id + "   "},
		{"one twice under another id", func() { write(t, to, index, id+" again", "", right) }, func() { remove(t, to, index, id+" again", "") }, "extra " + id + " again   "},
	} {
		c.spoil()
		for way, fetched := range map[string]int64{"added up in the cluster": 0, "digests of hits": mostFetched} {
			task.fetched = fetched
			j, begin := newJournal(), time.Now()
			v, err := task.Verify(t.Context(), j, sum)
			took := time.Since(begin)
			var got []string
			for _, e := range v.Examples {
				got = append(got, strings.Join([]string{e.What, e.ID, e.Path, e.From, e.To}, " "))
			}
			if errors.Is(err, providers.ErrVerify) != (c.want != "") || err != nil && c.want == "" || strings.Join(got, ", ") != c.want || v.Compared != int64(n) || len(j.notes) > 0 {
				t.Errorf("%s, %s: %+v, %v, %s, want %q", c.name, way, v, err, j.notes, c.want)
			}
			t.Logf("%d documents, %s, %s: %.1f s, %.0f documents/s", n, c.name, way, took.Seconds(), float64(n)/took.Seconds())
		}
		c.mend()
	}
}

// All ways see the same of a document: vectors, which a hit leaves out unless
// they are asked for, and text that is too long for one loop.
func TestRealDigestsOfWhatIsSpecial(t *testing.T) {
	needLab(t, "source")
	const index = "dig-special"
	c, write := connect(t, labConfig(t, "source")), admin(t, "source")
	drop(t, write, index)
	t.Cleanup(func() { drop(t, write, index) })
	must(t, write, "PUT", "/"+index, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0},
		"mappings": object{"properties": object{"v": object{"type": "dense_vector", "dims": 2}, "t": object{"type": "text", "index": false}}}})
	long := strings.Repeat("0123456789abcdefghij", 900_000) // a loop of painless ends after 16 million units
	for id, doc := range map[string]object{"a": {"v": []float64{1, 2.5}}, "b": {"v": []float64{1, 3.5}}, "long": {"t": long}} {
		must(t, write, "PUT", "/"+index+"/_doc/"+id+"?refresh=true", doc)
	}
	_, list, err := inside(t.Context(), c, index, -1, all(), digestParams{Contents: true, List: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{}
	for _, d := range list {
		want[d.id] = d.digest
	}
	if d, err := digestDoc("long", "", providers.Encode(object{"t": long})); err != nil || want["long"] != d {
		t.Errorf("a long text: %x, %v, want %x", want["long"], err, d)
	}
	for _, runtime := range []bool{false, true} {
		s := &side{task: &task{src: c, srcName: "source", index: index}, contents: true, note: func(s string) { t.Error(s) }, memory: newMemory(sizes{limit: pageLimit, inFlight: mostInFlight})}
		s.scripts.Store(true)
		s.runtime.Store(runtime)
		page, _, err := s.page(t.Context(), &sourceIndex{Size: 10}, index, -1, object{"query": all()}, 0, 0)
		if err != nil || s.runtime.Load() != runtime || len(page.docs) != 3 {
			t.Fatalf("runtime field %v: %d documents, %v", runtime, len(page.docs), err)
		}
		seen := map[uint64]bool{}
		for _, d := range page.docs {
			contents, err := digestOf(t, c, index, d.id)
			if d.digest != want[d.id] || err != nil || d.digest != contents {
				t.Errorf("runtime field %v, %s: %x, %v, want %x", runtime, d.id, d.digest, err, want[d.id])
			}
			seen[d.digest] = true
		}
		if len(seen) != 3 {
			t.Errorf("runtime field %v: two documents have the same digest", runtime)
		}
	}
}

// digestOf reads a document with its vectors.
func digestOf(t testing.TB, c providers.Cluster, index, id string) (uint64, error) {
	t.Helper()
	a, err := search(t.Context(), c, index, -1, object{"query": object{"ids": object{"values": []string{id}}}, "_source": object{"exclude_vectors": false}})
	if err != nil || len(a.Hits.Hits) != 1 {
		return 0, fmt.Errorf("%d hits, %w", len(a.Hits.Hits), err)
	}
	return digestDoc(id, "", a.Hits.Hits[0].Source)
}
