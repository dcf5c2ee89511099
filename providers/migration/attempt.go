package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// mostAttempts is how often a range is begun in one run before it is given up.
const mostAttempts = 6

// copyUnit brings one range to its end, over as many attempts as that takes.
func (r *run) copyUnit(ctx context.Context, u *unit) error {
	x := r.l.indices[u.index]
	size := cmp.Or(u.size, x.Size)
	pause := time.Second
	var away, ill outage // no task is taken; tasks end before they have done anything
	own := false         // an attempt of this run was begun
	var last *elasticsearch.Error
	for begun, lost := 0, 0; ; {
		if u.task == "" {
			if err := r.hold(ctx); err != nil {
				return err
			}
			if begun++; begun > mostAttempts+lost {
				return &trouble{what: gaveUp, unit: u, index: x.Name, err: last}
			}
			if !own { // what was wrong with them may be mended, and less may be left behind
				own, u.leftOut = true, nil
			}
			size = r.learned(u, size)
			asked := time.Now()
			if err := r.begin(ctx, u, size); errors.Is(err, errMixed) {
				return r.mixed(ctx, x, u)
			} else if err != nil {
				if !errors.Is(err, errAgain) {
					return r.explainError(err)
				}
				// No answer, or one that says to come later.
				if last = serverError(err); last == nil {
					last = &elasticsearch.Error{Reason: err.Error()}
				} else if last.Status == http.StatusTooManyRequests {
					r.gate.rejected(asked)
				}
				if lost++; away.tooLong() {
					return &trouble{what: gaveUp, unit: u, index: x.Name, err: last}
				}
				if err := sleep(ctx, pause); err != nil {
					return err
				}
				pause = min(2*pause, 30*time.Second)
				if _, err := r.locate(ctx, u); err != nil {
					return err
				}
				continue
			}
			away = outage{}
		}
		since := time.Now()
		answer, err := r.watcher.follow(ctx, u.task, r.l.opaque(u), func(s taskStatus) {
			r.progress(u, s, false)
			r.pace(ctx, u, s)
		})
		if errors.Is(err, providers.ErrNotFound) { // the node that ran it is gone
			if _, err := r.locate(ctx, u); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		verdict := judge(answer)
		if verdict.err != nil && nothingMatched(verdict.err) {
			var n int64
			err := r.patiently(ctx, func() (err error) {
				n, err = count(ctx, r.src, x.Name, -1, r.selection(x, u.span.query()))
				return err
			})
			if err != nil {
				return err
			}
			if n == 0 { // its documents left the range: the tail pass finds them
				verdict = &trouble{}
			}
		}
		switch verdict.what {
		case fine:
			letters := u.leftOut.letters(r.task)
			if !own && !r.fits(letters) { // max_refused was more when it was begun
				break
			}
			verdict.counts.Total += int64(len(letters))
			if err := r.ended(ctx, u, x, verdict.counts, letters); !errors.Is(err, errSuspect) {
				return err
			}
			begun--
		case tooLarge:
			if size == 1 {
				verdict.unit, verdict.index = u, x.Name
				return verdict
			}
			size, begun = max(1, size/2), begun-1 // it ends by itself, at one
			r.learn(u, size)
		case later:
			r.gate.rejected(since)
			last = verdict.err
			if verdict.counts.done() > 0 {
				ill = outage{}
			} else if !ill.tooLong() && begun >= mostAttempts+lost {
				lost++ // the source is away, or a cluster is full
			}
			r.j.Note(fmt.Sprintf("%s is slow to take range %s of %s (%s); it starts again in %v.", r.dstName, u.id, x.Name, verdict.reason(), pause))
			if err := sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, 30*time.Second)
			size = max(min(size, 100), size/2)
		case refused:
			u.made += verdict.counts.Created
			if begun > 0 && r.script == nil {
				return r.byStream(ctx, u, fmt.Sprintf("%s refuses documents, and a reindex ends with the first of them: ranges in which that happens are copied through this machine, so that all are known.", r.dstName))
			}
			if begun > 0 {
				if err := r.leaveOut(ctx, u, x, verdict); err != nil {
					return err
				}
				begun-- // it ends by itself, at max_refused
			}
		default:
			if begun > 0 { // else a former apply has told it, and what was wrong may be mended
				verdict.unit, verdict.index = u, x.Name
				return verdict
			}
		}
		r.setTask(u, "")
	}
}

