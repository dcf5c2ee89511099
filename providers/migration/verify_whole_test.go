package migration

import (
	"errors"
	"testing"

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
