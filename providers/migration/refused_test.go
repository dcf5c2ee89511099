package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// refusing makes a source of 60 documents of which the destination's mapping
// refuses three, in three ranges and for two causes.
func refusing(t testing.TB, w world, name string) (bad []string) {
	t.Helper()
	w.fresh(t, name, 1)
	drop(t, w.target, name)
	body := sized(t, w.target, 1)
	body["mappings"] = object{"properties": object{"n": object{"type": "short"}, "when": object{"type": "date"}}}
	must(t, w.target, "PUT", "/"+name, body)
	must(t, w.admin, "PUT", "/"+name+"/_mapping", object{"properties": object{"when": object{"type": "keyword"}}})
	put(t, w.admin, name, 1, ids(0, 20)...)
	put(t, w.admin, name, 40112, "bad 1")
	put(t, w.admin, name, 1, ids(20, 39)...)
	put(t, w.admin, name, 40112, "bad 2")
	put(t, w.admin, name, 1, ids(39, 57)...)
	must(t, w.admin, "PUT", "/"+name+"/_doc/bad%203?refresh=true&routing=r", object{"when": "never"})
	return []string{"bad 1", "bad 2", "bad 3"}
}

// mend makes the destination take everything.
func mend(t testing.TB, w world, name string) {
	t.Helper()
	must(t, w.target, "PUT", "/"+name+"/_mapping", object{"properties": object{
		"n": object{"type": "short", "ignore_malformed": true}, "when": object{"type": "date", "ignore_malformed": true}}})
}

var methods = []string{"reindex", "stream"}

// leaving allows a copy to leave documents behind.
func leaving(t testing.TB, w world, name, method string, most int64) *task {
	b := with(copying(name, name), "", "method", cty.StringVal(method))
	return fineTask(t, w, with(b, "", "max_refused", cty.NumberIntVal(most)))
}

// leftIDs are the ids that a sum says are left behind, sorted.
func leftIDs(t testing.TB, sum providers.JSON) []string {
	t.Helper()
	d, err := readDone(sum)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, l := range d.Refused.letters(&task{}) {
		out = append(out, l.ID)
	}
	slices.Sort(out)
	return out
}

// Up to max_refused a migration ends well: what is refused is counted, kept and
// known to be missing, and everything else that is missing still fails.
func TestRefusedWithinLimit(t *testing.T) {
	for _, method := range methods {
		for most := range int64(4) {
			t.Run(fmt.Sprint(method, " ", most), func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					name := "mig-left"
					bad := refusing(t, w, name)
					k := leaving(t, w, name, method, most)
					j := &hand{memJournal: newJournal()}
					result, sum, err := k.Run(t.Context(), j)
					if most < 3 {
						if code(err) != "documents_refused" || !strings.Contains(err.Error(), "failed to parse field [") {
							t.Fatalf("%v", err)
						}
						if result.Read != result.Created+result.Conflicts+result.Failed || result.Failed <= most {
							t.Errorf("account %+v", result)
						}
						if most > 0 && !strings.Contains(err.Error(), fmt.Sprintf("max_refused allows %d", most)) {
							t.Errorf("%v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if result.Read != 60 || result.Failed != 3 || result.Created != 57 {
						t.Errorf("account %+v", result)
					}
					if len(result.Refused) != 2 || result.Refused[0].Field != "n" || result.Refused[0].Documents != 2 || result.Refused[1].Field != "when" || result.Refused[1].Example != "bad 3" {
						t.Errorf("by cause %+v", result.Refused)
					}
					if diff := cmp.Diff(bad, j.kept()); diff != "" {
						t.Error("dead letters", diff)
					}
					if diff := cmp.Diff(bad, leftIDs(t, sum)); diff != "" {
						t.Error("left behind", diff)
					}
					if told := slices.ContainsFunc(j.notes, func(s string) bool { return strings.Contains(s, "a reindex ends with the first") }); told != (method == "reindex") {
						t.Errorf("notes %q", j.notes)
					}
					verifyLeft(t, w, name, k, sum)
				})
			})
		}
	}
}

