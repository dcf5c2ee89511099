package migration

import (
	"context"
	"time"
)

// How climb goes about it: a step is tried for as long as it takes to see what
// it brings, and kept when it brings something. After a step that brought
// nothing it is content for a while, ever longer.
const (
	tryFor     = 15 * time.Second
	worthwhile = 1.05
	longest    = 10 * time.Minute
)

// climb changes how many ranges run at the same time, within what is allowed:
// half when the destination rejects documents, one more when it does not and
// more documents a second come of that.
func (r *run) climb(ctx context.Context) {
	type look struct {
		at         time.Time
		done       int64
		rejections int64
	}
	see := func() look {
		r.mu.Lock()
		defer r.mu.Unlock()
		p := r.sofar()
		return look{time.Now(), p.Done, p.Rejections}
	}
	last, before, trying := see(), 0.0, false
	content := tryFor
	for wait := tryFor; sleep(ctx, wait) == nil; {
		now := see()
		rate := float64(now.done-last.done) / now.at.Sub(last.at).Seconds()
		rejected := now.rejections > last.rejections
		last = now
		wait = tryFor
		switch {
		case rejected && r.stream == nil: // a stream has a gate of its own for its requests
			r.gate.rejected(time.Now())
			trying = false
		case r.rate() > 0 || r.heldNow():
			trying = false // the user sets the speed
		case trying && rate < before*worthwhile:
			r.gate.step(-1)
			trying, wait, content = false, content, min(2*content, longest)
		default:
			before, trying = rate, r.gate.step(1)
		}
	}
}
