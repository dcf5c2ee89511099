package migration

import (
	"context"
	"errors"
	"time"

	"github.com/esmig/esmig/providers"
)

// patience is how long a cluster may be away before a range is given up.
const patience = 5 * time.Minute

// patiently does what does no harm when it is done again, until a cluster that
// is away is back, or was away for too long.
func (r *run) patiently(ctx context.Context, f func() error) error {
	var away outage
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := f()
		if !errors.Is(err, providers.ErrUnavailable) || ctx.Err() != nil || away.tooLong() {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// outage begins with the first request that a cluster does not answer. The zero
// value: it answers.
type outage struct{ since time.Time }

func (o *outage) tooLong() bool {
	if o.since.IsZero() {
		o.since = time.Now()
	}
	return time.Since(o.since) >= patience
}
