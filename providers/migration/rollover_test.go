package migration

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
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
