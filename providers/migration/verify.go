package migration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

const (
	sampleSize    = 1000
	drawnTogether = 250      // documents of a sample
	sampleSeed    = 20130101 // the same sample every time
	mostExamples  = 10
)

// Observe looks at a finished copy.
func (t *task) Observe(ctx context.Context, raw providers.JSON) (providers.Observation, error) {
	var o providers.Observation
	d, err := readDone(raw)
	if err != nil {
		return o, err
	}
	there, err := t.lookAtDestination(ctx)
	if err != nil {
		return o, err
	}
	if o.DestinationMissing = !there.Exists && d.Documents > 0; o.DestinationMissing {
		return o, nil
	}
	if there.Exists {
		n, err := count(ctx, t.dst, t.destIndex, -1, nil)
		if err != nil {
			return o, err
		}
		o.Gone = max(0, d.Result.Created-n)
	}
	for _, x := range d.Indices {
		n, err := t.newer(ctx, x)
		if errors.Is(err, providers.ErrNotFound) || badRequest(err) {
			continue // gone from the source: nothing is newer there
		}
		if err != nil {
			return o, err
		}
		o.NewerOnSource += n
	}
	n, err := t.arrived(ctx, d.Indices)
	o.NewerOnSource += n.documents
	return o, err
}

func readDone(raw providers.JSON) (done, error) {
	var d done
	if err := decode(raw, &d); err != nil {
		return d, fmt.Errorf("the record of a finished migration cannot be read: %w", err)
	}
	return d, nil
}

// Verify compares counts, then all documents or a sample from all over the
// index.
func (t *task) Verify(ctx context.Context, j providers.Journal, raw providers.JSON) (providers.Verification, error) {
	v := providers.Verification{Method: t.verify}
	d, err := readDone(raw)
	if err != nil {
		return v, err
	}
	if t.verify == "none" {
		v.Notes = append(v.Notes, `nothing was compared, because verify = "none"`)
		return v, nil
	}
	seen, err := t.refreshDestination(ctx)
	if err != nil {
		return v, err
	}
	if d.left, err = t.lookBehind(ctx, d); err != nil {
		return v, err
	}
	if err := t.counts(ctx, d, &v); err != nil {
		return v, err
	}
	switch t.verify {
	case "sample":
		err = t.sample(ctx, j, d, &v)
	case "full":
		_, err = t.full(ctx, j, d, &v)
	}
	if err == nil {
		t.allowDropped(d, &v)
		err = t.remarks(ctx, d, &v)
	}
	if err != nil {
		return v, err
	}
	if !seen && v.Missing+v.Different > 0 {
		v.Notes = append(v.Notes, "the "+t.mayNotRefresh()+": what was written last may not be seen yet")
	}
	return v, t.verdict(v)
}

func (t *task) mayNotRefresh() string {
	return fmt.Sprintf("credentials of %s may not refresh %s/%s (privilege maintenance)", t.dstName, t.dstName, t.destIndex)
}

// dropped is how many of so many documents of the source the pipeline or the
// script is known to have dropped: which they are, no answer tells. Each that
// the copy brought may be one of them, unless it is known to be gone from there.
// So where some are gone or were changed since, as many are not known any more,
// rather than that lost ones are taken for them.
func (t *task) dropped(d done, source, gone int64) int64 {
	if t.pipeline == "" && !t.dropsIt {
		return 0
	}
	return max(0, min(d.Dropped, source-int64(d.Refused.len())-d.Brought+gone))
}

