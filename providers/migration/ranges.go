package migration

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

const (
	smallIndex = 50_000   // documents; below it one range is as fast,
	smallBytes = 32 << 20 // unless they are large
	bigRange   = 500_000  // documents; a range of more is cut further
	// heavyRange is for how many bytes of _source a range is cut further. It is
	// what an attempt that breaks off does again: one _reindex that brings 5 MB a
	// second is done with it in less than two minutes.
	heavyRange   = 512 << 20
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
// neither _seq_no nor a field helps it leaves one range for everything.
func (t *task) cut(ctx context.Context, x *sourceIndex) error {
	// number_of_shards cannot be read on Serverless, but every search tells it.
	whole, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "track_total_hits": true})
	if err != nil {
		return err
	}
	x.Shards = max(1, whole.Shards.Total)
	if x.SeqNo {
		x.Checkpoints, x.Visible, err = measure(ctx, t.src, x)
		switch {
		case badRequest(err):
			x.noSeqNo("the server cannot search _seq_no there")
		case err != nil:
			return err
		case !perShard(x, int64(whole.Hits.Total)):
			x.noSeqNo("its shards cannot be asked one by one")
		}
	}
	if x.Documents, err = count(ctx, t.src, x.Name, -1, t.selection(x)); err != nil {
		return err
	}
	if err := t.chooseSize(ctx, x); err != nil || x.Documents == 0 {
		return err // what arrives from now on, the tail pass takes
	}
	x.Ranges = []span{{From: 0, To: -1, Documents: x.Documents}}
	if !t.divisible(x) {
		return nil
	}
	return t.divide(ctx, x, t.wantedRanges(x))
}

// wantedRanges is into about how many ranges a divisible index is cut.
func (t *task) wantedRanges(x *sourceIndex) int64 {
	n := max(fewestRanges, 2*int64(t.together), x.Documents/t.big)
	if t.heavy > 0 {
		n = max(n, x.Bytes/t.heavy)
	}
	return min(n, mostRanges)
}

// divisible says whether an index is large enough for ranges.
func (t *task) divisible(x *sourceIndex) bool {
	return x.Documents > 0 && (x.Documents >= t.small || x.Bytes >= smallBytes)
}

// divide cuts an index into about n ranges: by the field that the user named;
// else by _seq_no; where that is not to be had, or walks the whole shard for
// each range, by @timestamp. Where _seq_no can be searched at all the tail pass
// goes by it, whatever the ranges are of. x.Why says what was in the way.
func (t *task) divide(ctx context.Context, x *sourceIndex, n int64) error {
	if t.rangeField != "" {
		why, err := t.divideByField(ctx, x, t.rangeField, n)
		if why == "" || err != nil {
			x.Why = "source.range_field says so"
			return err
		}
		x.because(why)
	}
	if x.SeqNo && !x.Slow {
		if done, err := t.divideBySeqNo(ctx, x, n); done || err != nil || x.SeqNo {
			return err
		}
	}
	if t.rangeField != timestamp {
		why, err := t.divideByField(ctx, x, timestamp, n)
		if why == "" || err != nil {
			return err
		}
		x.because(why)
	}
	if !x.SeqNo {
		return nil
	}
	_, err := t.divideBySeqNo(ctx, x, int64(min(t.together, fewestRanges)))
	return err
}

