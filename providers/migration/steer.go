package migration

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/esmig/esmig/providers"
)

// errHeld: another range failed while this one waited to begin.
var errHeld = errors.New("not begun")

// askAgain is how often a paused copy looks whether it may go on.
const askAgain = time.Second

// control is what the user wants now.
func (r *run) control() providers.Control { return control(r.j) }

func control(j providers.Journal) providers.Control {
	if c, ok := j.(providers.Controlled); ok {
		return c.Control()
	}
	return providers.Control{}
}

// verifying steers a verification as a run steers the copy: it loads the source
// as much. nil: by nobody.
type verifying struct {
	j      providers.Journal
	mu     sync.Mutex
	paused bool
}

// hold waits while the migration is paused. What was asked for goes on to its end.
func (v *verifying) hold(ctx context.Context) error {
	if v == nil {
		return ctx.Err()
	}
	for v.heldNow() {
		if err := sleep(ctx, askAgain); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// heldNow looks, and tells the user once when it changes.
func (v *verifying) heldNow() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	paused := control(v.j).Paused
	switch {
	case paused && !v.paused:
		v.j.Note("Paused: nothing more is compared. \"esmig resume\" lets it go on.")
	case v.paused && !paused:
		v.j.Note("No longer paused.")
	}
	v.paused = paused
	return paused
}

// rate is documents per second over all ranges together; 0: any number.
func (r *run) rate() float64 { return cmp.Or(r.control().RequestsPerSecond, r.requestsPerSecond) }

// share is the part of it of one range: those that run share it.
func (r *run) share() float64 {
	left := 0
	r.mu.Lock()
	r.l.each(func(u *unit) {
		if u.counts == nil {
			left++
		}
	})
	r.mu.Unlock()
	return r.rate() / float64(max(1, min(left, r.gate.size())))
}

// hold waits while the copy is paused. What runs on a server is not held.
func (r *run) hold(ctx context.Context) error {
	for r.heldNow() {
		if r.stopped() {
			return errHeld
		}
		if err := sleep(ctx, askAgain); err != nil {
			return err
		}
	}
	return nil
}

// heldNow looks, and tells the user once when it changes.
func (r *run) heldNow() bool {
	c := r.control()
	if c.Unread {
		return true // the journal has told why
	}
	paused := c.Paused
	r.mu.Lock()
	changed := paused != r.paused
	r.paused = paused
	r.mu.Unlock()
	switch {
	case changed && paused:
		r.j.Note("Paused: no range is begun, those that run end. \"esmig resume\" lets it go on.")
	case changed:
		r.j.Note("No longer paused.")
	}
	return paused
}

// pace tells a running task when it has another speed than it should have.
func (r *run) pace(ctx context.Context, u *unit, s taskStatus) {
	if r.control().Unread { // another process may have told the task
		return
	}
	want := r.share()
	if sameSpeed(want, s.speed()) || u.paced != nil && *u.paced == want {
		return
	}
	if err := r.rethrottle(ctx, u.task, want); !errors.Is(err, providers.ErrUnavailable) {
		u.paced = &want // who may not do it is not asked again
	}
}

// speed is documents per second; 0: any number.
func (s taskStatus) speed() float64 { return max(s.RequestsPerSecond, 0) }

// sameSpeed allows for servers that calculate with 32 bits.
func sameSpeed(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(a, b) }

// rethrottle changes the speed of a running task; 0: any number. A task that
// has ended is no error.
func (t *task) rethrottle(ctx context.Context, id string, perSecond float64) error {
	if perSecond <= 0 {
		perSecond = -1
	}
	_, err := t.dst.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/_reindex/" + url.PathEscape(id) + "/_rethrottle",
		Query: url.Values{"requests_per_second": {strconv.FormatFloat(perSecond, 'f', -1, 64)}}, Repeatable: true})
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// attempts are the units that were begun and have no end in the journal, with
// what the server knows of their tasks.
type attempts struct {
	*ledger
	info    providers.Info
	units   []*unit
	answers []taskAnswer // without an id of the unit's: nothing is known
}

// survey reads the journal and asks for the tasks in it. After an error the
// journal's part is there.
func (t *task) survey(ctx context.Context, j providers.Journal) (attempts, error) {
	l, err := t.replay(j)
	if err != nil {
		return attempts{ledger: &ledger{}}, err
	}
	return t.ask(ctx, l)
}

// ask asks a server for the tasks of a ledger.
func (t *task) ask(ctx context.Context, l *ledger) (a attempts, err error) {
	a.ledger = l
	a.each(func(u *unit) {
		if u.open() && !u.streamed {
			a.units = append(a.units, u)
		}
	})
	a.answers = make([]taskAnswer, len(a.units))
	if len(a.units) == 0 {
		return a, nil
	}
	if a.info, err = t.dst.Info(ctx); err != nil {
		return a, err
	}
	return a, each(ctx, len(a.units), func(ctx context.Context, i int) error {
		u := a.units[i]
		if u.task == "" && !u.cancelled {
			id, err := t.find(ctx, a.opaque(u), a.info)
			if err != nil {
				return err
			}
			u.task = id
		}
		if u.task == "" {
			return nil
		}
		answer, err := t.look(ctx, u.task, a.opaque(u), a.info)
		if errors.Is(err, providers.ErrNotFound) {
			u.task = ""
			return nil
		}
		a.answers[i] = answer
		return err
	})
}