// allowDropped takes as many documents as the pipeline is known to have dropped
// for these. A task counts them with those that it updated, so that of a reindex
// none may be known.
func (t *task) allowDropped(d done, v *providers.Verification) {
	if t.pipeline == "" || v.Missing == 0 {
		return
	}
	n := t.dropped(d, v.Source, v.Deleted)
	if v.Missing > n {
		text := fmt.Sprintf("pipeline %s is known to have dropped %s documents", t.pipeline, humanize.Comma(d.Result.Noops))
		if n < d.Result.Noops {
			text += fmt.Sprintf(", of which %s at the least are on the source as they were", humanize.Comma(n))
		}
		v.Notes = append(v.Notes, text+": those that it drops cannot be told from lost ones")
		return
	}
	v.Notes = append(v.Notes, fmt.Sprintf("%s %s not on the destination, and no difference: pipeline %s dropped %s on the way", humanize.Comma(v.Missing),
		plural(int(min(v.Missing, 2)), "document is", "documents are"), t.pipeline, humanize.Comma(n)))
	v.Missing = 0
	v.Examples = slices.DeleteFunc(v.Examples, func(e providers.Difference) bool { return e.What == missing })
}

// remarks says what the numbers alone do not.
func (t *task) remarks(ctx context.Context, d done, v *providers.Verification) error {
	if v.Method == "count" {
		v.Notes = append(v.Notes, `only totals were compared: a document that is missing does not show where another one is too much (verify = "sample" or "full" looks documents up)`)
	}
	n, err := t.arrived(ctx, d.Indices)
	if err != nil {
		return err
	}
	if v.Newer += n.documents; n.documents > 0 {
		v.Notes = append(v.Notes, n.tell(t))
	}
	unseen, err := t.unseen(ctx, d.Indices)
	if err != nil {
		return err
	}
	for _, s := range unseen {
		v.Notes = append(v.Notes, s+": such documents were not copied")
	}
	if err := t.fewer(ctx, d, v); err != nil {
		return err
	}
	for _, x := range d.Indices {
		if x.SeqNo || v.Missing+v.Different+v.Extra == 0 {
			continue
		}
		what, err := t.writtenSince(ctx, x)
		if err != nil {
			return err
		}
		text := t.srcName + "/" + x.Name + " has no sequence numbers, so that documents which were written to since the copy began cannot be told from lost ones"
		if what != "" {
			text += " (it was written to since: " + what + ")"
		}
		v.Notes = append(v.Notes, text+": \"esmig repair\" copies all that differ")
	}
	if v.Missing+v.Different > 0 {
		s, err := t.sharedIDs(ctx, d.Indices)
		if err != nil {
			return err
		}
		if text := s.String(); text != "" {
			v.Notes = append(v.Notes, text)
		}
	}
	v.Identical = min(v.Identical, max(0, v.Source-v.Missing-v.Refused))
	return nil
}

// fewer finds by the totals that several migrations into one destination share
// ids. Where contents were compared, each document is there with its own, and
// it is only said.
func (t *task) fewer(ctx context.Context, own done, v *providers.Verification) error {
	total, all := v.Source-v.Refused-t.dropped(own, v.Source, 0), append([]providers.Peer{{Task: t}}, t.peers...)
	for i, p := range all {
		k, ok := p.Task.(*task)
		if !ok || len(all) == 1 || i > 0 && p.Done == nil || k.changesID || k.dropsIt || k.existing == "keep" || k.existing == "overwrite" {
			return nil
		}
		if i == 0 {
			continue
		}
		d, err := readDone(p.Done)
		if err != nil {
			return err
		}
		n, _, err := k.copied(ctx, d)
		if err != nil {
			return err
		}
		left, err := k.lookBehind(ctx, d)
		if err != nil {
			return err
		}
		total += n - left.len() - k.dropped(d, n, 0)
	}
	if v.Destination >= total {
		return nil
	}
	v.Notes = append(v.Notes, fmt.Sprintf("%s/%s holds %s documents and the migrations into it have copied %s: some of them share ids, or were deleted there since",
		t.dstName, t.destIndex, humanize.Comma(v.Destination), humanize.Comma(total)))
	if v.Compared == 0 || v.Method != "full" {
		v.Missing = max(v.Missing, total-v.Destination)
	}
	return nil
}

