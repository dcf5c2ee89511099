package migration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// world is a pair of clusters to copy between, with a connection to the source
// that may write.
type world struct {
	name                  string
	source, target, admin providers.Cluster
}

func (w world) clusters() map[string]providers.Cluster {
	return map[string]providers.Cluster{"source": w.source, "target": w.target}
}

// pair is a world of two fakes on one network.
type pair struct {
	world
	net            *providertest.Network
	source, target *providertest.Fake
}

// newPair makes one, whose target may read from the source; o says what the target is besides.
func newPair(t testing.TB, o providertest.Options) pair {
	t.Helper()
	f := pair{net: &providertest.Network{}, source: providertest.NewFake(providertest.Options{Name: "source", ScriptedMetric: o.ScriptedMetric})}
	o.Name, o.Whitelist, o.Network, o.ReindexBatchesPerPoll = "target", []string{"127.0.0.1:*"}, f.net, max(1, o.ReindexBatchesPerPoll)
	f.target = providertest.NewFake(o)
	f.net.Join("127.0.0.1:9202", f.source)
	f.net.Join("127.0.0.1:9201", f.target)
	f.world = world{"fake", f.to(t, "source", "http://127.0.0.1:9202"), f.to(t, "target", "http://127.0.0.1:9201"), f.to(t, "source", "http://127.0.0.1:9202")}
	return f
}

// to is a connection under a cluster's name.
func (f pair) to(t testing.TB, name, endpoint string) providers.Cluster {
	t.Helper()
	c, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: endpoint}, f.net.Transport())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inWorlds runs a test in each world that is there.
func inWorlds(t *testing.T, f func(t *testing.T, w world)) {
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f(t, newPair(t, providertest.Options{}).world)
		})
	})
	for _, to := range []string{"target", "serverless"} {
		t.Run("real "+to, func(t *testing.T) {
			f(t, world{to, connect(t, labConfig(t, "source")), connect(t, labConfig(t, to)), admin(t, "source")})
		})
	}
}

// contents are the documents of an index as "version routing source" by id.
// A document that is there twice has both.
func contents(t testing.TB, c providers.Cluster, index string) map[string]string {
	t.Helper()
	must(t, c, "POST", "/"+index+"/_refresh", nil)
	a, err := search(t.Context(), c, index, -1, object{"size": 10_000, "version": true})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, h := range a.Hits.Hits {
		v, err := providers.Decode(h.Source)
		if err != nil {
			t.Fatal(err)
		}
		out[h.ID] += fmt.Sprint(h.Version, " ", h.Routing, " ", string(providers.Encode(v)))
	}
	return out
}

// put writes documents {"n": value} under the given ids.
func put(t testing.TB, c providers.Cluster, index string, value int, ids ...string) {
	t.Helper()
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "{\"index\":{\"_id\":%q}}\n{\"n\":%d,\"of\":%q}\n", id, value, id)
	}
	must(t, c, "POST", "/"+index+"/_bulk?refresh=true", b.String())
}

func ids(from, to int) (out []string) {
	for i := range to - from {
		out = append(out, fmt.Sprintf("d %02d/ü", from+i))
	}
	return out
}

// fresh makes an empty index of one shard on both sides.
func (w world) fresh(t testing.TB, name string, shards int) {
	t.Helper()
	for _, c := range []providers.Cluster{w.admin, w.target} {
		drop(t, c, name)
		t.Cleanup(func() { drop(t, c, name) })
	}
	must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": shards, "number_of_replicas": 0}})
	must(t, w.target, "PUT", "/"+name, sized(t, w.target, 1))
}

// sized is the body of an index with so many shards, where they can be chosen.
func sized(t testing.TB, c providers.Cluster, shards int) object {
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Flavor == providers.Serverless {
		return object{}
	}
	return object{"settings": object{"number_of_shards": shards, "number_of_replicas": 0}}
}

// fine cuts even the smallest index into ranges.
func fineTask(t testing.TB, w world, b block) *task {
	k := b.task(t, w.clusters())
	k.small, k.big = 1, 10
	return k
}

