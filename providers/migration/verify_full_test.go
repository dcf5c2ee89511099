package migration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// goDigests stands for painless in the fake: what the script answers, made by
// the Go implementation. That both are the same is TestRealGoldenDigests.
func goDigests(agg providers.JSON, docs []providertest.Doc) (any, error) {
	var a struct {
		Params digestParams `json:"params"`
		Map    string       `json:"map_script"`
	}
	if err := decode(agg, &a); err != nil {
		return nil, err
	}
	if a.Map != painlessMap {
		return nil, errors.New("another script")
	}
	s, list := &sums{}, [][3]string{}
	for _, d := range docs {
		place := digestID(d.ID)
		if !a.Params.wanted(place) {
			continue
		}
		routing, source := d.Routing, providers.JSON(d.Source)
		if !a.Params.Routing {
			routing = ""
		}
		if !a.Params.Contents {
			source = nil
		}
		v, err := digestDoc(d.ID, routing, source)
		if err != nil {
			return nil, err
		}
		if a.Params.List {
			list = append(list, [3]string{d.ID, routing, fmt.Sprintf("%x", v)})
			continue
		}
		b := bucketOf(place, a.Params.Level)
		s.Sum[b], s.Count[b] = s.Sum[b]+v, s.Count[b]+1
	}
	if a.Params.List {
		return []any{list}, nil
	}
	return []any{s}, nil
}

// digestWorld is a world with a way to make digests.
type digestWorld struct {
	world
	fetched int64 // of the task
}

// fieldScripts stands for painless in the hits of a search.
type fieldScripts struct{ providers.Cluster }

func (c fieldScripts) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	var body object
	if !strings.HasSuffix(r.Path, "/_search") || decode(r.Body, &body) != nil || body["script_fields"] == nil && body["runtime_mappings"] == nil {
		return c.Cluster.Do(ctx, r)
	}
	if !strings.Contains(string(r.Body), string(providers.Encode(painlessField))) && !strings.Contains(string(r.Body), string(providers.Encode(painlessRuntime))) {
		return nil, errors.New("another script")
	}
	for _, k := range []string{"script_fields", "runtime_mappings", "fields", "_source"} {
		delete(body, k)
	}
	r.Body = providers.Encode(body)
	raw, err := c.Cluster.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	var a object
	if err := decode(raw, &a); err != nil {
		return nil, err
	}
	for _, h := range a["hits"].(object)["hits"].([]any) {
		v, err := digestSource(providers.Encode(h.(object)["_source"]))
		if err != nil {
			return nil, err
		}
		h.(object)["_source"] = object{} // as from 9.2 on
		h.(object)["fields"] = object{digestField: []int64{int64(v)}}
	}
	return providers.Encode(a), nil
}

