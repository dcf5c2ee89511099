package migration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/esmig/esmig/providers"
)

// watcher looks at all tasks that are followed with one request, however many
// they are, and asks for the result of those that are no longer in its answer.
type watcher struct {
	*task
	ctx  context.Context
	info providers.Info
	wake chan struct{}

	mu       sync.Mutex
	followed map[string]*followed // by X-Opaque-Id
	runs     bool                 // the loop
	single   bool                 // the server does not list tasks, so each is asked for
}

// followed is one task and who wants to know of it.
type followed struct {
	id   string
	sent string          // its X-Opaque-Id
	seen chan taskStatus // the latest
	end  chan struct{}
	last taskAnswer
	err  error
	away outage
}

// newWatcher's context is the run's: what follow waits for ends with it.
func newWatcher(ctx context.Context, t *task, info providers.Info) *watcher {
	return &watcher{task: t, ctx: ctx, info: info, wake: make(chan struct{}, 1), followed: map[string]*followed{}}
}

// The pauses between two looks at the tasks.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 2 * time.Second
)

// follow waits for the end of a task. seen gets every status.
func (w *watcher) follow(ctx context.Context, id, opaque string, seen func(taskStatus)) (taskAnswer, error) {
	f := &followed{id: id, sent: opaque, seen: make(chan taskStatus, 1), end: make(chan struct{})}
	w.mu.Lock()
	w.followed[opaque] = f
	if !w.runs {
		w.runs = true
		go w.loop()
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	defer func() {
		w.mu.Lock()
		delete(w.followed, opaque)
		w.mu.Unlock()
	}()
	for {
		select {
		case s := <-f.seen:
			seen(s)
		case <-f.end:
			if f.err == nil {
				seen(f.last.status())
			}
			return f.last, f.err
		case <-ctx.Done():
			return taskAnswer{}, ctx.Err()
		}
	}
}

// loop ends when nothing is followed any more.
func (w *watcher) loop() {
	wait := firstLook
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.wake: // a new task may end before the next look that was meant
			timer.Stop()
			if sleep(w.ctx, firstLook) != nil {
				return
			}
		case <-w.ctx.Done():
			timer.Stop()
			return
		}
		w.mu.Lock()
		var all []*followed
		for _, f := range w.followed {
			all = append(all, f)
		}
		w.runs = len(all) > 0
		w.mu.Unlock()
		if len(all) == 0 {
			return
		}
		w.look(all)
		wait = nextLook(all, wait)
	}
}

// look asks once for all, then for those that have ended.
func (w *watcher) look(all []*followed) {
	var list map[string]taskAnswer
	var err error
	if !w.single {
		list, err = w.running(w.ctx, w.info)
		w.single = err == nil && list == nil
	}
	_ = each(w.ctx, len(all), func(ctx context.Context, i int) error {
		f := all[i]
		a, there := list[f.id]
		asked := err
		if asked == nil && !(there && sentAs(a.Task.Headers, f.sent)) {
			a, asked = w.task.look(ctx, f.id, f.sent, w.info)
		}
		w.tell(f, a, asked)
		return nil
	})
}

func (w *watcher) tell(f *followed, a taskAnswer, err error) {
	select {
	case <-f.end: // it was told already
		return
	default:
	}
	switch {
	case err == nil && !a.Completed:
		f.away, f.last = outage{}, a
		select {
		case <-f.seen: // nobody has taken the last one
		default:
		}
		f.seen <- a.status()
		return
	case err != nil && errors.Is(err, providers.ErrUnavailable) && w.ctx.Err() == nil && !f.away.tooLong():
		return
	}
	f.last, f.err = a, err
	close(f.end)
}

// nextLook comes soon when a task is about to end, so that its place is not
// empty for long, and ever later when none is.
func nextLook(all []*followed, last time.Duration) time.Duration {
	least := leastLook(len(all))
	next := min(max(last*3/2, least), lastLook)
	for _, f := range all {
		s := f.last.status()
		ran, done := max(f.last.Nanos, f.last.Task.Nanos), s.done()
		if done > 0 && ran > 0 {
			left := float64(ran) / float64(done) * float64(max(0, s.Total-done))
			next = min(next, waitFor(last, least, time.Duration(left)))
		}
	}
	return next
}

// leastLook is the shortest pause, longer with many tasks in the answer.
func leastLook(tasks int) time.Duration { return firstLook + time.Duration(tasks)*2*time.Millisecond }

// waitFor is the pause before the next look at a task that has so much time
// left.
func waitFor(last, least, left time.Duration) time.Duration {
	return min(max(last*3/2, least), lastLook, max(least, left/4))
}