// verifyLeft compares in all ways: three documents are known to be missing.
func verifyLeft(t *testing.T, w world, name string, k *task, sum providers.JSON) {
	t.Helper()
	for _, how := range []string{"count", "sample", "full"} {
		k.verify = how
		v, err := k.Verify(t.Context(), newJournal(), sum)
		if err != nil || v.Refused != 3 || v.Missing+v.Different+v.Extra != 0 || v.Source != 60 {
			t.Errorf("%s: %+v %v", how, v, err)
		}
		if how != "count" && (v.Compared != 57 || v.Identical != 57) {
			t.Errorf("%s: %+v", how, v)
		}
	}
	must(t, w.target, "DELETE", "/"+name+"/_doc/d%2007%2F%C3%BC?refresh=true", nil)
	for _, how := range []string{"count", "sample", "full"} {
		k.verify = how
		v, err := k.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Refused != 3 || v.Missing != 1 {
			t.Errorf("%s, one is really missing: %+v %v", how, v, err)
		}
	}
	done, v, err := k.Repair(t.Context(), newJournal(), sum, false)
	if err != nil || done.Created != 1 || done.Failed != 0 || v.Refused != 3 {
		t.Errorf("repair %+v %+v %v", done, v, err)
	}
}

// Retry sends just the refused documents again: as long as nothing is mended
// they stay what they are, then all are there.
func TestRetryRefused(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-retry"
				bad := refusing(t, w, name)
				k := leaving(t, w, name, method, 3)
				j := &hand{memJournal: newJournal()}
				_, sum, err := k.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				k.maxRefused = 2 // less than before is no reason to copy again
				j = &hand{memJournal: newJournal(), letters: j.letters}
				again, same, err := k.Retry(t.Context(), j, sum)
				if code(err) != "documents_refused" || again.Failed != 3 || again.Read != 3 {
					t.Errorf("nothing was mended: %+v %v", again, err)
				}
				if diff := cmp.Diff(bad, leftIDs(t, same)); diff != "" {
					t.Error(diff)
				}
				must(t, w.target, "PUT", "/"+name+"/_mapping", object{"properties": object{"n": object{"type": "short", "ignore_malformed": true}}})
				j = &hand{memJournal: newJournal(), letters: j.letters}
				again, sum, err = k.Retry(t.Context(), j, same)
				if err != nil || again.Created != 2 || again.Failed != 1 || len(again.Refused) != 1 {
					t.Errorf("the half was mended: %+v %v", again, err)
				}
				if diff := cmp.Diff(bad[2:], leftIDs(t, sum)); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(bad[2:], j.kept()); diff != "" {
					t.Error(diff)
				}
				mend(t, w, name)
				j = &hand{memJournal: newJournal(), letters: j.letters}
				again, sum, err = k.Retry(t.Context(), j, sum)
				if err != nil || again.Created != 1 || again.Read != 1 || len(leftIDs(t, sum)) != 0 || len(j.kept()) != 0 {
					t.Errorf("all was mended: %+v %v", again, err)
				}
				d, err := readDone(sum)
				if err != nil || d.Result.Read != 60 || d.Result.Failed != 0 || d.Result.Refused != nil {
					t.Errorf("the whole account %+v %v", d.Result, err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
				v, err := k.Verify(t.Context(), newJournal(), sum)
				if err != nil || v.Identical != 60 || v.Refused != 0 {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

// A process that is killed at any record goes on with what was refused before:
// it is counted once, and its letters stay.
func TestRefusedStoppedAtEachRecord(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-left-crash"
				bad := refusing(t, w, name)
				want := contents(t, w.admin, name)
				maps.DeleteFunc(want, func(id, _ string) bool { return slices.Contains(bad, id) })
				for n := 0; ; n++ {
					drop(t, w.target, name)
					must(t, w.target, "PUT", "/"+name, object{"mappings": object{"properties": object{"n": object{"type": "short"}, "when": object{"type": "date"}}}})
					k := leaving(t, w, name, method, 3)
					j := &hand{memJournal: newJournal()}
					j.left = n
					_, _, err := k.Run(t.Context(), j)
					if err == nil {
						break
					}
					if !errors.Is(err, errStopped) {
						t.Fatalf("stopped at %d: %v", n, err)
					}
					again := &hand{memJournal: newJournal(), letters: j.letters}
					again.records = j.records
					result, sum, err := k.Run(t.Context(), again)
					if err != nil {
						t.Fatalf("after a stop at %d: %v", n, err)
					}
					if result.Failed != 3 || providers.RefusedDocuments(result.Refused) != 3 || result.Read != result.Created+result.Conflicts+3 {
						t.Errorf("after a stop at %d: %+v", n, result)
					}
					if diff := cmp.Diff(bad, again.kept()); diff != "" {
						t.Errorf("letters after a stop at %d: %s", n, diff)
					}
					if diff := cmp.Diff(want, contents(t, w.target, name)); diff != "" {
						t.Errorf("after a stop at %d: %s", n, diff)
					}
					if v, err := k.Verify(t.Context(), again, sum); err != nil || v.Refused != 3 || v.Identical != 57 {
						t.Errorf("after a stop at %d: %+v %v", n, v, err)
					}
				}
			})
		})
	}
}

