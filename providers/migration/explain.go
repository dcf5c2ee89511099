package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// rest is the query of an attempt at a unit. A second attempt into a data
// stream that has rolled over meanwhile leaves out what is there already: an
// id is unique per backing index only, so that creating it again would double
// the document.
func (r *run) rest(ctx context.Context, x *sourceIndex, u *unit) (any, error) {
	query := r.selection(x, u.span.query())
	if u.begun == 0 || !r.dest.Stream {
		return query, nil
	}
	now, err := r.lookAtDestination(ctx)
	if err != nil {
		return nil, err
	}
	if len(now.Names) < 2 || len(now.Names) <= max(1, len(r.l.backing)) {
		return query, nil // still the same write index: create refuses what is there
	}
	if err := refresh(ctx, r.dst, r.destIndex); err != nil {
		return nil, err // without it documents would be doubled
	}
	var there []string
	err = r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		if to != nil {
			there = append(there, from.ID)
		}
		return nil
	})
	if errors.Is(err, errTooMany) {
		return nil, providers.NewError("stream_rolled_over", "dest.index", "Data stream rolled over during the copy",
			fmt.Sprintf("Range %s of %s was interrupted and %s has rolled over since, so that copying it again could double documents. "+
				"Empty the data stream and begin again with \"esmig apply -restart ADDR\".", u.id, x.Name, r.destIndex))
	}
	if err != nil || len(there) == 0 {
		return query, err
	}
	return object{"bool": object{"filter": []any{query}, "must_not": []any{object{"ids": object{"values": there}}}}}, nil
}

// explain decides on the conflicts of a range. A document that is there with
// the source's version was copied before (an attempt that was interrupted, the
// overlap of the tail pass). One with another version need not be the same:
// deleted and put again on the source, or written on the destination by
// somebody else; then contents decide.
func (r *run) explain(ctx context.Context, u *unit, conflicts int64) error {
	if r.conflicts == "proceed" || r.existing == "keep" {
		return nil
	}
	x := r.l.indices[u.index]
	if err := refresh(ctx, r.dst, r.destIndex); err != nil && !errors.Is(err, providers.ErrDenied) {
		return err
	}
	keepsVersions := r.external(r.dest)
	var open []hit
	var missing []string
	err := r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		switch {
		case to == nil:
			missing = append(missing, from.ID)
		case !keepsVersions, to.Version > from.Version:
			open = append(open, from)
		}
		return nil
	})
	if errors.Is(err, errTooMany) && u.begun > 1 {
		return nil // an index without _seq_no: the first attempt wrote them, and verification is the proof
	}
	if err != nil && !errors.Is(err, errTooMany) {
		return err
	}
	if err == nil && len(missing) == 0 && r.altersContents() != "" && u.begun > 1 {
		return nil // they were there after the first attempt; contents cannot tell
	}
	var differ []string
	if err == nil && r.altersContents() == "" {
		err = r.compareContents(ctx, x, open, func(from hit, to *hit, diff []providers.Difference) {
			if to == nil || len(diff) > 0 {
				differ = append(differ, from.ID)
			}
		})
		if err != nil {
			return err
		}
		if len(differ)+len(missing) == 0 {
			return nil
		}
	} else if err == nil {
		if len(open)+len(missing) == 0 {
			return nil
		}
		for _, h := range open {
			differ = append(differ, h.ID)
		}
	}
	text := fmt.Sprintf("%s answers %s version conflicts in range %s of %s.", r.dstName, humanize.Comma(conflicts), u.id, x.Name)
	if n := len(differ); n > 0 {
		text += fmt.Sprintf(" %s %s there with other contents, for example %s.", humanize.Comma(int64(n)), plural(n, "document is", "documents are"), quoteID(differ[0]))
	}
	if n := len(missing); n > 0 {
		text += fmt.Sprintf(" %s %s not there, for example %s: deleted on the destination less than a minute ago, or under another routing.",
			humanize.Comma(int64(n)), plural(n, "is", "are"), quoteID(missing[0]))
	}
	return providers.NewError("conflicts_unexplained", "conflicts", "The destination holds other documents under the same ids",
		text+" Somebody else wrote them, or two migrations share ids. Remove them, or set existing = \"overwrite\" or \"keep\" in dest; conflicts = \"proceed\" leaves them as they are.")
}

// against goes through a range and looks each document up on the destination,
// without contents unless they are wanted. to is nil where it is missing.
func (t *task) against(ctx context.Context, x *sourceIndex, s span, contents bool, f func(from hit, to *hit) error) error {
	return t.scan(ctx, x, s, func(page []hit) error {
		for len(page) > 0 {
			n := min(len(page), 1000)
			there, err := t.fetch(ctx, t.dst, t.destIndex, page[:n], contents)
			if err != nil {
				return err
			}
			for _, from := range page[:n] {
				if err := f(from, there[from.key()]); err != nil {
					return err
				}
			}
			page = page[n:]
		}
		return nil
	})
}
