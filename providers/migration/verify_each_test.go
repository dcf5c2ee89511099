package migration

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

// Where more differs than is looked into, for good reasons, one that is lost is
// found all the same, and what nobody copied is at least told.
func TestFullCutOff(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-cut-off"
		w.fresh(t, name, 1)
		docs := ids(1000, 3800)
		put(t, w.admin, name, 1, docs...)
		task := digestTask(t, w, copying(name, name))
		task.big, task.opened = 1000, 100
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		put(t, w.admin, name, 2, docs[:2700]...)
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if err != nil || v.Newer != 2700 || v.Compared != 100 || v.Identical != 100 || v.Unopened != 0 {
			t.Errorf("%+v, %v", v, err)
		}
		put(t, w.target, name, 1, "stranger 1", "stranger 2")
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Extra != 2 || v.Unopened+v.Missing+v.Different != 0 || v.Identical != 100 {
			t.Errorf("strangers: %+v, %v", v, err)
		}
		if got, v, err := task.Repair(t.Context(), newJournal(), sum, true); err != nil || got.Deleted != 2 || v.Identical != 100 {
			t.Errorf("repaired: %+v %+v, %v", got, v, err)
		}
		put(t, w.target, name, 1, ids(4000, 4300)...) // more than is looked into
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Extra == 0 || v.Extra+v.Unopened != 300 || v.Missing+v.Different != 0 || v.Same() {
			t.Errorf("many strangers: %+v, %v", v, err)
		}
		for _, id := range ids(4000, 4300) {
			remove(t, w.target, name, id, "")
		}
		last := docs[2700+slices.IndexFunc(docs[2700:], func(id string) bool { return bucketOf(digestID(id), 0) > 900 })]
		remove(t, w.target, name, last, "")
		v, err = task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || v.Different+v.Extra != 0 || cmp.Diff([]providers.Difference{{What: missing, ID: last}}, v.Examples) != "" {
			t.Errorf("one lost: %+v, %v", v, err)
		}
		if got, v, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil || got.Created != 1 || v.Identical != 100 {
			t.Errorf("repaired: %+v %+v, %v", got, v, err)
		}
		// A second copy creates nothing, and hides nothing.
		if _, sum, err = task.Run(t.Context(), newJournal()); err != nil {
			t.Fatal(err)
		}
		put(t, w.admin, name, 3, docs[:2700]...)
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 100 || v.Unopened != 0 {
			t.Errorf("copied twice: %+v, %v", v, err)
		}
		put(t, w.target, name, 1, "stranger")
		if v, err := task.Verify(t.Context(), newJournal(), sum); !errors.Is(err, providers.ErrVerify) || v.Extra != 1 {
			t.Errorf("copied twice, a stranger: %+v, %v", v, err)
		}
	})
}

// An alias that stands for another index since, or for none, hides nothing.
func TestFullAliasMoved(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name, one, two, alias = "dig-moved", "dig-moved-1", "dig-moved-2", "dig-moved-all"
		docs := ids(0, 20)
		swap := func(actions ...any) { must(t, w.admin, "POST", "/_aliases", object{"actions": actions}) }
		for _, moved := range [][]any{
			{object{"remove": object{"index": one, "alias": alias}}, object{"add": object{"index": two, "alias": alias}}},
			{object{"remove": object{"index": one, "alias": alias}}},
		} {
			for _, x := range []string{name, one, two} {
				w.fresh(t, x, 1)
			}
			put(t, w.admin, one, 1, docs...)
			put(t, w.admin, two, 1, docs...)
			swap(object{"add": object{"index": one, "alias": alias}})
			task := digestTask(t, w, copying(alias, name))
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			swap(moved...)
			if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 20 {
				t.Errorf("%+v, %v", v, err)
			}
			remove(t, w.target, name, docs[7], "")
			write(t, w.target, name, docs[8], sameVersion, `{"n":9}`)
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if !errors.Is(err, providers.ErrVerify) || v.Missing != 1 || v.Different != 1 || v.Extra != 0 || v.Identical != 18 {
				t.Errorf("%+v, %v", v, err)
			}
			if got, v, err := task.Repair(t.Context(), newJournal(), sum, true); err != nil || got != (providers.Repaired{Created: 1, Updated: 1}) || v.Identical != 20 {
				t.Errorf("%+v %+v, %v", got, v, err)
			}
		}
	})
}