// A limit that is lowered while the migration is half done takes up again what
// was left behind before.
func TestLimitLowered(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-left-less"
				refusing(t, w, name)
				k := leaving(t, w, name, method, 2)
				k.concurrency = 1
				j := &hand{memJournal: newJournal()}
				if _, _, err := k.Run(t.Context(), j); code(err) != "documents_refused" || !strings.Contains(err.Error(), "These are 3 documents") {
					t.Fatal(err)
				}
				if s, err := k.Status(t.Context(), j); err != nil || s.Refused != 2 {
					t.Errorf("status %+v %v", s, err)
				}
				k.maxRefused = 0
				again := &hand{memJournal: newJournal(), letters: j.letters}
				again.records = j.records
				if _, _, err := k.Run(t.Context(), again); code(err) != "documents_refused" {
					t.Fatal(err)
				}
				if s, err := k.Status(t.Context(), again); err != nil || s.Refused != 1 { // of one range it is open again
					t.Errorf("status %+v %v", s, err)
				}
				mend(t, w, name)
				result, sum, err := k.Run(t.Context(), again)
				if err != nil || result.Failed != 0 || len(leftIDs(t, sum)) != 0 {
					t.Fatalf("%+v %v", result, err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A letter has all of what was refused, by either method.
func TestDeadLetter(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-letter"
				refusing(t, w, name)
				j := &hand{memJournal: newJournal()}
				if _, _, err := leaving(t, w, name, method, 9).Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(j.letters, func(d providers.DeadLetter) bool { return d.ID == "bad 3" })
				if i < 0 {
					t.Fatalf("%+v", j.letters)
				}
				d := j.letters[i]
				if d.Index != name || d.Dest != name || d.Routing != "r" || d.Version != 1 || d.Field != "when" || d.Status != 400 ||
					!strings.Contains(d.Type, "parsing_exception") || strings.Contains(d.Reason, "bad 3") || !strings.Contains(d.Advice, "Declare when") {
					t.Errorf("letter %+v", d)
				}
				var source map[string]string
				if err := json.Unmarshal(d.Source, &source); err != nil || source["when"] != "never" {
					t.Errorf("%s %v", d.Source, err)
				}
			})
		})
	}
}

