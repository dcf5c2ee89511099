package migration

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// What somebody has written on the destination since is newer, and stays; what
// is merely different is mended, and has the source's version then.
func TestRepairKeepsNewer(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name = "dig-newer"
		task, sum := copied(t, w, name, 1, 30)
		want := contents(t, w.target, name)
		write(t, w.target, name, "d 7/ü", "", `{"n":777}`)
		write(t, w.target, name, "d 9/ü", "&routing=r", `{"n":777}`)
		write(t, w.target, name, "d 8/ü", sameVersion, `{"n":9}`)
		j := newJournal()
		got, v, err := task.Repair(t.Context(), j, sum, true)
		if !errors.Is(err, providers.ErrVerify) || got != (providers.Repaired{Updated: 1, Failed: 2}) || v.Different != 2 || v.Missing+v.Extra != 0 {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		if notes := strings.Join(j.notes, "\n"); !strings.Contains(notes, "2 documents were not repaired: the destination has version 2") {
			t.Errorf("notes %q", notes)
		}
		want["d 7/ü"], want["d 9/ü"] = `2  {"n":777}`, `2 r {"n":777}`
		want["d 8/ü"] = contents(t, w.admin, name)["d 8/ü"]
		if diff := cmp.Diff(want, contents(t, w.target, name)); diff != "" {
			t.Error(diff)
		}
	})
}

// A final pipeline cannot be bypassed, so that repair would change documents.
func TestRepairUnderFinalPipeline(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name, pipeline = "dig-final", "dig-final"
		must(t, w.target, "PUT", "/_ingest/pipeline/"+pipeline, object{"processors": []any{object{"set": object{"field": "seen", "value": true}}}})
		t.Cleanup(func() {
			drop(t, w.target, name)
			drop(t, w.target, "_ingest/pipeline/"+pipeline)
		})
		task, sum := copied(t, w, name, 1, 30)
		want := contents(t, w.target, name)
		remove(t, w.target, name, "d 7/ü", "")
		setFinal := func(to string) {
			must(t, w.target, "PUT", "/"+name+"/_settings", object{"index": object{"final_pipeline": to}})
		}
		setFinal(pipeline)
		got, v, err := task.Repair(t.Context(), newJournal(), sum, false)
		if err == nil || !strings.Contains(err.Error(), "final pipeline") || got != (providers.Repaired{}) || v.Missing != 1 {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		setFinal("_none")
		if got, _, err := task.Repair(t.Context(), newJournal(), sum, false); err != nil || got.Created != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		now := contents(t, w.target, name)
		if strings.Contains(now["d 7/ü"], "seen") || now["d 7/ü"] == "" {
			t.Errorf("repaired as %q", now["d 7/ü"])
		}
		want["d 7/ü"] = now["d 7/ü"] // its version went on
		if diff := cmp.Diff(want, now); diff != "" {
			t.Error(diff)
		}
	})
}

// What a pipeline drops is not lost, and repair does not bring it; what is lost
// besides is found.
func TestPipelineDrops(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		const name, pipeline = "dig-drops", "dig-drops"
		w.fresh(t, name, 1)
		must(t, w.target, "PUT", "/_ingest/pipeline/"+pipeline, object{"processors": []any{object{"drop": object{"if": "ctx.n == 4"}}}})
		t.Cleanup(func() {
			drop(t, w.target, name)
			drop(t, w.target, "_ingest/pipeline/"+pipeline)
		})
		put(t, w.admin, name, 1, ids(0, 20)...)
		put(t, w.admin, name, 4, ids(20, 25)...)
		b := with(streaming(name, name), "dest", "pipeline", cty.StringVal(pipeline))
		type migration = task
		task := digestTask(t, w, b)
		result, sum, err := task.Run(t.Context(), newJournal())
		if err != nil || result.Noops != 5 || result.Created != 20 {
			t.Fatalf("%+v, %v", result, err)
		}
		for _, task.verify = range []string{"count", "sample", "full"} {
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if err != nil || len(v.Examples) > 0 || !strings.Contains(strings.Join(v.Notes, "\n"), "5 documents are not on the destination, and no difference: pipeline dig-drops dropped 5") {
				t.Errorf("%s: %+v, %v", task.verify, v, err)
			}
		}
		j := newJournal()
		got, v, err := task.Repair(t.Context(), j, sum, true)
		if err != nil || got != (providers.Repaired{Failed: 5}) || !strings.Contains(strings.Join(j.notes, "\n"), "the pipeline drops it") {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		remove(t, w.target, name, ids(7, 8)[0], "")
		for _, task.verify = range []string{"count", "sample", "full"} {
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if !errors.Is(err, providers.ErrVerify) || v.Missing != 6 || !strings.Contains(strings.Join(v.Notes, "\n"), "cannot be told from lost ones") {
				t.Errorf("%s: %+v, %v", task.verify, v, err)
			}
		}
		got, v, err = task.Repair(t.Context(), newJournal(), sum, true)
		if err != nil || got != (providers.Repaired{Created: 1, Failed: 5}) {
			t.Errorf("%+v %+v, %v", got, v, err)
		}
		// Nor is it that another migration's documents have the same ids.
		w.fresh(t, name+"-2", 1)
		put(t, w.admin, name+"-2", 1, "another")
		other := digestTask(t, w, copying(name+"-2", name))
		_, done, err := other.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []struct {
			own  *migration
			sum  providers.JSON
			peer providers.Peer
		}{{task, sum, providers.Peer{Task: other, Done: done}}, {other, done, providers.Peer{Task: task, Done: sum}}} {
			k.own.verify = "count"
			k.own.Share([]providers.Peer{k.peer})
			if v, err := k.own.Verify(t.Context(), newJournal(), k.sum); err != nil || strings.Contains(strings.Join(v.Notes, "\n"), "share ids") {
				t.Errorf("%+v, %v", v, err)
			}
		}
	})
}