// stopAndGoOn stops a copy of 40 documents at its n-th record, goes on from
// there, and wants exactly the source's documents, with at most the ranges that
// were under way copied again. True: it ended before that.
func stopAndGoOn(t *testing.T, task *task, dest providers.Cluster, index string, n int, torn bool, want map[string]string) bool {
	t.Helper()
	task.concurrency = 3 // of 8 ranges
	j := newJournal()
	j.left, j.torn = n, torn
	_, _, err := task.Run(t.Context(), j)
	if err == nil {
		if n < 10 {
			t.Errorf("done after %d records: that is no copy in ranges", n)
		}
		return true
	}
	if !errors.Is(err, errStopped) {
		t.Fatalf("stopped at record %d: %v", n, err)
	}
	again := newJournal()
	again.records = j.records
	result, sum, err := task.Run(t.Context(), again)
	if err != nil {
		t.Fatalf("after a stop at record %d: %v", n, err)
	}
	if again, anew := repeated(t, again.records); again > task.concurrency || anew > 0 {
		t.Errorf("after a stop at record %d %d ranges were begun again, want at most %d, and %d that had ended", n, again, task.concurrency, anew)
	}
	if got := result.Created + result.Updated + result.Noops + result.Conflicts + result.Failed; got != result.Read || result.Read < 40 {
		t.Errorf("the account is not closed after a stop at record %d: %+v", n, result)
	}
	if diff := cmp.Diff(want, contents(t, dest, index)); diff != "" {
		t.Errorf("contents after a stop at record %d (-source +destination):\n%s", n, diff)
	}
	if v, err := task.Verify(t.Context(), again, sum); err != nil || v.Identical != 40 {
		t.Errorf("verification after a stop at record %d: %+v, %v", n, v, err)
	}
	return false
}

// repeated counts, in a journal, how often a range was begun again, and how
// often one of these that had ended.
func repeated(t testing.TB, records []providers.JSON) (again, anew int) {
	t.Helper()
	ended := map[string]bool{} // of the ranges that were begun
	for _, raw := range records {
		var r record
		if err := decode(raw, &r); err != nil {
			t.Fatal(err)
		}
		switch had, begun := ended[r.Unit]; r.What {
		case wroteBegin:
			if begun {
				again++
			}
			if had {
				anew++
			}
			ended[r.Unit] = false
		case wroteEnd:
			ended[r.Unit] = true
		}
	}
	return again, anew
}

// A process that is killed at any record goes on at the next start, and no
// document is missing, older or there twice.
func TestStoppedAtEachRecord(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-crash"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 40)...)
		put(t, w.admin, name, 2, ids(10, 15)...)
		want := contents(t, w.admin, name)
		for _, torn := range []bool{false, true} {
			for n := 0; ; n++ {
				drop(t, w.target, name)
				must(t, w.target, "PUT", "/"+name, sized(t, w.target, 1))
				task := fineTask(t, w, copying(name, name))
				if stopAndGoOn(t, task, w.target, name, n, torn, want) {
					break
				}
			}
		}
	})
}

// An update moves a document above the bounds of the start before its range is
// read: the tail pass brings it.
func TestSourceIsWrittenTo(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-live"
				w.fresh(t, name, shards)
				put(t, w.admin, name, 1, ids(0, 60)...)
				task := fineTask(t, w, copying(name, name))
				task.concurrency = 1
				j, once := newJournal(), true
				j.at = func(r record) {
					if r.What == wroteEnd && once {
						once = false
						put(t, w.admin, name, 2, ids(50, 60)...) // moved before their range is read
						put(t, w.admin, name, 2, ids(0, 3)...)   // after
						put(t, w.admin, name, 1, "new")
					}
				}
				result, sum, err := task.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Errorf("contents (-source +destination):\n%s", diff)
				}
				if o, err := task.Observe(t.Context(), sum); err != nil || o.NewerOnSource != 0 {
					t.Errorf("observed %+v, %v", o, err)
				}
				put(t, w.admin, name, 3, "d 05/ü", "newer")
				o, err := task.Observe(t.Context(), sum)
				if err != nil || o.NewerOnSource != 2 {
					t.Errorf("observed %+v, %v; want 2 newer", o, err)
				}
				v, err := task.Verify(t.Context(), j, sum)
				if err != nil || v.Newer != 2 || v.Missing+v.Different != 0 {
					t.Errorf("newer documents are no difference: %+v, %v", v, err)
				}
				t.Log(result)
			})
		})
	}
}