// Contents of refused documents are kept up to a number of bytes, whatever the
// number of documents; who they are and why they are refused always is.
func TestDeadLettersBounded(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-letters"
				bad := refusing(t, w, name)
				k := leaving(t, w, name, method, 9)
				k.sizes.kept = 60 // two of 25 bytes, or one and one of 16
				j := &hand{memJournal: newJournal()}
				if _, sum, err := k.Run(t.Context(), j); err != nil || len(leftIDs(t, sum)) != 3 {
					t.Fatal(err)
				}
				bytes, got := 0, map[string]bool{}
				for _, d := range j.letters {
					bytes += len(d.Source)
					got[d.ID] = true
					if d.Reason == "" || d.Field == "" {
						t.Errorf("%+v", d)
					}
				}
				if bytes == 0 || bytes > 60 {
					t.Errorf("%d bytes are kept", bytes)
				}
				if diff := cmp.Diff(bad, slices.Sorted(maps.Keys(got))); diff != "" {
					t.Error(diff)
				}
				told := 0
				for _, s := range j.notes {
					if strings.Contains(s, "contents are kept of no more") {
						told++
					}
				}
				if told != 1 {
					t.Errorf("notes %q", j.notes)
				}
			})
		})
	}
}

// scriptless is a destination that runs no script: the fake has none, and what
// the script does is not looked at.
type scriptless struct{ providers.Cluster }

func (s scriptless) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	if r.Path == "/_reindex" {
		var body object
		if err := decode(r.Body, &body); err != nil {
			return nil, err
		}
		delete(body, "script")
		r.Body = providers.Encode(body)
	}
	return s.Cluster.Do(ctx, r)
}

