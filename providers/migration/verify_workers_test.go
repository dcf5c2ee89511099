package migration

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esmig/esmig/providers"
)

// A verification that was killed goes on in the next process with what it has
// added up, whatever the destination's size, and compares as much at a time as
// that allows.
func TestFullResumesElsewhere(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		if strings.HasPrefix(w.name, "real") {
			t.Skip("needs a destination of 16 processors")
		}
		const name = "dig-elsewhere"
		var mu sync.Mutex
		now, most := 0, 0
		slow := false
		w.target = &faulty{Cluster: w.target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			switch {
			case strings.HasPrefix(r.Path, "/_nodes/"):
				return providers.JSON(`{"nodes":{"a":{"roles":["data"],"http":{"publish_address":"10.0.0.1:9200"},"os":{"allocated_processors":16}}}}`), nil
			case slow && strings.HasSuffix(r.Path, "/_search"):
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
			}
			return pass()
		}}
		task, sum := copied(t, w, name, 1, 240)
		all := newJournal()
		if _, err := task.Verify(t.Context(), all, sum); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, len(all.records) / 2, len(all.records) - 1} {
			j := newJournal()
			j.left = n
			if _, err := task.Verify(t.Context(), j, sum); !errors.Is(err, errStopped) {
				t.Fatalf("stopped at record %d: %v", n, err)
			}
			j.left = -1
			v, err := digestTask(t, w, copying(name, name)).Verify(t.Context(), j, sum)
			if err != nil || v.Identical != 240 || len(j.records) != len(all.records) {
				t.Errorf("stopped at record %d: %+v, %v, with %d records of %d", n, v, err, len(j.records), len(all.records))
			}
		}
		slow = true
		if _, err := digestTask(t, w, copying(name, name)).Verify(t.Context(), newJournal(), sum); err != nil || most <= unknownSize {
			t.Errorf("%d at a time, %v", most, err)
		}
	})
}
