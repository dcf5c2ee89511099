package migration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// run is one call of Run: a ledger that is being worked off.
type run struct {
	*task
	j       providers.Journal
	info    providers.Info // of the destination
	remote  object         // nil: source and destination are one cluster
	dest    destination
	l       *ledger
	stream  *streamer // nil: by reindex
	second  *streamer // of a copy by reindex: for ranges with refused documents
	watcher *watcher
	nodes   []providers.Cluster // of the destination, to begin tasks on in turn
	gate    *gate               // how many ranges run at the same time

	relaxing sync.Mutex
	relaxes  bool // settings are relaxed, as far as that can be

	mu   sync.Mutex
	turn int // of nodes
	// batches are the sizes of batches, by index, that ranges have come down to.
	batches map[int]int
	live    map[*unit]taskStatus
	last    time.Time // of the last progress
	// rejections are those of this run, also of what has ended.
	rejections int64
	// kept is how many bytes of refused documents have gone to the journal.
	kept     int64
	toldKept bool
	stop     bool
	// paused is what the user was told last.
	paused bool
	fault  trouble
	errs   []error
	// admitted are the keys of refused documents that are left behind. retries:
	// any number may be.
	admitted map[string]bool
	retries  bool
}

// Run copies. What ctx ends goes on in the next call: tasks that run on the
// destination are left to it and followed then.
func (t *task) Run(ctx context.Context, j providers.Journal) (providers.Result, providers.JSON, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{task: t, j: j, live: map[*unit]taskStatus{}}
	err := r.prepare(ctx)
	if err == nil {
		r.admit()
	}
	for err == nil {
		if err = r.work(ctx, r.l.units); err == nil {
			err = r.tailPass(ctx)
		}
		if err == nil {
			err = r.patiently(ctx, func() error { return r.secure(ctx) })
		}
		if r.l.complete() {
			break
		}
	}
	if err == nil {
		err = r.patiently(ctx, func() error { return r.settle(ctx) })
		if err == nil {
			err = r.patiently(ctx, func() error { return r.tellArrived(ctx) })
		}
	} else if ctx.Err() == nil && r.l != nil { // the user looks at it now, and does not want it as it is filled
		if e := r.restore(ctx, j, r.l); e != nil {
			err = errors.Join(err, e)
		}
	}
	if r.l == nil {
		return providers.Result{}, nil, err
	}
	_, c := r.l.sum()
	if err != nil {
		return result(r.fault.add(c), r.fault.failed()), nil, err
	}
	d := r.l.done(r.task, r.dest)
	d.Dest = r.dstName + "/" + r.destIndex
	return d.Result, providers.Encode(d), nil
}

// prepare finds out where the task stands, and makes the cut if nothing was
// begun.
func (r *run) prepare(ctx context.Context) (err error) {
	if err := r.meet(ctx); err != nil {
		return err
	}
	if r.l, err = r.replay(r.j); err != nil {
		return err
	}
	if len(r.l.indices) > 0 {
		if err := r.take(ctx, r.l.indices[0].Name); err != nil {
			return err
		}
		if err := r.resume(ctx); err != nil {
			return err
		}
	}
	if len(r.l.indices) > 0 {
		return r.relax(ctx)
	}
	indices, err := r.plan(ctx)
	if err != nil {
		return r.explainError(err)
	}
	if r.remote == nil {
		if f := r.ontoItself(indices, r.dest); f != nil { // the plan did not see what was made since
			return f
		}
	}
	if err := r.take(ctx, indices[0].Name); err != nil {
		return err
	}
	held := false
	if err := r.patiently(ctx, func() (err error) { held, err = r.holds(ctx); return err }); err != nil {
		return err
	}
	cut := record{What: wroteCut, Run: newRun(), Started: now(), Indices: indices, Fresh: !r.dest.Exists, Held: held}
	if r.dest.rolls() {
		cut.Backing = r.dest.Names
	}
	if err := r.j.Append(cut); err != nil {
		return err
	}
	r.l.cut(cut)
	return r.relax(ctx)
}

