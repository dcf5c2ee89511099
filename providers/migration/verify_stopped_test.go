package migration

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/esmig/esmig/providers"
)

// A comparison that is stopped between two requests is no verification, however
// far it came.
func TestFullStoppedBetweenRequests(t *testing.T) {
	for _, repair := range []bool{false, true} {
		inDigestWorlds(t, func(t *testing.T, w digestWorld) {
			const name = "dig-stopped"
			task, sum := copied(t, w, name, 1, 30)
			task.together = 2
			src, dst := task.src, task.dst
			stopAt := func(at int64) (reached bool, v providers.Verification, err error) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var searches atomic.Int64
				stops := func(c providers.Cluster) providers.Cluster {
					return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						raw, err := pass()
						if strings.HasSuffix(r.Path, "/_search") && searches.Add(1) == at {
							cancel()
						}
						return raw, err
					}}
				}
				task.src, task.dst = stops(src), stops(dst)
				if repair {
					_, v, err = task.Repair(ctx, newJournal(), sum, false)
				} else {
					v, err = task.Verify(ctx, newJournal(), sum)
				}
				return searches.Load() >= at, v, err
			}
			for at := int64(1); ; at++ {
				remove(t, w.target, name, "d 7/ü", "")
				reached, v, err := stopAt(at)
				if !reached {
					break
				}
				if repair && err == nil && v.Identical == 30 && contents(t, w.target, name)["d 7/ü"] != "" {
					continue // after its last request
				}
				if !errors.Is(err, context.Canceled) && !errors.Is(err, providers.ErrVerify) {
					t.Errorf("stopped at search %d: %+v, %v", at, v, err)
				}
				write(t, w.target, name, "d 7/ü", "", `{"n":7,"price":1e3,"tags":["a",null],"of":[{"ü":7.5}]}`)
			}
		})
	}
}
