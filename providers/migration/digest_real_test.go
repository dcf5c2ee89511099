package migration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

// needLab skips unless the server is there; with ESMIG_TEST_REAL=required that
// is a failure.
func needLab(t testing.TB, servers ...string) {
	t.Helper()
	for _, s := range servers {
		if os.Getenv("ESLAB_"+strings.ToUpper(s)+"_URL") != "" {
			continue
		}
		if os.Getenv("ESMIG_TEST_REAL") == "required" {
			t.Fatalf("the real server %q is not there: run make real", s)
		}
		t.Skipf("needs the real server %q: run make real", s)
	}
}

// The script makes the very digests of the Go implementation, on every server
// that can be a side of a migration.
func TestRealGoldenDigests(t *testing.T) {
	for _, server := range []string{"source", "opensearch", "es6"} {
		t.Run(server, func(t *testing.T) {
			needLab(t, server)
			const index = "dig-golden"
			c, write := connect(t, labConfig(t, server)), admin(t, server)
			drop(t, write, index)
			t.Cleanup(func() { drop(t, write, index) })
			mappings, kind := any(object{"enabled": false}), ""
			if server == "es6" {
				mappings, kind = object{"_doc": mappings}, `,"_type":"_doc"`
			}
			must(t, write, "PUT", "/"+index, object{"mappings": mappings, "settings": object{"number_of_shards": 2, "number_of_replicas": 0}})
			want, sum := map[string]string{}, &sums{}
			var bulk strings.Builder
			for _, g := range goldens(t) {
				fmt.Fprintf(&bulk, "{\"index\":{\"_id\":%s%s%s}}\n%s\n", providers.Encode(g.ID),
					map[bool]string{true: `,"routing":` + string(providers.Encode(g.Routing))}[g.Routing != ""], kind, strings.ReplaceAll(g.Source, "\n", " "))
				want[g.ID+"\x00"+g.Routing] = g.Digest
				d, err := digestDoc(g.ID, g.Routing, providers.JSON(g.Source))
				if err != nil {
					t.Fatal(err)
				}
				b := bucketOf(digestID(g.ID), 1)
				sum.Sum[b], sum.Count[b] = sum.Sum[b]+d, sum.Count[b]+1
			}
			answer := must(t, write, "POST", "/"+index+"/_bulk?refresh=true", bulk.String())
			if !strings.Contains(string(answer), `"errors":false`) {
				t.Fatalf("%.3000s", answer)
			}
			got := map[string]string{}
			_, list, err := inside(t.Context(), c, index, -1, all(), digestParams{Routing: true, Contents: true, List: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				got[d.id+"\x00"+d.routing] = fmt.Sprintf("%x", d.digest)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("digests (-golden +%s):\n%s", server, diff)
			}
			// The other ways: a field of each hit.
			for _, runtime := range []bool{false, true} {
				if runtime && server != "source" {
					continue // they have no runtime fields
				}
				side := &side{task: &task{src: c, srcName: server, index: index}, contents: true, note: func(s string) { t.Error(s) }, memory: newMemory(sizes{limit: pageLimit, inFlight: mostInFlight})}
				side.scripts.Store(true)
				side.runtime.Store(runtime)
				page, _, err := side.page(t.Context(), &sourceIndex{Size: 10_000}, index, -1, object{"query": all()}, 0, 0)
				if err != nil || side.runtime.Load() != runtime {
					t.Fatalf("runtime field %v: %v", runtime, err)
				}
				got = map[string]string{}
				for _, d := range page.docs {
					got[d.id+"\x00"+d.routing] = fmt.Sprintf("%x", d.digest)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("digests of hits, runtime field %v (-golden +%s):\n%s", runtime, server, diff)
				}
			}
			s, _, err := inside(t.Context(), c, index, -1, all(), digestParams{Routing: true, Contents: true, Level: 1})
			if err != nil || *s != *sum {
				t.Errorf("sums differ, or %v", err)
			}
		})
	}
}
