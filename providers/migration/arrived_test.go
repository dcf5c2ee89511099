package migration

import (
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
)

// What comes under the source's name while it is copied is not copied, and
// newer: an index that a pattern finds, or that a data stream or an alias rolls
// over to.
func TestIndexArrives(t *testing.T) {
	for _, c := range []struct {
		name, source string
		make         func(t *testing.T, w world)
		arrive       func(t *testing.T, w world)
		index        string
	}{
		{name: "pattern", source: "mig-come-*", index: "mig-come-2",
			make: func(t *testing.T, w world) { dated(t, w.admin, "mig-come-1", ids(0, 20)...) },
			arrive: func(t *testing.T, w world) {
				dated(t, w.admin, "mig-come-2", ids(20, 25)...)
			}},
		{name: "alias", source: "mig-come", index: "mig-come-2",
			make: func(t *testing.T, w world) {
				dated(t, w.admin, "mig-come-1", ids(0, 20)...)
				must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-come-1", "alias": "mig-come"}}}})
			},
			arrive: func(t *testing.T, w world) {
				dated(t, w.admin, "mig-come-2", ids(20, 25)...)
				must(t, w.admin, "POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "mig-come-2", "alias": "mig-come"}}}})
			}},
		{name: "stream", source: "mig-come-stream", index: "-000002",
			make: func(t *testing.T, w world) {
				must(t, w.admin, "PUT", "/_index_template/mig-come", object{"index_patterns": []string{"mig-come-stream"}, "priority": 903, "data_stream": object{}})
				dated(t, w.admin, "mig-come-stream", ids(0, 20)...)
			},
			arrive: func(t *testing.T, w world) {
				must(t, w.admin, "POST", "/mig-come-stream/_rollover", nil)
				dated(t, w.admin, "mig-come-stream", ids(20, 25)...)
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const to = "mig-came"
				gone := func() {
					drop(t, w.admin, "_data_stream/mig-come-stream", "_index_template/mig-come", "mig-come-1", "mig-come-2")
					drop(t, w.target, to)
				}
				gone()
				t.Cleanup(gone)
				must(t, w.target, "PUT", "/"+to, sized(t, w.target, 1))
				c.make(t, w)
				task := fineTask(t, w, full(copying(c.source, to)))
				j, once := newJournal(), true
				j.at = func(r record) {
					if r.What == wroteEnd && once {
						once = false
						c.arrive(t, w)
					}
				}
				_, sum, err := task.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				notes := strings.Join(j.notes, "\n")
				if !strings.Contains(notes, c.index+" came to source/"+c.source+" since the copy began") || !strings.Contains(notes, "5 documents") {
					t.Error(notes)
				}
				if o, err := task.Observe(t.Context(), sum); err != nil || o.NewerOnSource != 5 {
					t.Errorf("observed %+v, %v", o, err)
				}
				for _, verify := range []string{"count", "sample", "full"} {
					task.verify = verify
					v, err := task.Verify(t.Context(), newJournal(), sum)
					if err != nil || v.Newer != 5 || v.Source != 20 || !strings.Contains(strings.Join(v.Notes, "\n"), c.index) {
						t.Errorf("%s: %+v %v", verify, v, err)
					}
				}
				// What the note says helps.
				task = fineTask(t, w, full(copying(c.source, to)))
				if _, sum, err = task.Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 25 || v.Newer != 0 {
					t.Errorf("again: %+v %v", v, err)
				}
			})
		})
	}
	// Nothing is newer on a source that is gone.
	inFakes(t, func(t *testing.T, w fakeWorld) {
		dated(t, w.admin, "mig-come-1", ids(0, 20)...)
		must(t, w.target, "PUT", "/mig-came", sized(t, w.target, 1))
		task := fineTask(t, w.world, copying("mig-come-*", "mig-came"))
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		drop(t, w.admin, "mig-come-1")
		if o, err := task.Observe(t.Context(), sum); err != nil || o != (providers.Observation{}) {
			t.Errorf("%+v %v", o, err)
		}
	})
}
