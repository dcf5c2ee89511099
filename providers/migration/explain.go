package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// explain decides on the conflicts of a range. A document that is there with
// the source's version was copied before (an attempt that was interrupted, the
// overlap of the tail pass), unless others have documents of the same ids: in
// a range that is begun for the first time, or was in doubt since, where the
// destination held documents before the copy, and where several indices or
// migrations share it, contents decide. So they do for a document with a higher
// version: deleted and put again on the source, or written on the destination
// by somebody else.
//
// left are documents of the range that the destination refused: they are not
// there, or as they were before.
func (r *run) explain(ctx context.Context, u *unit, c counts, left refusedDocs) error {
	if r.conflicts == "proceed" || c.Conflicts+c.Updated == 0 {
		return nil
	}
	if err := r.sharedIn(ctx, u); err != nil || c.Conflicts == 0 || r.existing == "keep" {
		return err
	}
	x := r.l.indices[u.index]
	if whole := x.by() == "" && !x.SeqNo && x.Documents > mostDocuments; whole && u.begun > 1 && !u.doubt && r.verify == "full" {
		return nil // one range for a large index: the first attempt wrote them, and verification is the proof
	}
	if err := refresh(ctx, r.dst, r.destIndex); err != nil && !errors.Is(err, providers.ErrDenied) {
		return err
	}
	keepsVersions, contents := r.external(r.dest), r.altersContents() == ""
	own := u.begun > 1 || u.tail || r.blind() && u.resent > 0 && c.Conflicts <= u.resent // all may be: a tail meets what the ranges brought
	first := u.begun == 1 && !u.tail
	doubted := contents && (first || u.doubt || r.l.held || len(r.l.indices) > 1 || len(r.peers) > 0)
	var differ, missing examples
	var old stale
	var open, gone []hit
	compare := func() error {
		defer func() { open = open[:0] }()
		if !contents {
			for _, h := range open {
				differ.add(h.ID)
			}
			if u.tail && r.blind() {
				return old.look(ctx, r, u, open)
			}
			return nil
		}
		var other []hit
		err := r.compareContents(ctx, x, open, func(from hit, to *hit, diff []providers.Difference) {
			newer := keepsVersions && to != nil && from.Version > to.Version
			if (to == nil || len(diff) > 0) && !newer {
				other = append(other, from)
			}
		})
		if err == nil {
			other, err = r.unchanged(ctx, u, other)
		}
		for _, h := range other {
			differ.add(h.ID)
		}
		return err
	}
	look := func() error {
		defer func() { gone = gone[:0] }()
		if !x.SeqNo {
			return nil // whether they were there cannot be told: verification is the proof
		}
		left, err := r.unchanged(ctx, u, gone)
		for _, h := range left {
			missing.add(h.ID)
		}
		return err
	}
	known := left.keys()
	err := r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		switch {
		case known[providers.DeadLetter{Index: x.Name, ID: from.ID, Routing: from.Routing}.Key()]:
		case to == nil:
			if gone = append(gone, from); len(gone) == 1000 {
				return look()
			}
		case !keepsVersions, to.Version > from.Version, to.Version == from.Version && doubted:
			open = append(open, from)
		}
		if len(open) < 1000 {
			return nil
		}
		return compare()
	})
	if err == nil {
		err = errors.Join(compare(), look())
	}
	if err != nil {
		return err
	}
	if r.pipeline != "" && int64(missing.n) <= c.Noops {
		missing = examples{} // the pipeline dropped so many; verification tells them from lost ones
	}
	if missing.n == 0 && differ.n == 0 {
		return nil
	}
	if missing.n == 0 && r.blind() && own {
		if n := old.surely(x, u, c); u.tail && n > 0 {
			return r.doubt(u, &counts{Created: old.late - n, Conflicts: n}, r.staleDocuments(x, n, &old))
		}
		if u.tail {
			r.tellPerhaps(x, old.perhaps(u, c), &old)
		}
		if r.l.held { // else they were there after the first attempt
			why := fmt.Sprintf("was begun %d times", u.begun)
			switch {
			case u.tail:
				why = "begins below where the others end"
			case u.begun == 1:
				why = "was sent twice in part"
			}
			r.j.Note(fmt.Sprintf("Range %s of %s %s, and %s of its documents are on %s already: because %s, it cannot be told whether it was this copy that brought them.",
				u.id, x.Name, why, humanize.Comma(int64(differ.n)), r.dstName, r.altersContents()))
		}
		return nil
	}
	var others *counts
	if first && r.blind() {
		c.Created += u.resent // some of the conflicts may be its own
		others = &c
	}
	return r.doubt(u, others, r.unexplained(u, x, c.Conflicts, differ, missing))
}

