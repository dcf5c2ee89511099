package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// On Serverless there is no list of tasks with what they were sent with. A
// reindex whose answer was lost, or of which a killed process did not record
// the task, is waited for, and what it brought is left out of the next attempt:
// nothing is twice in a data stream, however often that rolls over.
func TestLostOnServerless(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for lost := 1; lost <= 4; lost++ {
			t.Run(fmt.Sprint("killed ", killed, ", answer ", lost), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newPair(t, providertest.Options{Flavor: providers.Serverless}).world
					const name, stream = "lost-from", "lost-to"
					must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 900, "data_stream": object{}})
					putDated(t, w.admin, name, ids(0, 40)...)
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					inner := w.target
					rolls := func() { // and a task that runs goes on meanwhile
						for range 2 {
							_, _ = inner.Do(t.Context(), providers.Request{Method: http.MethodGet, Path: "/_reindex"})
						}
						_, _ = inner.Do(t.Context(), providers.Request{Method: http.MethodPost, Path: "/" + stream + "/_rollover"})
					}
					w.target = &faulty{Cluster: inner, do: func(r providers.Request, n int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						if r.Method != http.MethodPost || !strings.HasSuffix(r.Path, "_reindex") || r.OpaqueID == "" {
							return pass()
						}
						if n > lost {
							rolls() // after it was looked what is there, as bad as can be
						}
						raw, err := pass()
						if n == lost && err == nil {
							if killed {
								kill()
							}
							return nil, fmt.Errorf("hung up: %w", providers.ErrUnavailable)
						}
						return raw, err
					}}
					task := fineTask(t, w, copying(name, stream))
					task.concurrency, task.size = 2, 1
					j := newJournal()
					_, sum, err := task.Run(ctx, j)
					if killed {
						if !errors.Is(err, context.Canceled) {
							t.Fatal(err)
						}
						_, sum, err = task.Run(t.Context(), j)
					}
					if err != nil {
						t.Fatal(err)
					}
					a, err := search(t.Context(), inner, stream, -1, object{"size": 1000})
					if err != nil || len(a.Hits.Hits) != 40 {
						t.Errorf("%d documents in the data stream instead of 40: %v", len(a.Hits.Hits), err)
					}
					if d, err := readDone(sum); err != nil || d.Result.Read != 40 {
						t.Errorf("%+v %v", d.Result, err)
					}
					if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical != 40 {
						t.Errorf("%+v %v", v, err)
					}
				})
			})
		}
	}
}

// What replaces documents behind an alias is sent to one of its indices: a reindex
// into that is waited for as well.
func TestLostBehindAlias(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t, providertest.Options{Flavor: providers.Serverless}).world
		_ = rolling(t, w.target, "waited")
		asked := 0
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if r.Method == http.MethodGet && r.Path == "/_reindex" {
				if asked++; asked == 1 {
					return providers.JSON(`{"reindex":[{"id":"n:1","description":"reindex from [from] to [waited-000001]"}]}`), nil
				}
			}
			return pass()
		}}
		j := newJournal()
		r := &run{task: copying("from", "waited").task(t, w.clusters()), j: j, l: &ledger{}, dest: destination{Alias: true}}
		if err := r.outwait(t.Context(), &sourceIndex{Name: "from"}); err != nil || asked != 2 || len(j.notes) != 1 {
			t.Error(err, asked, j.notes)
		}
	})
}

// What the journal says is flushed stays done when it also says that a node
// restarted, in the process that goes on as in the one that wrote it.
func TestFlushedIsNotLost(t *testing.T) {
	j := newJournal()
	x := &sourceIndex{Name: "from", Documents: 20, Ranges: []span{{From: 0, To: 9, Documents: 10}, {From: 10, To: 19, Documents: 10}}}
	for _, r := range []record{
		{What: wroteCut, Run: "r", Indices: []*sourceIndex{x}},
		{What: wroteBegin, Unit: "0.0"}, {What: wroteEnd, Unit: "0.0", Counts: &counts{Total: 10, Created: 10}},
		{What: wroteBegin, Unit: "0.1"}, {What: wroteEnd, Unit: "0.1", Counts: &counts{Total: 10, Created: 10}},
		{What: wroteFlush, Units: []string{"0.0"}},
		{What: wroteLost, Terms: map[string][]int64{"to": {2}}},
	} {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	l, err := replay(j)
	if err != nil {
		t.Fatal(err)
	}
	if l.units[0].counts == nil || l.units[1].counts != nil {
		t.Errorf("flushed: done %v, not flushed: done %v", l.units[0].counts != nil, l.units[1].counts != nil)
	}
}
