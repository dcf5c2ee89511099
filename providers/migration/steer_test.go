package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// steered is a copy of 8 ranges of 5 documents that was left while 2 tasks run.
type steered struct {
	*testing.T
	target *providertest.Fake
	task   *task
	j      *memJournal
}

func leave(t *testing.T, flavor providers.Flavor) *steered {
	f := newPair(t, providertest.Options{Flavor: flavor})
	w := f.world
	const name = "mig-steer"
	must(t, w.target, "PUT", "/"+name, object{})
	put(t, w.admin, name, 1, ids(0, 40)...)
	s := &steered{t, f.target, fineTask(t, w, copying(name, name)), newJournal()}
	s.task.concurrency, s.task.size = 2, 1
	s.status(providers.Status{Tasks: []providers.ServerTask{}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := 0
	s.j.at = func(r record) {
		if r.What == wroteTask {
			if begun++; begun == 2 {
				cancel()
			}
		}
	}
	if _, _, err := s.task.Run(ctx, s.j); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.j.at = nil
	return s
}

// status compares what is not measured.
func (s *steered) status(want providers.Status) {
	s.Helper()
	got, err := s.task.Status(s.Context(), s.j)
	if err != nil {
		s.Error(err)
	}
	got.PerSecond = 0
	for i := range got.Tasks {
		if !strings.Contains(got.Tasks[i].ID, ":") {
			s.Errorf("%q is no id of a task", got.Tasks[i].ID)
		}
		got.Tasks[i].ID, got.Tasks[i].Seconds = "", 0
	}
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("(-want +got)\n%s", d)
	}
}

// tasks that run, after so many documents each.
func tasks(done int64, perSecond float64) (out []providers.ServerTask) {
	for i := range 2 {
		out = append(out, providers.ServerTask{Range: fmt.Sprint("0.", i), Index: "mig-steer", Done: done, Total: 5, RequestsPerSecond: perSecond})
	}
	return out
}

func (s *steered) count(want int) func(int, error) {
	return func(n int, err error) {
		s.Helper()
		if n != want || err != nil {
			s.Errorf("%d %v, want %d", n, err, want)
		}
	}
}

// finish lets it go on to its end.
func (s *steered) finish() {
	s.Helper()
	s.target.FinishTasks()
	if result, _, err := s.task.Run(s.Context(), s.j); err != nil || result.Created+result.Conflicts != 40 {
		s.Errorf("%+v %v", result, err)
	}
	if n := len(s.target.Docs("mig-steer")); n != 40 {
		s.Errorf("%d documents", n)
	}
}

func TestSteerable(t *testing.T) {
	for _, flavor := range []providers.Flavor{providers.Elasticsearch, providers.Serverless} {
		in := func(name string, f func(s *steered)) {
			t.Run(string(flavor)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { f(leave(t, flavor)) })
			})
		}
		in("throttled", func(s *steered) {
			s.status(providers.Status{Total: 40, Done: 2, Ranges: 8, RangesRunning: 2, RangesOpen: 6, Tasks: tasks(1, 0)}) // each look is a step
			s.count(2)(s.task.Throttle(s.Context(), s.j, 50))
			s.status(providers.Status{Total: 40, Done: 6, Ranges: 8, RangesRunning: 2, RangesOpen: 6, Tasks: tasks(3, 25)})
			s.finish()
			s.count(0)(s.task.Throttle(s.Context(), s.j, 50))
		})
		in("speed", func(s *steered) {
			time.Sleep(10 * time.Second)
			got, err := s.task.Status(s.Context(), s.j) // brings each task on by its first document
			if err != nil || len(got.Tasks) != 2 || got.Tasks[0].Seconds < 10 || got.Tasks[0].Seconds > 11 || got.PerSecond < 0.18 || got.PerSecond > 0.2 {
				s.Errorf("%+v %v, want 2 documents in the 10 seconds that 2 tasks run", got, err)
			}
		})
		in("as declared", func(s *steered) {
			s.task.requestsPerSecond = 8
			s.count(2)(s.task.Throttle(s.Context(), s.j, 0))
			s.status(providers.Status{Total: 40, Done: 4, Ranges: 8, RangesRunning: 2, RangesOpen: 6, Tasks: tasks(2, 4)})
		})
		in("ended", func(s *steered) {
			s.target.FinishTasks()
			s.status(providers.Status{Total: 40, Done: 10, Ranges: 8, RangesDone: 2, RangesOpen: 6, Tasks: []providers.ServerTask{}})
			s.count(0)(s.task.Cancel(s.Context(), s.j))
			s.finish()
		})
		in("lost", func(s *steered) {
			s.target.Restart()
			s.status(providers.Status{Total: 40, Ranges: 8, RangesBegun: 2, RangesOpen: 6, Tasks: []providers.ServerTask{}})
			s.count(0)(s.task.Cancel(s.Context(), s.j))
			s.finish()
		})
		in("cancelled", func(s *steered) {
			s.count(2)(s.task.Cancel(s.Context(), s.j))
			s.count(0)(s.task.Cancel(s.Context(), s.j))
			s.status(providers.Status{Total: 40, Ranges: 8, RangesBegun: 2, RangesOpen: 6, Tasks: []providers.ServerTask{}})
			l, err := replay(s.j)
			if err != nil || l.units[0].task != "" || !l.units[0].cancelled {
				s.Errorf("%+v %v", l.units[0], err)
			}
			s.finish()
		})
		in("unreachable", func(s *steered) {
			s.target.Fault(func(*http.Request) providertest.Fault { return providertest.Fault{Status: 403} })
			got, err := s.task.Status(s.Context(), s.j)
			if !errors.Is(err, providers.ErrDenied) || got.Ranges != 8 || got.RangesBegun != 2 || got.RangesRunning != 0 {
				s.Errorf("%+v %v", got, err)
			}
		})
	}
}

