package migration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esmig/esmig/providers"
)

// However much is compared at a time and whatever the documents are like, no
// more than the bound is read at the same time.
func TestFullMemory(t *testing.T) {
	for _, c := range []struct {
		name string
		size func(i int) int
		n    int
	}{
		{"even", func(int) int { return 300 }, 2000},
		{"small, then huge", func(i int) int { return 20 + i/300*9000 }, 600},
		{"one larger than a page", func(i int) int { return 20 + i/199*90_000 }, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakes(t, func(t *testing.T, w fakeWorld) {
				const name = "dig-memory"
				w.fresh(t, name, 1)
				var b strings.Builder
				for i := range c.n {
					fmt.Fprintf(&b, "{\"index\":{\"_id\":\"%d\"}}\n{\"t\":\"%s\"}\n", i, strings.Repeat("x", c.size(i)))
				}
				must(t, w.admin, "POST", "/"+name+"/_bulk?refresh=true", b.String())
				const inFlight = 96_000
				var mu sync.Mutex
				var now, most int64
				bounded := func(c providers.Cluster) providers.Cluster {
					return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						if !strings.Contains(string(r.Body), `"sort":[{"_seq_no"`) {
							return pass()
						}
						held := r.Limit
						if held == 0 { // one document, whatever its size
							held = inFlight
							if !strings.Contains(string(r.Body), `"size":1,`) {
								t.Errorf("without a limit: %s", r.Body)
							}
						}
						mu.Lock()
						now += held
						most = max(most, now)
						mu.Unlock()
						time.Sleep(time.Second)
						raw, err := pass()
						mu.Lock()
						now -= held
						mu.Unlock()
						return raw, err
					}}
				}
				task := fineTask(t, w.world, full(copying(name, name)))
				_, sum, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				task.concurrency = 64
				task.sizes = sizes{bulk: 10_000, limit: 20_000, inFlight: inFlight}
				task.src, task.dst = bounded(w.source), bounded(w.target)
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != int64(c.n) {
					t.Errorf("%+v, %v", v, err)
				}
				if most > inFlight || most < 40_000 {
					t.Errorf("%d bytes at the same time", most)
				}
			})
		})
	}
}
