package engine_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

const slowMigration = `
migration "m" {
  source {
    index = "src"
    size  = 1
  }
  dest { index = index.a.name }
}
`

// killedMidCopy is a world in which a process was killed right after its first
// reindex was begun, which goes on by itself, one document at a time, into an
// index that is relaxed.
func killedMidCopy(t *testing.T, files string) (w *world, task string) {
	w = newWorld(t)
	w.target = providertest.NewFake(providertest.Options{Name: "target", Network: w.net, Whitelist: []string{"source:9200"}, ReindexBatchesPerPoll: 1})
	w.net.Join("target:9200", w.target)
	w.documents(w.source, "src", 7)
	w.write("main.hcl", files)
	l := &life{}
	l.left.Store(1 << 30)
	w.target.Fault(func(r *http.Request) providertest.Fault {
		if r.Method == http.MethodPost && r.URL.Path == "/_reindex" && r.URL.Query().Get("wait_for_completion") == "false" { // no probe
			l.left.Store(0)
		}
		return providertest.Fault{}
	})
	if err := w.mortalApply(l); err == nil {
		t.Fatal("it was not killed")
	}
	w.target.Fault(nil)
	if got := w.loosened(); got != "refresh_interval async" {
		t.Fatalf("relaxed: %s", got)
	}
	tasks := string(w.send(w.target, "GET", "/_tasks?actions=*reindex", ""))
	_, tasks, found := strings.Cut(tasks, `"tasks":{"`)
	task, _, _ = strings.Cut(tasks, `"`)
	if !found {
		t.Fatal("no task runs")
	}
	return w, task
}

// loosened says which settings of the index are relaxed.
func (w *world) loosened() string {
	settings := string(w.send(w.target, "GET", "/a/_settings", ""))
	var out []string
	for _, s := range []string{"refresh_interval", "async"} {
		if strings.Contains(settings, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// cancelled says whether a task was. To ask brings it forward by no more than
// one document.
func (w *world) cancelled(task string) bool {
	return strings.Contains(string(w.send(w.target, "GET", "/_tasks/"+task, "")), `"canceled"`)
}

// A copy that is begun again ends the one that it takes the place of: its tasks
// do not write any longer, and its settings are not taken for the user's.
func TestRestartOfKilled(t *testing.T) {
	for _, c := range []struct{ name, files, again string }{
		{"same", withheld + indexA + slowMigration + pipeline, ""},
		{"other query", indexA + slowMigration, strings.Replace(indexA+slowMigration, "size  = 1", `query = { range = { n = { lt = 3 } } }`, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, task := killedMidCopy(t, c.files)
				want := 7
				if c.again != "" {
					w.write("main.hcl", c.again)
					want = 3
				}
				if _, err := w.tryApply(t.Context(), engine.PlanOptions{Restart: []providers.Addr{addr(t, "migration.m")}}); err != nil {
					t.Fatal(err, w.log())
				}
				if got := w.loosened(); got != "" {
					t.Errorf("still relaxed: %s", got)
				}
				w.target.FinishTasks()
				w.send(w.target, "POST", "/a/_refresh", "")
				if got := len(w.target.Docs("a")); got != want || !w.cancelled(task) {
					t.Errorf("%d documents instead of %d; the old task is cancelled: %v", got, want, w.cancelled(task))
				}
				w.settled()
			})
		})
	}
}

// So does a copy into an index that was deleted and is made anew, with other
// settings: those of the former one are not put on it.
func TestMadeAnewAfterKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, task := killedMidCopy(t, strings.Replace(indexA, "name     =", "settings = { number_of_replicas = 1 }\nname     =", 1)+slowMigration)
		w.send(w.target, "DELETE", "/a", "")
		w.write("main.hcl", strings.Replace(indexA, "name     =", "settings = { number_of_replicas = 2 }\nname     =", 1)+slowMigration)
		w.apply()
		if got := string(w.send(w.target, "GET", "/a/_settings", "")); !strings.Contains(got, `"number_of_replicas":"2"`) || w.loosened() != "" || !w.cancelled(task) {
			t.Errorf("%s, the old task is cancelled: %v", got, w.cancelled(task))
		}
		w.settled()
	})
}

// A migration whose block is deleted while it is half done is given up.
func TestBlockOfKilledIsGone(t *testing.T) {
	for _, c := range []struct{ name, files string }{
		{"index stays", indexA},
		{"index is nobody's any more", "removed {\n from = index.a\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, task := killedMidCopy(t, indexA+slowMigration)
				w.write("main.hcl", c.files)
				w.apply()
				if got := w.loosened(); got != "" || !w.cancelled(task) {
					t.Errorf("relaxed: %s; the task is cancelled: %v", got, w.cancelled(task))
				}
				w.settled()
			})
		})
	}
}