// Whoever writes to the source all the while, inserting documents and updating
// some of each range, keeps no document of the start from being copied, whatever
// the ranges are of. (Without the tail pass some are missing.)
func TestSourceIsWrittenToAllTheWhile(t *testing.T) {
	for _, c := range []struct {
		shards int
		field  string
		b      block
	}{
		{1, "", copying("mig-busy", "mig-busy")},
		{3, "", copying("mig-busy", "mig-busy")},
		{3, "", streaming("mig-busy", "mig-busy")},
		{3, "n", copying("mig-busy", "mig-busy")},
		{1, "n", streaming("mig-busy", "mig-busy")},
	} {
		by := "_seq_no"
		if c.field != "" {
			by, c.b = c.field, cutBy(c.b, c.field)
		}
		task := func(w world) *task { return fineTask(t, w, full(c.b)) }
		t.Run(fmt.Sprintf("%s %d by %s", task(world{}).method, c.shards, by), func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-busy"
				w.fresh(t, name, c.shards)
				for i, id := range ids(0, 60) {
					put(t, w.admin, name, i, id)
				}
				task := task(w)
				task.concurrency = 2
				j, round := newJournal(), 0
				var mu sync.Mutex
				j.at = func(r record) {
					mu.Lock()
					defer mu.Unlock()
					// Each time the next of every six; with its other value it
					// belongs to a range that may be done or not.
					docs := []string{fmt.Sprint("new ", round), fmt.Sprintf(`{"n":%d}`, round*7%60)}
					for i := range 10 {
						n := (round + 6*i + 5) % 60
						docs = append(docs, ids(n, n+1)[0], fmt.Sprintf(`{"n":%d}`, (n+30*(1+round/6))%60))
					}
					lines(t, w.admin, name, docs...)
					round++
				}
				if _, _, err := task.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if round < 12 {
					t.Errorf("written to %d times only", round)
				}
				there := contents(t, w.target, name)
				for _, id := range ids(0, 60) {
					if there[id] == "" {
						t.Errorf("%s is missing", id)
					}
				}
			})
		})
	}
}

// A copy of a shard that lags behind does not hide a document that another one
// showed outside its range.
func TestLaggingReplica(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-lagging"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				var mu sync.Mutex
				var top providers.JSON
				lags := false
				w.source = &faulty{Cluster: w.source, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					if !strings.Contains(string(r.Body), `"max":{"field":"_seq_no"}`) {
						return pass()
					}
					mu.Lock()
					defer mu.Unlock()
					if lags {
						return top, nil
					}
					raw, err := pass()
					top = raw
					return raw, err
				}}
				task := fineTask(t, w, with(copying(name, name), "", "method", cty.StringVal(method)))
				task.concurrency = 1
				j := newJournal()
				j.at = func(r record) {
					mu.Lock()
					defer mu.Unlock()
					if r.What == wroteBegin && !lags {
						lags = true
						put(t, w.admin, name, 2, ids(38, 39)...)
					}
				}
				_, sum, err := task.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
				if v, err := task.Verify(t.Context(), j, sum); err != nil {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

// Checkpoints do not go back, and documents that were deleted meanwhile are
// told of.
func TestDeletedMeanwhile(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-deleted"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 40)...)
		task := fineTask(t, w, copying(name, name))
		task.concurrency = 1
		j, once := newJournal(), true
		j.at = func(r record) {
			if r.What == wroteBegin && once {
				once = false
				must(t, w.admin, "DELETE", "/"+name+"/_doc/"+url.PathEscape(ids(39, 40)[0])+"?refresh=true", nil)
			}
		}
		_, sum, err := task.Run(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := readDone(sum); err != nil || d.Indices[0].Checkpoints[0] != 39 || d.Documents != 39 {
			t.Errorf("%+v %v", d, err)
		}
		if notes := strings.Join(j.notes, "\n"); !strings.Contains(notes, "1 document of source/mig-deleted left the ranges while these were copied, and the tail pass brought 0") {
			t.Error(notes)
		}
	})
}

