package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// ErrIncomplete is wrapped by Apply's error when steps failed; what failed was
// sent as events.
var ErrIncomplete = errors.New("not everything could be done")

// Apply carries a plan out. Cancelling ctx stops it gently: nothing new is
// started, a request under way is waited for, a migration leaves its tasks
// running on the cluster, where the next apply finds them. The state is on disk
// after each step; when it cannot be written, nothing new is started. The error
// wraps ErrIncomplete, providers.ErrVerify or context.Canceled; everything else
// was sent as events.
func (e *Engine) Apply(ctx context.Context, p *Plan) (Summary, error) {
	begin := time.Now()
	e.salted = newSecrets(e.Config, p.Salt)
	sum := Summary{Outputs: p.Outputs}
	if err := firstError(p.Diagnostics); err != nil {
		return sum, err
	}
	st := e.Store.Get()
	nodes, ds := e.bind(ctx, st)
	if !failed(ds) {
		_, more := e.order(nodes) // what each node needs is recorded
		ds = append(ds, more...)
	}
	if err := firstError(ds); err != nil {
		return sum, err
	}
	byAddr := map[providers.Addr]*node{}
	for _, n := range nodes {
		byAddr[n.addr] = n
	}
	for _, s := range p.Steps {
		if byAddr[s.Addr] == nil {
			return sum, fmt.Errorf("the plan has a step for %s, which the files and the state do not have", s.Addr)
		}
	}
	e.send(ApplyStarted{Steps: len(p.Steps), Continued: interruptedSince(nodes), Again: p.again, Destroy: p.Destroy})
	if err := e.begin(p, st); err != nil {
		return sum, err
	}
	type done struct {
		i   int
		err error
	}
	results := make(chan done)
	sched := newSchedule(p.Steps)
	running, told := 0, false
	var unwritten []providers.Addr // the step that could not be recorded
	for {
		if ctx.Err() != nil && !told {
			told = true
			e.send(Interrupted{})
		}
		for i, s := range p.Steps {
			if sched.status[i] != waiting {
				continue
			}
			ready, blockers := sched.ready(i)
			if blockers = append(blockers, unwritten...); len(blockers) > 0 {
				sched.set(i, skipped)
				sum.Skipped++
				e.send(StepFailed{Addr: s.Addr, Action: s.Action, Skipped: true, WaitsFor: blockers})
			} else if ready && ctx.Err() == nil && running < e.Parallelism {
				sched.set(i, started)
				running++
				go func() { results <- done{i, e.run(ctx, s, byAddr, &sum)} }()
			}
		}
		if running == 0 {
			break
		}
		var d done
		if told {
			d = <-results
		} else {
			select {
			case d = <-results:
			case <-ctx.Done():
				continue
			}
		}
		running--
		if d.err == nil {
			sched.set(d.i, succeeded)
			continue
		}
		sched.set(d.i, failedStep)
		e.settle(p.Steps[d.i], d.err, byAddr, &sum, ctx.Err() != nil)
		if write := (*state.WriteError)(nil); errors.As(d.err, &write) {
			unwritten = []providers.Addr{p.Steps[d.i].Addr}
		}
	}
	now := e.Store.Get()
	for _, s := range p.Steps {
		if o := now.Find(s.Addr); o != nil {
			sum.Refused += providers.RefusedDocuments(o.Refused)
		}
	}
	if !p.Partial && sum.Failed+sum.Unverified+sum.Skipped == 0 && ctx.Err() == nil {
		e.sayWhatIsLeft(ctx, p.Steps, byAddr)
	}
	sum.Seconds = time.Since(begin).Seconds()
	e.send(sum)
	switch left := slices.Contains(sched.status, waiting); {
	case sum.Failed > 0, left && ctx.Err() == nil:
		return sum, ErrIncomplete
	case ctx.Err() != nil && (left || slices.Contains(sched.status, failedStep)):
		return sum, context.Canceled
	case sum.Unverified > 0:
		return sum, providers.ErrVerify
	}
	return sum, nil
}

// interruptedSince finds the oldest step that a former apply began and did not
// end.
func interruptedSince(nodes []*node) string {
	since := ""
	for _, n := range nodes {
		if n.obj != nil && n.obj.Pending != nil && (since == "" || n.obj.Pending.Since < since) {
			since = n.obj.Pending.Since
		}
	}
	return since
}