// blind: neither versions nor contents tell whether a document that is there is
// the copy's own.
func (r *run) blind() bool { return !r.external(r.dest) && r.altersContents() != "" }

func (r *run) unexplained(u *unit, x *sourceIndex, conflicts int64, differ, missing examples) error {
	text := fmt.Sprintf("%s answers %s version conflicts in range %s of %s.", r.dstName, humanize.Comma(conflicts), u.id, x.Name)
	switch n, why := differ.n, r.altersContents(); {
	case n > 0 && why != "" && !r.external(r.dest):
		text += fmt.Sprintf(" Of %s %s that are there, for example %s, some were there before; contents cannot tell which, because %s.", humanize.Comma(int64(n)), plural(n, "document", "documents"), quoteID(differ.first), why)
	case n > 0:
		text += fmt.Sprintf(" %s %s there with other contents, for example %s.", humanize.Comma(int64(n)), plural(n, "document is", "documents are"), quoteID(differ.first))
	}
	if n := missing.n; n > 0 {
		text += fmt.Sprintf(" %s %s not there, for example %s: deleted on the destination less than a minute ago, or under another routing.",
			humanize.Comma(int64(n)), plural(n, "is", "are"), quoteID(missing.first))
	}
	return providers.NewError("conflicts_unexplained", "conflicts", "The destination holds other documents under the same ids",
		text+" Somebody else wrote them, two migrations share ids, or they were deleted and put again on the source, where their versions began anew. Remove them, or set existing = \"overwrite\" or \"keep\" in dest; conflicts = \"proceed\" leaves them as they are.")
}

// doubt records that the conflicts of an attempt are not explained. The range
// begins again, and the next attempt must not take what is there for its own.
// others is the account of a first attempt where neither versions nor contents
// tell: its conflicts are documents of others, what it created is not.
func (r *run) doubt(u *unit, others *counts, why error) error {
	if err := r.j.Append(record{What: wroteDoubt, Unit: u.id, Counts: others}); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// stillThere fails while documents of others are there that the first attempt
// has met. After the next one they could no longer be told from its own.
func (r *run) stillThere(ctx context.Context, x *sourceIndex, u *unit) error {
	if u.others == nil || r.conflicts == "proceed" {
		return nil
	}
	if err := refresh(ctx, r.dst, r.destIndex); err != nil && !errors.Is(err, providers.ErrDenied) && !errors.Is(err, providers.ErrNotFound) {
		return err
	}
	if u.tail {
		return r.stillStale(ctx, x, u)
	}
	var found examples
	err := r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		if to != nil {
			found.add(from.ID)
		}
		return nil
	})
	if err == nil && int64(found.n) > u.others.Created {
		err = r.unexplained(u, x, u.others.Conflicts, found, examples{})
	}
	return err
}

// holds says whether the destination has documents before the first range is
// begun; true also where it does not tell.
func (r *run) holds(ctx context.Context) (bool, error) {
	if !r.dest.Exists {
		return false, nil
	}
	if err := refresh(ctx, r.dst, r.destIndex); errors.Is(err, providers.ErrUnavailable) {
		return false, err
	}
	n, err := count(ctx, r.dst, r.destIndex, -1, nil)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return false, nil
	case serverError(err) != nil && !errors.Is(err, providers.ErrUnavailable):
		return true, nil
	}
	return n > 0, err
}

// unchanged leaves of documents those that were not written to since their
// range was made: on a source that is written to, others come into a range that
// is open above or of a field, or change while they are looked at. The tail
// pass takes them, or they are newer.
func (r *run) unchanged(ctx context.Context, u *unit, docs []hit) ([]hit, error) {
	x := r.l.indices[u.index]
	if !x.SeqNo || len(docs) == 0 {
		return docs, nil
	}
	checkpoints := x.Checkpoints
	if u.tail {
		checkpoints = u.checkpoints
	}
	written, err := r.writtenAbove(ctx, x, checkpoints, docs)
	return slices.DeleteFunc(slices.Clone(docs), func(h hit) bool { return written[h.key()] }), err
}

// writtenAbove says by hit.key which of the documents were written to since the
// checkpoints.
func (r *run) writtenAbove(ctx context.Context, x *sourceIndex, checkpoints []int64, docs []hit) (map[string]bool, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	names := make([]string, len(docs))
	for i, h := range docs {
		names[i] = h.ID
	}
	since, err := r.above(ctx, x, checkpoints, names)
	written := map[string]bool{}
	for _, h := range since {
		written[h.key()] = true
	}
	return written, err
}

// examples counts documents and keeps the first.
type examples struct {
	n     int
	first string
}

func (e *examples) add(id string) {
	if e.n++; e.n == 1 {
		e.first = id
	}
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
