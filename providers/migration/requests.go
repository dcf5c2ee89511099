package migration

import (
	"context"
	"math"
	"time"

	"github.com/esmig/esmig/providers"
)

// traffic is about how many requests a migration makes from here on, its
// comparison with them. A batch that a reindex reads or writes is a request as
// well: for the clusters it is what a page and a bulk request of a stream are.
type traffic struct {
	source, dest int64
	batches      int64 // written, and part of dest
}

// What is asked besides the documents: for the settings of an index, for what it
// is cut by, for a tail pass; for the destination, its nodes and its settings.
const (
	askedOfIndex = 8
	askedOfDest  = 5
	askedOfSide  = 7 // of a comparison, by index
)

// traffic counts the ranges that are open and the batches of the size that was
// sampled. It follows what reindex.go, stream.go and verify_full.go do.
func (t *task) traffic(ctx context.Context, e providers.Estimate, indices []*sourceIndex, l *ledger) (n traffic, err error) {
	ranges := int64(0)
	add := func(x *sourceIndex, s span) {
		size := int64(x.Size)
		if e.Method == "stream" {
			size = int64(t.streamSize(x))
		} else if t.requestsPerSecond > 0 {
			size = min(size, throttledSize(t.requestsPerSecond/float64(e.Concurrency)))
		}
		batches := roundUp(s.Documents, size)
		pages := batches // of a stream, which knows when it has read all
		if e.Method != "stream" {
			pages++ // a server reads on until a page is empty
		}
		ranges++
		n.batches += batches
		n.source += pages + 2 // that begin and end it
	}
	if l.run != "" {
		l.each(func(u *unit) {
			if u.counts == nil {
				add(l.indices[u.index], u.span)
			}
		})
	} else {
		for _, x := range indices {
			n.source += askedOfIndex + int64(x.Shards)
			for _, s := range x.Ranges {
				add(x, s)
			}
		}
	}
	n.dest = n.batches + askedOfDest
	if e.Method != "stream" {
		n.dest += 2*ranges + looks(e.Seconds, ranges, int64(e.Concurrency)) // each is begun, and its result asked for
	}
	source, dest, err := t.comparing(ctx, indices)
	n.source, n.dest = n.source+source, n.dest+dest
	return n, err
}

func roundUp(n, by int64) int64 { return (n + by - 1) / by }

// looks is how often a watcher looks at so many tasks, some at a time.
func looks(seconds float64, ranges, together int64) (n int64) {
	if ranges == 0 {
		return 0
	}
	rounds := roundUp(ranges, max(1, together))
	all := time.Duration(seconds / float64(rounds) * float64(time.Second))
	for at, wait := time.Duration(0), firstLook; ; n++ {
		if at += wait; at >= all {
			return (n + 1) * rounds
		}
		wait = waitFor(wait, firstLook, all-at)
	}
}

// comparing is what the verification asks of both sides if nothing differs.
func (t *task) comparing(ctx context.Context, indices []*sourceIndex) (source, dest int64, err error) {
	if t.verify == "none" {
		return 0, 0, nil
	}
	from, err := t.src.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	to, err := t.dst.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	// The destination as it will be: all indices in one.
	whole := &sourceIndex{Shards: 1, SeqNo: true, Size: 10_000}
	for _, x := range indices {
		whole.Documents, whole.Bytes = whole.Documents+x.Documents, whole.Bytes+x.Bytes
		whole.SeqNo, whole.Size, whole.Window = whole.SeqNo && x.SeqNo, min(whole.Size, x.Size), max(whole.Window, x.Window)
		whole.Ranges = append(whole.Ranges, x.Ranges...)
	}
	if whole.Documents == 0 {
		return 0, 0, nil
	}
	source, dest = 2*int64(len(indices)), 2 // counts
	sample := t.verify == "sample" || t.verify == "full" && (t.changesID || t.dropsIt)
	switch {
	case sample && !t.changesID:
		for _, x := range indices {
			if x.Documents == 0 {
				continue
			}
			drawn := min(x.Documents, int64(math.Ceil(sampleSize*float64(x.Documents)/float64(whole.Documents))))
			pages := roundUp(drawn, int64(min(max(1, x.Size), drawnTogether)))
			source, dest = source+int64(x.Shards)+pages, dest+pages
		}
		dest++ // settings
	case t.verify == "full" && !sample:
		few := whole.Documents <= t.fetched
		average := whole.Bytes / whole.Documents
		for _, x := range indices {
			source += askedOfSide + t.digesting(x, from, average, few)
		}
		dest += askedOfSide + t.digesting(whole, to, average, few)
	}
	return source, dest, nil
}

// digesting is how many requests bring the digests of an index, if scripts are
// allowed. few is as in side, average the size of a document.
func (t *task) digesting(x *sourceIndex, info providers.Info, average int64, few bool) int64 {
	if x.Documents == 0 {
		return 0
	}
	least, counts := t.leastPiece(average), int64(0)
	k, n := t.forPieces(least, x.Shards), int64(1)
	if k.divisible(x) && (len(x.Ranges) > 1 || !t.divisible(x)) {
		n = k.wantedRanges(x)
	}
	switch {
	case x.SeqNo:
		n *= int64(x.Shards)
	case n == 1 && x.Shards > 1 && x.Documents > least:
		n = int64(x.Shards)
		counts = n + 1
	}
	documents, most := x.Documents/n, int64(math.MaxInt64) // of a request
	if t.requestsPerSecond > 0 {
		most = throttledSize(t.requestsPerSecond)
	}
	switch {
	case info.Flavor != providers.Serverless && !x.Packed && (!few || !x.SeqNo) && documents <= most:
		return counts + n
	case !x.SeqNo: // at a point in time, up to a page without documents
		return counts + n*(roundUp(documents, min(int64(x.Size), most))+3)
	}
	return n * (documents/min(int64(lightPage(x)), most) + 1)
}