// copied counts what was on the source when the copy ended and still is, and
// what came or was changed since.
func (t *task) copied(ctx context.Context, d done) (before, newer int64, err error) {
	for _, x := range d.Indices {
		n, err := count(ctx, t.src, x.Name, -1, t.selection(x))
		if err != nil {
			return 0, 0, err
		}
		since, err := t.newer(ctx, x)
		if err != nil {
			return 0, 0, err
		}
		before += max(0, n-since)
		newer += since
	}
	return before, newer, nil
}

// refreshDestination lets searches see all that was written. Without the
// privilege they see it a little later: seen is false.
func (t *task) refreshDestination(ctx context.Context) (seen bool, err error) {
	switch err := refresh(ctx, t.dst, t.destIndex); {
	case errors.Is(err, providers.ErrDenied):
		return false, nil
	case err != nil && !errors.Is(err, providers.ErrNotFound):
		return false, err
	}
	return true, nil
}

// verdict is the error of a verification that found a difference, or that has
// not looked at everything that differs.
func (t *task) verdict(v providers.Verification) error {
	if v.Same() {
		return nil
	}
	more := ""
	if v.Extra > 0 {
		more = fmt.Sprintf(", %s on the destination only", humanize.Comma(v.Extra))
	}
	if v.Unopened > 0 {
		more += fmt.Sprintf("; %s more were not looked at, because too much differs", humanize.Comma(v.Unopened))
	}
	f := providers.NewError("verification", "dest.index", "Verification found a difference",
		fmt.Sprintf("%s/%s is not what %s/%s is: %s missing, %s different of %s compared%s.", t.dstName, t.destIndex, t.srcName, t.index,
			humanize.Comma(v.Missing), humanize.Comma(v.Different), humanize.Comma(v.Compared), more))
	f.Err = providers.ErrVerify
	return f
}

// counts compares what this migration alone can know: other migrations and
// writers may use the destination too, so it must hold at least what is on the
// source and was there when the copy ended. More is a note.
func (t *task) counts(ctx context.Context, d done, v *providers.Verification) error {
	var err error
	if v.Source, v.Newer, err = t.copied(ctx, d); err != nil {
		return err
	}
	v.Destination, err = count(ctx, t.dst, t.destIndex, -1, nil)
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return err
	}
	want := v.Source
	if d.left != nil {
		v.Refused = d.left.len()
		want -= d.left.absent
	}
	if t.dropsIt {
		want -= t.dropped(d, v.Source, 0)
		v.Notes = append(v.Notes, "the script leaves documents out, so counts need not be equal")
	}
	if t.changesID { // several documents may have become one, but what the copy made must be there
		want = min(want, d.Result.Created)
	}
	v.Missing = max(0, want-v.Destination)
	switch more := v.Destination - v.Source - v.Newer; {
	case t.changesID:
		v.Notes = append(v.Notes, "the script may change ids, so only counts can be told")
	case more > 0 && d.Result.Created+d.Result.Conflicts < v.Destination:
		v.Notes = append(v.Notes, fmt.Sprintf("the destination holds %s documents more than the source: they come from other migrations or writers, or were deleted on the source since", humanize.Comma(more)))
	case more > 0:
		v.Notes = append(v.Notes, humanize.Comma(more)+" documents were deleted on the source since they were copied")
	}
	return nil
}

// drawn is a document of the sample, with the shard that it was drawn from.
type drawn struct {
	hit
	shard int
}