// What arrives in a range after it was read is no document that the destination
// lost: the tail pass reads, explains its conflicts, and looks once more.
func TestArrivedMeanwhile(t *testing.T) {
	for _, field := range []string{"", "n"} {
		t.Run(field, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-late"
				w.fresh(t, name, 2)
				for i, id := range ids(0, 40) {
					put(t, w.admin, name, i, id)
				}
				late := 0
				target := w.target
				w.target = &faulty{Cluster: target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					if strings.HasSuffix(r.Path, "/_refresh") { // before it looks at conflicts
						late++
						put(t, w.admin, name, 39, fmt.Sprint("late ", late))
					}
					return pass()
				}}
				b := full(copying(name, name))
				if field != "" {
					b = cutBy(b, field)
				}
				task := fineTask(t, w, b)
				j, once := newJournal(), true
				j.at = func(r record) {
					if r.What == wroteEnd && once {
						once = false
						put(t, w.admin, name, 39, ids(0, 5)...)
					}
				}
				if _, _, err := task.Run(t.Context(), j); err != nil || late < 2 {
					t.Errorf("%v, %d late", err, late)
				}
				// But what the destination cannot take back is told.
				must(t, target, "DELETE", "/"+name+"/_doc/"+url.PathEscape(ids(7, 8)[0]), nil)
				if _, _, err := task.Run(t.Context(), newJournal()); code(err) != "conflicts_unexplained" || !strings.Contains(err.Error(), "1 is not there") {
					t.Error(err)
				}
			})
		})
	}
}

// What somebody else did to the destination is found, and told apart from what
// was copied before.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		existing string
		proceed  bool
		code     string
		kept     bool
	}{
		{name: "refused", code: "conflicts_unexplained"},
		{name: "proceed", proceed: true, kept: true},
		{name: "keep", existing: "keep", kept: true},
		{name: "overwrite", existing: "overwrite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-conflict"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 20)...)
				put(t, w.target, name, 7, ids(4, 5)...)
				put(t, w.target, name, 8, ids(4, 5)...) // a higher version
				task := fineTask(t, w, copying(name, name))
				task.existing = orRefuse(c.existing)
				if c.proceed {
					task.conflicts = "proceed"
				}
				_, sum, err := task.Run(t.Context(), newJournal())
				if got := code(err); got != c.code {
					t.Fatalf("got %q (%v), want %q", got, err, c.code)
				}
				if err != nil {
					if !strings.Contains(err.Error(), "d 04/ü") {
						t.Errorf("names no document: %v", err)
					}
					return
				}
				there := contents(t, w.target, name)["d 04/ü"]
				if kept := strings.Contains(there, `"n":8`); kept != c.kept {
					t.Errorf("kept is %v: %s", kept, there)
				}
				v, err := task.Verify(t.Context(), newJournal(), sum)
				if want := c.name == "proceed"; errors.Is(err, providers.ErrVerify) != want {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

func orRefuse(s string) string {
	if s == "" {
		return "refuse"
	}
	return s
}

func code(err error) string {
	var f *providers.Finding
	if errors.As(err, &f) {
		return f.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestRefusedDocuments(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-refused"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 20)...)
		put(t, w.admin, name, 40112, ids(3, 5)...)
		drop(t, w.target, name)
		must(t, w.target, "PUT", "/"+name, object{"mappings": object{"properties": object{"n": object{"type": "short"}}}})
		task := fineTask(t, w, copying(name, name))
		j := newJournal()
		result, _, err := task.Run(t.Context(), j)
		if code(err) != "documents_refused" {
			t.Fatal(err)
		}
		for _, s := range []string{"failed to parse field [n] of type [short]", "for example \"d 0", "Declare n in the mappings"} {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q is missing in: %v", s, err)
			}
		}
		t.Log(err, result)
		if result.Failed == 0 || result.Read != result.Created+result.Failed {
			t.Errorf("account %+v", result)
		}
		// Mended, the next run goes on.
		drop(t, w.target, name)
		must(t, w.target, "PUT", "/"+name, object{"mappings": object{"properties": object{"n": object{"type": "integer"}}}})
		result, _, err = task.Run(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
			t.Error(diff)
		}
		t.Log(j.notes, result)
	})
}

