package migration

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// listener passes requests on, at each node of a cluster, and keeps what the
// servers said of tasks.
type listener struct {
	providers.Cluster
	*heard
}

type heard struct {
	mu      sync.Mutex
	began   map[string][]string // tasks by the endpoint that they were sent to
	most    int                 // nodes with tasks of their own in one list
	running []string            // asked for one by one although they ran
}

func (l listener) At(address string) (providers.Cluster, error) {
	c, err := l.Cluster.(routable).At(address)
	return listener{c, l.heard}, err
}

func (l listener) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	raw, err := l.Cluster.Do(ctx, r)
	if err != nil {
		return raw, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var a struct {
		Task      any
		Completed bool
		Nodes     map[string]struct{ Tasks map[string]any }
	}
	switch {
	case r.Method == http.MethodPost && r.Path == "/_reindex" && r.OpaqueID != "":
		if err := decode(raw, &a); err == nil {
			id, _ := a.Task.(string)
			at := l.Cluster.Config().Endpoint
			l.began[at] = append(l.began[at], id)
		}
	case r.Path == "/_tasks":
		if err := decode(raw, &a); err == nil {
			l.most = max(l.most, len(a.Nodes))
		}
	case strings.HasPrefix(r.Path, "/_tasks/"):
		if err := decode(raw, &a); err == nil && !a.Completed {
			l.running = append(l.running, r.Path)
		}
	}
	return raw, nil
}

// A copy into a cluster of two nodes begins tasks on both, whose ids say so,
// sees all of them in one list, and brings everything, whether the destination
// keeps its replica meanwhile or not.
func TestRealSpreadOverNodes(t *testing.T) {
	needLab(t, "source", "nodes")
	const n, from, to = 20_000, "mig-real-spread", "mig-real-spread-to"
	fill(t, admin(t, "source"), from, 2, n)
	target := connect(t, labConfig(t, "nodes"))
	var nodes struct {
		Nodes map[string]struct {
			HTTP struct {
				Publish string `json:"publish_address"`
			}
		}
	}
	if err := decode(must(t, target, "GET", "/_nodes/http", nil), &nodes); err != nil || len(nodes.Nodes) < 2 {
		t.Fatalf("that is no cluster of several nodes: %+v %v", nodes, err)
	}
	for name, owned := range map[string]bool{"replica kept": false, "relaxed": true} {
		t.Run(name, func(t *testing.T) {
			drop(t, target, to)
			t.Cleanup(func() { drop(t, target, to) })
			must(t, target, "PUT", "/"+to, object{"settings": object{"number_of_shards": 2, "number_of_replicas": 1}})
			l := listener{target, &heard{began: map[string][]string{}}}
			b := copying(from, to)
			b.args["requests_per_second"] = cty.NumberIntVal(n / 4) // tasks live for some seconds
			task := b.task(t, map[string]providers.Cluster{"source": connect(t, labConfig(t, "source")), "target": l})
			task.small, task.big = 1000, 1250
			task.owned = owned
			j := newJournal()
			result, sum, err := task.Run(t.Context(), j)
			if err != nil || result.Read != n || result.Created != n {
				t.Fatalf("%+v %v", result, err)
			}
			byNode := map[string]int{}
			for raw := range j.Records() {
				var r record
				if err := decode(raw, &r); err != nil {
					t.Fatal(err)
				}
				if r.What == wroteTask {
					node, _, _ := strings.Cut(r.Task, ":")
					byNode[node]++
				}
			}
			if got := slices.Sorted(maps.Keys(byNode)); !slices.Equal(got, slices.Sorted(maps.Keys(nodes.Nodes))) {
				t.Errorf("tasks began on %v, the nodes are %v", byNode, nodes.Nodes)
			}
			for at, ids := range l.began {
				for _, id := range ids {
					node, _, _ := strings.Cut(id, ":")
					if !strings.HasSuffix(at, nodes.Nodes[node].HTTP.Publish) {
						t.Errorf("%s was sent to %s and runs elsewhere", id, at)
					}
				}
			}
			if l.most != len(nodes.Nodes) || len(l.running) > 0 {
				t.Errorf("one list has tasks of %d nodes; asked for one by one while they ran: %v", l.most, l.running)
			}
			t.Logf("%d ranges at the same time, tasks by node: %v", task.together, byNode)
			v, err := task.Verify(t.Context(), newJournal(), sum)
			if err != nil || v.Compared != n || v.Identical != n || v.Destination != n {
				t.Errorf("%+v %v", v, err)
			}
			if s := string(must(t, target, "GET", "/"+to+"/_settings?flat_settings=true", nil)); !strings.Contains(s, `"index.number_of_replicas":"1"`) {
				t.Errorf("settings were not put back: %s", s)
			}
		})
	}
}
