package migration

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// A repair sends as many bytes as the destination takes, and reads no more at a
// time than a page of a stream has, however large documents are. One that is
// never taken is told of and keeps no other out.
func TestRepairOfLargeDocuments(t *testing.T) {
	for _, most := range []int64{100_000, 9_000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const name = "rep-large"
				f := newPair(t, providertest.Options{})
				f.fresh(t, name, 1)
				put(t, f.admin, name, 1, ids(0, 25)...)
				var docs []string
				for i := range 40 {
					docs = append(docs, fmt.Sprint("l", i), fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", 8_000+50*i)))
				}
				lines(t, f.admin, name, docs...)
				task := fineTask(t, f.world, copying(name, name))
				_, sum, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				for i := range 40 {
					remove(t, f.world.target, name, fmt.Sprint("l", i), "")
				}
				task.sizes.limit = 60_000
				largest := 0
				task.src = &faulty{Cluster: task.src, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
					raw, err := pass()
					if bytes.Contains(r.Body, []byte(`"ids":`)) && !bytes.Contains(r.Body, []byte(`"_source":false`)) {
						largest = max(largest, len(raw))
					}
					return raw, err
				}}
				f.target.Fault(func(r *http.Request) providertest.Fault {
					if isBulk(r) && r.ContentLength > most {
						return providertest.Fault{Status: 413, Body: "<html><title>413 Request Entity Too Large</title></html>"}
					}
					return providertest.Fault{}
				})
				j := newJournal()
				got, v, err := task.Repair(t.Context(), j, sum, false)
				want := providers.Repaired{Created: 40}
				if most < 10_000 {
					want = providers.Repaired{Created: got.Created, Failed: 40 - got.Created}
					if got.Created < 10 || got.Failed == 0 || v.Missing != got.Failed || !strings.Contains(strings.Join(j.notes, "\n"), "larger than the destination takes in one request") {
						t.Errorf("%+v %+v, %s", got, v, j.notes)
					}
				} else if err != nil {
					t.Errorf("%+v, %v", v, err)
				}
				if got != want || largest > 60_000 || largest == 0 {
					t.Errorf("%+v, want %+v; the largest answer had %d bytes", got, want, largest)
				}
			})
		})
	}
}