// Verification finds each single thing that is wrong.
func TestVerifyFinds(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-verify"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 20)...)
		task := fineTask(t, w, copying(name, name))
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		put(t, w.target, name, 41, "d 05/ü")
		v, err := task.Verify(t.Context(), newJournal(), sum)
		want := []providers.Difference{{What: "different", ID: "d 05/ü", Path: "n", From: "1", To: "41"}}
		if !errors.Is(err, providers.ErrVerify) || v.Different != 1 || v.Missing != 0 || cmp.Diff(want, v.Examples) != "" {
			t.Errorf("%+v %v", v, err)
		}
		must(t, w.target, "DELETE", "/"+name+"/_doc/"+url.PathEscape("d 05/ü"), nil)
		v, err = task.Verify(t.Context(), newJournal(), sum)
		want = []providers.Difference{{What: "missing", ID: "d 05/ü"}}
		if !errors.Is(err, providers.ErrVerify) || v.Different != 0 || v.Missing != 1 || cmp.Diff(want, v.Examples) != "" {
			t.Errorf("%+v %v", v, err)
		}
		must(t, w.target, "PUT", "/"+name+"/_doc/"+url.PathEscape("d 05/ü")+"?routing=x", object{"n": 1, "of": "d 05/ü"})
		v, err = task.Verify(t.Context(), newJournal(), sum)
		want = []providers.Difference{{What: "different", ID: "d 05/ü", Path: "_routing", From: "", To: "x"}}
		if !errors.Is(err, providers.ErrVerify) || v.Different != 1 || cmp.Diff(want, v.Examples) != "" {
			t.Errorf("%+v %v", v, err)
		}
		put(t, w.admin, name, 9, "later") // newer on the source is no difference
		put(t, w.target, name, 9, "more", "and more")
		v, _ = task.Verify(t.Context(), newJournal(), sum)
		if v.Newer != 1 || v.Different != 1 || v.Missing != 0 || v.Destination != 22 {
			t.Errorf("%+v", v)
		}
	})
}

// A pattern reads several indices into one, an alias with a filter only what
// it shows.
func TestPatternsAndAliases(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-many", 1)
		w.fresh(t, "mig-many-1", 1)
		shards := 2
		if w.name == "fake" {
			shards = 1 // it does not tell them apart
		}
		w.fresh(t, "mig-many-2", shards)
		put(t, w.admin, "mig-many-1", 1, ids(0, 20)...)
		put(t, w.admin, "mig-many-2", 2, ids(20, 40)...)
		must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-many-2", "alias": "mig-some",
			"filter": object{"terms": object{"of.keyword": ids(20, 25)}}}}}})
		task := fineTask(t, w, copying("mig-many-*", "mig-many"))
		result, sum, err := task.Run(t.Context(), newJournal())
		if err != nil || result.Created != 40 {
			t.Fatalf("%+v %v", result, err)
		}
		want := contents(t, w.admin, "mig-many-1")
		maps.Copy(want, contents(t, w.admin, "mig-many-2"))
		if diff := cmp.Diff(want, contents(t, w.target, "mig-many")); diff != "" {
			t.Error(diff)
		}
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 40 {
			t.Errorf("%+v %v", v, err)
		}
		w.fresh(t, "mig-some-to", 1)
		task = fineTask(t, w, copying("mig-some", "mig-some-to"))
		if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(maps.Keys(contents(t, w.target, "mig-some-to")))
		if diff := cmp.Diff(ids(20, 25), got); diff != "" {
			t.Error(diff)
		}
	})
}

// Of an index that is named by filtered aliases only, what any of them shows is
// copied, as a search under these names finds it; all of it where it is named
// itself, or by an alias that shows all of it.
func TestFilteredAliases(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-behind", 1)
		w.fresh(t, "mig-beside", 1)
		put(t, w.admin, "mig-behind", 1, ids(0, 20)...)
		put(t, w.admin, "mig-beside", 1, ids(20, 30)...)
		alias := func(index, name string, ids ...string) {
			o := object{"index": index, "alias": name}
			if ids != nil {
				o["filter"] = object{"terms": object{"of.keyword": ids}}
			}
			must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": o}}})
		}
		alias("mig-behind", "mig-x-a", ids(0, 5)...)
		alias("mig-behind", "mig-x-b", ids(3, 8)...)
		alias("mig-beside", "mig-x-b", ids(20, 22)...)
		alias("mig-behind", "mig-whole")
		for _, c := range []struct {
			names string
			want  []string
		}{
			{"mig-x-a", ids(0, 5)},
			{"mig-x-a,mig-x-b", append(ids(0, 8), ids(20, 22)...)},
			{"mig-x-*", append(ids(0, 8), ids(20, 22)...)},
			{"mig-x-*,-mig-x-b", ids(0, 5)}, // mig-beside is not shown
			{"mig-beside,mig-x-a", append(ids(0, 5), ids(20, 30)...)},
			{"mig-behind,mig-x-a", ids(0, 20)},
			{"mig-beh*,mig-x-a", ids(0, 20)},
			{"mig-whole,mig-x-a", ids(0, 20)},
		} {
			drop(t, w.target, "mig-x-to")
			must(t, w.target, "PUT", "/mig-x-to", sized(t, w.target, 1))
			t.Cleanup(func() { drop(t, w.target, "mig-x-to") })
			task := fineTask(t, w, full(copying(c.names, "mig-x-to")))
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(c.names, err)
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(contents(t, w.target, "mig-x-to")))); diff != "" {
				t.Errorf("%s: %s", c.names, diff)
			}
			if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil {
				t.Errorf("%s: %+v %v", c.names, v, err)
			}
		}
	})
}