// A script runs in _reindex only, which ends with the first bad batch: what is
// known of that is kept with its source, and is left out of the next attempt
// where it may be left behind.
func TestRefusedUnderScript(t *testing.T) {
	for most := range int64(4) {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-left-script"
				bad := refusing(t, w, name)
				if w.name == "fake" {
					w.target = scriptless{w.target}
				}
				b := with(copying(name, name), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.seen = true")}))
				b = with(b, "source", "size", cty.NumberIntVal(5))
				k := with(b, "", "max_refused", cty.NumberIntVal(most)).task(t, w.clusters()) // one range
				j := &hand{memJournal: newJournal()}
				result, sum, err := k.Run(t.Context(), j)
				if most < 3 {
					if code(err) != "documents_refused" || !strings.Contains(err.Error(), "There may be more") || result.Failed != most+1 {
						t.Fatalf("%+v %v", result, err)
					}
					for i, d := range j.letters {
						if d.ID != bad[i] || !strings.Contains(string(d.Source), `"n":40112`) && !strings.Contains(string(d.Source), "never") || i == 2 && d.Routing != "r" {
							t.Errorf("letter %d: %+v %s", i, d, d.Source)
						}
					}
					if len(j.letters) != int(most)+1 {
						t.Errorf("%d letters", len(j.letters))
					}
					return
				}
				if err != nil || result.Created != 57 || result.Failed != 3 {
					t.Fatalf("%+v %v", result, err)
				}
				if diff := cmp.Diff(bad, leftIDs(t, sum)); diff != "" {
					t.Error(diff)
				}
				k.verify = "full"
				if v, err := k.Verify(t.Context(), newJournal(), sum); err != nil || v.Refused != 3 || v.Missing != 0 {
					t.Errorf("%+v %v", v, err)
				}
				mend(t, w, name)
				again := &hand{memJournal: newJournal(), letters: j.letters}
				result, sum, err = k.Retry(t.Context(), again, sum)
				if err != nil || result.Created != 3 || result.Failed != 0 || len(again.kept()) != 0 {
					t.Fatalf("%+v %v", result, err)
				}
				if v, err := k.Verify(t.Context(), newJournal(), sum); err != nil || v.Refused != 0 || v.Missing != 0 {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

// What was left out of an attempt is known to who goes on after a process was
// killed, also when the task has ended well meanwhile. Where it may no longer be
// left behind the range begins again.
func TestLeftOutStoppedAtEachRecord(t *testing.T) {
	for _, c := range []struct{ name, conflicts, existing string }{{"refuse", "abort", "refuse"}, {"proceed", "proceed", "refuse"}, {"overwrite", "abort", "overwrite"}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const name = "mig-left-killed"
				for n := 0; ; n++ {
					f := newPair(t, providertest.Options{})
					w := f.world
					bad := refusing(t, w, name)
					w.target = scriptless{w.target}
					b := with(copying(name, name), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.seen = true")}))
					k := with(with(b, "source", "size", cty.NumberIntVal(5)), "", "max_refused", cty.NumberIntVal(3)).task(t, w.clusters()) // one range
					k.conflicts, k.existing = c.conflicts, c.existing
					j := &hand{memJournal: newJournal()}
					j.left = n
					if _, _, err := k.Run(t.Context(), j); err == nil {
						if n < 8 {
							t.Errorf("done after %d records: nothing was left out", n)
						}
						return
					} else if !errors.Is(err, errStopped) {
						t.Fatalf("stopped at %d: %v", n, err)
					}
					f.target.FinishTasks()
					k.maxRefused = 0
					less := &hand{memJournal: newJournal(), letters: j.letters}
					less.records = slices.Clone(j.records)
					if result, _, err := k.Run(t.Context(), less); code(err) != "documents_refused" {
						t.Errorf("none may be left behind after a stop at %d: %+v %v", n, result, err)
					}
					k.maxRefused = 3
					again := &hand{memJournal: newJournal(), letters: j.letters}
					again.records = j.records
					result, sum, err := k.Run(t.Context(), again)
					if err != nil || result.Failed != 3 || providers.RefusedDocuments(result.Refused) != 3 {
						t.Fatalf("after a stop at %d: %+v %v", n, result, err)
					}
					if diff := cmp.Diff(bad, leftIDs(t, sum)); diff != "" {
						t.Errorf("after a stop at %d: %s", n, diff)
					}
					if diff := cmp.Diff(bad, again.kept()); diff != "" {
						t.Errorf("letters after a stop at %d: %s", n, diff)
					}
				}
			})
		})
	}
}

// A limit that is lowered while documents are left out, and a mapping that is
// mended then: the range begins again and brings them.
func TestLeftOutAndMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "mig-left-mended"
		f := newPair(t, providertest.Options{})
		w := f.world
		refusing(t, w, name)
		w.target = scriptless{w.target}
		b := with(copying(name, name), "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.seen = true")}))
		k := with(with(b, "source", "size", cty.NumberIntVal(5)), "", "max_refused", cty.NumberIntVal(3)).task(t, w.clusters())
		j := &hand{memJournal: newJournal()}
		j.left, j.at = -1, nil
		tasks := 0
		j.at = func(r record) {
			if r.What == wroteTask {
				if tasks++; tasks == 4 { // without all three
					j.left, j.torn = 0, true
				}
			}
		}
		if _, _, err := k.Run(t.Context(), j); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		f.target.FinishTasks()
		mend(t, w, name)
		k.maxRefused = 0
		again := &hand{memJournal: newJournal(), letters: j.letters}
		again.records = j.records
		result, sum, err := k.Run(t.Context(), again)
		if err != nil || result.Failed != 0 || len(leftIDs(t, sum)) != 0 {
			t.Fatalf("%+v %v", result, err)
		}
		if n := len(contents(t, w.target, name)); n != 60 {
			t.Errorf("%d documents", n)
		}
	})
}