// inDigestWorlds runs a test with the ways to make digests: added up in the
// cluster, with each hit, and in esmig, also mixed.
func inDigestWorlds(t *testing.T, f func(t *testing.T, w digestWorld)) {
	same := func(c providers.Cluster) providers.Cluster { return c }
	hits := func(c providers.Cluster) providers.Cluster { return fieldScripts{c} }
	type script = func(providers.JSON, []providertest.Doc) (any, error)
	for _, way := range []struct {
		name    string
		fetched int64
		sums    [2]script
		hits    [2]func(providers.Cluster) providers.Cluster
	}{
		{"sums", 0, [2]script{goDigests, goDigests}, [2]func(providers.Cluster) providers.Cluster{same, same}},
		{"hits", mostFetched, [2]script{goDigests, goDigests}, [2]func(providers.Cluster) providers.Cluster{hits, hits}},
		{"read", mostFetched, [2]script{}, [2]func(providers.Cluster) providers.Cluster{same, same}},
		{"sums and read", 0, [2]script{goDigests, nil}, [2]func(providers.Cluster) providers.Cluster{same, same}},
		{"hits and sums", 0, [2]script{nil, goDigests}, [2]func(providers.Cluster) providers.Cluster{hits, same}},
	} {
		t.Run("fake, "+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net providertest.Network
				source := providertest.NewFake(providertest.Options{Name: "source", ScriptedMetric: way.sums[0]})
				target := providertest.NewFake(providertest.Options{Name: "target", Whitelist: []string{"127.0.0.1:*"}, Network: &net, ScriptedMetric: way.sums[1]})
				net.Join("127.0.0.1:9202", source)
				net.Join("127.0.0.1:9201", target)
				to := func(name, at string) providers.Cluster {
					c, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: at}, net.Transport())
					if err != nil {
						t.Fatal(err)
					}
					return c
				}
				f(t, digestWorld{world{way.name, way.hits[0](to("source", "http://127.0.0.1:9202")), way.hits[1](to("target", "http://127.0.0.1:9201")),
					to("source", "http://127.0.0.1:9202")}, way.fetched})
			})
		})
	}
	for name, fetched := range map[string]int64{"hits": mostFetched, "sums": 0} {
		t.Run("real, "+name, func(t *testing.T) {
			needLab(t, "source", "target")
			f(t, digestWorld{world{"real", connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target")), admin(t, "source")}, fetched})
		})
	}
}

// copied is a finished copy of n documents, every third with a routing.
func copied(t testing.TB, w digestWorld, name string, shards, n int) (*task, providers.JSON) {
	t.Helper()
	w.fresh(t, name, shards)
	var b strings.Builder
	for i := range n {
		routing := map[bool]string{true: `,"routing":"r"`}[i%3 == 0]
		fmt.Fprintf(&b, "{\"index\":{\"_id\":%q%s}}\n{\"n\":%d,\"price\":1e3,\"tags\":[\"a\",null],\"of\":[{\"ü\":%d.5}]}\n", fmt.Sprintf("d %d/ü", i), routing, i, i)
	}
	if a := must(t, w.admin, "POST", "/"+name+"/_bulk?refresh=true", b.String()); !strings.Contains(string(a), `"errors":false`) {
		t.Fatalf("%.2000s", a)
	}
	task := digestTask(t, w, copying(name, name))
	_, sum, err := task.Run(t.Context(), newJournal())
	if err != nil {
		t.Fatal(err)
	}
	return task, sum
}

func digestTask(t testing.TB, w digestWorld, b block) *task {
	k := fineTask(t, w.world, b)
	k.fetched = w.fetched
	return k
}

// write puts one document as it is.
func write(t testing.TB, c providers.Cluster, index, id, query, source string) {
	t.Helper()
	must(t, c, "PUT", "/"+index+"/_doc/"+url.PathEscape(id)+"?refresh=true"+query, source)
}

// sameVersion makes a document different without making it newer.
const sameVersion = "&version=1&version_type=external_gte"

func remove(t testing.TB, c providers.Cluster, index, id, query string) {
	t.Helper()
	must(t, c, "DELETE", "/"+index+"/_doc/"+url.PathEscape(id)+"?refresh=true"+query, nil)
}

// Each single thing that is wrong is found and named, and repaired.
func TestFullFinds(t *testing.T) {
	const name = "dig-finds"
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, w digestWorld)
		want  providers.Difference
		fixed providers.Repaired
		left  bool // a repair without deleting leaves it
	}{
		{name: "one digit", spoil: func(t *testing.T, w digestWorld) {
			write(t, w.target, name, "d 7/ü", sameVersion, `{"n":7,"price":1000.0,"tags":["a",null],"of":[{"ü":7.6}]}`)
		}, want: providers.Difference{What: different, ID: "d 7/ü", Path: "of.0.ü", From: "7.5", To: "7.6"}, fixed: providers.Repaired{Updated: 1}},
		{name: "another type of number", spoil: func(t *testing.T, w digestWorld) {
			write(t, w.target, name, "d 7/ü", sameVersion, `{"n":7.0,"price":1000.0,"tags":["a",null],"of":[{"ü":7.5}]}`)
		}, want: providers.Difference{What: different, ID: "d 7/ü", Path: "n", From: "7", To: "7.0"}, fixed: providers.Repaired{Updated: 1}},
		{name: "nested otherwise", spoil: func(t *testing.T, w digestWorld) {
			write(t, w.target, name, "d 7/ü", sameVersion, `{"n":7,"price":1000.0,"tags":["a",null],"of":[{"ü":7.5}],"x":{}}`)
		}, want: providers.Difference{What: different, ID: "d 7/ü", Path: "x", From: "absent", To: "{}"}, fixed: providers.Repaired{Updated: 1}},
		{name: "one missing", spoil: func(t *testing.T, w digestWorld) { remove(t, w.target, name, "d 9/ü", "&routing=r") },
			want: providers.Difference{What: missing, ID: "d 9/ü"}, fixed: providers.Repaired{Created: 1}},
		{name: "one twice", spoil: func(t *testing.T, w digestWorld) {
			write(t, w.target, name, "other", "", `{"n":7,"price":1000.0,"tags":["a",null],"of":[{"ü":7.5}]}`)
		}, want: providers.Difference{What: extra, ID: "other"}, fixed: providers.Repaired{Deleted: 1}, left: true},
		{name: "one for another", spoil: func(t *testing.T, w digestWorld) { // counts are equal
			remove(t, w.target, name, "d 7/ü", "")
			write(t, w.target, name, "other", "", `{"n":7,"price":1000.0,"tags":["a",null],"of":[{"ü":7.5}]}`)
		}, want: providers.Difference{What: missing, ID: "d 7/ü"}, fixed: providers.Repaired{Created: 1, Deleted: 1}, left: true},
		{name: "another routing", spoil: func(t *testing.T, w digestWorld) {
			write(t, w.target, name, "d 7/ü", sameVersion+"&routing=r", `{"n":7,"price":1000.0,"tags":["a",null],"of":[{"ü":7.5}]}`)
		}, want: providers.Difference{What: different, ID: "d 7/ü", Path: "_routing", From: "", To: "r"}, fixed: providers.Repaired{Updated: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDigestWorlds(t, func(t *testing.T, w digestWorld) {
				task, sum := copied(t, w, name, 2, 120)
				j := newJournal()
				v, err := task.Verify(t.Context(), j, sum)
				if err != nil || v.Method != "full" || v.Compared != 120 || v.Identical != 120 || len(v.Notes) > 0 {
					t.Fatalf("an equal copy: %+v, %v", v, err)
				}
				c.spoil(t, w)
				v, err = task.Verify(t.Context(), newJournal(), sum)
				if !errors.Is(err, providers.ErrVerify) {
					t.Fatalf("not found: %+v, %v", v, err)
				}
				if len(v.Examples) == 0 || !slices.Contains(v.Examples, c.want) {
					t.Errorf("found %+v, want %+v", v.Examples, c.want)
				}
				if n := int(v.Missing + v.Different + v.Extra); n != len(v.Examples) || v.Identical != 120-v.Missing-v.Different {
					t.Errorf("%+v", v)
				}
				var repairer providers.Repairer = task
				if c.left {
					if _, v, err = repairer.Repair(t.Context(), newJournal(), sum, false); !errors.Is(err, providers.ErrVerify) || v.Extra != 1 || v.Missing != 0 {
						t.Errorf("what is too much was not to be deleted: %+v, %v", v, err)
					}
					c.fixed.Created = 0
				}
				got, v, err := repairer.Repair(t.Context(), newJournal(), sum, true)
				if err != nil || got != c.fixed || v.Identical != 120 {
					t.Errorf("repaired %+v, %+v, %v; want %+v", got, v, err, c.fixed)
				}
			})
		})
	}
}