// divideBySeqNo leaves one range where that cannot be done, and takes _seq_no
// from an index that has documents without one.
func (t *task) divideBySeqNo(ctx context.Context, x *sourceIndex, n int64) (done bool, err error) {
	top := slices.Max(x.Checkpoints)
	// Finer than the ranges, so that these come out even where updates and
	// deletes left holes; the servers' limit of buckets is 10,000 and more.
	interval := max(1, (top+1)/min(16*n, 8000))
	a, err := search(ctx, t.src, x.Name, -1, object{"size": 0, "track_total_hits": true, "query": t.selection(x),
		"aggs": object{"cut": object{"histogram": object{"field": "_seq_no", "interval": interval, "min_doc_count": 1}}}})
	if badRequest(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var sum int64
	for _, b := range a.Aggregations.Cut.Buckets {
		sum += b.Documents
	}
	if sum != int64(a.Hits.Total) { // from before 6.0
		x.noSeqNo("some of its documents have no sequence number")
		return false, nil
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
		return false, nil
	}
	ranges[len(ranges)-1].To = top
	x.Ranges = ranges
	return true, nil
}

// The documents that are sampled for the batch size come from so many places of
// _seq_no, each of which is so wide: the oldest need not be like the others, and
// drawing from all would score each document of a large index.
const (
	sampleDocs   = 20
	samplePlace  = 1000
	samplePlaces = 16
)

// sampleOf is what a few documents are drawn by; nil: all are taken as they come.
func (t *task) sampleOf(x *sourceIndex) any {
	if !x.SeqNo || len(x.Checkpoints) == 0 {
		return nil
	}
	var places []any
	step := slices.Max(x.Checkpoints)/samplePlaces + 1
	for i := range int64(samplePlaces) {
		places = append(places, seqNo(i*step, i*step+min(step, samplePlace)-1))
	}
	return object{"function_score": object{"boost_mode": "replace", "random_score": object{"seed": sampleSeed, "field": "_seq_no"},
		"query": object{"bool": object{"filter": []any{t.selection(x), object{"bool": object{"should": places}}}}}}}
}

// chooseSize samples documents for the batch size.
func (t *task) chooseSize(ctx context.Context, x *sourceIndex) error {
	x.Size = 5000
	var a searchAnswer
	var err error
	if q := t.sampleOf(x); q != nil {
		if a, err = search(ctx, t.src, x.Name, -1, object{"size": sampleDocs, "query": q}); err != nil && !badRequest(err) {
			return err
		}
	}
	if len(a.Hits.Hits) == 0 {
		if a, err = search(ctx, t.src, x.Name, -1, object{"size": sampleDocs, "query": t.selection(x)}); err != nil {
			return err
		}
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
//
// A search answers from any copy of a shard, and one that lags behind another
// does not show a document above the checkpoints that has left its range already
// as the other saw it. So where ranges had fewer documents than at the start
// there is a tail, whatever is seen; and checkpoints do not go back.
func (t *task) tail(ctx context.Context, x *sourceIndex, short bool) (from int64, checkpoints, visible []int64, ok bool, err error) {
	checkpoints, visible, err = measure(ctx, t.src, x)
	if err != nil {
		return 0, nil, nil, false, err
	}
	from = math.MaxInt64
	for i, c := range checkpoints {
		if short || c > x.Checkpoints[i] || visible[i] > x.Visible[i] {
			from = min(from, max(0, x.Checkpoints[i]+1-inFlight))
		}
		if c < x.Checkpoints[i] {
			checkpoints[i], visible[i] = x.Checkpoints[i], x.Visible[i]
		}
	}
	return from, checkpoints, visible, from != math.MaxInt64, nil
}

// written is the highest _seq_no of each shard, searchable or not; nil where
// that may not be asked.
func (t *task) written(ctx context.Context, index string) ([]int64, error) {
	top, err := highest(ctx, t.src, index)
	if serverError(err) != nil {
		return nil, nil
	}
	return top, err
}

// writtenSince says how an index without checkpoints was written to since the
// copy began; empty also where that cannot be told: updates show in _stats only.
func (t *task) writtenSince(ctx context.Context, x *sourceIndex) (what string, err error) {
	if x.SeqNo {
		return "", nil
	}
	if len(x.Written) > 0 {
		n, top := int64(0), []int64(nil)
		top, err = t.written(ctx, x.Name)
		for i := range min(len(top), len(x.Written)) {
			n += max(0, top[i]-x.Written[i])
		}
		if n > 0 {
			what = fmt.Sprintf("%s %s", humanize.Comma(n), plural(int(min(n, 2)), "operation", "operations"))
		}
		return what, err
	}
	n, err := count(ctx, t.src, x.Name, -1, t.selection(x))
	if err == nil && n != x.Documents {
		what = fmt.Sprintf("%s documents then, %s now", humanize.Comma(x.Documents), humanize.Comma(n))
	}
	return what, err
}

// tellWritten warns of a copy that no tail pass completes.
func (r *run) tellWritten(ctx context.Context, x *sourceIndex) error {
	what, err := r.writtenSince(ctx, x)
	if what != "" {
		r.j.Note(fmt.Sprintf("%s/%s was written to while it was copied (%s), and without sequence numbers no tail pass can bring that. "+
			"Only verify = \"full\" finds what is missing or old on the destination, and \"esmig repair\" copies it.", r.srcName, x.Name, what))
	}
	return err
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
// time, and a lost answer is asked for again.
func (t *task) scan(ctx context.Context, x *sourceIndex, s span, f func([]hit) error) error {
	if !x.SeqNo || x.Slow || s.By.Field != "" || len(s.IDs) > 0 {
		return t.scanOpened(ctx, x, s, f)
	}
	size := 10_000
	if x.Window > 0 {
		size = min(size, x.Window)
	}
	to := s.To
	if to < 0 {
		checkpoints, _, err := measure(ctx, t.src, x)
		if err != nil {
			return err
		}
		to = slices.Max(checkpoints)
	}
	for width, from := int64(max(1, size/x.Shards)), s.From; from <= to; from += width {
		a, err := search(ctx, t.src, x.Name, -1, object{"size": size, "_source": false, "version": true,
			"query": t.selection(x, seqNo(from, min(from+width-1, to)))})
		if err != nil {
			return err
		}
		if err := f(a.Hits.Hits); err != nil {
			return err
		}
	}
	return nil
}

// scanOpened reads a range as a stream does, with empty contents.
func (t *task) scanOpened(ctx context.Context, x *sourceIndex, s span, f func([]hit) error) error {
	bare := *t
	bare.filter = object{"excludes": []string{"*"}}
	r, err := bare.open(ctx, x, t.selection(x, s.query()))
	if err != nil {
		return err
	}
	defer r.close(ctx)
	for {
		p, err := r.next(ctx, min(mostDocuments, cmp.Or(x.Window, mostDocuments)), 0)
		if err != nil || len(p.hits) == 0 {
			return err
		}
		hits := make([]hit, len(p.hits))
		for i, h := range p.hits {
			hits[i] = hit{Index: x.Name, ID: plainString(h.id), Routing: plainString(h.routing), Version: wholeNumber(h.version)}
		}
		if err := f(hits); err != nil {
			return err
		}
	}
}
