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

// outcome of one step.
type outcome int

const (
	waiting outcome = iota
	started
	succeeded
	failedStep // also: a verification that found a difference
	skipped
)

// Apply carries a plan out. Cancelling ctx stops it gently: nothing new is
// started, a request under way is waited for, a migration leaves its tasks
// running on the cluster, where the next apply finds them. The state is on disk
// after each step. The error wraps ErrIncomplete, providers.ErrVerify or
// context.Canceled; everything else was sent as events.
func (e *Engine) Apply(ctx context.Context, p *Plan) (Summary, error) {
	begin := time.Now()
	e.salted = newSecrets(e.Config.Secrets, p.Salt)
	sum := Summary{Outputs: p.Outputs}
	st := e.Store.Get()
	moveDiags := e.move(st)
	nodes, ds := e.bind(st)
	if ds = append(moveDiags, ds...); failed(ds) {
		return sum, ds[slices.IndexFunc(ds, func(d Diagnostic) bool { return d.Severity == providers.SeverityError })]
	}
	if _, ds = e.order(nodes); failed(ds) {
		return sum, ds[0]
	}
	byAddr := map[providers.Addr]*node{}
	for _, n := range nodes {
		byAddr[n.addr] = n
	}
	e.send(ApplyStarted{Steps: len(p.Steps), Continued: interruptedSince(nodes)})
	if err := e.begin(p); err != nil {
		return sum, err
	}
	type done struct {
		i   int
		err error
	}
	results := make(chan done)
	sched := newSchedule(p.Steps)
	running, told := 0, false
	for {
		if ctx.Err() != nil && !told {
			told = true
			e.send(Interrupted{})
		}
		for i, s := range p.Steps {
			if sched.status[i] != waiting {
				continue
			}
			switch ready, blockers := sched.ready(i); {
			case len(blockers) > 0:
				sched.set(i, skipped)
				sum.Skipped++
				e.send(StepFailed{Addr: s.Addr, Action: s.Action, Skipped: true, WaitsFor: blockers})
			case ready && ctx.Err() == nil && running < e.Parallelism:
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
		} else {
			sched.set(d.i, failedStep)
			e.settle(p.Steps[d.i], d.err, byAddr, &sum, ctx.Err() != nil)
		}
	}
	sum.Seconds = time.Since(begin).Seconds()
	e.send(sum)
	switch {
	case sum.Failed > 0:
		return sum, ErrIncomplete
	case ctx.Err() != nil && (slices.Contains(sched.status, waiting) || slices.Contains(sched.status, failedStep)):
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
		if n.begun != nil && (since == "" || n.begun.At < since) {
			since = n.begun.At
		}
	}
	return since
}

// begin records, before the first request, which clusters this state is
// applied to, and what moved.
func (e *Engine) begin(p *Plan) error {
	return e.Store.Update(func(st *state.State) error {
		if ds := e.move(st); failed(ds) {
			return ds[0]
		}
		if st.Clusters == nil {
			st.Clusters = map[string]state.Cluster{}
		}
		for _, c := range p.Clusters {
			st.Clusters[c.Name] = state.Cluster{UUID: c.Info.UUID, Endpoint: c.Endpoint, Version: c.Info.Version}
		}
		return nil
	})
}

// schedule knows which steps may start: those whose needs have succeeded, and
// on whose cluster all steps of lower stages have. It costs the same for the
// thousandth step as for the first.
type schedule struct {
	steps  []*Step
	status []outcome
	byKey  map[string]int
	levels map[string]map[int]*level // by cluster, then by level
}

// level is all steps of one stage on one cluster.
type level struct {
	open   int
	failed []providers.Addr
}

func newSchedule(steps []*Step) *schedule {
	s := &schedule{steps: steps, status: make([]outcome, len(steps)), byKey: map[string]int{}, levels: map[string]map[int]*level{}}
	for i, st := range steps {
		s.byKey[st.Key()] = i
		s.level(st).open++
	}
	return s
}

// rank puts deletions after everything else, the last stage first. Forgetting
// touches no cluster and waits for nothing.
func (s *Step) rank() int {
	switch s.Action {
	case Forget:
		return 0
	case Delete:
		return 100 - int(s.Stage)
	default:
		return int(s.Stage)
	}
}

func (s *schedule) level(st *Step) *level {
	byRank := s.levels[st.Cluster]
	if byRank == nil {
		byRank = map[int]*level{}
		s.levels[st.Cluster] = byRank
	}
	l := byRank[st.rank()]
	if l == nil {
		l = &level{}
		byRank[st.rank()] = l
	}
	return l
}

// set records how a step ended.
func (s *schedule) set(i int, o outcome) {
	s.status[i] = o
	l := s.level(s.steps[i])
	switch o {
	case failedStep:
		l.failed = append(l.failed, s.steps[i].Addr)
		l.open--
	case succeeded, skipped:
		l.open--
	}
}

// ready says whether a step may start now, or which steps keep it from ever
// starting.
func (s *schedule) ready(i int) (ok bool, blockers []providers.Addr) {
	st := s.steps[i]
	ok = true
	for _, key := range st.Needs {
		j, here := s.byKey[key]
		switch {
		case !here || s.status[j] == succeeded:
		case s.status[j] == failedStep || s.status[j] == skipped:
			blockers = append(blockers, s.steps[j].Addr)
		default:
			ok = false
		}
	}
	if st.Action != Forget {
		for rank, l := range s.levels[st.Cluster] {
			if rank < st.rank() {
				ok = ok && l.open == 0
				blockers = append(blockers, l.failed...)
			}
		}
	}
	slices.SortFunc(blockers, providers.Addr.Compare)
	return ok && len(blockers) == 0, slices.Compact(blockers)
}

// settle turns a step's error into events and counts.
func (e *Engine) settle(s *Step, err error, byAddr map[providers.Addr]*node, sum *Summary, stopping bool) {
	switch {
	case errors.Is(err, providers.ErrVerify):
		sum.Unverified++ // VerifyDone has told it
	case stopping && errors.Is(err, context.Canceled):
		e.send(StepNote{Addr: s.Addr, Text: "stopped; what the cluster is doing goes on and is found again"})
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
	if n == nil {
		return fmt.Errorf("the plan has a step for %s, which the files and the state do not have", s.Addr)
	}
	var restores []string
	if s.Action == Restore {
		for _, w := range s.Withheld {
			restores = append(restores, w.Setting)
		}
	}
	e.send(StepStarted{Addr: s.Addr, Stage: s.Stage, Action: s.Action, Restores: restores, Estimate: s.Estimate})
	begin := time.Now()
	var result *providers.Result
	var err error
	switch s.Action {
	case Migrate, Resume, Verify:
		return e.runTask(ctx, s, n, sum)
	case Restore:
		err = e.runRestore(context.WithoutCancel(ctx), s, n, byAddr)
	case Forget:
		err = e.forget(n)
	default:
		err = e.runResource(context.WithoutCancel(ctx), s, n)
	}
	if err != nil {
		return err
	}
	e.tell(StepDone{Addr: s.Addr, Action: s.Action, Restores: restores, Seconds: time.Since(begin).Seconds(), Result: result}, sum)
	return nil
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
	}
	e.emit.Unlock()
	e.send(d)
}

// unchanged refuses to touch an object that is not what the plan has shown.
func (e *Engine) unchanged(s *Step, now providers.JSON) error {
	switch fp := e.fingerprint(now); {
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

// runResource creates, updates, replaces, adopts or deletes one object.
func (e *Engine) runResource(ctx context.Context, s *Step, n *node) error {
	now, _, err := e.observe(ctx, n)
	if err != nil {
		return err
	}
	if err := e.unchanged(s, now); err != nil {
		return err
	}
	o := state.Object{Addr: n.addr, Cluster: s.Cluster, ID: s.ID}
	if n.obj != nil {
		o = *n.obj
	}
	o.Owned = o.Owned || n.madeBefore() || now == nil || s.Action == Replace
	if s.Action == Adopt {
		return e.record(ctx, s, n, o)
	}
	if err := e.Store.Append(n.addr, begun{Action: s.Action, At: stamp()}); err != nil {
		return err
	}
	if s.Action == Delete || s.Action == Replace {
		if err := n.res.Delete(ctx); err != nil {
			return err
		}
		if s.Action == Delete {
			return e.forget(n)
		}
		now = nil
	}
	w := providers.Write{Now: now}
	if n.obj != nil {
		w.Last, w.Before = n.obj.Observed, n.obj.Declared
	}
	if n.block != nil {
		w.Keep = n.block.Lifecycle.IgnoreChanges
	}
	for _, h := range s.Withheld {
		w.Withhold = append(w.Withhold, h.Setting)
	}
	if err := n.res.Write(ctx, w); err != nil {
		return err
	}
	o.Withheld = w.Withhold
	return e.record(ctx, s, n, o)
}

// record reads an object back and keeps what was declared and observed.
func (e *Engine) record(ctx context.Context, s *Step, n *node, o state.Object) error {
	seen, err := n.res.Read(ctx)
	if err != nil {
		return fmt.Errorf("%s was written, but could not be read back: %w", s.ID, err)
	}
	o.Cluster, o.ID, o.Protected, o.DependsOn = s.Cluster, s.ID, protected(n.block), dependsOn(n)
	o.Declared, o.Observed = e.secrets.bodies(n.res.Declared(), seen)
	return e.Store.Update(func(st *state.State) error {
		st.Put(o)
		return nil
	}, n.addr)
}

func dependsOn(n *node) []providers.Addr {
	var out []providers.Addr
	for _, m := range n.needs {
		out = append(out, m.addr)
	}
	return out
}

func (e *Engine) forget(n *node) error {
	return e.Store.Update(func(st *state.State) error {
		st.Remove(n.addr)
		return nil
	}, n.addr)
}

// runRestore puts withheld settings back on an object and on the destinations
// made under it, whose own records then hold what is there now.
func (e *Engine) runRestore(ctx context.Context, s *Step, n *node, byAddr map[providers.Addr]*node) error {
	e.restoring.Lock() // two templates may have the same destination
	defer e.restoring.Unlock()
	if err := n.res.(providers.Withholder).Restore(ctx, s.Destinations); err != nil {
		return err
	}
	seen := map[providers.Addr]providers.JSON{}
	for _, m := range byAddr {
		if m.res == nil || m.block == nil || m != n && !(m.res.Cluster().Name() == s.Cluster && slices.Contains(s.Destinations, m.res.ID())) {
			continue
		}
		now, err := m.res.Read(ctx)
		if err != nil {
			return err
		}
		_, seen[m.addr] = e.secrets.bodies(m.res.Declared(), now)
	}
	// All in one: a record of the object alone would make what was restored on
	// its destinations look like drift.
	return e.Store.Update(func(st *state.State) error {
		for addr, now := range seen {
			if o := st.Find(addr); o != nil {
				o.Observed = now
			}
		}
		if o := st.Find(n.addr); o != nil {
			o.Withheld = nil
		}
		return nil
	})
}

// runTask copies, records the sum, and verifies.
func (e *Engine) runTask(ctx context.Context, s *Step, n *node, sum *Summary) error {
	j := &taskJournal{e: e, addr: n.addr}
	declared, _ := e.secrets.bodies(n.task.Declared(), nil)
	o := state.Object{Addr: n.addr, Cluster: s.Cluster, ID: s.ID, DependsOn: dependsOn(n)}
	if n.obj != nil {
		o.Task, o.Verified = n.obj.Task, n.obj.Verified
	}
	o.Declared, o.Phase = declared, state.PhaseCopied
	if s.Action != Verify {
		begin := time.Now()
		var drop []providers.Addr
		if s.Action == Migrate {
			drop = []providers.Addr{n.addr} // records of a copy that this one takes the place of
		}
		o.Phase, o.Verified = state.PhaseRunning, nil
		if err := e.put(o, drop...); err != nil {
			return err
		}
		if err := e.Store.Append(n.addr, begun{Action: s.Action, At: stamp()}); err != nil {
			return err
		}
		result, task, err := n.task.Run(ctx, j)
		if err != nil {
			return err
		}
		o.Phase, o.Task = state.PhaseCopied, task
		if err := e.put(o, n.addr); err != nil {
			return err
		}
		e.tell(StepDone{Addr: s.Addr, Action: s.Action, Seconds: time.Since(begin).Seconds(), Result: &result}, sum)
	}
	if !verifies(o.Declared) {
		return e.put(o)
	}
	return e.verify(ctx, n, o, j, sum)
}

func (e *Engine) put(o state.Object, finished ...providers.Addr) error {
	return e.Store.Update(func(st *state.State) error {
		st.Put(o)
		return nil
	}, finished...)
}

// verify compares and records what was found.
func (e *Engine) verify(ctx context.Context, n *node, o state.Object, j providers.Journal, sum *Summary) error {
	begin := time.Now()
	v, err := n.task.Verify(ctx, j, o.Task)
	different := errors.Is(err, providers.ErrVerify)
	if err != nil && !different {
		return err
	}
	o.Verified, o.Phase = providers.Encode(v), state.PhaseVerified
	if different {
		o.Phase = state.PhaseCopied
	}
	if err := e.put(o, n.addr); err != nil {
		return err
	}
	if !different {
		e.emit.Lock()
		sum.Verified++
		e.emit.Unlock()
	}
	e.send(VerifyDone{Addr: n.addr, Verification: v, Same: !different, Seconds: time.Since(begin).Seconds()})
	return err
}

// VerifyOnly compares finished migrations again, all of them or the named
// ones. Nothing is copied.
func (e *Engine) VerifyOnly(ctx context.Context, addrs []providers.Addr) (Summary, error) {
	p := &Plan{}
	st := e.Store.Get()
	nodes, ds := e.bind(st)
	if failed(ds) {
		return Summary{}, ds[slices.IndexFunc(ds, func(d Diagnostic) bool { return d.Severity == providers.SeverityError })]
	}
	for _, n := range nodes {
		chosen := len(addrs) == 0 || slices.ContainsFunc(addrs, func(a providers.Addr) bool { return a == n.addr || !a.Keyed && a == n.addr.Block() })
		if n.task == nil || !chosen || n.obj == nil || n.obj.Phase == state.PhaseRunning {
			continue
		}
		s := e.newStep(n, unseen)
		s.Action = Verify
		p.Steps = append(p.Steps, s)
	}
	if len(p.Steps) == 0 {
		return Summary{}, Diagnostic{Severity: providers.SeverityError, Code: "nothing_to_verify", Summary: "Nothing to verify",
			Detail: "No finished migration has that address, or none is finished. Run esmig apply first; esmig state list shows what there is."}
	}
	clusters, ds, err := e.identify(ctx, nodes, st)
	if err != nil || failed(ds) {
		return Summary{}, errors.Join(err, joinDiagnostics(ds))
	}
	p.Clusters = clusters
	return e.Apply(ctx, p)
}

func joinDiagnostics(ds []Diagnostic) error {
	var errs []error
	for _, d := range ds {
		errs = append(errs, d)
	}
	return errors.Join(errs...)
}
