package migration

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// putAnew deletes a document and puts it again, after index.gc_deletes of the
// source: its version begins at 1 again.
func putAnew(t testing.TB, w world, index, id string, value int) {
	t.Helper()
	path := "/" + index + "/_doc/" + url.PathEscape(id) + "?refresh=true"
	for range 50 {
		must(t, w.admin, "DELETE", path, nil)
		time.Sleep(time.Second) // a real server looks at its clock now and then
		must(t, w.admin, "POST", "/"+index+"/_refresh", nil)
		raw := must(t, w.admin, "PUT", path, object{"n": value, "of": id})
		var a struct {
			Version int `json:"_version"`
		}
		if err := decode(raw, &a); err != nil {
			t.Fatal(err)
		}
		if a.Version == 1 {
			return
		}
	}
	t.Fatal("the server remembers deletes although index.gc_deletes is over")
}

// A document that was deleted on the source and put again begins at version 1,
// so that the copy of the former one, which has a higher version, keeps it out.
// That conflict is not "there already": contents decide. It is met by the tail
// pass, and when a migration runs again over what it copied.
func TestConflictAfterDeleteAndPut(t *testing.T) {
	for _, method := range methods {
		for _, c := range []struct {
			name string
			tail bool
			n    int
			code string
		}{
			{"tail pass, other contents", true, 7, "conflicts_unexplained"},
			{"tail pass, same contents", true, 2, ""},
			{"copied again, other contents", false, 7, "conflicts_unexplained"},
			{"copied again, same contents", false, 2, ""},
		} {
			t.Run(method+", "+c.name, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w world) {
					if w.name == "serverless" && c.code != "" {
						t.Skip("it has no gc_deletes")
					}
					name := "mig-anew"
					w.fresh(t, name, 1)
					must(t, w.admin, "PUT", "/"+name+"/_settings", object{"index.gc_deletes": "1ms"})
					const id = "d 03/ü"
					for range 3 {
						put(t, w.admin, name, 2, id)
					}
					put(t, w.admin, name, 1, ids(10, 40)...)
					k := fineTask(t, w, with(copying(name, name), "", "method", cty.StringVal(method)))
					k.concurrency = 1
					j, ended := newJournal(), 0
					j.at = func(r record) {
						if r.What != wroteEnd {
							return
						}
						if ended++; ended == 1 && c.tail { // its range is copied
							putAnew(t, w, name, id, c.n)
						}
					}
					_, _, err := k.Run(t.Context(), j)
					if !c.tail && err == nil {
						putAnew(t, w, name, id, c.n)
						_, _, err = k.Run(t.Context(), newJournal())
					}
					if got := code(err); got != c.code {
						t.Fatalf("got %q (%v), want %q", got, err, c.code)
					}
					there := contents(t, w.target, name)[id]
					if want := fmt.Sprintf("3  %s", string(providers.Encode(object{"n": 2, "of": id}))); there != want {
						t.Errorf("the destination has %s, want the former %s", there, want)
					}
					if err != nil && (!strings.Contains(err.Error(), `"d 03/ü"`) || !strings.Contains(err.Error(), "deleted and put again on the source")) {
						t.Errorf("%v", err)
					}
					if err == nil {
						return
					}
					// What it says helps: without the former one the new one is copied.
					must(t, w.target, "PUT", "/"+name+"/_settings", object{"index.gc_deletes": "1ms"})
					must(t, w.target, "DELETE", "/"+name+"/_doc/"+url.PathEscape(id)+"?refresh=true", nil)
					time.Sleep(2 * time.Second)
					must(t, w.target, "POST", "/"+name+"/_refresh", nil)
					if _, _, err := k.Run(t.Context(), newJournal()); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(contents(t, w.admin, name), contents(t, w.target, name)); diff != "" {
						t.Error(diff)
					}
				})
			})
		}
	}
}
