package migration

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// tallied counts what esmig sends.
type tallied struct {
	providers.Cluster
	n atomic.Int64
}

func (c *tallied) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	c.n.Add(1)
	return c.Cluster.Do(ctx, r)
}

// handled is how many requests a cluster has had, those of a reindex elsewhere
// among them.
func handled(t *testing.T, c providers.Cluster) (n int64) {
	var a struct {
		Nodes map[string]struct {
			Actions map[string]int64 `json:"rest_actions"`
		}
	}
	if err := get(t.Context(), c, "/_nodes/usage", nil, &a); err != nil {
		t.Fatal(err)
	}
	for _, node := range a.Nodes {
		for _, one := range node.Actions {
			n += one
		}
	}
	return n
}

// What a plan says of requests, against what real servers count. The bound is a
// half: a busy machine ends tasks late, and they are looked at more often.
func TestRealRequests(t *testing.T) {
	for _, to := range []string{"target", "serverless"} {
		for _, method := range []string{"reindex", "stream"} {
			for _, size := range []int64{500, 10_000} {
				t.Run(fmt.Sprint(to, " ", method, " ", size), func(t *testing.T) {
					const name = "mig-requests"
					w := world{to, connect(t, labConfig(t, "source")), connect(t, labConfig(t, to)), admin(t, "source")}
					w.fresh(t, name, 1)
					for i := range 8 {
						put(t, w.admin, name, 1, ids(i*10_000, (i+1)*10_000)...)
					}
					dest := &tallied{Cluster: w.target}
					b := with(with(full(copying(name, name)), "", "method", cty.StringVal(method)), "source", "size", cty.NumberIntVal(size))
					task := b.task(t, map[string]providers.Cluster{"source": w.source, "target": dest})
					e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
					if err != nil || e.Method != method {
						t.Fatal(e.Method, err)
					}
					dest.n.Store(0)
					before, j := handled(t, w.admin), newJournal()
					_, sum, err := task.Run(t.Context(), j)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := task.Verify(t.Context(), j, sum); err != nil {
						t.Fatal(err)
					}
					for side, n := range map[string][2]int64{
						"source": {e.SourceRequests, handled(t, w.admin) - before - 1},
						"target": {e.DestRequests, dest.n.Load() + batchesOf(t, w.target, j.records)},
					} {
						t.Logf("%s: planned %d, counted %d", side, n[0], n[1])
						if n[0] < n[1]*2/3 || n[0] > n[1]*3/2 {
							t.Errorf("%s: planned %d requests, counted %d", side, n[0], n[1])
						}
					}
				})
			}
		}
	}
}
