package migration

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// stale is what a tail finds where the destination takes each document once, and
// neither versions nor contents tell which one it has (blind). One that was
// written to after its range was copied is there as it was before, and no answer
// says so: the tail meets it as a conflict, as it does what the ranges have
// brought right below where they end. But of these it is known how many there
// are, so that conflicts beyond them are stale.
type stale struct {
	there   int64    // documents of the tail that are there, without those changed after it was decided
	before  int64    // of them, those that were not written to since the copy began
	since   examples // those that were
	changed examples // of these, those with a version that is not the first
	late    int64    // of since, those that no range can have brought as they are
}

// look takes up documents of the tail that are there.
func (s *stale) look(ctx context.Context, r *run, u *unit, docs []hit) error {
	x := r.l.indices[u.index]
	since, err := r.writtenAbove(ctx, x, x.Checkpoints, docs)
	s.there += int64(len(docs))
	if err != nil || len(since) == 0 {
		s.before += int64(len(docs))
		return err
	}
	again, err := r.writtenAbove(ctx, x, u.checkpoints, docs)
	if err != nil {
		return err
	}
	late := since
	if x.by() == "_seq_no" && x.Shards > 1 { // the last range ends at the highest checkpoint
		if late, err = r.writtenAbove(ctx, x, slices.Repeat([]int64{slices.Max(x.Checkpoints)}, x.Shards), docs); err != nil {
			return err
		}
	}
	for _, h := range docs {
		switch key := h.key(); {
		case again[key]: // newer, which a verification says
			if h.Version > 1 { // else the tail has created it
				s.there--
			}
		case !since[key]:
			s.before++
		default:
			s.since.add(h.ID)
			if h.Version > 1 {
				s.changed.add(h.ID)
			}
			if late[key] {
				s.late++
			}
		}
	}
	return nil
}

// surely is how many documents are stale at the least.
func (s *stale) surely(x *sourceIndex, u *unit, c counts) int64 {
	if u.begun > 1 || u.again || u.resent > 0 || x.by() != "_seq_no" && len(x.Ranges) > 0 {
		return 0 // a range, or the tail itself, may have brought them as they are
	}
	// Each that it met or brought, and that is deleted or changed since, may be a conflict, too.
	gone := max(0, c.Created+c.Conflicts-s.there)
	return max(0, min(s.late, c.Conflicts-s.before-(int64(s.since.n)-s.late)-gone))
}

// perhaps is how many may be, where none is for sure.
func (s *stale) perhaps(u *unit, c counts) int64 {
	if u.cleared {
		return 0
	}
	return max(0, min(int64(s.changed.n), c.Conflicts-s.before))
}

func (r *run) staleDocuments(x *sourceIndex, n int64, s *stale) error {
	docs := s.changed
	if int64(docs.n) < n {
		docs = s.since
	}
	return providers.NewError("stale_documents", "dest.index", "Documents changed while they were copied, and are old on the destination",
		fmt.Sprintf("Of %s %s of %s/%s that %s written to since the copy began and %s on %s/%s, for example %s, at least %s %s there as before: it takes each document once, and a verification would not tell, because %s. "+
			"Delete them on %s, all or those that are old, and run \"esmig apply\" again, which copies them as they are then. (A range query of _seq_no, gt %d, finds them on %s, with new ones.) conflicts = \"proceed\" leaves old ones there.",
			humanize.Comma(int64(docs.n)), plural(docs.n, "document", "documents"), r.srcName, x.Name, plural(docs.n, "was", "were"), plural(docs.n, "is", "are"), r.dstName, r.destIndex, quoteID(docs.first),
			humanize.Comma(n), plural(int(min(n, 2)), "is", "are"), r.altersContents(), r.dstName, slices.Min(x.Checkpoints), r.srcName))
}

func (r *run) tellPerhaps(x *sourceIndex, n int64, s *stale) {
	if n > 0 {
		r.j.Note(fmt.Sprintf("Up to %s %s of %s/%s that %s written to while it was copied, for example %s, may be on %s/%s as before: it takes each document once, and because %s, neither the copy nor a verification can tell.",
			humanize.Comma(n), plural(int(min(n, 2)), "document", "documents"), r.srcName, x.Name, plural(int(min(n, 2)), "was", "were"), quoteID(s.changed.first), r.dstName, r.destIndex, r.altersContents()))
	}
}

// stillStale fails while documents are there that were found to be stale. After
// the next attempt at the tail they could no longer be told from its own.
func (r *run) stillStale(ctx context.Context, x *sourceIndex, u *unit) error {
	var s stale
	var there []hit
	look := func() error {
		defer func() { there = there[:0] }()
		return s.look(ctx, r, u, there)
	}
	err := r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		if to == nil {
			return nil
		}
		if there = append(there, from); len(there) < 1000 {
			return nil
		}
		return look()
	})
	if err = cmp.Or(err, look()); err != nil {
		return err
	}
	if n := s.late - u.others.Created; n > 0 {
		return r.staleDocuments(x, n, &s)
	}
	u.cleared = true
	return nil
}
