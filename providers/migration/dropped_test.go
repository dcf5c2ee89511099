package migration

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// A document that the pipeline drops is counted once, though the tail pass reads
// it again, and stands for itself alone: no lost document hides behind one that
// was read twice, nor behind one that the source does not have any more or that
// the pipeline lets pass by now.
func TestDroppedOnce(t *testing.T) {
	const name, pipeline = "dig-once", "dig-once"
	for _, c := range []struct {
		name  string
		begun bool // the copy is under way
		write func(t *testing.T, w digestWorld)
		lost  int64 // what is reported of those that the pipeline dropped, and of the one that is lost
	}{
		{"put", true, func(t *testing.T, w digestWorld) { put(t, w.admin, name, 1, "new") }, 6},
		{"passes", true, func(t *testing.T, w digestWorld) { put(t, w.admin, name, 1, ids(20, 21)...) }, 5},
		{"deleted", false, func(t *testing.T, w digestWorld) { remove(t, w.admin, name, ids(22, 23)[0], "") }, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDigestWorlds(t, func(t *testing.T, w digestWorld) {
				w.fresh(t, name, 1)
				must(t, w.target, "PUT", "/_ingest/pipeline/"+pipeline, object{"processors": []any{object{"drop": object{"if": "ctx.n == 4"}}}})
				t.Cleanup(func() {
					drop(t, w.target, name)
					drop(t, w.target, "_ingest/pipeline/"+pipeline)
				})
				put(t, w.admin, name, 1, ids(0, 20)...)
				put(t, w.admin, name, 4, ids(20, 25)...)
				task := digestTask(t, w, with(streaming(name, name), "dest", "pipeline", cty.StringVal(pipeline)))
				task.concurrency = 1
				j, once := newJournal(), c.begun
				j.at = func(r record) {
					if r.What == wroteEnd && once {
						once = false
						c.write(t, w)
					}
				}
				result, sum, err := task.Run(t.Context(), j)
				if err != nil || result.Noops > 5 {
					t.Fatalf("%+v, %v", result, err)
				}
				if !c.begun {
					c.write(t, w)
				}
				for _, task.verify = range []string{"count", "sample", "full"} {
					if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Missing != 0 {
						t.Errorf("%s: %+v, %v", task.verify, v, err)
					}
				}
				remove(t, w.target, name, ids(7, 8)[0], "")
				for _, task.verify = range []string{"count", "sample", "full"} {
					v, err := task.Verify(t.Context(), newJournal(), sum)
					if !errors.Is(err, providers.ErrVerify) || v.Missing != c.lost || !strings.Contains(strings.Join(v.Notes, "\n"), "cannot be told from lost ones") {
						t.Errorf("%s, one is lost: %+v, %v", task.verify, v, err)
					}
				}
			})
		})
	}
}
