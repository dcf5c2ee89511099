package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esmig/esmig/providers"
)

// rollingFindings says what the credentials lack for a destination of several
// indices, where what was written before lies in one that takes no writes.
func (t *task) rollingFindings(ctx context.Context, p providers.Prospect, d destination) ([]*providers.Finding, error) {
	if !d.rolls() || p.DestinationFresh {
		return nil, nil
	}
	var out []*providers.Finding
	if len(d.Names) > 1 && len(t.privileges(ctx, t.dst, nil, t.destIndex, []string{"maintenance"})) > 0 {
		n, err := count(ctx, t.dst, t.destIndex, -1, nil)
		if err != nil && !errors.Is(err, providers.ErrDenied) {
			return nil, err
		}
		if err != nil || n > 0 {
			f := t.refreshDenied()
			if p.Resume != nil { // all that is there may be its own, in the index that takes writes
				f.Severity = providers.SeverityWarning
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// refreshDenied is said where documents would be created a second time, because those
// that are there may not be visible yet.
func (t *task) refreshDenied() *providers.Finding {
	return providers.NewError("refresh_denied", "dest.index", "Credentials of the destination may not refresh it",
		fmt.Sprintf("The %s. It has several indices, and one of them takes what is written: a document that lies in another one and is not seen yet would be created again. "+
			"Give the credentials the privilege maintenance for %s.", t.mayNotRefresh(), t.destIndex))
}

// onlyWritesTo says that all documents that may be there lie in the index that
// takes writes, which refuses them or replaces them: there is no other index, or
// the destination was empty at the cut and has not rolled over since.
func (r *run) onlyWritesTo(now destination) bool {
	return len(now.Names) == 1 || now.Stream && !r.l.held && slices.Equal(now.Names, r.l.backing)
}