// A data stream takes only creates; after a rollover in the middle nothing is
// there twice.
func TestDataStream(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		must(t, w.target, "PUT", "/_index_template/mig-stream", object{"index_patterns": []string{"mig-stream*"}, "priority": 900, "data_stream": object{}})
		for _, rollover := range []bool{false, true} {
			for n := 1; ; n++ {
				name := fmt.Sprintf("mig-from-%v-%d", rollover, n)
				stream := fmt.Sprintf("mig-stream-%s-%v-%d", w.name, rollover, n) // a stream cannot be deleted on every server
				drop(t, w.admin, name)
				must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
				var b strings.Builder
				for _, id := range ids(0, 12) {
					fmt.Fprintf(&b, "{\"index\":{\"_id\":%q}}\n{\"@timestamp\":\"2026-01-01\",\"of\":%q}\n", id, id)
				}
				must(t, w.admin, "POST", "/"+name+"/_bulk?refresh=true", b.String())
				task := fineTask(t, w, copying(name, stream))
				task.concurrency = 2
				j := newJournal()
				j.left = n
				_, sum, err := task.Run(t.Context(), j)
				if err != nil && !errors.Is(err, errStopped) {
					t.Fatal(err)
				}
				finished := err == nil
				if !finished {
					if rollover {
						_, _ = w.target.Do(t.Context(), providers.Request{Method: "POST", Path: "/" + stream + "/_rollover"})
					}
					j.left = -1
					if _, sum, err = task.Run(t.Context(), j); err != nil {
						t.Fatalf("stopped at %d: %v", n, err)
					}
				}
				j.left = -1
				a, err := search(t.Context(), w.target, stream, -1, object{"size": 100})
				if err != nil || len(a.Hits.Hits) != 12 {
					t.Errorf("stopped at %d, rollover %v: %d documents, %v", n, rollover, len(a.Hits.Hits), err)
				}
				if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 12 {
					t.Errorf("%+v %v", v, err)
				}
				drop(t, w.admin, name)
				drop(t, w.target, "_data_stream/"+stream)
				_, _ = w.target.Do(context.WithoutCancel(t.Context()), providers.Request{Method: "POST", Path: "/" + stream + "/_delete_by_query",
					Body: []byte(`{"query":{"match_all":{}}}`)})
				if finished {
					break
				}
			}
		}
	})
}

