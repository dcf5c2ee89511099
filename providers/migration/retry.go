package migration

import (
	"context"
	"slices"

	"github.com/esmig/esmig/providers"
)

// mostRetried documents go together.
const mostRetried = 500

// Retry implements providers.Retrier. The documents are read from the source
// again, as ranges of ids: one that was changed meanwhile is sent as it is now,
// one that was deleted is no longer refused. It goes by stream, so that all of
// them are told apart, unless a script must run.
func (t *task) Retry(ctx context.Context, j providers.Journal, raw providers.JSON) (providers.Result, providers.JSON, error) {
	d, err := readDone(raw)
	if err != nil {
		return providers.Result{}, nil, err
	}
	r := &run{task: t, j: j, live: map[*unit]taskStatus{}, retries: true, admitted: d.Refused.keys()}
	r.retain()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := r.meet(ctx); err != nil {
		return providers.Result{}, nil, err
	}
	if t.script == nil {
		r.stream = newStreamer(r)
	}
	cut := record{What: wroteCut, Run: newRun(), Started: now()}
	for _, x := range d.Indices {
		again := *x
		again.Ranges = d.Refused.spans(x.Name)
		cut.Indices = append(cut.Indices, &again)
	}
	if err := j.Append(cut); err != nil {
		return providers.Result{}, nil, err
	}
	r.l = &ledger{}
	r.l.cut(cut)
	for _, u := range r.l.units {
		u.begun = 1 // they were copied before: what is there since is no conflict
	}
	if err = r.work(ctx, r.l.units); err == nil {
		err = r.patiently(ctx, func() error { return r.secure(ctx) })
	}
	if err == nil {
		err = r.settle(ctx)
	}
	_, c := r.l.sum()
	if err != nil {
		return result(r.fault.add(c), r.fault.failed()), nil, err
	}
	left := r.l.refused(t)
	r.mu.Lock()
	r.admitted = left.keys() // the letters of the others go
	r.mu.Unlock()
	var own done
	own.leave(c, left, t)
	all := counts{Created: d.Result.Created + c.Created, Updated: d.Result.Updated + c.Updated,
		Noops: d.Result.Noops + c.Noops + c.Deleted, Conflicts: d.Result.Conflicts + c.Conflicts}
	d.Documents += c.Created + c.Updated + c.Noops
	d.Brought += c.Created + c.Updated + c.Conflicts
	d.Dropped += c.Noops + c.Deleted
	if d.leave(all, left, t); left.len() > t.maxRefused {
		err = refusalFinding(t, left.letters(t))
	}
	return own.Result, providers.Encode(d), err
}

// spans are ranges of the documents of one index.
func (g refusedDocs) spans(index string) (out []span) {
	var ids []string
	for _, o := range g {
		if o.Index != index {
			continue
		}
		for _, d := range o.Documents {
			ids = append(ids, d.ID)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), mostRetried) {
		out = append(out, span{To: -1, Documents: int64(len(some)), IDs: some})
	}
	return out
}
