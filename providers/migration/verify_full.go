package migration

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/providers"
)

// comparison is a full verification: all documents, by digests made where they
// lie (digest_painless.go).
//
// A destination of its own is compared as a whole: both sides are added up per
// bucket, and what is in buckets that differ is looked at one by one. Where
// others write into the destination too, the sums say nothing: then the
// documents of the source are looked up on the destination, some thousands at
// a time, still by digest.
type comparison struct {
	*task
	j       providers.Journal
	d       done
	v       *providers.Verification
	own     *side   // what this migration took
	sources []*side // own first, then that of its peers
	dest    *side
	// found are the documents that differ, updated those that were changed on
	// the source since they were copied.
	found   []*mismatch
	updated int64
	// left are documents that only the destination has because the query was
	// narrowed since they were copied.
	left int64
	// oneSided: what only the destination has is not looked at, but for second
	// ones of what the source has; extras: nothing else is.
	oneSided, extras bool
	// cutOff: so much differs that not all of it was looked into.
	cutOff bool
	// unopened documents of the source were not looked at. beyond: the counts
	// say that the destination has some that were not copied; unsorted ones of
	// them were not looked at either.
	unopened, unsorted int64
	beyond             bool
	done, total        atomic.Int64
}

// Share implements providers.Sharer.
func (t *task) Share(peers []providers.Peer) { t.peers = peers }

