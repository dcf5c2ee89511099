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

// costly is a migration whose requests are counted.
type costly struct {
	verify          string
	size            int64 // of a batch
	big             int64 // 0: one range
	indices, window int
	inside          bool // digests are added up by the clusters
	stop            int  // at this record, to go on from there
}

// The figures of a plan are those of the copy and its comparison, as the two
// clusters count them, to a tenth and three. Not to the last one: ranges are not
// all of the same size, the last batch of each is not full, and how often tasks
// are looked at depends on when they end.
func TestRequests(t *testing.T) {
	for _, flavor := range []providers.Flavor{providers.Elasticsearch, providers.Serverless} {
		for _, method := range []string{"reindex", "stream"} {
			for name, c := range map[string]costly{
				"many ranges":       {verify: "none", size: 10, big: 20},
				"many batches":      {verify: "none", size: 2, big: 20},
				"one range":         {verify: "none", size: 2},
				"several indices":   {verify: "full", size: 10, big: 20, indices: 5},
				"counted":           {verify: "count", size: 10, big: 20},
				"sampled":           {verify: "sample", size: 5, big: 20},
				"compared":          {verify: "full", size: 10, big: 20},
				"compared in pages": {verify: "full", size: 20, big: 100, window: 20},
				"compared inside":   {verify: "full", size: 20, big: 100, window: 20, inside: true},
				"goes on":           {verify: "full", size: 2, big: 20, stop: 30},
			} {
				if flavor == providers.Serverless && c.window > 0 {
					continue // it has no such setting
				}
				t.Run(fmt.Sprint(flavor, " ", method, " ", name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						planned, counted := c.requests(t, flavor, method)
						t.Log(planned, counted)
						near := func(side string, planned, counted int64) {
							if d := planned - counted; max(d, -d) > counted/10+3 {
								t.Errorf("%s: planned %d requests, counted %d", side, planned, counted)
							}
						}
						near("source", planned.source, counted.source)
						near("target", planned.dest, counted.dest)
					})
				})
			}
		}
	}
}

// requests plans a migration, makes it, and gives what was planned and what the
// clusters counted.
func (c costly) requests(t *testing.T, flavor providers.Flavor, method string) (planned, counted traffic) {
	// A task is done when it is looked at: how long the fake would take says nothing.
	o := providertest.Options{Flavor: flavor, ReindexBatchesPerPoll: 1000}
	if c.inside {
		o.ScriptedMetric = goDigests
	}
	w := newPair(t, o)
	const name = "requests"
	w.fresh(t, name, 1)
	from, indices := name, max(1, c.indices)
	for i := range indices {
		index := name
		if indices > 1 {
			from, index = name+"-*", fmt.Sprint(name, "-", i)
			must(t, w.admin, "PUT", "/"+index, sized(t, w.admin, 1))
		}
		put(t, w.admin, index, 1, ids(i*400/indices, (i+1)*400/indices)...)
		if c.window > 0 {
			must(t, w.admin, "PUT", "/"+index+"/_settings", object{"index.max_result_window": c.window})
			must(t, w.world.target, "PUT", "/"+name+"/_settings", object{"index.max_result_window": c.window})
		}
	}
	b := with(with(copying(from, name), "", "method", cty.StringVal(method)), "", "verify", cty.StringVal(c.verify))
	task := with(b, "source", "size", cty.NumberIntVal(c.size)).
		task(t, map[string]providers.Cluster{"source": fieldScripts{w.world.source}, "target": fieldScripts{w.world.target}})
	if c.big > 0 {
		task.small, task.big = 1, c.big
	}
	if c.inside {
		task.fetched = 0
	}
	j, p := newJournal(), providers.Prospect{}
	if c.stop > 0 {
		task.concurrency = 1 // of what a task has done that is to be followed, the plan knows nothing
		j.left = c.stop
		if _, _, err := task.Run(t.Context(), j); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		p.Resume, j.left = j, -1
	}
	e, err := task.Estimate(t.Context(), p)
	if err != nil || e.Method != method {
		t.Fatal(e.Method, err)
	}
	w.source.Forget()
	w.target.Forget()
	before := len(j.records)
	_, sum, err := task.Run(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Verify(t.Context(), j, sum); err != nil {
		t.Fatal(err)
	}
	counted = traffic{source: int64(len(w.source.Requests())), dest: int64(len(w.target.Requests()))}
	counted.dest += batchesOf(t, w.world.target, j.records[before:])
	return traffic{source: e.SourceRequests, dest: e.DestRequests}, counted
}

// batchesOf counts what the tasks of a journal wrote inside their cluster.
func batchesOf(t *testing.T, c providers.Cluster, records []providers.JSON) (n int64) {
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := "/_tasks/"
	if info.Flavor == providers.Serverless {
		path = "/_reindex/"
	}
	for _, raw := range records {
		var r record
		if err := decode(raw, &r); err != nil {
			t.Fatal(err)
		}
		if r.What != wroteTask {
			continue
		}
		var a struct {
			Response struct{ Batches int64 }
		}
		if err := get(t.Context(), c, path+r.Task, nil, &a); err != nil {
			t.Fatal(err)
		}
		n += a.Response.Batches
	}
	return n
}

// A write to Serverless takes its time, however small it is: a plan with small
// batches takes that into account.
func TestServerlessWritesTakeTime(t *testing.T) {
	for flavor, want := range map[providers.Flavor]float64{providers.Elasticsearch: 0.01, providers.Serverless: 400.0 / 2 * 0.2} {
		w := newPair(t, providertest.Options{Flavor: flavor})
		w.fresh(t, "slow", 1)
		put(t, w.admin, "slow", 1, ids(0, 400)...)
		task := with(with(copying("slow", "slow"), "source", "size", cty.NumberIntVal(1)), "", "concurrency", cty.NumberIntVal(2)).task(t, w.clusters())
		task.small, task.big = 1, 20
		e, err := task.Estimate(t.Context(), providers.Prospect{})
		if err != nil || e.Seconds < 0.99*want && want > 1 || e.Seconds > 1.01*want {
			t.Errorf("%s: %.3f s, want about %.3f: %v", flavor, e.Seconds, want, err)
		}
	}
}
