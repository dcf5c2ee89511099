package migration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
)

// flatDocument is about 250 bytes.
func flatDocument(n, distance int) string {
	return fmt.Sprintf(`{"year":2013,"month":%d,"day":%d,"dep_time":%d,"dep_delay":%d.0,"arr_delay":%d.5,"carrier":"UA","flight":%d,`+
		`"tailnum":"N%05d","origin":"EWR","dest":"IAH","air_time":227.0,"distance":%d,"ratio":1e-3,"time_hour":"2013-01-%02dT05:00:00Z"}`,
		n%12+1, n%28+1, n%2400, n%90-20, n%77-9, n%9000, n%99991, distance, n%28+1)
}

// flat writes records as people have them.
func flat(t testing.TB, c providers.Cluster, index, kind string, from, to int) {
	t.Helper()
	for from < to {
		var b strings.Builder
		for end := min(from+10_000, to); from < end; from++ {
			fmt.Fprintf(&b, "{\"index\":{\"_id\":\"f-%d\"%s}}\n%s\n", from, kind, flatDocument(from, from%5000))
		}
		if a := must(t, c, "POST", "/"+index+"/_bulk", b.String()); !strings.Contains(string(a[:min(len(a), 60)]), `"errors":false`) {
			t.Fatalf("%.1000s", a)
		}
	}
	must(t, c, "POST", "/"+index+"/_refresh", nil)
}

// An equal copy has no difference; one digit, one document missing, one there
// twice are each found and repaired, whatever servers the sides are on.
func TestRealFull(t *testing.T) {
	for _, way := range []struct {
		from, to  string
		shards, n int
	}{{"source", "target", 1, 20_000}, {"source", "target", 3, 20_000}, {"es6", "target", 2, 3000}, {"opensearch", "target", 1, 3000}, {"source", "opensearch", 2, 3000}, {"source", "serverless", 2, 20_000}} {
		t.Run(fmt.Sprintf("%s to %s, %d shards", way.from, way.to, way.shards), func(t *testing.T) {
			needLab(t, way.from, way.to)
			from, to := connect(t, labConfig(t, way.from)), admin(t, way.to)
			owner := admin(t, way.from)
			const index = "dig-full"
			drop(t, owner, index)
			drop(t, to, index)
			t.Cleanup(func() { drop(t, owner, index); drop(t, to, index) })
			must(t, owner, "PUT", "/"+index, object{"settings": object{"number_of_shards": way.shards, "number_of_replicas": 0}})
			flat(t, owner, index, map[bool]string{true: `,"_type":"_doc"`}[way.from == "es6"], 0, way.n)
			task := copying(index, index).task(t, map[string]providers.Cluster{"source": from, "target": to})
			task.small, task.big = 1000, 2500
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			all := int64(way.n)
			j := newJournal()
			v, err := task.Verify(t.Context(), j, sum)
			if err != nil || v.Identical != all || v.Compared != all || len(j.notes) > 0 {
				t.Fatalf("an equal copy: %+v, %v, %s", v, err, j.notes)
			}
			for _, c := range []struct {
				spoil func()
				want  string
				fixed providers.Repaired
			}{
				{func() { write(t, to, index, "f-2745", "", flatDocument(2745, 2746)) }, "different f-2745 distance 2745 2746", providers.Repaired{Updated: 1}},
				{func() { remove(t, to, index, "f-2000", "") }, "missing f-2000   ", providers.Repaired{Created: 1}},
				{func() { write(t, to, index, "f-2745 again", "", flatDocument(2745, 2745)) }, "extra f-2745 again   ", providers.Repaired{Deleted: 1}},
			} {
				c.spoil()
				v, err := task.Verify(t.Context(), newJournal(), sum)
				var got []string
				for _, e := range v.Examples {
					got = append(got, strings.Join([]string{e.What, e.ID, e.Path, e.From, e.To}, " "))
				}
				if !errors.Is(err, providers.ErrVerify) || strings.Join(got, ", ") != c.want || v.Missing+v.Different+v.Extra != 1 {
					t.Errorf("%+v, %v, want %s", v, err, c.want)
				}
				if fixed, v, err := task.Repair(t.Context(), newJournal(), sum, true); err != nil || fixed != c.fixed || v.Identical != all {
					t.Errorf("repaired %+v, %+v, %v", fixed, v, err)
				}
			}
		})
	}
}