// begin records, before the first request, which clusters this state is
// applied to, and what goes by another address now. The state is locked: st is
// still what it was, but for that.
func (e *Engine) begin(p *Plan, st *state.State) error {
	return e.Store.Update(func(cur *state.State) error {
		st = st.Clone() // nodes hold on to the other
		cur.Objects, cur.Clusters = st.Objects, st.Clusters
		if cur.Clusters == nil {
			cur.Clusters = map[string]state.Cluster{}
		}
		for _, c := range p.Clusters {
			cur.Clusters[c.Name] = state.Cluster{UUID: c.Info.UUID, Endpoint: c.Endpoint, Version: c.Info.Version}
		}
		return nil
	})
}

// settle turns a step's error into events and counts.
func (e *Engine) settle(s *Step, err error, byAddr map[providers.Addr]*node, sum *Summary, stopping bool) {
	switch {
	case errors.Is(err, providers.ErrVerify):
		sum.Unverified++ // VerifyDone has told it
	case stopping && errors.Is(err, context.Canceled):
		text := "stopped; ranges that the cluster copies by itself go on there"
		if s.Action == Repair || s.Action == Verify {
			text = "stopped"
		}
		e.send(StepNote{Addr: s.Addr, Text: text})
	default:
		sum.Failed++
		ds := e.nodeDiagnostics(byAddr[s.Addr], err)
		for i := range ds[1:] {
			e.send(DiagnosticFound{ds[i+1]})
		}
		e.send(StepFailed{Addr: s.Addr, Action: s.Action, Diagnostic: &ds[0]})
	}
}

// run carries one step out and records it.
func (e *Engine) run(ctx context.Context, s *Step, byAddr map[providers.Addr]*node, sum *Summary) error {
	n := byAddr[s.Addr]
	var restores []string
	if s.Action == Restore {
		for _, w := range s.Withheld {
			restores = append(restores, w.Setting)
		}
	}
	e.send(StepStarted{Addr: s.Addr, Stage: s.Stage, Action: s.Action, Restores: restores, Estimate: s.Estimate})
	begin := time.Now()
	var err error
	switch s.Action {
	case Migrate, Resume, Verify:
		return e.runTask(ctx, s, n, byAddr, sum)
	case Repair:
		return e.runRepair(ctx, s, n, byAddr, sum)
	case Retry:
		return e.runRetry(ctx, n, *n.obj, byAddr, sum)
	case Restore:
		err = e.runRestore(context.WithoutCancel(ctx), s, n, byAddr)
	case Forget:
		e.giveUp(context.WithoutCancel(ctx), n, byAddr)
		err = e.forget(n)
	default:
		err = e.runResource(context.WithoutCancel(ctx), s, n)
	}
	if err == nil {
		e.tell(StepDone{Addr: s.Addr, Action: s.Action, Restores: restores, Seconds: time.Since(begin).Seconds()}, sum)
	}
	return err
}

// tell counts a finished step and sends it.
func (e *Engine) tell(d StepDone, sum *Summary) {
	e.emit.Lock()
	switch d.Action {
	case Create:
		sum.Created++
	case Update:
		sum.Updated++
	case Replace:
		sum.Replaced++
	case Delete:
		sum.Deleted++
	case Adopt:
		sum.Adopted++
	case Forget:
		sum.Forgotten++
	case Restore:
		sum.Restored++
	case Migrate, Resume:
		sum.Migrated++
	case Repair:
		sum.Repaired++
	case Retry:
		sum.Retried++
	}
	e.emit.Unlock()
	e.send(d)
}

// unchanged refuses to touch an object that is not what the plan has shown.
func (e *Engine) unchanged(s *Step, now providers.JSON) error {
	switch fp := e.fingerprint(now, s.Relaxed); {
	case s.Fingerprint == unseen || s.Fingerprint == fp:
		return nil
	case s.Fingerprint == absent:
		return &providers.Finding{Severity: providers.SeverityError, Code: "made_meanwhile", Summary: "Object was made by somebody else since the plan",
			Detail: fmt.Sprintf("%s is there since on %s, so it was not overwritten. Run esmig plan to see how it differs.", s.ID, s.Cluster), Err: providers.ErrConflict}
	default:
		return &providers.Finding{Severity: providers.SeverityError, Code: "changed_meanwhile", Summary: "Object was changed by somebody else since the plan",
			Detail: fmt.Sprintf("%s on %s is not as the plan showed it, so it was left alone. Run esmig plan to see how it differs.", s.ID, s.Cluster), Err: providers.ErrConflict}
	}
}
