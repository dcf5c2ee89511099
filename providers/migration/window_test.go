package migration

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// Indices that answer few hits at a time are compared and repaired in steps.
func TestSmallResultWindow(t *testing.T) {
	for _, c := range []struct{ source, target int }{{10_000, 50}, {50, 10_000}, {50, 50}} {
		for _, after := range []bool{false, true} { // the source's is lowered after the copy
			for _, how := range []string{"sample", "full"} {
				t.Run(fmt.Sprint(c, after, how), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						const name = "mig-window"
						w := newPair(t, providertest.Options{}).world
						w.freshWith(t, name, 1, object{})
						lower := func() {
							must(t, w.admin, "PUT", "/"+name+"/_settings", object{"index.max_result_window": c.source})
						}
						must(t, w.target, "PUT", "/"+name+"/_settings", object{"index.max_result_window": c.target})
						if !after {
							lower()
						}
						var docs []string
						for i := range 120 {
							docs = append(docs, fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d}`, i))
						}
						lines(t, w.admin, name, docs...)
						task := fineTask(t, w, with(copying(name, name), "", "verify", cty.StringVal(how)))
						_, sum, err := task.Run(t.Context(), newJournal())
						if err != nil {
							t.Fatal(err)
						}
						lower()
						for i := range 40 {
							remove(t, w.target, name, fmt.Sprint("d", i), "")
						}
						if v, err := task.Verify(t.Context(), newJournal(), sum); !errors.Is(err, providers.ErrVerify) || v.Missing != 40 {
							t.Errorf("%+v, %v", v, err)
						}
						if got, v, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil || got.Created != 40 {
							t.Errorf("%+v %+v, %v", got, v, err)
						}
					})
				})
			}
		}
	}
}