// A document that a range and the tail pass both meet is refused once. One that
// was copied, and whose new contents are refused, is there as it was before.
func TestRefusedInTailPass(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-left-tail"
				refusing(t, w, name)
				k := leaving(t, w, name, method, 4)
				k.concurrency = 1
				j, ended := &hand{memJournal: newJournal()}, 0
				j.at = func(r record) {
					if r.What == wroteEnd {
						ended++
					}
					if r.What == wroteEnd && ended == 3 {
						put(t, w.admin, name, 99999, ids(0, 1)...) // copied already
					}
				}
				result, sum, err := k.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				want := append([]string{"bad 1", "bad 2", "bad 3"}, ids(0, 1)...)
				if diff := cmp.Diff(want, leftIDs(t, sum)); diff != "" {
					t.Error(diff)
				}
				if result.Failed != 4 || result.Read != result.Created+result.Updated+result.Conflicts+4 {
					t.Errorf("account %+v", result)
				}
				for _, how := range []string{"count", "sample", "full"} {
					k.verify = how
					if v, err := k.Verify(t.Context(), newJournal(), sum); err != nil || v.Refused != 4 || v.Source != 60 {
						t.Errorf("%s: %+v %v", how, v, err)
					}
				}
				mend(t, w, name)
				again := &hand{memJournal: newJournal(), letters: j.letters}
				if result, sum, err = k.Retry(t.Context(), again, sum); err != nil || result.Created != 3 || result.Updated != 1 {
					t.Fatalf("%+v %v", result, err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
				if v, err := k.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 60 {
					t.Errorf("%+v %v", v, err)
				}
			})
		})
	}
}

// A retry relaxes nothing, whoever made the destination: its journal is not one
// of a copy, whose settings are put back after a kill.
func TestRetryRelaxesNothing(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name = "mig-left-owned"
		refusing(t, w, name)
		k := leaving(t, w, name, "stream", 3)
		k.Own()
		_, sum, err := k.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		mend(t, w, name)
		j := newJournal()
		j.at = func(r record) {
			if r.What == wroteRelax {
				t.Error("it relaxes settings")
			}
		}
		if _, done, err := k.Retry(t.Context(), j, sum); err != nil || len(leftIDs(t, done)) != 0 {
			t.Fatal(err)
		}
	})
}

// A retry of which nobody recorded the end, before the data stream rolled over:
// an id is unique in a backing index only, and the next retry doubles nothing.
func TestRetryIntoDataStream(t *testing.T) {
	for _, script := range []bool{false, true} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name, stream = "mig-left-from", "mig-left-stream"
				if w.name != "fake" {
					t.Skip("a data stream cannot be deleted there")
				}
				w.fresh(t, name, 1)
				must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 900, "data_stream": object{}})
				putDated(t, w.admin, name, ids(0, 10)...)
				must(t, w.admin, "PUT", "/"+name+"/_doc/bad?refresh=true", object{"n": 1})
				w.target = scriptless{w.target}
				b := with(copying(name, stream), "", "max_refused", cty.NumberIntVal(1))
				if script {
					b = with(b, "", "script", cty.ObjectVal(map[string]cty.Value{"source": cty.StringVal("ctx._source.seen = true")}))
				}
				k := fineTask(t, w, b)
				_, sum, err := k.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"bad"}, leftIDs(t, sum)); diff != "" {
					t.Fatal(diff)
				}
				must(t, w.admin, "PUT", "/"+name+"/_doc/bad?refresh=true", object{"@timestamp": "2026-01-02T03:04:05Z", "n": 1})
				if _, done, err := k.Retry(t.Context(), newJournal(), sum); err != nil || len(leftIDs(t, done)) != 0 {
					t.Fatal(err)
				}
				must(t, w.target, "POST", "/"+stream+"/_rollover", nil)
				if _, done, err := k.Retry(t.Context(), newJournal(), sum); err != nil || len(leftIDs(t, done)) != 0 {
					t.Fatal(err)
				}
				a, err := search(t.Context(), w.target, stream, -1, object{"size": 100})
				if err != nil || len(a.Hits.Hits) != 11 {
					t.Errorf("%d documents, want 11: %v", len(a.Hits.Hits), err)
				}
			})
		})
	}
}

