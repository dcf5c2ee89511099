package migration

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers/providertest"
)

// Tasks begin on all nodes that can be reached, and on the endpoint alone where
// that is no node.
func TestSpreadOverNodes(t *testing.T) {
	for _, c := range []struct {
		name, endpoint string
		nodes, joined  []string
		want           map[string]bool
	}{
		{"three nodes", "http://127.0.0.1:9201", []string{"127.0.0.1:9201", "127.0.0.1:9211", "127.0.0.1:9221"}, []string{"127.0.0.1:9211", "127.0.0.1:9221"},
			map[string]bool{"127.0.0.1:9201": true, "127.0.0.1:9211": true, "127.0.0.1:9221": true}},
		{"by name", "http://es1:9201", []string{"es1/10.0.0.1:9201", "es2/10.0.0.2:9201"}, []string{"es1:9201", "10.0.0.2:9201"},
			map[string]bool{"es1:9201": true, "10.0.0.2:9201": true}},
		{"one is down", "http://127.0.0.1:9201", []string{"127.0.0.1:9201", "127.0.0.1:9211"}, nil, map[string]bool{"127.0.0.1:9201": true}},
		{"behind a proxy", "http://127.0.0.1:9201", []string{"10.0.0.1:9200", "10.0.0.2:9200"}, []string{"10.0.0.1:9200", "10.0.0.2:9200"}, map[string]bool{"127.0.0.1:9201": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPair(t, providertest.Options{Nodes: c.nodes})
				var mu sync.Mutex
				got := map[string]bool{}
				for _, at := range append(c.joined, strings.TrimPrefix(c.endpoint, "http://")) {
					f.net.Join(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.Method == http.MethodPost && r.URL.Path == "/_reindex" && r.Header.Get("X-Opaque-Id") != "" {
							mu.Lock()
							got[at] = true
							mu.Unlock()
						}
						f.target.ServeHTTP(w, r)
					}))
				}
				w := f.world
				w.target = f.to(t, "target", c.endpoint)
				const name = "mig-spread"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				if _, _, err := fineTask(t, w, copying(name, name)).Run(t.Context(), newJournal()); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if n := len(f.target.Docs(name)); n != 40 {
					t.Errorf("%d documents", n)
				}
			})
		})
	}
}

// A node that is gone for good in the middle of a copy costs nobody more than
// the attempts that met it: the ranges go to the others.
func TestNodeGone(t *testing.T) {
	const endpoint, other = "127.0.0.1:9201", "127.0.0.1:9211"
	synctest.Test(t, func(t *testing.T) {
		f := newPair(t, providertest.Options{Nodes: []string{endpoint, other}})
		f.net.Join(other, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == "/_reindex" {
				f.net.Leave(other)
			}
			f.target.ServeHTTP(w, r)
		}))
		const name = "mig-gone"
		f.fresh(t, name, 1)
		put(t, f.admin, name, 1, ids(0, 99)...)
		task := fineTask(t, f.world, copying(name, name))
		task.big, task.concurrency = 1, 4
		j := newJournal()
		result, _, err := task.Run(t.Context(), j)
		if err != nil || result.Created != 99 {
			t.Errorf("%+v %v", result, err)
		}
		count := map[string]int{}
		for raw := range j.Records() {
			var r record
			if err := decode(raw, &r); err != nil {
				t.Fatal(err)
			}
			count[r.What]++
		}
		if extra := count[wroteBegin] - count[wroteEnd]; extra < 1 || extra > int(task.concurrency) {
			t.Errorf("%d attempts were in vain", extra)
		}
		want := []string{"A node of target, http://" + other + ", does not answer: no more tasks begin on it."}
		if d := cmp.Diff(want, j.notes); d != "" {
			t.Errorf("notes (-want +got)\n%s", d)
		}
	})
}
