package migration

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/esmig/esmig/providers"
)

const (
	smallIndex   = 50_000   // documents; below it one range is as fast,
	smallBytes   = 32 << 20 // unless they are large
	bigRange     = 500_000  // documents; a range of more is cut further
	fewestRanges = 8
	mostRanges   = 10_000
	batchBytes   = 5 << 20
	// inFlight is how far below a checkpoint the tail pass begins: a writer's
	// operation may become visible after one with a higher _seq_no.
	inFlight = 1000
)

// measure takes the checkpoints: what is visible of each shard. They are read
// by search and not from _stats, whose max_seq_no counts what no reader sees
// yet; a document below such a bound would be copied by nobody.
func measure(ctx context.Context, c providers.Cluster, x *sourceIndex) (checkpoints, visible []int64, err error) {
	checkpoints, visible = make([]int64, x.Shards), make([]int64, x.Shards)
	err = each(ctx, x.Shards, func(ctx context.Context, i int) error {
		shard := i
		if x.Shards == 1 {
			shard = -1
		}
		a, err := search(ctx, c, x.Name, shard, object{"size": 0, "track_total_hits": true,
			"aggs": object{"max": object{"max": object{"field": "_seq_no"}}}})
		checkpoints[i], visible[i] = -1, int64(a.Hits.Total)
		if v := a.Aggregations.Max.Value; v != nil {
			checkpoints[i] = int64(*v)
		}
		return err
	})
	return checkpoints, visible, err
}

// perShard says whether the checkpoints are those of single shards. A server
// or a proxy that leaves out the preference answers for the whole index each
// time; a tail pass from such bounds would miss documents.
func perShard(x *sourceIndex, all int64) bool {
	return x.Shards == 1 || all == 0 || slices.ContainsFunc(x.Visible, func(n int64) bool { return n < all })
}

// cut makes the ranges of one index. It may be called for any index; where
// _seq_no does not help it leaves one range for everything.
func (t *task) cut(ctx context.Context, x *sourceIndex) error {
	// number_of_shards cannot be read on Serverless, but every search tells it.
	whole, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "track_total_hits": true})
	if err != nil {
		return err
	}
	x.Shards = max(1, whole.Shards.Total)
	if x.SeqNo {
		x.Checkpoints, x.Visible, err = measure(ctx, t.src, x)
		if badRequest(err) || err == nil && !perShard(x, int64(whole.Hits.Total)) {
			x.SeqNo, x.Checkpoints, x.Visible, err = false, nil, nil, nil
		}
		if err != nil {
			return err
		}
	}
	if x.Documents, err = count(ctx, t.src, x.Name, -1, t.selection(x)); err != nil {
		return err
	}
	if err := t.chooseSize(ctx, x); err != nil || x.Documents == 0 {
		return err // what arrives from now on, the tail pass takes
	}
	x.Ranges = []span{{From: 0, To: -1, Documents: x.Documents}}
	if !x.SeqNo || x.Documents < t.small && x.Bytes < smallBytes {
		return nil
	}
	top := int64(-1)
	for _, c := range x.Checkpoints {
		top = max(top, c)
	}
	n := min(max(fewestRanges, 2*int64(t.together), x.Documents/t.big), mostRanges)
	if x.Slow {
		n = int64(min(t.together, fewestRanges))
	}
	// Finer than the ranges, so that these come out even where updates and
	// deletes left holes; the servers' limit of buckets is 10,000 and more.
	interval := max(1, (top+1)/min(16*n, 8000))
	a, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "track_total_hits": true, "query": t.selection(x),
		"aggs": object{"cut": object{"histogram": object{"field": "_seq_no", "interval": interval, "min_doc_count": 1}}}})
	if badRequest(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var sum int64
	for _, b := range a.Aggregations.Cut.Buckets {
		sum += b.Documents
	}
	if sum != int64(a.Hits.Total) {
		x.SeqNo = false // documents from before 6.0 have none
		return nil
	}
	var ranges []span
	now, each := span{}, (sum+n-1)/n
	for _, b := range a.Aggregations.Cut.Buckets {
		if int64(b.Key) > top {
			break // arrived since: the tail pass takes it
		}
		now.Documents += b.Documents
		if now.Documents >= each {
			now.To = int64(b.Key) + interval - 1
			ranges = append(ranges, now)
			now = span{From: now.To + 1}
		}
	}
	if now.Documents > 0 {
		ranges = append(ranges, now)
	}
	if len(ranges) < 2 {
		return nil
	}
	ranges[len(ranges)-1].To = top
	x.Ranges = ranges
	return nil
}

