package migration

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// How many bytes of ids the query of a reindex may have, which goes with every
// page to a source; more where a script runs, which it does in a reindex only.
const (
	mostListed     = 256 << 10
	mostListedMore = 16 << 20
)

// errMixed: more of a range is there, and more is not, than a query can list.
var errMixed = errors.New("too much of the range is there and too much is not")

// looksFirst says whether an attempt at a unit leaves out what is there already.
// A second attempt into a data stream or an alias does, and a tail, which begins
// below where the ranges end: an id is unique per index only, so that writing it
// again after a rollover, which may come at any time, would double the document.
// So does a first attempt where the destination held documents before: they may
// be of a former copy, or of somebody else, in an index of long ago.
func (r *run) looksFirst(ctx context.Context, u *unit) (now destination, ok bool, err error) {
	if u.begun == 0 && !u.tail && !r.l.held || !r.dest.rolls() {
		return now, false, nil
	}
	if now, err = r.lookAtDestination(ctx); err != nil || !now.Exists {
		return now, false, err
	}
	if err := refresh(ctx, r.dst, r.destIndex); errors.Is(err, providers.ErrDenied) {
		if r.onlyWritesTo(now) {
			return now, false, nil // create, or the version, refuses what is there
		}
		return now, false, r.refreshDenied()
	} else if err != nil {
		return now, false, err // without it documents would be doubled
	}
	return now, true, nil
}

// whole is the query of all of a unit that may be copied.
func (r *run) whole(ctx context.Context, x *sourceIndex, u *unit) (any, error) {
	if err := r.stillThere(ctx, x, u); err != nil {
		return nil, err
	}
	u.there, u.into = 0, ""
	query := r.selection(x, u.span.query())
	if len(u.leftOut) > 0 {
		query = without(query, idsOf(u.leftOut.letters(r.task)))
	}
	return query, nil
}