// alive says whether a server still works on an attempt.
func (a attempts) alive(i int) bool { return a.units[i].task != "" && !a.answers[i].Completed }

// Status implements providers.Steerable.
func (t *task) Status(ctx context.Context, j providers.Journal) (providers.Status, error) {
	a, err := t.survey(ctx, j)
	kept, keptErr := keptSums(j)
	s := providers.Status{Ranges: len(a.ledger.units) + len(a.tails), Tasks: []providers.ServerTask{}}
	byUnit := map[*unit]int{}
	var streamed, seconds float64 // documents that have passed through esmig, and how long their ranges took
	passing := 0
	for i, u := range a.units {
		byUnit[u] = i
	}
	a.each(func(u *unit) {
		if u.counts != nil {
			s.RangesDone++
			s.Done += u.counts.done()
			s.Total += u.counts.Total
			s.Refused += u.counts.Refused
			if u.seconds > 0 {
				streamed, seconds = streamed+float64(u.counts.done()), seconds+u.seconds
			}
			return
		}
		i, asked := byUnit[u]
		var status taskStatus
		if asked {
			status = a.answers[i].status()
		}
		s.Done += status.done()
		s.Total += max(status.Total, u.span.Documents)
		switch {
		case asked && err == nil && a.alive(i):
			s.RangesRunning++
			seconds := time.Duration(cmp.Or(a.answers[i].Task.Nanos, a.answers[i].Nanos)).Seconds()
			if seconds > 0 {
				s.PerSecond += float64(status.done()) / seconds
			}
			s.Tasks = append(s.Tasks, providers.ServerTask{ID: u.task, Range: u.id, Index: a.indices[u.index].Name,
				Done: status.done(), Total: max(status.Total, u.span.Documents), RequestsPerSecond: status.speed(), Seconds: seconds})
		case asked && u.task != "" && a.answers[i].Completed && judge(a.answers[i]).what == fine:
			s.RangesDone++ // nobody has recorded it yet
		case u.open():
			s.RangesBegun++
			if u.streamed {
				passing++
			}
		default:
			s.RangesOpen++
		}
	})
	if seconds > 0 {
		s.Passing = float64(passing) * streamed / seconds
		if most := cmp.Or(control(j).RequestsPerSecond, t.requestsPerSecond); most > 0 {
			s.Passing = min(s.Passing, most)
		}
	}
	for _, rs := range kept {
		for _, r := range rs {
			s.Compared += len(r.Pieces)
		}
	}
	return s, cmp.Or(err, keptErr)
}

// Throttle implements providers.Steerable.
func (t *task) Throttle(ctx context.Context, j providers.Journal, perSecond float64) (int, error) {
	a, err := t.survey(ctx, j)
	if err != nil {
		return 0, err
	}
	var running []string
	for i, u := range a.units {
		if a.alive(i) {
			running = append(running, u.task)
		}
	}
	each := cmp.Or(perSecond, t.requestsPerSecond) / float64(max(len(running), 1))
	for n, id := range running {
		if err := t.rethrottle(ctx, id, each); err != nil {
			return n, err
		}
	}
	return len(running), nil
}

// Cancel implements providers.Steerable. It waits until the tasks have ended:
// what they were writing could otherwise meet the next attempt. A journal with a
// gap is good enough.
func (t *task) Cancel(ctx context.Context, j providers.Journal) (int, error) {
	l, err := salvage(j)
	if err != nil {
		return 0, err
	}
	a, err := t.ask(ctx, l)
	if err != nil {
		return 0, err
	}
	n := 0
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ends := newWatcher(ctx, t, a.info)
	for i, u := range a.units {
		if !a.alive(i) {
			continue
		}
		path := "/_tasks/"
		if a.info.Flavor == providers.Serverless {
			path = "/_reindex/"
		}
		_, err := t.dst.Do(ctx, providers.Request{Method: http.MethodPost, Path: path + url.PathEscape(u.task) + "/_cancel",
			Query: url.Values{"wait_for_completion": {"true"}}, Repeatable: true})
		if err != nil && !errors.Is(err, providers.ErrNotFound) {
			return n, err
		}
		end, err := ends.follow(ctx, u.task, a.opaque(u), func(taskStatus) {})
		switch {
		case err != nil && !errors.Is(err, providers.ErrNotFound):
			return n, err
		case err == nil && end.status().Canceled == "":
			continue // it was faster; its end is found
		}
		if err := j.Append(record{What: wroteCancel, Unit: u.id, Task: u.task}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