// The tail pass begins below where the ranges end: what they have brought is not
// brought again after a rollover. One that is there twice all the same is told,
// and not taken for one that was deleted on the source.
func TestDataStreamTail(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name, pattern = "mig-tail-from", "mig-tail*"
		stream := "mig-tail-" + w.name
		must(t, w.target, "PUT", "/_index_template/mig-tail", object{"index_patterns": []string{pattern}, "priority": 901, "data_stream": object{}})
		for _, b := range []block{full(copying(name, stream)), full(streaming(name, stream))} {
			drop(t, w.admin, name)
			drop(t, w.target, "_data_stream/"+stream)
			t.Cleanup(func() {
				drop(t, w.admin, name)
				drop(t, w.target, "_data_stream/"+stream, "_index_template/mig-tail")
			})
			must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
			timed := func(c providers.Cluster, index string, ids ...string) {
				var b strings.Builder
				for _, id := range ids {
					fmt.Fprintf(&b, "{\"create\":{\"_id\":%q}}\n{\"@timestamp\":\"2026-01-01\",\"of\":%q}\n", id, id)
				}
				must(t, c, "POST", "/"+index+"/_bulk?refresh=true", b.String())
			}
			timed(w.admin, name, ids(0, 12)...)
			task := fineTask(t, w, b)
			j, wrote := newJournal(), false
			j.at = func(r record) {
				if r.What == wroteEnd && !wrote {
					wrote = true
					timed(w.admin, name, ids(12, 14)...)
				}
				if r.What == wroteTail {
					must(t, w.target, "POST", "/"+stream+"/_rollover", nil)
				}
			}
			_, sum, err := task.Run(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			if a, err := search(t.Context(), w.target, stream, -1, object{"size": 100}); err != nil || len(a.Hits.Hits) != 14 {
				t.Errorf("%s: %d documents, %v", task.method, len(a.Hits.Hits), err)
			}
			if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 14 {
				t.Errorf("%s: %+v %v", task.method, v, err)
			}
			timed(w.target, stream, "d 03/ü") // into the new backing index
			d, err := readDone(sum)
			if err != nil {
				t.Fatal(err)
			}
			d.Result.Created++ // as if the copy had done it
			v, err := task.Verify(t.Context(), newJournal(), providers.Encode(d))
			if !errors.Is(err, providers.ErrVerify) || v.Extra != 1 || v.Deleted != 0 || !strings.Contains(strings.Join(v.Notes, "\n"), "1 document is on the destination twice") {
				t.Errorf("%s, twice: %+v %v", task.method, v, err)
			}
		}
	})
}

// Within one cluster the copy is local; onto itself it is refused, also where
// only an alias says so.
func TestSameCluster(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		w.fresh(t, "mig-here", 1)
		w.fresh(t, "mig-there", 1)
		put(t, w.target, "mig-here", 1, ids(0, 20)...)
		must(t, w.target, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-here", "alias": "mig-alias"}}}})
		w.source = w.target
		task := fineTask(t, w, copying("mig-here", "mig-there"))
		e, err := task.Estimate(t.Context(), providers.Prospect{})
		if err != nil || len(e.Findings) > 0 || !strings.Contains(e.Why, "same cluster") {
			t.Errorf("%+v %v", e, err)
		}
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, w.target, "mig-here"), contents(t, w.target, "mig-there")); diff != "" {
			t.Error(diff)
		}
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 20 {
			t.Errorf("%+v %v", v, err)
		}
		e, err = copying("mig-here", "mig-alias").task(t, w.clusters()).Estimate(t.Context(), providers.Prospect{})
		if err != nil || len(e.Findings) != 1 || e.Findings[0].Code != "same_index" {
			t.Errorf("%v %v", e.Findings, err)
		}
	})
}