// meet finds out who the clusters are and how much may run at the same time.
// What is followed ends with ctx.
func (r *run) meet(ctx context.Context) (err error) {
	if r.info, r.remote, err = r.connection(ctx); err != nil {
		return err
	}
	nodes := r.lookAtNodes(ctx, r.info)
	r.chooseTogether(r.info, nodes)
	r.nodes, r.gate = r.spread(ctx, r.info, nodes), newGate(r.together, r.most)
	r.watcher = newWatcher(ctx, r.task, r.info)
	r.dest, err = r.lookAtDestination(ctx)
	return err
}

// take decides on the way. A copy that goes on may take another one than it
// took before: the ranges are the same.
func (r *run) take(ctx context.Context, index string) error {
	return r.patiently(ctx, func() error { // no answer is none about the way
		if r.method != "reindex" { // else what is in the way, its first task says
			w, err := r.choose(ctx, r.remote, index)
			if err != nil {
				return err
			}
			if w.stream {
				r.stream = newStreamer(r)
				r.j.Note("Documents pass through this machine: " + w.why + ".")
				return nil
			}
		}
		f, err := r.failureStore(ctx, r.dest)
		if f != nil {
			r.j.Note(f.Summary + ": " + f.Detail)
		}
		return err
	})
}

// connection says who the destination is and how it reaches the source.
func (t *task) connection(ctx context.Context) (providers.Info, object, error) {
	info, err := t.dst.Info(ctx)
	if err != nil {
		return info, nil, err
	}
	source, err := t.src.Info(ctx)
	if err != nil {
		return info, nil, err
	}
	if source.UUID == info.UUID {
		return info, nil, nil
	}
	host, err := elasticsearch.RemoteHost(t.src.Config())
	return info, remoteBlock(t.src.Config(), host, info), err
}