// learn keeps for the other ranges of an index that batches must be smaller.
func (r *run) learn(u *unit, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batches == nil {
		r.batches = map[int]int{}
	}
	r.batches[u.index] = min(size, cmp.Or(r.batches[u.index], size))
}

// learned is a batch size that is no larger than what was learned.
func (r *run) learned(u *unit, size int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(size, cmp.Or(r.batches[u.index], size))
}

// setTask: others look at the tasks of all ranges (outwait).
func (r *run) setTask(u *unit, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u.task = id
}

// errAgain: whether the request was carried out is not known, or it was not.
var errAgain = errors.New("again")

// begin records an attempt, sends it and records its task. From the request to
// the record it cannot be cancelled: the first Ctrl-C must not lose a task.
func (r *run) begin(ctx context.Context, u *unit, size int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	x := r.l.indices[u.index]
	var query any
	if err := r.patiently(ctx, func() (err error) { query, err = r.rest(ctx, x, u); return err }); err != nil {
		return err
	}
	perSecond := r.share()
	if perSecond > 0 {
		size = int(min(int64(size), throttledSize(perSecond)))
	}
	opaque := r.l.opaque(u)
	if err := r.j.Append(record{What: wroteBegin, Unit: u.id, Opaque: opaque, Size: size, There: u.there, LeftOut: u.leftOut.len()}); err != nil {
		return err
	}
	r.mu.Lock()
	r.l.begins(u)
	u.size, u.cancelled, u.suspect, u.paced, u.others = size, false, false, nil, nil
	on := r.nodes[r.turn%len(r.nodes)]
	r.turn++
	r.mu.Unlock()
	id, err := r.start(context.WithoutCancel(ctx), on, r.request(x, query, size, r.remote, r.dest, u.into), opaque, perSecond)
	if errors.Is(err, providers.ErrUnavailable) {
		if serverError(err) == nil {
			r.avoid(on)
		}
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	if err != nil {
		return err
	}
	r.setTask(u, id)
	return r.j.Append(record{What: wroteTask, Unit: u.id, Task: id})
}

// longestBatch is for how many seconds a throttled task may write nothing: a
// node that is about to leave hands a task on between two batches, and a slower
// speed counts from the next one.
const longestBatch = 5

// throttledSize is the most documents of a batch of a task with this speed.
func throttledSize(perSecond float64) int64 { return max(1, int64(perSecond*longestBatch)) }

// locate looks for the task of an attempt that has no end: by its id, then by
// its X-Opaque-Id. Afterwards u.task is one that the server knows, or empty. A
// task that has ended already is returned.
func (r *run) locate(ctx context.Context, u *unit) (ended *taskAnswer, err error) {
	if u.task != "" {
		var a taskAnswer
		err := r.patiently(ctx, func() (err error) { a, err = r.look(ctx, u.task, r.l.opaque(u), r.info); return err })
		if err == nil && a.Completed {
			return &a, nil
		}
		if err == nil || !errors.Is(err, providers.ErrNotFound) {
			return nil, err
		}
	}
	if u.cancelled {
		return nil, nil
	}
	if r.info.Flavor == providers.Serverless {
		r.setTask(u, "")
		return nil, r.outwait(ctx, r.l.indices[u.index])
	}
	var id string
	if err := r.patiently(ctx, func() (err error) { id, err = r.find(ctx, r.l.opaque(u), r.info); return err }); err != nil {
		return nil, err
	}
	if r.setTask(u, id); id != "" {
		return nil, r.j.Append(record{What: wroteTask, Unit: u.id, Task: id})
	}
	return nil, nil
}