// chooseSize samples documents for the batch size.
func (t *task) chooseSize(ctx context.Context, x *sourceIndex) error {
	x.Size = 5000
	a, err := search(ctx, t.src, x.Name, -1, object{"size": 20, "query": t.selection(x)})
	if err != nil {
		return err
	}
	sampled := int64(0)
	for _, h := range a.Hits.Hits {
		sampled += int64(len(h.Source))
	}
	if n := int64(len(a.Hits.Hits)); sampled > 0 {
		x.Bytes = sampled * x.Documents / n
		x.Size = int(min(max(batchBytes*n/sampled, 1), 10_000))
	}
	if t.size > 0 {
		x.Size = t.size
	}
	if x.Window > 0 {
		x.Size = min(x.Size, x.Window)
	}
	return nil
}

// tail decides what the tail pass over an index takes, once all its ranges are
// done. An update gives a document a new, higher _seq_no, so on a source that
// is written to a document can leave its range before that is read: it is
// above the checkpoint of its shard now. Shards in which nothing became
// visible since the start hold no such document. ok false: no tail.
func (t *task) tail(ctx context.Context, x *sourceIndex) (from int64, checkpoints, visible []int64, ok bool, err error) {
	checkpoints, visible, err = measure(ctx, t.src, x)
	if err != nil {
		return 0, nil, nil, false, err
	}
	from = math.MaxInt64
	for i, c := range checkpoints {
		if c > x.Checkpoints[i] || visible[i] > x.Visible[i] {
			from = min(from, max(0, x.Checkpoints[i]+1-inFlight))
		}
	}
	return from, checkpoints, visible, from != math.MaxInt64, nil
}

// newer counts the documents above the checkpoints of a finished copy; 0 where
// there are none to compare with.
func (t *task) newer(ctx context.Context, x *sourceIndex) (int64, error) {
	if !x.SeqNo || len(x.Checkpoints) == 0 {
		return 0, nil
	}
	lowest := int64(math.MaxInt64)
	for _, c := range x.Checkpoints {
		lowest = min(lowest, c)
	}
	n, err := count(ctx, t.src, x.Name, -1, t.selection(x, seqNo(lowest+1, -1)))
	if err != nil || n == 0 || x.Shards == 1 {
		return n, err
	}
	counts := make([]int64, x.Shards)
	err = each(ctx, x.Shards, func(ctx context.Context, i int) (err error) {
		counts[i], err = count(ctx, t.src, x.Name, i, t.selection(x, seqNo(x.Checkpoints[i]+1, -1)))
		return err
	})
	n = 0
	for _, c := range counts {
		n += c
	}
	return n, err
}

// scan goes through the documents of one range, without their contents, some
// thousands at a time. Windows of _seq_no need neither a scroll nor a point in
// time, so it works on every version.
func (t *task) scan(ctx context.Context, x *sourceIndex, s span, f func([]hit) error) error {
	size := 10_000
	if x.Window > 0 {
		size = min(size, x.Window)
	}
	page := func(query any) error {
		a, err := search(ctx, t.src, x.Name, -1, object{"size": size, "_source": false, "version": true,
			"track_total_hits": true, "query": query})
		if err != nil || len(a.Hits.Hits) == 0 {
			return err
		}
		if int64(a.Hits.Total) > int64(len(a.Hits.Hits)) {
			return errTooMany
		}
		return f(a.Hits.Hits)
	}
	if !x.SeqNo || len(s.IDs) > 0 {
		return page(t.selection(x, s.query()))
	}
	to := s.To
	if to < 0 {
		checkpoints, _, err := measure(ctx, t.src, x)
		if err != nil {
			return err
		}
		for _, c := range checkpoints {
			to = max(to, c)
		}
	}
	for width, from := int64(max(1, size/x.Shards)), s.From; from <= to; from += width {
		if err := page(t.selection(x, seqNo(from, min(from+width-1, to)))); err != nil {
			return err
		}
	}
	return nil
}

var errTooMany = errors.New("too many documents to look at one by one")