// Without its journal nothing is known of what was begun: that never passes
// without a word.
func TestJournalOfKilledIsGone(t *testing.T) {
	for _, c := range []struct {
		name, files string
		o           engine.PlanOptions
	}{
		{"goes on", indexA + slowMigration, engine.PlanOptions{}},
		{"begins again", indexA + slowMigration, engine.PlanOptions{Restart: []providers.Addr{addr(t, "migration.m")}}},
		{"given up", indexA, engine.PlanOptions{}},
		{"destroyed", indexA + slowMigration, engine.PlanOptions{Destroy: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := killedMidCopy(t, indexA+slowMigration)
				w.write("main.hcl", c.files)
				lost := func() (out []string) {
					for _, d := range w.plan(c.o).Diagnostics {
						if d.Code == "journal_missing" {
							out = append(out, d.Detail)
						}
					}
					return out
				}
				if got := lost(); len(got) > 0 {
					t.Errorf("the journal is there: %q", got)
				}
				if err := w.fs.Remove("esmig.state.json.journal"); err != nil {
					t.Fatal(err)
				}
				got := strings.Join(lost(), "|")
				for _, s := range []string{"migration.m", "/_tasks?actions=*reindex", "/a/_settings", "refresh_interval", "on target"} {
					if !strings.Contains(got, s) {
						t.Errorf("%q is missing in %q", s, got)
					}
				}
			})
		})
	}
}

// A line of the journal is gone, because it was damaged and the user was told to
// remove it: what the others tell of is ended, and nothing else is blocked.
func TestGapInJournalOfKilled(t *testing.T) {
	gap := func(t *testing.T) (*world, string) {
		w, task := killedMidCopy(t, indexA+slowMigration)
		raw, err := w.fs.ReadFile("esmig.state.json.journal")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(raw), "\n")
		if !strings.Contains(lines[1], `"what":"cut"`) {
			t.Fatalf("this tests nothing: %s", lines[1])
		}
		if err := state.WriteFile(w.fs, "esmig.state.json.journal", []byte(lines[0]+strings.Join(lines[2:], ""))); err != nil {
			t.Fatal(err)
		}
		return w, task
	}
	t.Run("goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, _ := gap(t)
			p := w.plan(engine.PlanOptions{})
			wantError(t, p, "journal_gap", "range 0.0", "esmig apply -restart migration.m")
		})
	})
	t.Run("begins again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, task := gap(t)
			if _, err := w.tryApply(t.Context(), engine.PlanOptions{Restart: []providers.Addr{addr(t, "migration.m")}}); err != nil {
				t.Fatal(err, w.log())
			}
			if got := w.loosened(); got != "" || !w.cancelled(task) {
				t.Errorf("relaxed: %s; the task is cancelled: %v", got, w.cancelled(task))
			}
			w.settled()
		})
	})
	t.Run("given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, task := gap(t)
			w.write("main.hcl", indexA)
			w.apply()
			if got := w.loosened(); got != "" || !w.cancelled(task) {
				t.Errorf("relaxed: %s; the task is cancelled: %v", got, w.cancelled(task))
			}
			w.settled()
		})
	})
}

// Where nobody can be asked it is said what may be left.
func TestClusterOfKilledIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := killedMidCopy(t, indexA+slowMigration)
		if err := state.WriteFile(w.fs, "main.hcl", []byte("removed {\n from = index.a\n}\n")); err != nil {
			t.Fatal(err)
		}
		w.apply()
		var notes []string
		for _, e := range w.events {
			if n, ok := e.(engine.StepNote); ok {
				notes = append(notes, n.Text)
			}
		}
		if want := `Its tasks on target may still run, or settings of a be relaxed: the block of cluster "target" is gone.`; !slices.Contains(notes, want) {
			t.Errorf("%q", notes)
		}
		w.settled()
	})
}

// Whoever declares, while a copy is half done, what its index is relaxed to
// meanwhile has that in the end, and not what was declared before.
func TestDeclaredAsRelaxed(t *testing.T) {
	for _, how := range []string{"goes on", "restarted", "given up"} {
		synctest.Test(t, func(t *testing.T) {
			declared := func(n string) string {
				return strings.Replace(indexA, "name     =", "settings = { number_of_replicas = "+n+" }\nname     =", 1) + slowMigration
			}
			w, _ := killedMidCopy(t, declared("1"))
			files := declared("0")
			if how == "given up" {
				files = strings.TrimSuffix(files, slowMigration)
			}
			w.write("main.hcl", files)
			var o engine.PlanOptions
			if how == "restarted" {
				o.Restart = []providers.Addr{addr(t, "migration.m")}
			}
			if _, err := w.tryApply(t.Context(), o); err != nil {
				t.Fatal(err, w.log())
			}
			if got := string(w.send(w.target, "GET", "/a/_settings", "")); !strings.Contains(got, `"number_of_replicas":"0"`) || w.loosened() != "" {
				t.Errorf("%s: %s", how, got)
			}
			w.settled()
		})
	}
}