// What was written on the source since the copy is no difference.
func TestFullSourceLivesOn(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-live"
		task, sum := copied(t, w, name, 2, 60)
		write(t, w.admin, name, "d 7/ü", "", `{"n":8}`)
		write(t, w.admin, name, "d 8/ü", "", `{"n":8}`)
		write(t, w.admin, name, "new", "", `{"n":8}`)
		remove(t, w.admin, name, "d 10/ü", "")
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if err != nil || v.Newer != 3 || v.Deleted != 1 || v.Identical != 57 || v.Extra+v.Missing+v.Different != 0 {
			t.Fatalf("%+v, %v", v, err)
		}
		// But it hides nothing.
		write(t, w.target, name, "stranger", "", `{"n":8}`)
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Extra != 2 {
			t.Errorf("%+v, %v", v, err)
		}
		remove(t, w.target, name, "stranger", "")
		remove(t, w.target, name, "d 11/ü", "")
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 {
			t.Errorf("%+v, %v", v, err)
		}
		if got, v, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil || got.Created != 1 || v.Identical != 57 {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
	})
}

// A verification that is stopped goes on, and asks for nothing twice that it
// knows; what was written to meanwhile is asked for again.
func TestFullResumes(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-resume"
		task, sum := copied(t, w, name, 1, 60)
		all := newJournal()
		if _, err := task.Verify(t.Context(), all, sum); err != nil {
			t.Fatal(err)
		}
		if len(all.records) < 12 {
			t.Fatalf("%d records: that is not cut into pieces", len(all.records))
		}
		for n := range all.records {
			j := newJournal()
			j.left, j.torn = n, n%2 == 1
			if _, err := task.Verify(t.Context(), j, sum); !errors.Is(err, errStopped) {
				t.Fatalf("stopped at record %d: %v", n, err)
			}
			j.left = -1
			had := len(j.records)
			v, err := task.Verify(t.Context(), j, sum)
			if err != nil || v.Identical != 60 {
				t.Errorf("stopped at record %d: %+v, %v", n, v, err)
			}
			if len(j.records) != len(all.records) || had < n {
				t.Errorf("stopped at record %d with %d, ended with %d, want %d", n, had, len(j.records), len(all.records))
			}
		}
		write(t, w.target, name, "d 7/ü", "", `{"n":8}`)
		v, err := task.Verify(t.Context(), all, sum)
		if !errors.Is(err, providers.ErrVerify) || v.Different != 1 {
			t.Errorf("old sums hide a change: %+v, %v", v, err)
		}
	})
}