// full compares all documents; v has the counts already.
func (t *task) full(ctx context.Context, j providers.Journal, d done, v *providers.Verification) ([]*mismatch, error) {
	if t.changesID || t.dropsIt { // ids on both sides cannot be told to belong together
		v.Method = "sample"
		return nil, t.sample(ctx, j, d, v)
	}
	why, err := t.whyNotContents(ctx, d)
	if err != nil {
		return nil, err
	}
	v.Notes = nil // the counts could only guess
	if why != "" {
		v.Notes = append(v.Notes, "contents were not compared, because "+why+"; ids and counts were")
	}
	info, err := t.dst.Info(ctx)
	if err != nil {
		return nil, err
	}
	var remade vectors
	if why == "" {
		if remade, err = t.remadeVectors(ctx); err != nil {
			return nil, err
		}
	}
	k := *t // peers read t meanwhile
	k.chooseTogether(info, k.lookAtNodes(ctx, info))
	c := &comparison{task: &k, j: j, d: d, v: v}
	if err := c.prepare(ctx, why == "", remade.names()); err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	c.tell(why == "")
	if len(remade) > 0 {
		if err := c.compareVectors(ctx, remade); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

// prepare finds out what is to be compared. leftOut are fields that are not.
func (c *comparison) prepare(ctx context.Context, contents bool, leftOut []string) (err error) {
	if c.dest, err = c.destinationSide(ctx); err != nil {
		return err
	}
	c.own = c.sourceSide(c.d)
	c.sources = []*side{c.own}
	for _, p := range c.peers {
		t, ok := p.Task.(*task)
		if !ok || p.Done == nil {
			continue
		}
		d, err := readDone(p.Done)
		if err != nil {
			return err
		}
		if d.left, err = t.lookBehind(ctx, d); err != nil {
			return err
		}
		c.sources = append(c.sources, t.sourceSide(d))
	}
	var bytes, documents int64
	for _, x := range c.d.Indices {
		bytes, documents = bytes+x.Bytes, documents+x.Documents
	}
	sides, steered, held := append(slices.Clone(c.sources), c.dest), &verifying{j: c.j}, newMemory(c.sizes)
	if err := steered.hold(ctx); err != nil {
		return err
	}
	return each(ctx, len(sides), func(ctx context.Context, i int) error {
		sides[i].contents, sides[i].note, sides[i].steered, sides[i].memory = contents, c.j.Note, steered, held
		sides[i].speed = newSpeed(sides[i].perSecond)
		sides[i].leaveOut(leftOut)
		return sides[i].cutPieces(ctx, bytes/max(1, documents))
	})
}

func (c *comparison) run(ctx context.Context) error {
	unfinished := slices.ContainsFunc(c.peers, func(p providers.Peer) bool { return p.Done == nil })
	if c.existing != "keep" && c.existing != "overwrite" && len(c.peers) == 0 {
		if err := c.whole(ctx); err != nil || !c.cutOff {
			return err
		}
		c.found, c.updated, c.left, c.v.Compared = nil, 0, 0, 0
		if err := c.oneWay(ctx); err != nil {
			return err
		}
		return c.otherWay(ctx)
	}
	if err := c.oneWay(ctx); err != nil {
		return err
	}
	if unfinished || c.existing == "keep" || c.existing == "overwrite" {
		text := "other migrations into the destination are not finished"
		if !unfinished {
			text = "the destination held documents before"
		}
		c.v.Notes = append(c.v.Notes, "documents that only the destination has were not looked for, because "+text)
		return nil
	}
	// Each of the migrations looks for its own documents; that there are no
	// others needs looking at documents only where the counts do not say it.
	var all int64
	for _, s := range c.sources {
		n, err := s.count(ctx)
		if err != nil {
			return err
		}
		if all += n; s.left != nil {
			all -= s.left.absent
		}
	}
	here, err := c.dest.count(ctx)
	if err != nil || here <= all {
		return err
	}
	if why, err := c.peersAlter(ctx); err != nil || why != "" {
		c.v.Notes = append(c.v.Notes, "documents that only the destination has were not looked for, because "+why)
		return err
	}
	own, compared, unopened := c.found, c.v.Compared, c.unopened
	c.found, c.updated, c.unopened, c.oneSided = nil, 0, 0, false
	if err := c.whole(ctx); err != nil || !c.cutOff {
		return err
	}
	c.found, c.updated, c.left, c.v.Compared, c.unopened = own, 0, 0, compared, unopened
	return c.otherWay(ctx)
}

// unsort says what the counts tell of documents that only the destination has.
// Old contents of those that were changed or deleted on the source were created
// by the copies. all: they were looked at one by one, so that more than the
// sources have can only be there twice.
func (c *comparison) unsort(ctx context.Context, all bool) error {
	here, err := c.dest.count(ctx)
	if err != nil {
		return err
	}
	extras, created, now := int64(0), int64(0), int64(0)
	for _, m := range c.found {
		switch m.what {
		case missing:
			here++ // others are there for it
		case extra:
			extras++
		}
	}
	for _, s := range c.sources {
		created += s.created
		for _, p := range s.parts {
			n, err := count(ctx, s.src, p.x.Name, -1, s.selection(p.x))
			if err != nil {
				return err
			}
			now += n
		}
	}
	switch c.beyond = here > created; {
	case all:
		c.unsorted = max(0, here-extras-c.left-now)
	case c.beyond && c.query != nil: // it may be what a former, wider query has left
		c.v.Notes = append(c.v.Notes, "documents that only the destination has were not looked for, because there are too many that the query does not select")
	case c.beyond:
		c.unsorted = max(0, here-extras-created)
	default:
		c.v.Notes = append(c.v.Notes, "not all documents that only the destination has were looked at, because there are too many; it holds no more than were copied")
	}
	return nil
}

// peersAlter says why what a peer has brought cannot be compared with its
// source as this migration's own is; empty: it can.
func (c *comparison) peersAlter(ctx context.Context) (string, error) {
	for _, s := range c.sources[1:] {
		d := done{}
		for _, p := range s.parts {
			d.Indices = append(d.Indices, p.x)
		}
		why, err := s.whyNotContents(ctx, d)
		switch {
		case err != nil:
			return "", err
		case s.existing == "keep" || s.existing == "overwrite":
			why = "the destination held documents before"
		case s.script == nil && s.pipeline == "" && !c.own.contents: // ids are the same
			why = ""
		}
		if why != "" {
			return s.addr.String() + " copies into the destination, too, and " + why, nil
		}
	}
	return "", nil
}

// count counts what a side is made of.
func (s *side) count(ctx context.Context) (n int64, err error) {
	for _, p := range s.parts {
		for _, c := range p.pieces {
			one, err := count(ctx, s.src, p.x.Name, c.shard, s.selection(p.x, c.span.query()))
			if err != nil {
				return n, err
			}
			n += one
		}
	}
	return n, nil
}

// whole compares the destination with everything that was copied into it.
func (c *comparison) whole(ctx context.Context) error {
	kept, err := keptSums(c.j)
	if err != nil {
		return err
	}
	c.start(append(slices.Clone(c.sources), c.dest)...)
	from, to := &sums{}, &sums{}
	g, sub := errgroup.WithContext(ctx)
	g.Go(func() error {
		for _, s := range c.sources {
			one, err := s.sum(sub, c.j, kept, c.progress)
			if err != nil {
				return err
			}
			from.add(one)
			if s == c.own {
				c.v.Compared = one.documents()
			}
		}
		return nil
	})
	g.Go(func() (err error) {
		to, err = c.dest.sum(sub, c.j, kept, c.progress)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range c.sources {
		if err := s.withoutRefused(ctx, from); err != nil {
			return err
		}
	}
	suspects, err := c.open(ctx, from, to)
	if err != nil {
		return err
	}
	return c.classify(ctx, suspects)
}

func (c *comparison) start(sides ...*side) {
	c.done.Store(0)
	c.total.Store(0)
	for _, s := range sides {
		c.total.Add(s.documents())
	}
	c.progress(0)
}

// progress counts in documents of one side, though both are gone through.
func (c *comparison) progress(n int64) {
	c.j.Progress(providers.Progress{Phase: "verify", Done: c.done.Add(n) / 2, Total: c.total.Load() / 2})
}

// tell puts what was found into the verification. Documents that the
// destination has and the source has not are no difference where so many were
// deleted on the source since they were copied.
func (c *comparison) tell(contents bool) {
	v := c.v
	v.Missing = 0 // counts can only guess it
	v.Compared = max(0, v.Compared-v.Refused)
	twins := int64(0)
	for _, m := range c.found {
		switch m.what {
		case missing:
			v.Missing++
		case different:
			v.Different++
		case extra:
			v.Extra++
			if m.twin {
				twins++
			}
		}
		if len(v.Examples) < mostExamples {
			n := min(len(m.diff), mostExamples-len(v.Examples))
			v.Examples = append(v.Examples, m.diff[:n]...)
		}
	}
	if gone := v.Extra - twins; len(c.sources) == 1 && !c.beyond && gone > 0 && gone <= c.d.Result.Created-twins-v.Compared-c.updated {
		v.Notes = append(v.Notes, fmt.Sprintf("%s %s deleted on the source since the copy and still on the destination",
			humanize.Comma(gone), plural(int(gone), "document was", "documents were")))
		v.Deleted, v.Extra = gone, twins
	}
	if twins > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%s %s on the destination twice: an id is unique in an index only, and not behind an alias or in a data stream",
			humanize.Comma(twins), plural(int(twins), "document is", "documents are")))
	}
	if c.left > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%s %s left on the destination from before the query was narrowed",
			humanize.Comma(c.left), plural(int(c.left), "document was", "documents were")))
	}
	v.Identical = max(0, v.Compared-v.Missing-v.Different)
	v.Unopened = c.unopened + c.unsorted
	if !contents {
		v.Compared, v.Identical = 0, 0
	}
	if c.unopened > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("more differs than was looked into: %s documents are in parts that differ and were not told apart", humanize.Comma(c.unopened)))
	}
	if c.unsorted > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("more differs than was looked into: the destination holds %s documents that neither the sources have nor the last copy has created, and they were not looked at", humanize.Comma(c.unsorted)))
	}
}

// whyNotContents says why the documents cannot be equal on both sides although
// nothing is wrong; empty: they can.
func (t *task) whyNotContents(ctx context.Context, d done) (string, error) {
	if why := t.altersContents(); why != "" {
		return why, nil
	}
	if t.existing == "keep" && d.Result.Conflicts > 0 {
		return "documents that were there already were kept", nil
	}
	return t.otherSource(ctx, d)
}