// rest is the query of an attempt by reindex: without what is there, or where
// that is more than a query can list, of what is not. errMixed: neither can be.
// (A stream looks at each of its pages instead.) In a tail something may become
// visible after this look, so that it is not made of a list.
func (r *run) rest(ctx context.Context, x *sourceIndex, u *unit) (any, error) {
	query, err := r.whole(ctx, x, u)
	if err != nil {
		return nil, err
	}
	now, ok, err := r.looksFirst(ctx, u)
	if err != nil || !ok {
		return query, err
	}
	limit := r.listed
	if r.script != nil {
		limit *= mostListedMore / mostListed
	}
	replaces := false
	there, gone := idList{limit: limit}, idList{limit: limit}
	var old examples
	err = r.against(ctx, x, u.span, false, func(from hit, to *hit) error {
		stays, older := r.stays(now, u, from, to)
		if older {
			old.add(from.ID)
		}
		if stays {
			there.add(from.ID)
		} else {
			gone.add(from.ID)
			replaces = replaces || to != nil
		}
		if there.over && (gone.over || u.tail) {
			return errMixed
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if replaces {
		if f := r.mayReplace(ctx, now.Write); f != nil {
			return nil, f
		}
		u.into = now.Write
	}
	r.tellOld(x, old)
	switch u.there = there.n; {
	case there.n == 0:
		return query, nil
	case there.over:
		return all(query, object{"ids": object{"values": gone.list()}}), nil
	}
	return without(query, there.ids), nil
}

// idList keeps ids up to a limit of bytes; over it keeps none.
type idList struct {
	ids          []string
	n            int64
	bytes, limit int
	over         bool
}

func (l *idList) add(id string) {
	l.n++
	if l.bytes += len(id) + len(`"",`); l.over || l.bytes > l.limit {
		l.ids, l.over = nil, true
		return
	}
	l.ids = append(l.ids, id)
}

// list is never null.
func (l *idList) list() []string { return append([]string{}, l.ids...) }

// mixed is what becomes of a range that a reindex cannot take up again.
func (r *run) mixed(ctx context.Context, x *sourceIndex, u *unit) error {
	if r.script == nil {
		return r.byStream(ctx, u, fmt.Sprintf("Ranges of which much is on %s already, and much is not, are copied through this machine, which leaves out what is there: a reindex would need a list of it.", r.dstName))
	}
	return providers.NewError("too_much_there", "dest.index", "Range is too large to be gone on with",
		fmt.Sprintf("Range %s of %s was copied in part into %s/%s, where a document that is sent again could come to be there twice after a rollover, and what is there is too much to be listed. A script runs in a reindex only, so that the range cannot pass through this machine. "+
			"Delete %s on %s and begin again with esmig apply -restart '%s', or name an index that does not roll over.", u.id, x.Name, r.dstName, r.destIndex, r.destIndex, r.dstName, r.addr))
}

// sift leaves of a page of a stream what must be sent; nil: all of it, always.
type sift func(ctx context.Context, hits []rawHit) ([]rawHit, error)

// sifter makes one for an attempt. told is for its end.
func (s *streamer) sifter(ctx context.Context, x *sourceIndex, u *unit) (f sift, told func(), err error) {
	told = func() {}
	now, ok, err := s.looksFirst(ctx, u)
	if err != nil || !ok {
		return nil, told, err
	}
	var mu sync.Mutex
	var old examples
	into := providers.Encode(now.Write) // where what is there is replaced
	denied := sync.OnceValue(func() *providers.Finding { return s.mayReplace(ctx, now.Write) })
	told = func() { s.tellOld(x, old) }
	return func(ctx context.Context, hits []rawHit) ([]rawHit, error) {
		kept := make([]rawHit, 0, len(hits))
		for len(hits) > 0 {
			n := min(len(hits), 1000)
			docs := make([]hit, n)
			for i, h := range hits[:n] {
				docs[i] = hit{Index: x.Name, ID: plainString(h.id), Routing: plainString(h.routing), Version: wholeNumber(h.version)}
			}
			there, err := s.fetch(ctx, s.dst, s.destIndex, docs, false)
			if err != nil {
				return nil, err
			}
			for i, from := range docs {
				to := there[from.key()]
				stays, older := s.stays(now, u, from, to)
				if older {
					mu.Lock()
					old.add(from.ID)
					mu.Unlock()
				}
				if stays {
					continue
				}
				if to != nil {
					if f := denied(); f != nil {
						return nil, f
					}
					hits[i].index = into
				}
				kept = append(kept, hits[i])
			}
			hits = hits[n:]
		}
		return kept, nil
	}, told, nil
}

// stays says whether a document must be left out of an attempt. One that would
// replace what is there may be written to the index that takes writes only, and
// by that index's name: under the destination's it would come into the next one
// after a rollover.
// older: what stays is not what the source has.
func (r *run) stays(now destination, u *unit, from hit, to *hit) (stays, older bool) {
	if to == nil {
		return false, false
	}
	external := r.external(r.dest)
	switch {
	case r.createOnly(r.dest), external && to.Version >= from.Version:
		return true, false
	case to.Index == now.Write:
		return false, false
	}
	return true, external || u.begun == 0 && !u.tail
}

func (r *run) tellOld(x *sourceIndex, old examples) {
	if old.n > 0 {
		r.j.Note(fmt.Sprintf("%s %s of %s, for example %s, %s in an older index behind %s/%s with older contents: a copy would put %s there a second time, so %s left as it is. \"esmig verify\" with verify = \"full\" finds such documents, and \"esmig repair\" brings them up to date.",
			humanize.Comma(int64(old.n)), plural(old.n, "document", "documents"), x.Name, quoteID(old.first), plural(old.n, "is", "are"), r.dstName, r.destIndex,
			plural(old.n, "it", "them"), plural(old.n, "it is", "each is")))
	}
}

// without narrows a query by ids.
func without(query any, ids []string) object {
	return object{"bool": object{"filter": []any{query}, "must_not": []any{object{"ids": object{"values": ids}}}}}
}

func idsOf(letters []providers.DeadLetter) []string {
	ids := make([]string, len(letters))
	for i, d := range letters {
		ids[i] = d.ID
	}
	return ids
}