// What passes through esmig has no task that tells its speed: it is that of the
// ranges that are done, for each that was begun. A journal of an older esmig does
// not hold it.
func TestStatusOfStream(t *testing.T) {
	w := newPair(t, providertest.Options{}).world
	x := &sourceIndex{Name: "from", Documents: 500}
	for i := range 5 {
		x.Ranges = append(x.Ranges, span{From: int64(100 * i), To: int64(100*i + 99), Documents: 100})
	}
	end := func(unit string, documents int64, seconds float64) record {
		return record{What: wroteEnd, Unit: unit, Counts: &counts{Total: documents, Created: documents}, Seconds: seconds}
	}
	for _, c := range []struct {
		name  string
		ends  []record
		limit float64
		want  float64
	}{
		{"none is done", nil, 0, 0},
		{"an older journal", []record{end("0.0", 100, 0)}, 0, 0},
		{"one is done", []record{end("0.0", 100, 10)}, 0, 30},
		{"two are done", []record{end("0.0", 100, 10), end("0.1", 100, 30)}, 0, 10},
		{"throttled", []record{end("0.0", 100, 10)}, 5, 5},
		{"an older esmig has gone on", []record{end("0.0", 100, 0), end("0.1", 100, 10)}, 0, 20},
	} {
		j := newJournal()
		records := []record{{What: wroteCut, Run: "r", Indices: []*sourceIndex{x}}}
		for i := range 4 {
			records = append(records, record{What: wroteBegin, Unit: fmt.Sprint("0.", i), Size: 10})
		}
		for _, r := range append(records, c.ends...) {
			if err := j.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		task := streaming("from", "to").task(t, w.clusters())
		task.requestsPerSecond = c.limit
		s, err := task.Status(t.Context(), j)
		if err != nil || s.Passing != c.want || s.PerSecond != 0 || s.RangesBegun != 4-len(c.ends) {
			t.Errorf("%s: %+v %v, want %v documents a second", c.name, s, err, c.want)
		}
	}
}

// TestSpeed: what is asked for is kept to, also when it changes on the way.
func TestSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := 10.0
		s := newSpeed(func() float64 { return want })
		begin := time.Now()
		took := func(documents int, seconds float64) {
			t.Helper()
			if err := s.wait(t.Context(), documents); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin).Seconds(); got < seconds-0.01 || got > seconds+1.1 {
				t.Errorf("%v seconds, want %v", got, seconds)
			}
		}
		took(100, 0)
		took(1, 10)
		took(1000, 10.1)
		want = 100
		took(1, 20.1)
		want = 1
		took(59, 20.1) // what is owed takes no longer than before
		go func() {
			time.Sleep(5 * time.Second)
			want = 0
		}()
		took(1, 25.1)
		took(1000, 25.1)
		took(1, 25.1)
	})
}