// plan resolves the source and cuts what it finds.
func (t *task) plan(ctx context.Context) ([]*sourceIndex, error) {
	indices, err := t.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return indices, each(ctx, len(indices), func(ctx context.Context, i int) (err error) {
		if indices[i].Written, err = t.written(ctx, indices[i].Name); err != nil {
			return err
		}
		return t.cut(ctx, indices[i])
	})
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// work runs units side by side. When one fails no other is begun, but those
// that run are followed to their end, so that all reasons are told at once.
func (r *run) work(ctx context.Context, units []*unit) error {
	var open []*unit
	for _, u := range units {
		if u.counts == nil {
			open = append(open, u)
		}
	}
	var pool, helpers sync.WaitGroup
	helped, enough := context.WithCancel(ctx)
	helpers.Go(func() { r.climb(helped) })
	helpers.Go(func() {
		if err := r.keepSafe(helped); err != nil {
			r.fail(err)
		}
	})
	for _, u := range open {
		if r.gate.enter(ctx) != nil || r.stopped() {
			break
		}
		pool.Go(func() {
			defer r.gate.leave()
			r.finish(ctx, u)
		})
	}
	pool.Wait()
	enough()
	helpers.Wait()
	r.progress(nil, taskStatus{}, true)
	if f := r.fault.finding(r.task, r.l.refused(r.task)); f != nil {
		return f
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(r.errs) > 0 {
		return r.errs[0] // the others most likely say the same
	}
	return nil
}

func (r *run) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop
}

func (r *run) finish(ctx context.Context, u *unit) {
	if r.stopped() || ctx.Err() != nil {
		return
	}
	var err error
	if r.stream != nil {
		err = r.stream.copyUnit(ctx, u)
	} else {
		err = r.copyUnit(ctx, u)
	}
	if err == nil && r.l.fresh { // the first documents have made the destination
		err = r.relax(ctx)
	}
	r.fail(err)
}

// fail lets no other range begin.
func (r *run) fail(err error) {
	if err == nil || errors.Is(err, errHeld) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = true
	var t *trouble
	if errors.As(err, &t) {
		r.fault.merge(t)
		return
	}
	r.errs = append(r.errs, err)
}

// tailPass begins only when all ranges are done.
func (r *run) tailPass(ctx context.Context) error {
	for i, x := range r.l.indices {
		if err := r.tellWritten(ctx, x); err != nil {
			return err
		}
		if _, ok := r.l.decided[i]; ok || !x.tails() {
			continue
		}
		var from int64
		var checkpoints, visible []int64
		var ok bool
		r.mu.Lock()
		short := r.l.short(i) > 0
		r.mu.Unlock()
		err := r.patiently(ctx, func() (err error) {
			from, checkpoints, visible, ok, err = r.tail(ctx, x, short)
			return err
		})
		if err != nil {
			return r.explainError(err)
		}
		d := record{What: wroteTail, Index: i, From: from, Skip: !ok, Checkpoints: checkpoints, Visible: visible}
		if !ok {
			d.From = 0
		}
		if err := r.j.Append(d); err != nil {
			return err
		}
		if u := r.l.tail(d); u != nil {
			if u.span.Documents, err = count(ctx, r.src, x.Name, -1, r.selection(x, u.span.query())); err != nil {
				return r.explainError(err)
			}
		}
	}
	var tails []*unit
	for i := range r.l.indices {
		if u := r.l.tails[i]; u != nil {
			tails = append(tails, u)
		}
	}
	if err := r.work(ctx, tails); err != nil {
		return err
	}
	for _, u := range tails {
		r.mu.Lock()
		n, got := r.l.short(u.index), u.counts
		r.mu.Unlock()
		if got == nil {
			continue // a node restarted meanwhile
		}
		if created := got.Created; n > created {
			r.j.Note(fmt.Sprintf("%s %s of %s/%s left the ranges while these were copied, and the tail pass brought %s: what is missing was deleted, or not every copy of its shard shows it yet. \"esmig verify\" tells later.",
				humanize.Comma(n), plural(int(min(n, 2)), "document", "documents"), r.srcName, r.l.indices[u.index].Name, humanize.Comma(created)))
		}
	}
	return nil
}

// settle makes what was copied visible on the destination, whose settings are
// again what they were. A key that may not refresh is no reason to fail: the
// destination does it by itself.
func (r *run) settle(ctx context.Context) error {
	if err := r.restore(ctx, r.j, r.l); err != nil {
		return err
	}
	err := refresh(ctx, r.dst, r.destIndex)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		_, c := r.l.sum()
		if c.done() == 0 {
			return nil // no document, so no index was made
		}
		return err
	case errors.Is(err, providers.ErrDenied):
		r.j.Note("The credentials of " + r.dstName + " may not refresh " + r.destIndex + " (privilege maintenance): counts may lag behind.")
	case err != nil:
		return err
	}
	return nil
}

// progress sends how far the work is, at most ten times a second.
func (r *run) progress(u *unit, s taskStatus, force bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u != nil {
		more := s.Retries.Bulk - r.live[u].Retries.Bulk
		if more < 0 { // another attempt, which counts anew
			more = s.Retries.Bulk
		}
		r.rejections += more
		r.live[u] = s
	}
	if now := time.Now(); force || now.Sub(r.last) >= 100*time.Millisecond {
		r.last = now
	} else {
		return
	}
	r.j.Progress(r.sofar())
}

// sofar is how far the work is. r.mu is held.
func (r *run) sofar() providers.Progress {
	p := providers.Progress{Phase: "copy", Ranges: len(r.l.units) + len(r.l.tails), Rejections: r.rejections}
	r.l.each(func(u *unit) {
		if u.counts != nil {
			p.RangesDone++
			p.Done += u.counts.done()
			p.Total += u.counts.Total
			return
		}
		s := r.live[u]
		p.Done += s.done()
		p.Total += max(s.Total, u.span.Documents)
	})
	return p
}