// A pattern that finds the destination, too, is refused: when it is there already,
// when the copy or the same files make it, and where only what is behind it fits.
func TestSameClusterPattern(t *testing.T) {
	const pattern, all = "mig-same-*", "mig-same-all"
	for _, c := range []struct {
		name, from, to string
		before, after  string // the plan: it is made under that name
		plan, run      string
		says           string
	}{
		{name: "not there", from: pattern, to: all, plan: "same_index", run: "same_index", says: "does not find it"},
		{name: "there", from: pattern, to: all, before: all, plan: "same_index", run: "same_index", says: `"mig-same-*,-mig-same-all"`},
		{name: "behind an alias", from: pattern, to: "mig-into", before: "mig-same-3", plan: "same_index", run: "same_index", says: `"mig-same-*,-mig-same-3"`},
		{name: "behind an alias, later", from: pattern, to: "mig-into", after: "mig-same-3", run: "same_index", says: `"mig-same-*,-mig-same-3"`},
		{name: "left out", from: pattern + ",-" + all, to: all, before: all},
		{name: "elsewhere", from: pattern, to: "mig-sum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				w.source = w.target
				gone := func() { drop(t, w.target, "mig-same-1", "mig-same-2", "mig-same-3", all, "mig-sum") }
				gone()
				t.Cleanup(gone)
				makes := func(name string) {
					if name == "" {
						return
					}
					must(t, w.target, "PUT", "/"+name, sized(t, w.target, 1))
					if name != c.to {
						must(t, w.target, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": name, "alias": c.to}}}})
					}
				}
				put(t, w.target, "mig-same-1", 1, ids(0, 20)...)
				put(t, w.target, "mig-same-2", 1, ids(20, 25)...)
				makes(c.before)
				task := fineTask(t, w, copying(c.from, c.to))
				check := func(when, code, want string, f *providers.Finding) {
					if code != want || want != "" && (f.Arg != "dest.index" || !strings.Contains(f.Detail, c.says)) {
						t.Errorf("%s: %q, want %q: %+v", when, code, want, f)
					}
				}
				e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
				if err != nil || len(e.Findings) > 1 {
					t.Fatal(e.Findings, err)
				}
				var f *providers.Finding
				if len(e.Findings) > 0 {
					f = e.Findings[0]
					check("plan", f.Code, c.plan, f)
				} else {
					check("plan", "", c.plan, f)
				}
				makes(c.after)
				_, sum, err := task.Run(t.Context(), newJournal())
				f = nil
				if err != nil && !errors.As(err, &f) {
					t.Fatal(err)
				}
				if check("run", code(err), c.run, f); err != nil {
					return
				}
				if o, err := task.Observe(t.Context(), sum); err != nil || o.NewerOnSource != 0 {
					t.Errorf("observed %+v, %v", o, err)
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 25 || v.Newer != 0 {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

// What changes contents on purpose is verified by ids and counts.
func TestAltered(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-altered"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 20)...)
		task := fineTask(t, w, with(copying(name, name), "source", "_source", cty.StringVal("n")))
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		for id, s := range contents(t, w.target, name) {
			if !strings.HasSuffix(s, `{"n":1}`) {
				t.Errorf("%s: %s", id, s)
			}
		}
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if err != nil || v.Identical != 0 || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "contents were not compared") {
			t.Errorf("%+v %v", v, err)
		}
		must(t, w.target, "DELETE", "/"+name+"/_doc/"+url.PathEscape("d 05/ü"), nil)
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || len(v.Examples) != 1 {
			t.Errorf("%+v %v", v, err)
		}
	})
}

// A script hides no loss: neither one that names a field like an id, nor one
// that changes ids.
func TestScriptHidesNoLoss(t *testing.T) {
	for _, script := range []string{"ctx._source.remove('user_id')", "ctx._id = 'x' + ctx._id"} {
		for _, verify := range []string{"count", "sample", "full"} {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-script-loss"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 20)...)
				_, sum, err := fineTask(t, w, copying(name, name)).Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				b := with(copying(name, name), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal(script)}))
				task := fineTask(t, w, with(b, "", "verify", cty.StringVal(verify)))
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil {
					t.Errorf("%s: %+v %v", script, v, err)
				}
				for _, id := range ids(0, 5) {
					remove(t, w.target, name, id, "")
				}
				v, err := task.Verify(t.Context(), newJournal(), sum)
				if !errors.Is(err, providers.ErrVerify) || v.Missing != 5 {
					t.Errorf("%s, %s: %+v %v", script, verify, v, err)
				}
			})
		}
	}
}

// A final pipeline cannot be bypassed: a plan says so.
func TestFinalPipeline(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-final"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 5)...)
		must(t, w.target, "PUT", "/"+name+"/_settings", object{"index.final_pipeline": "mig-absent", "index.default_pipeline": "mig-absent"})
		task := copying(name, name).task(t, w.clusters())
		for _, c := range []struct {
			p    providers.Prospect
			want string
		}{
			{providers.Prospect{}, "final_pipeline_missing"},
			{providers.Prospect{Withheld: []providers.PipelineSetting{{Setting: "index.final_pipeline", Pipeline: "mig-absent"}}}, ""},
		} {
			e, err := task.Estimate(t.Context(), c.p)
			var got []string
			for _, f := range e.Findings {
				got = append(got, f.Code)
			}
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("%v %v, want %s", got, err, c.want)
			}
		}
		_, _, err := task.Run(t.Context(), newJournal())
		if code(err) != "documents_refused" || !strings.Contains(err.Error(), "final_pipeline") {
			t.Errorf("%v", err)
		}
		must(t, w.target, "PUT", "/"+name+"/_settings", object{"index.final_pipeline": "_none"})
		if _, _, err := task.Run(t.Context(), newJournal()); err != nil { // default_pipeline is bypassed
			t.Error(err)
		}
	})
}