// running lists the reindex tasks that run on the destination; nil without an
// error: it does not list them.
func (t *task) running(ctx context.Context, info providers.Info) (map[string]taskAnswer, error) {
	out := map[string]taskAnswer{}
	if info.Flavor == providers.Serverless {
		list, err := t.reindexes(ctx)
		if err != nil {
			return unlisted(err)
		}
		for _, r := range list {
			out[r.ID] = r.taskAnswer
		}
		return out, nil
	}
	list, err := t.list(ctx)
	if err != nil {
		return unlisted(err)
	}
	for id, l := range list {
		a := taskAnswer{}
		a.Task.Headers, a.Task.Status, a.Task.Nanos = l.Headers, l.Status, l.Nanos
		out[id] = a
	}
	return out, nil
}

func unlisted(err error) (map[string]taskAnswer, error) {
	if errors.Is(err, providers.ErrDenied) || notImplemented(err) {
		return nil, nil
	}
	return nil, err
}

// running reindexes as Serverless lists them: without what they were sent with.
type reindexed struct {
	taskAnswer
	ID          string `json:"id"`
	Description string `json:"description"` // "reindex from [host=…][orders] to [orders]"
}

func (t *task) reindexes(ctx context.Context) ([]reindexed, error) {
	var list struct {
		Reindex []reindexed `json:"reindex"`
	}
	return list.Reindex, get(ctx, t.dst, "/_reindex", nil, &list)
}

// outwait waits, on Serverless, until no reindex from an index to the
// destination runs that the journal does not know: it may be the one whose
// answer was lost, and beside it a second one could put documents into a data
// stream twice, if that rolls over meanwhile. What it brought is then seen on
// the destination (rest).
func (r *run) outwait(ctx context.Context, x *sourceIndex) error {
	told := false
	into := []string{r.destIndex}
	if r.dest.Alias { // what replaces documents goes to an index behind it
		err := r.patiently(ctx, func() error {
			now, err := r.lookAtDestination(ctx)
			into = append(into[:1], now.Names...)
			return err
		})
		if err != nil {
			return err
		}
	}
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		// The request itself may still be under way to the destination.
		if err := sleep(ctx, max(wait, afterLost)); err != nil {
			return err
		}
		var list []reindexed
		err := r.patiently(ctx, func() (err error) { list, err = r.reindexes(ctx); return err })
		if errors.Is(err, providers.ErrDenied) || notImplemented(err) {
			return nil
		}
		if err != nil {
			return err
		}
		known := map[string]bool{}
		r.mu.Lock()
		r.l.each(func(u *unit) { known[u.task] = true })
		r.mu.Unlock()
		stranger := slices.ContainsFunc(list, func(t reindexed) bool {
			return !known[t.ID] && slices.ContainsFunc(into, func(name string) bool {
				return strings.Contains(t.Description, "["+x.Name+"] to ["+name+"]")
			})
		})
		if !stranger {
			return nil
		}
		if !told {
			told = true
			r.j.Note(fmt.Sprintf("A reindex of %s into %s runs on %s whose beginning was not recorded; it is waited for before its range is looked at.", x.Name, r.destIndex, r.dstName))
		}
	}
}

// afterLost is how long a request may still be on its way after its answer was
// given up.
const afterLost = 2 * time.Second

// listed is a running task in the list of tasks.
type listed struct {
	Parent  string            `json:"parent_task_id"`
	Headers map[string]string `json:"headers"`
	Status  taskStatus        `json:"status"`
	Nanos   int64             `json:"running_time_in_nanos"`
}

func (t *task) list(ctx context.Context) (map[string]listed, error) {
	var a struct {
		Nodes map[string]struct {
			Tasks map[string]listed `json:"tasks"`
		} `json:"nodes"`
	}
	if err := get(ctx, t.dst, "/_tasks", url.Values{"actions": {"*reindex"}, "detailed": {"true"}}, &a); err != nil {
		return nil, err
	}
	out := map[string]listed{}
	for _, n := range a.Nodes {
		for id, task := range n.Tasks {
			out[id] = task
		}
	}
	return out, nil
}

// find looks for a running task by the X-Opaque-Id that it was sent with, for
// an answer that was lost. Where tasks cannot be listed none is found: doing
// the range again does no harm beside a task that still runs.
func (t *task) find(ctx context.Context, opaque string, info providers.Info) (id string, err error) {
	if info.Flavor == providers.Serverless {
		return "", nil
	}
	list, err := t.list(ctx)
	if errors.Is(err, providers.ErrDenied) || notImplemented(err) {
		return "", nil
	}
	for id, l := range list {
		for k, v := range l.Headers {
			if strings.EqualFold(k, "X-Opaque-Id") && v == opaque && l.Parent == "" {
				return id, nil
			}
		}
	}
	return "", err
}
