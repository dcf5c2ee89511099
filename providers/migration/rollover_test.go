package migration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// A new copy into a data stream that has rolled over since brings nothing that
// an older backing index has, whoever brought that; what is there twice all the
// same is told also where only documents of the source are looked up.
func TestAgainAfterRollover(t *testing.T) {
	for _, method := range methods {
		for _, existing := range []string{"", "keep"} {
			t.Run(method+" "+existing, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					const name = "mig-again-from"
					stream := "mig-again-" + w.name
					drop(t, w.admin, name)
					must(t, w.target, "PUT", "/_index_template/mig-again", object{"index_patterns": []string{"mig-again*"}, "priority": 902, "data_stream": object{}})
					t.Cleanup(func() {
						drop(t, w.admin, name)
						drop(t, w.target, "_data_stream/"+stream, "_index_template/mig-again")
					})
					must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
					dated(t, w.admin, name, ids(0, 12)...)
					b := full(with(copying(name, stream), "", "method", cty.StringVal(method)))
					if existing == "" {
						if _, _, err := fineTask(t, w, b).Run(t.Context(), newJournal()); err != nil {
							t.Fatal(err)
						}
					} else {
						b = with(b, "dest", "existing", cty.StringVal(existing))
						dated(t, w.target, stream, ids(0, 12)...)
					}
					must(t, w.target, "POST", "/"+stream+"/_rollover", nil)
					task := fineTask(t, w, b)
					_, sum, err := task.Run(t.Context(), newJournal())
					if err != nil {
						t.Fatal(err)
					}
					if n, err := count(t.Context(), w.target, stream, -1, nil); err != nil || n != 12 {
						t.Errorf("%d documents, %v", n, err)
					}
					if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil {
						t.Errorf("%+v %v", v, err)
					}
					dated(t, w.target, stream, ids(3, 4)...) // into the new backing index
					v, err := task.Verify(t.Context(), newJournal(), sum)
					if !errors.Is(err, providers.ErrVerify) || v.Extra != 1 || !strings.Contains(strings.Join(v.Notes, "\n"), "1 document is on the destination twice") {
						t.Errorf("twice: %+v %v", v, err)
					}
				})
			})
		}
	}
}

// dated creates documents as a data stream wants them.
func dated(t testing.TB, c providers.Cluster, index string, ids ...string) {
	t.Helper()
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(`{"create":{"_id":` + string(providers.Encode(id)) + "}}\n" + `{"@timestamp":"2026-01-01","of":` + string(providers.Encode(id)) + "}\n")
	}
	must(t, c, "POST", "/"+index+"/_bulk?refresh=true", b.String())
}

// Who may not refresh a destination of several indices is told so by the plan,
// and nothing is sent: what an older index holds would be created again. In a
// single one it is refused.
func TestAgainWithoutRefresh(t *testing.T) {
	for _, method := range methods {
		for _, rolled := range []bool{false, true} {
			t.Run(fmt.Sprint(method, " ", rolled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newPair(t, providertest.Options{}).world
					const name, stream = "unseen-from", "unseen"
					must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 905, "data_stream": object{}})
					must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
					dated(t, w.admin, name, ids(0, 12)...)
					dated(t, w.target, stream, ids(0, 12)...)
					want := ""
					if rolled {
						want = "refresh_denied"
						must(t, w.target, "POST", "/"+stream+"/_rollover", nil)
					}
					target := w.target
					w.target = &faulty{Cluster: target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						switch {
						case strings.HasSuffix(r.Path, "/_refresh"):
							return nil, fmt.Errorf("403: %w", providers.ErrDenied)
						case strings.HasSuffix(r.Path, "/_has_privileges") && strings.Contains(string(r.Body), "maintenance"):
							return providers.JSON(`{"index":{"unseen":{"maintenance":false}}}`), nil
						}
						return pass()
					}}
					b := with(with(full(copying(name, stream)), "", "method", cty.StringVal(method)), "dest", "existing", cty.StringVal("keep"))
					task := fineTask(t, w, b)
					e, err := task.Estimate(t.Context(), providers.Prospect{})
					if codes, details := findings(e); err != nil || strings.Contains(codes, "error refresh_denied dest.index") != rolled || rolled && !strings.Contains(details, "Give the credentials the privilege maintenance for unseen.") {
						t.Errorf("%q %v\n%s", codes, err, details)
					}
					if _, _, err := task.Run(t.Context(), newJournal()); code(err) != want {
						t.Errorf("%v, want %q", err, want)
					}
					must(t, target, "POST", "/"+stream+"/_refresh", nil)
					if n, err := count(t.Context(), target, stream, -1, nil); err != nil || n != 12 {
						t.Errorf("%d documents, %v", n, err)
					}
				})
			})
		}
	}
}