// sample compares documents that are drawn evenly from every shard of every
// index. One that was changed on the source since the copy is not different
// but newer, and is left out.
func (t *task) sample(ctx context.Context, j providers.Journal, d done, v *providers.Verification) error {
	var all int64
	for _, x := range d.Indices {
		all += x.Documents
	}
	if all == 0 || t.changesID {
		return nil
	}
	why, err := t.whyNotContents(ctx, d)
	if err != nil {
		return err
	}
	if why != "" {
		v.Notes = append(v.Notes, "contents were not compared, because "+why+"; ids and counts were")
	}
	var missing int64
	wanted := min(all, sampleSize)
	for _, x := range d.Indices {
		if x.Documents == 0 {
			continue
		}
		share := int(math.Ceil(float64(sampleSize) * float64(x.Documents) / float64(all)))
		docs, err := t.draw(ctx, x, share)
		if err != nil {
			return err
		}
		docs = slices.DeleteFunc(docs, func(h drawn) bool { return d.left.has(h.hit) })
		for len(docs) > 0 {
			n := min(len(docs), max(1, x.Size), drawnTogether)
			if err := t.compareDrawn(ctx, x, docs[:n], why == "", t.external(destination{Stream: d.Stream}), v, &missing); err != nil {
				return err
			}
			docs = docs[n:]
			j.Progress(providers.Progress{Phase: "verify", Done: min(v.Compared, wanted), Total: wanted})
		}
	}
	v.Missing = max(v.Missing, missing)
	return nil
}

// otherSource says why _source cannot be the same on both sides although
// nothing changed it: one of them makes it up from the fields.
func (t *task) otherSource(ctx context.Context, d done) (string, error) {
	there, err := readSettings(ctx, t.dst, t.destIndex)
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, providers.ErrDenied) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, x := range d.Indices {
		for name, s := range there {
			if s.synthetic() && !x.Synthetic {
				return name + " has a synthetic _source", nil
			}
			if x.Synthetic && !s.synthetic() {
				return x.Name + " has a synthetic _source", nil
			}
		}
	}
	return "", nil
}

// draw picks about n documents that are the same whenever it is asked again.
func (t *task) draw(ctx context.Context, x *sourceIndex, n int) ([]drawn, error) {
	random := object{"seed": sampleSeed}
	if x.SeqNo {
		random["field"] = "_seq_no"
	} else {
		delete(random, "seed") // a seed would need a field
	}
	var out []drawn
	for shard := range x.Shards {
		of := shard
		if x.Shards == 1 {
			of = -1
		}
		size := min(10_000, (n+x.Shards-1)/x.Shards)
		var a searchAnswer
		for {
			var err error
			a, err = search(ctx, t.src, x.Name, of, object{"size": size, "_source": false, "version": true,
				"query": object{"function_score": object{"query": t.selection(x), "random_score": random, "boost_mode": "replace"}}})
			if err == nil {
				break
			}
			if size == 1 || !tooManyHits(err) {
				return nil, err
			}
			size /= 2 // a smaller sample
		}
		for _, h := range a.Hits.Hits {
			out = append(out, drawn{h, shard})
		}
	}
	return out, nil
}

// compareDrawn: contents says whether they can be equal, kept whether the copy
// has the source's versions.
func (t *task) compareDrawn(ctx context.Context, x *sourceIndex, docs []drawn, contents, kept bool, v *providers.Verification, missing *int64) error {
	ids := make([]hit, len(docs))
	shard := map[string]int{}
	for i, d := range docs {
		ids[i], shard[d.key()] = d.hit, d.shard
	}
	return t.compareContents(ctx, x, ids, func(from hit, to *hit, diff []providers.Difference) {
		if to != nil && !contents {
			diff = nil
		}
		same := to != nil && len(diff) == 0
		if s := shard[from.key()]; !same && x.SeqNo && s < len(x.Checkpoints) && from.SeqNo > x.Checkpoints[s] {
			return // changed since the copy: counted as newer
		}
		if !same && !x.SeqNo && to != nil && kept && from.Version > to.Version {
			v.Newer++
			return
		}
		if contents {
			v.Compared++
		}
		switch {
		case same:
			if contents {
				v.Identical++
			}
		case to == nil:
			if t.dropsIt {
				return
			}
			*missing++
			diff = []providers.Difference{{What: "missing", ID: from.ID}}
		default:
			v.Different++
		}
		for _, e := range diff {
			if len(v.Examples) < mostExamples {
				v.Examples = append(v.Examples, e)
			}
		}
	})
}
