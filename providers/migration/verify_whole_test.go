package migration

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Documents from before 6.0 are in no piece of _seq_no. An index that is too
// small for ranges is compared whole all the same, and what was written since
// the copy is no difference.
func TestFullOldDocuments(t *testing.T) {
	for what, forgotten := range map[string]int{"all": 60, "half": 30, "one": 1} {
		t.Run(what, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "dig-old"
				w.fresh(t, name, 1)
				docs := ids(0, 60)
				put(t, w.admin, name, 1, docs...)
				w.from.ForgetSeqNo(name, docs[:forgotten]...)
				task := full(copying(name, name)).task(t, w.clusters())
				_, sum, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Compared != 60 || v.Identical != 60 {
					t.Errorf("an equal copy: %+v, %v", v, err)
				}
				remove(t, w.target, name, docs[0], "")
				if v, err := task.Verify(t.Context(), newJournal(), sum); !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || v.Identical != 59 {
					t.Errorf("one removed: %+v, %v", v, err)
				}
				put(t, w.target, name, 1, docs[0])
				put(t, w.admin, name, 2, "new", docs[59])
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Newer != 2 || v.Missing+v.Different+v.Extra != 0 {
					t.Errorf("newer on the source: %+v, %v", v, err)
				}
			})
		})
	}
}

// A search that leaves documents out, on both sides, is not taken for one of all
// of them where nothing was written since the copy.
func TestFullNotAllRead(t *testing.T) {
	inFakes(t, func(t *testing.T, w fakeWorld) {
		const name = "dig-not-all"
		w.fresh(t, name, 1)
		put(t, w.admin, name, 1, ids(0, 60)...)
		leavesOut := func(c providers.Cluster) providers.Cluster {
			return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
				raw, err := pass()
				var a object
				if err != nil || !strings.Contains(string(r.Body), `"sort":[{"_seq_no"`) || decode(raw, &a) != nil {
					return raw, err
				}
				hits := a["hits"].(object)
				if all, ok := hits["hits"].([]any); ok && len(all) > 1 {
					hits["hits"] = all[1:]
				}
				return providers.Encode(a), nil
			}}
		}
		for _, b := range []block{full(copying(name, name)), full(with(copying(name, name), "dest", "existing", cty.StringVal("overwrite")))} {
			task := fineTask(t, w.world, b)
			task.big = 60
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			j := newJournal()
			task.src, task.dst = leavesOut(w.source), leavesOut(w.target)
			v, err := task.Verify(t.Context(), j, sum)
			if code(err) != "verification_incomplete" || !strings.Contains(err.Error(), " of 60 documents") {
				t.Errorf("%+v, %v", v, err)
			}
			task.src, task.dst = w.source, w.target
			if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 60 { // with no sum of before
				t.Errorf("%+v, %v", v, err)
			}
			task.src, task.dst = leavesOut(w.source), leavesOut(w.target)
			put(t, w.admin, name, 1, "new") // then it cannot be told
			if v, err := task.Verify(t.Context(), newJournal(), sum); code(err) == "verification_incomplete" {
				t.Errorf("%+v, %v", v, err)
			}
			remove(t, w.admin, name, "new", "")
		}
	})
}