// An alias that is rolled over is as a data stream: what the ranges have brought
// into the index before is not brought again, by the tail pass, by a range that
// begins again or by another copy; and an index that came to it is no restart.
func TestAliasRollsOver(t *testing.T) {
	for _, method := range methods {
		for _, c := range []struct {
			name  string
			at    string // the record at which it rolls over
			stop  bool   // and esmig is killed
			owned bool
			again bool // another copy after it
			old   bool // a document changes meanwhile
		}{
			{name: "tail", at: wroteTail},
			{name: "relaxed", at: wroteTail, owned: true},
			{name: "resumed", at: wroteEnd, stop: true},
			{name: "resumed, relaxed", at: wroteEnd, stop: true, owned: true},
			{name: "again", at: wroteTail, again: true},
			{name: "changed", at: wroteTail, old: true},
		} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					const name, alias = "mig-roll-from", "mig-roll"
					indices := []string{alias + "-000001", alias + "-000002"}
					drop(t, w.admin, name)
					drop(t, w.target, indices...)
					t.Cleanup(func() {
						drop(t, w.admin, name)
						drop(t, w.target, indices...)
					})
					must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
					points := func(index string, writes bool) {
						must(t, w.target, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": index, "alias": alias, "is_write_index": writes}}}})
					}
					must(t, w.target, "PUT", "/"+indices[0], sized(t, w.target, 1))
					points(indices[0], true)
					put(t, w.admin, name, 1, ids(0, 12)...)
					b := full(with(copying(name, alias), "", "method", cty.StringVal(method)))
					task := fineTask(t, w, b)
					task.concurrency = 1
					if c.owned {
						task.Own()
					}
					j, rolled, ended := newJournal(), false, 0
					j.at = func(r record) {
						if r.What == wroteEnd {
							if ended++; ended == 1 && !c.stop {
								put(t, w.admin, name, 1, ids(12, 14)...)
								if c.old {
									put(t, w.admin, name, 2, ids(0, 1)...)
								}
							}
						}
						if r.What != c.at || rolled || c.stop && ended < 2 {
							return
						}
						rolled = true
						must(t, w.target, "PUT", "/"+indices[1], sized(t, w.target, 1))
						points(indices[0], false)
						points(indices[1], true)
						if c.stop {
							j.mu.Lock()
							j.left = 0
							j.mu.Unlock()
						}
					}
					want := 14
					_, sum, err := task.Run(t.Context(), j)
					if c.stop {
						want = 12
						if !errors.Is(err, errStopped) {
							t.Fatal(err)
						}
						j.left = -1
						_, sum, err = task.Run(t.Context(), j)
					}
					if err == nil && c.again {
						_, sum, err = fineTask(t, w, b).Run(t.Context(), newJournal())
					}
					if err != nil || !rolled {
						t.Fatal(err, rolled)
					}
					notes := strings.Join(j.notes, "\n")
					if strings.Contains(notes, "restarted") || c.old != strings.Contains(notes, `1 document of mig-roll-from, for example "d 00/ü", is in an older index behind target/mig-roll`) {
						t.Error(notes)
					}
					must(t, w.target, "POST", "/"+alias+"/_refresh", nil)
					if n, err := count(t.Context(), w.target, alias, -1, nil); err != nil || n != int64(want) {
						t.Errorf("%d documents, want %d, %v", n, want, err)
					}
					v, err := task.Verify(t.Context(), newJournal(), sum)
					if !c.old {
						if err != nil || v.Identical != int64(want) {
							t.Errorf("%+v %v", v, err)
						}
						return
					}
					if !errors.Is(err, providers.ErrVerify) || v.Different != 1 {
						t.Errorf("changed: %+v %v", v, err)
					}
					if _, v, err = task.Repair(t.Context(), newJournal(), sum, false); err != nil || v.Identical != 14 {
						t.Errorf("repaired: %+v %v", v, err)
					}
				})
			})
		}
	}
}