// An index that was made anew is added up anew, also where it has the same
// documents in the same places.
func TestFullMadeAnew(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-anew"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 60)...)
		task := digestTask(t, w, copying(name, name))
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		j := newJournal()
		for _, c := range []struct{ value, different int64 }{{1, 0}, {2, 1}} {
			drop(t, w.target, name)
			must(t, w.target, "PUT", "/"+name, sized(t, w.target, 1))
			put(t, w.target, name, 1, ids(0, 59)...)
			put(t, w.target, name, int(c.value), ids(59, 60)...)
			v, err := task.Verify(t.Context(), j, sum)
			if errors.Is(err, providers.ErrVerify) != (c.different > 0) || v.Different != c.different || v.Identical != 60-c.different {
				t.Errorf("%+v, %v", v, err)
			}
		}
	})
}

// Buckets that are too large to be opened are cut finer; what is too much is
// told as such.
func TestFullNarrows(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-narrow"
		task, sum := copied(t, w, name, 1, 900)
		for i := range 12 {
			write(t, w.target, name, fmt.Sprintf("d %d/ü", 3*i+1), "", `{"n":8}`)
		}
		task.opened = 1
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Different != 12 || v.Identical != 888 {
			t.Errorf("%+v, %v", v, err)
		}
		drop(t, w.target, name)
		must(t, w.target, "PUT", "/"+name, object{})
		task.opened = 10
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Missing == 0 || v.Missing+v.Unopened < 900 || v.Identical != 0 || !strings.Contains(strings.Join(v.Notes, " "), "more differs than was looked into") {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// A query that was narrowed leaves documents on the destination: they are no
// difference, and what is wrong among the others is found all the same.
func TestFullAfterNarrowedQuery(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-narrowed"
		copied(t, w, name, 1, 900)
		below := cty.ObjectVal(map[string]cty.Value{"range": cty.ObjectVal(map[string]cty.Value{"n": cty.ObjectVal(map[string]cty.Value{"lt": cty.NumberIntVal(100)})})})
		task := digestTask(t, w, with(copying(name, name), "source", "query", below))
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		verify := func(opened int) (providers.Verification, error) {
			task.opened = opened
			return task.Verify(t.Context(), newJournal(), sum)
		}
		for opened, note := range map[int]string{10_000: "800 documents were left on the destination", 10: "were not looked for"} {
			v, err := verify(opened)
			if err != nil || v.Compared != 100 || v.Identical != 100 || v.Extra != 0 || !strings.Contains(strings.Join(v.Notes, " "), note) {
				t.Errorf("at most %d opened: %+v, %v, want %q", opened, v, err, note)
			}
		}
		remove(t, w.target, name, "d 9/ü", "&routing=r")
		write(t, w.target, name, "d 7/ü", "", `{"n":8}`)
		write(t, w.target, name, "nobody's", "", `{"n":5000}`)
		v, err := verify(10_000)
		if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || v.Different != 1 || v.Extra != 1 || v.Identical != 98 {
			t.Errorf("%+v, %v", v, err)
		}
		v, err = verify(10)
		if !errors.Is(err, providers.ErrVerify) || v.Missing+v.Different != 2 || v.Identical != 98 {
			t.Errorf("one way: %+v, %v", v, err)
		}
	})
}