// Documents of others that are overwritten: one whose new contents are refused
// stays as it was, and is told as refused.
func TestRefusedOverwriting(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-left-over"
				refusing(t, w, name)
				put(t, w.target, name, 5, "bad 1", "d 03/ü")
				k := fineTask(t, w, with(with(with(copying(name, name), "", "method", cty.StringVal(method)), "", "max_refused", cty.NumberIntVal(3)), "dest", "existing", cty.StringVal("overwrite")))
				_, sum, err := k.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				for _, how := range []string{"sample", "full"} {
					k.verify = how
					if v, err := k.Verify(t.Context(), newJournal(), sum); err != nil || v.Refused != 3 || v.Compared != 57 {
						t.Errorf("%s: %+v %v", how, v, err)
					}
				}
			})
		})
	}
}

// Of migrations into one destination each knows what it leaves behind itself,
// and what the others do.
func TestRefusedBesideOthers(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const name, second = "mig-left-beside", "mig-left-second"
		refusing(t, w, name)
		w.fresh(t, second, 1)
		put(t, w.admin, second, 1, ids(60, 80)...)
		put(t, w.admin, second, 40112, "bad 9")
		var tasks []*task
		var sums []providers.JSON
		for _, from := range []string{name, second} {
			k := fineTask(t, w, with(copying(from, name), "", "max_refused", cty.NumberIntVal(3)))
			_, sum, err := k.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			tasks, sums = append(tasks, k), append(sums, sum)
		}
		check := func(missing int64) {
			t.Helper()
			for i, k := range tasks {
				for _, how := range []string{"count", "full"} {
					k.verify = how
					k.Share([]providers.Peer{{Task: tasks[1-i], Done: sums[1-i]}})
					v, err := k.Verify(t.Context(), newJournal(), sums[i])
					if want := []int64{3, 1}[i]; v.Refused != want || v.Extra+v.Different != 0 {
						t.Errorf("%d %s: %+v %v", i, how, v, err)
					}
					if how == "full" && i == 1 { // it is the other's
						missing = 0
					}
					if v.Missing != missing || errors.Is(err, providers.ErrVerify) != (missing > 0) {
						t.Errorf("%d %s: %+v %v, want %d missing", i, how, v, err, missing)
					}
				}
			}
		}
		check(0)
		put(t, w.target, name, 1, "extra")
		tasks[1].verify = "full"
		if v, err := tasks[1].Verify(t.Context(), newJournal(), sums[1]); !errors.Is(err, providers.ErrVerify) || v.Extra != 1 || v.Missing != 0 {
			t.Errorf("one is too much: %+v %v", v, err)
		}
		must(t, w.target, "DELETE", "/"+name+"/_doc/extra?refresh=true", nil)
		must(t, w.target, "DELETE", "/"+name+"/_doc/d%2007%2F%C3%BC?refresh=true", nil)
		check(1)
	})
}

// A refused document that is put anew on the source is not in its range any
// more. When that range starts again, the tail pass does, too.
func TestRefusedAndPutAnew(t *testing.T) {
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-refused-anew"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 20)...)
				put(t, w.admin, name, 40112, ids(3, 4)...)
				drop(t, w.target, name)
				must(t, w.target, "PUT", "/"+name, object{"mappings": object{"properties": object{"n": object{"type": "short"}}}})
				task := fineTask(t, w, with(copying(name, name), "", "method", cty.StringVal(method)))
				task.maxRefused = 1
				j := newJournal()
				j.at = func(r record) {
					if r.What == wroteTail { // the last that is written
						j.mu.Lock()
						j.left, j.torn = 0, true
						j.mu.Unlock()
					}
				}
				if _, _, err := task.Run(t.Context(), j); !errors.Is(err, errStopped) {
					t.Fatal(err)
				}
				j.left, j.at = -1, nil
				put(t, w.admin, name, 2, ids(3, 4)...)
				task.maxRefused = 0
				if _, _, err := task.Run(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