// rolling makes the first two indices of an alias: what it writes goes to the
// first one until next is called.
func rolling(t *testing.T, c providers.Cluster, alias string) (next func()) {
	t.Helper()
	indices := []string{alias + "-000001", alias + "-000002"}
	drop(t, c, indices...)
	t.Cleanup(func() { drop(t, c, indices...) })
	points := func(index string, writes bool) {
		must(t, c, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": index, "alias": alias, "is_write_index": writes}}}})
	}
	must(t, c, "PUT", "/"+indices[0], sized(t, c, 1))
	points(indices[0], true)
	return func() {
		must(t, c, "PUT", "/"+indices[1], sized(t, c, 1))
		points(indices[0], false)
		points(indices[1], true)
	}
}

// What replaces a document behind an alias is written to the index in which that
// lies, also where the alias rolls over after it was looked at: no document is
// there twice.
func TestReplacedAfterRollover(t *testing.T) {
	for _, method := range methods {
		for _, c := range []struct {
			name, existing string
			again          bool // a second attempt replaces what the first one brought
		}{{"older", "refuse", false}, {"all", "overwrite", false}, {"again", "overwrite", true}} {
			if c.again && method == "reindex" {
				continue // its task is followed to its end
			}
			t.Run(method+" "+c.name, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					const name, alias = "mig-replaced-from", "mig-replaced"
					drop(t, w.admin, name)
					t.Cleanup(func() { drop(t, w.admin, name) })
					must(t, w.admin, "PUT", "/"+name, object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0}})
					next := rolling(t, w.target, alias)
					if !c.again {
						put(t, w.target, alias, 1, ids(0, 12)...)
					}
					put(t, w.admin, name, 1, ids(0, 12)...)
					put(t, w.admin, name, 2, ids(0, 14)...)
					b := with(with(full(copying(name, alias)), "", "method", cty.StringVal(method)), "dest", "existing", cty.StringVal(c.existing))
					task := b.task(t, w.clusters()) // one range
					j, rolled, stopped := newJournal(), false, !c.again
					j.at = func(r record) {
						switch {
						case r.What == wroteEnd && !stopped:
							stopped = true
							j.mu.Lock()
							j.left = 0
							j.mu.Unlock()
						case r.What == wroteBegin && stopped && !rolled:
							rolled = true
							next()
						}
					}
					_, sum, err := task.Run(t.Context(), j)
					if c.again {
						if !errors.Is(err, errStopped) {
							t.Fatal(err)
						}
						j.left = -1
						_, sum, err = task.Run(t.Context(), j)
					}
					if err != nil || !rolled {
						t.Fatal(err, rolled)
					}
					if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, alias)); diff != "" && !c.again { // which raises versions
						t.Errorf("contents (-source +destination):\n%s", diff)
					}
					if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 14 || v.Destination != 14 {
						t.Errorf("%+v %v", v, err)
					}
				})
			})
		}
	}
}