// Several migrations into one destination: each finds what is wrong with its
// own documents, and when all are done, what belongs to none.
func TestFullShared(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-all"
		w.fresh(t, name, 1)
		w.fresh(t, "dig-one", 1)
		w.fresh(t, "dig-two", 2)
		put(t, w.admin, "dig-one", 1, ids(0, 20)...)
		put(t, w.admin, "dig-two", 1, ids(20, 50)...)
		one, two := digestTask(t, w, copying("dig-one", name)), digestTask(t, w, copying("dig-two", name))
		_, sumTwo, err := two.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		_, sumOne, err := one.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		one.Share([]providers.Peer{{Task: two}})
		v, err := one.Verify(t.Context(), newJournal(), sumOne)
		if err != nil || v.Identical != 20 || v.Compared != 20 || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "are not finished") {
			t.Errorf("while another runs: %+v, %v", v, err)
		}
		one.Share([]providers.Peer{{Task: two, Done: sumTwo}})
		two.Share([]providers.Peer{{Task: one, Done: sumOne}})
		v, err = one.Verify(t.Context(), newJournal(), sumOne)
		if err != nil || v.Identical != 20 || len(v.Notes) != 0 {
			t.Errorf("%+v, %v", v, err)
		}
		write(t, w.target, name, "d 05/ü", sameVersion, `{"n":41}`)
		remove(t, w.target, name, "d 25/ü", "")
		v, err = one.Verify(t.Context(), newJournal(), sumOne)
		if !errors.Is(err, providers.ErrVerify) || v.Different != 1 || v.Missing != 0 || v.Identical != 19 {
			t.Errorf("%+v, %v", v, err)
		}
		v, err = two.Verify(t.Context(), newJournal(), sumTwo)
		if !errors.Is(err, providers.ErrVerify) || v.Different != 0 || v.Missing != 1 || v.Identical != 29 {
			t.Errorf("%+v, %v", v, err)
		}
		put(t, w.target, name, 1, "stranger", "stranger 2")
		if got, v, err := one.Repair(t.Context(), newJournal(), sumOne, false); !errors.Is(err, providers.ErrVerify) || got.Updated != 1 || v.Extra != 2 || v.Different != 0 {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		for _, x := range []struct {
			task *task
			sum  providers.JSON
		}{{one, sumOne}, {two, sumTwo}} {
			if _, v, err := x.task.Repair(t.Context(), newJournal(), x.sum, true); err != nil {
				t.Errorf("%+v, %v", v, err)
			}
		}
	})
}

// What a pipeline makes of another migration's documents is no difference, and
// repair leaves it alone.
func TestFullSharedWithPipeline(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name, pipeline = "dig-piped", "dig-piped"
		for _, x := range []string{name, "dig-plain", "dig-secret"} {
			w.fresh(t, x, 1)
		}
		must(t, w.target, "PUT", "/_ingest/pipeline/"+pipeline, object{"processors": []any{object{"remove": object{"field": "of"}}}})
		t.Cleanup(func() {
			drop(t, w.target, name)
			drop(t, w.target, "_ingest/pipeline/"+pipeline)
		})
		put(t, w.admin, "dig-plain", 1, ids(0, 20)...)
		put(t, w.admin, "dig-secret", 1, ids(20, 50)...)
		one, two := digestTask(t, w, copying("dig-plain", name)), digestTask(t, w, with(copying("dig-secret", name), "dest", "pipeline", cty.StringVal(pipeline)))
		_, sumOne, err := one.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		_, sumTwo, err := two.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		one.Share([]providers.Peer{{Task: two, Done: sumTwo}})
		put(t, w.admin, "dig-secret", 2, "d 30/ü")
		want := contents(t, w.target, name)
		v, err := one.Verify(t.Context(), newJournal(), sumOne)
		if err != nil || v.Identical != 20 || !strings.Contains(strings.Join(v.Notes, "\n"), "pipeline "+pipeline+" changes them") {
			t.Errorf("%+v, %v", v, err)
		}
		if got, v, err := one.Repair(t.Context(), newJournal(), sumOne, true); err != nil || got != (providers.Repaired{}) {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		if diff := cmp.Diff(want, contents(t, w.target, name)); diff != "" {
			t.Error(diff)
		}
	})
}

// Documents that were there before are not judged.
func TestFullKeeps(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-keep"
		for _, existing := range []string{"keep", "overwrite"} {
			w.fresh(t, name, 1)
			put(t, w.admin, name, 1, ids(0, 20)...)
			put(t, w.target, name, 2, ids(15, 25)...)
			task := digestTask(t, w, with(copying(name, name), "dest", "existing", cty.StringVal(existing)))
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if err != nil || !strings.Contains(strings.Join(v.Notes, " "), "held documents before") || existing == "overwrite" && v.Identical != 20 {
				t.Errorf("%s: %+v, %v", existing, v, err)
			}
			remove(t, w.target, name, "d 03/ü", "")
			v, err = task.Verify(t.Context(), newJournal(), sum)
			if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || cmp.Diff([]providers.Difference{{What: missing, ID: "d 03/ü"}}, v.Examples) != "" {
				t.Errorf("%s: %+v, %v", existing, v, err)
			}
		}
	})
}
