package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esmig/esmig/providers"
)

// rollingFindings says what the credentials lack for a destination that rolls
// over: for seeing all that its indices hold, and for replacing some of it.
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
	if d.Alias && d.Write != "" && !t.createOnly(d) {
		if f := t.mayReplace(ctx, d.Write); f != nil {
			f.Severity = providers.SeverityWarning // as long as nothing is replaced
			out = append(out, f)
		}
	}
	return out, nil
}

// mayReplace says what the credentials lack for writing to the index behind an
// alias in which a document lies that is replaced. Under the alias's name it would
// come into the next index, and be there twice, if that rolls over meanwhile.
// Privileges on an alias do not hold for its indices. nil: nothing.
func (t *task) mayReplace(ctx context.Context, index string) *providers.Finding {
	if len(t.privileges(ctx, t.dst, nil, index, []string{"write"})) == 0 {
		return nil
	}
	return providers.NewError("write_index_denied", "dest.cluster", "Credentials of the destination may write to the alias only",
		fmt.Sprintf("What replaces a document behind the alias %s is written to the index in which that lies, so that it is not there twice when the alias rolls over. "+
			"The credentials of %s need the index privilege write for %s, and for the indices that will follow it.", t.destIndex, t.dstName, index))
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