// Who may write to an alias only, and not to its indices, is warned by the plan,
// and replaces nothing.
func TestReplacedByAliasOnly(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{}).world
				const name, alias = "named-from", "named"
				_ = rolling(t, w.target, alias)
				put(t, w.target, alias, 1, ids(0, 12)...)
				put(t, w.admin, name, 2, ids(0, 12)...)
				before := contents(t, w.target, alias)
				target := w.target
				w.target = &faulty{Cluster: target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					if strings.HasSuffix(r.Path, "/_has_privileges") && strings.Contains(string(r.Body), "named-000001") {
						return providers.JSON(`{"index":{"named-000001":{"write":false}}}`), nil
					}
					return pass()
				}}
				task := fineTask(t, w, with(with(full(copying(name, alias)), "", "method", cty.StringVal(method)), "dest", "existing", cty.StringVal("overwrite")))
				e, err := task.Estimate(t.Context(), providers.Prospect{})
				if codes, details := findings(e); err != nil || !strings.Contains(codes, "warning write_index_denied dest.cluster") || !strings.Contains(details, "need the index privilege write for named-000001") {
					t.Errorf("%q %v\n%s", codes, err, details)
				}
				if _, _, err := task.Run(t.Context(), newJournal()); code(err) != "write_index_denied" {
					t.Error(err)
				}
				if diff := cmp.Diff(before, contents(t, target, alias)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// However much of a range is there already, no query lists more than so many ids,
// and what is missing is brought once.
func TestMuchIsThere(t *testing.T) {
	for _, method := range methods {
		for _, c := range []struct {
			name   string
			there  []string
			script bool
			code   string
			note   string
		}{
			{name: "few", there: ids(3, 8)},
			{name: "all", there: ids(0, 90)},
			{name: "all but few", there: append(ids(0, 40), ids(45, 90)...)},
			{name: "half", there: ids(20, 65), note: "through this machine"},
			{name: "all but few, script", there: append(ids(0, 40), ids(45, 90)...), script: true},
			{name: "half, script", there: ids(20, 65), script: true, code: "too_much_there"},
		} {
			if c.script && method == "stream" {
				continue
			}
			t.Run(method+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newPair(t, providertest.Options{}).world
					must(t, w.target, "PUT", "/_index_template/much", object{"index_patterns": []string{"much"}, "priority": 904, "data_stream": object{}})
					dated(t, w.admin, "much-from", ids(0, 90)...)
					dated(t, w.target, "much", c.there...)
					must(t, w.target, "POST", "/much/_rollover", nil)
					longest := 0
					watch := func(c providers.Cluster) providers.Cluster {
						return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
							if strings.Contains(string(r.Body), "must_not") || strings.HasPrefix(r.Path, "/_reindex") {
								longest = max(longest, strings.Count(string(r.Body), "ü"))
							}
							return pass()
						}}
					}
					w.source, w.target = watch(w.source), watch(scriptless{w.target})
					b := with(with(full(copying("much-from", "much")), "", "method", cty.StringVal(method)), "dest", "existing", cty.StringVal("keep"))
					if c.script {
						b = with(b, "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.x = 1")}))
					}
					task := b.task(t, w.clusters()) // one range
					task.listed = 20 * len(`"d 00/ü",`)
					if c.script {
						task.listed /= mostListedMore / mostListed
					}
					j := newJournal()
					_, sum, err := task.Run(t.Context(), j)
					if got := code(err); got != c.code {
						t.Fatalf("%q (%v), want %q", got, err, c.code)
					}
					if longest > 20 {
						t.Errorf("a query lists %d ids", longest)
					}
					if c.code != "" {
						return
					}
					must(t, w.target, "POST", "/much/_refresh", nil)
					if n, err := count(t.Context(), w.target, "much", -1, nil); err != nil || n != 90 {
						t.Errorf("%d documents, %v", n, err)
					}
					if d, err := readDone(sum); err != nil || d.Result.Conflicts != int64(len(c.there)) || d.Result.Read != 90 {
						t.Errorf("%+v %v", d.Result, err)
					}
					if notes := strings.Join(j.notes, "\n"); method == "reindex" && strings.Contains(notes, "through this machine") != (c.note != "") {
						t.Error(notes)
					}
				})
			})
		}
	}
}
