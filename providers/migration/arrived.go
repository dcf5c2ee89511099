package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// newcomers are indices that came under the source's name since the copy began:
// a data stream or an alias rolled over, or a pattern finds more.
type newcomers struct {
	names     []string
	documents int64
}

// arrived looks the name up again: the copy, its tail pass included, goes by the
// indices of its beginning. Indices that are empty, or cannot be read, are left
// out; so is everything where it cannot be told.
func (t *task) arrived(ctx context.Context, copied []*sourceIndex) (n newcomers, err error) {
	if len(copied) == 1 && copied[0].Name == t.index {
		return n, nil
	}
	now, err := t.resolve(ctx)
	if f := (*providers.Finding)(nil); errors.As(err, &f) || serverError(err) != nil && !errors.Is(err, providers.ErrUnavailable) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	for _, x := range now {
		if slices.ContainsFunc(copied, func(c *sourceIndex) bool { return c.Name == x.Name }) {
			continue
		}
		docs, err := count(ctx, t.src, x.Name, -1, t.selection(x))
		if serverError(err) != nil && !errors.Is(err, providers.ErrUnavailable) {
			continue
		}
		if err != nil {
			return n, err
		}
		if docs > 0 {
			n.names, n.documents = append(n.names, x.Name), n.documents+docs
		}
	}
	return n, nil
}

// tell says what was not copied; empty: nothing.
func (n newcomers) tell(t *task) string {
	if len(n.names) == 0 {
		return ""
	}
	names, more := n.names, ""
	if len(names) > 3 {
		names, more = names[:3], fmt.Sprintf(" and %d more", len(names)-3)
	}
	return fmt.Sprintf("%s%s came to %s/%s since the copy began and %s not copied (%s %s): \"esmig apply -restart '%s'\" copies %s, too",
		strings.Join(names, ", "), more, t.srcName, t.index, plural(len(n.names), "was", "were"), humanize.Comma(n.documents),
		plural(int(min(n.documents, 2)), "document", "documents"), t.addr, plural(len(n.names), "it", "them"))
}

// tellArrived is the last thing that a copy does.
func (r *run) tellArrived(ctx context.Context) error {
	n, err := r.arrived(ctx, r.l.indices)
	if text := n.tell(r.task); err == nil && text != "" {
		r.j.Note(text + ".")
	}
	return err
}
