package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// remaking is a cluster that makes the field v of _source anew out of what it
// has indexed, as 9.2 does.
type remaking struct{ providers.Cluster }

var vector = regexp.MustCompile(`"v":\[[^\]]*\]`)

func (r remaking) Do(ctx context.Context, q providers.Request) (providers.JSON, error) {
	raw, err := r.Cluster.Do(ctx, q)
	if err != nil || !strings.HasSuffix(q.Path, "/_search") {
		return raw, err
	}
	return vector.ReplaceAllFunc(raw, func(b []byte) []byte {
		var v []float32
		if err := json.Unmarshal(b[len(`"v":`):], &v); err != nil {
			return b
		}
		var out []string
		for _, n := range v {
			s := fmt.Sprint(n)
			if !strings.ContainsAny(s, ".e") {
				s += ".0"
			}
			out = append(out, s)
		}
		return []byte(`"v":[` + strings.Join(out, ",") + `]`)
	}), nil
}

// vectored are documents with vectors, in an index that has them on both sides.
func vectored(t *testing.T, w world, name string, settings object) *task {
	t.Helper()
	for c, more := range map[providers.Cluster]object{w.admin: {"index.mapping.exclude_source_vectors": false}, w.target: settings} {
		drop(t, c, name)
		t.Cleanup(func() { drop(t, c, name) })
		body := sized(t, c, 1)
		if s, ok := body["settings"].(object); ok {
			for k, v := range more {
				s[k] = v
			}
		}
		body["mappings"] = object{"properties": object{"o": object{"properties": object{"v": object{"type": "dense_vector", "dims": 3}}}}}
		must(t, c, "PUT", "/"+name, body)
	}
	lines(t, w.admin, name, "a", `{"n":1,"o":{"v":[0.5,10,6]}}`, "b", `{"n":2,"o":{"v":[0.012345678955316544,0.1234567890123,1e-7]}}`, "c", `{"n":3}`)
	return fineTask(t, w, copying(name, name))
}

// An index that makes vectors anew gives them back rounded: that is no
// difference, and said; another vector is one, and a repair brings vectors.
func TestVectorsAreRemade(t *testing.T) {
	for _, how := range []string{"sample", "full"} {
		synctest.Test(t, func(t *testing.T) {
			const name = "vec-remade"
			w := newPair(t, providertest.Options{}).world
			target := w.target
			w.target = remaking{target}
			task := vectored(t, w, name, object{"index.mapping.exclude_source_vectors": true})
			task.verify = how
			_, sum, err := task.Run(t.Context(), newJournal())
			if err != nil {
				t.Fatal(err)
			}
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if err != nil || v.Identical != 3 || how == "full" != strings.Contains(strings.Join(v.Notes, "\n"), "o.v was compared, as rounded numbers, in a sample of 3 documents only") {
				t.Errorf("%s: %+v, %v", how, v, err)
			}
			write(t, target, name, "a", sameVersion, `{"n":1,"o":{"v":[0.5,11,6]}}`)
			v, err = task.Verify(t.Context(), newJournal(), sum)
			want := []providers.Difference{{What: different, ID: "a", Path: "o.v.1", From: "10", To: "11.0"}}
			if !errors.Is(err, providers.ErrVerify) || v.Different != 1 || v.Identical != 2 || cmp.Diff(want, v.Examples) != "" {
				t.Errorf("%s: %+v, %v", how, v, err)
			}
			// What differs in something else is written with its vector.
			write(t, target, name, "a", sameVersion, `{"n":7,"o":{"v":[0.5,11,6]}}`)
			if _, v, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil {
				t.Errorf("%s: %+v, %v", how, v, err)
			}
			if diff := cmp.Diff(contents(t, w.admin, name)["a"], contents(t, target, name)["a"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRealVectorsRehydrated: a server of 9.2 or later is asked.
func TestRealVectorsRehydrated(t *testing.T) {
	needLab(t, "source", "target")
	w := world{"real", connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target")), admin(t, "source")}
	task := vectored(t, w, "vec-real", nil)
	_, sum, err := task.Run(t.Context(), newJournal())
	if err != nil {
		t.Fatal(err)
	}
	for _, task.verify = range []string{"sample", "full"} {
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if err != nil || v.Identical != 3 {
			t.Errorf("%s: %+v, %v", task.verify, v, err)
		}
		t.Logf("%s: %+v", task.verify, v)
	}
}
