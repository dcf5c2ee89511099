package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// runResource creates, updates, replaces, adopts or deletes one object.
func (e *Engine) runResource(ctx context.Context, s *Step, n *node) error {
	now, _, err := e.observe(ctx, n)
	if err == nil {
		err = e.unchanged(s, now)
	}
	if err == nil && (s.Action == Delete || s.Action == Replace) {
		err = e.mayGo(ctx, s, n)
	}
	if err != nil {
		return err
	}
	o := state.Object{Addr: n.addr}
	if n.obj != nil {
		o = *n.obj
	}
	o.Cluster, o.ID, o.Owned = s.Cluster, s.ID, o.Owned || now == nil
	hide := e.secrets.hider(n.res.Declared())
	if n.obj == nil && now == nil {
		// Before the request: what is there afterwards is esmig's, also when
		// the answer is lost and the block is deleted before the next apply.
		o.Protected, o.Declared = protected(n.block), hide(n.res.Declared())
		o.Pending = &state.Pending{Action: string(s.Action), Since: stamp()}
		if err := e.put(o); err != nil {
			return err
		}
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
	if s.Action != Adopt {
		w := e.write(s, n, now)
		if err := n.res.Write(ctx, w); err != nil {
			return e.notMade(ctx, n, o, err)
		}
		o.Withheld = nil
		for _, h := range s.Withheld {
			if slices.Contains(n.declares().Held(), h) { // not what a template's step restores
				o.Withheld = append(o.Withheld, h.Setting)
			}
		}
	}
	seen, err := n.res.Read(ctx)
	if err != nil {
		return fmt.Errorf("%s was written, but could not be read back: %w", s.ID, err)
	}
	o.Protected, o.DependsOn, o.Pending = protected(n.block), dependsOn(n), nil
	o.Declared, o.Observed = hide(n.res.Declared()), hide(seen)
	return e.put(o)
}

// write is what a Resource gets to know. Hashes stand for secrets in the
// state and must not be sent; what others may change is left to them.
func (e *Engine) write(s *Step, n *node, now providers.JSON) providers.Write {
	w := providers.Write{Now: now}
	if n.block != nil {
		w.Keep = n.block.Lifecycle.IgnoreChanges
	}
	if n.obj != nil && n.obj.Observed != nil {
		w.Before = e.secrets.reveal(n.obj.Declared, n.res.Declared(), now)
		w.Last = providers.KeepPaths(e.secrets.reveal(n.obj.Observed, n.res.Declared(), now), now, w.Keep)
		if bytes.Contains(w.Last, []byte(hashMark)) && now != nil {
			w.Last = now // a secret that nobody knows any more cannot be put back
		}
	}
	for _, h := range s.Withheld {
		w.Withhold = append(w.Withhold, h.Setting)
	}
	return w
}

// mayGo counts the documents of what is to be deleted once more: more may have
// come since the plan.
func (e *Engine) mayGo(ctx context.Context, s *Step, n *node) error {
	c, ok := n.res.(providers.Container)
	if !ok || s.Action == Delete && !n.obj.Protected {
		return nil
	}
	docs, err := c.Documents(ctx)
	if err != nil || docs == 0 {
		return err
	}
	return &providers.Finding{Severity: providers.SeverityError, Code: "filled_meanwhile", Summary: "Documents have come since the plan",
		Detail: fmt.Sprintf("%s on %s holds %s by now, so it was not deleted. Run esmig plan to see what is to do.", s.ID, s.Cluster, count(docs, "document")), Err: providers.ErrConflict}
}

// notMade takes back that an object may be esmig's, if it is not there after
// all, or somebody else was faster.
func (e *Engine) notMade(ctx context.Context, n *node, o state.Object, err error) error {
	if o.Pending == nil || n.obj != nil && n.obj.Pending != nil {
		return err
	}
	if _, readErr := n.res.Read(ctx); errors.Is(readErr, providers.ErrNotFound) || errors.Is(err, providers.ErrConflict) {
		return errors.Join(err, e.forget(n))
	}
	return err
}

func dependsOn(n *node) []providers.Addr {
	var out []providers.Addr
	for _, m := range n.needs {
		out = append(out, m.addr)
	}
	return out
}

func (e *Engine) put(o state.Object, finished ...providers.Addr) error {
	return e.Store.Update(func(st *state.State) error {
		st.Put(o)
		return nil
	}, finished...)
}

func (e *Engine) forget(n *node) error {
	err := e.Store.Update(func(st *state.State) error {
		st.Remove(n.addr)
		return nil
	}, n.addr)
	if err == nil {
		e.released(n.addr)
	}
	return err
}

// runRestore puts withheld settings back on an object and on the destinations
// made under it, whose own records then hold what is there now.
func (e *Engine) runRestore(ctx context.Context, s *Step, n *node, byAddr map[providers.Addr]*node) error {
	e.restoring.Lock() // two templates may have the same destination
	defer e.restoring.Unlock()
	if err := n.declares().Restore(ctx, s.Destinations); err != nil {
		return err
	}
	seen := map[providers.Addr]providers.JSON{}
	for _, m := range byAddr {
		if m.res == nil || m.block == nil || m != n && !(m.place().cluster == s.Cluster && slices.Contains(s.Destinations, m.res.ID())) {
			continue
		}
		if w := m.declares(); m != n && w != nil && len(w.Held()) > 0 {
			if err := w.Restore(ctx, nil); err != nil { // its own settings win over a template's
				return err
			}
		}
		now, err := m.res.Read(ctx)
		if err != nil {
			return err
		}
		seen[m.addr] = e.secrets.hider(m.res.Declared())(now)
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
func (e *Engine) runTask(ctx context.Context, s *Step, n *node, byAddr map[providers.Addr]*node, sum *Summary) error {
	j := e.journal(n)
	o := state.Object{Addr: n.addr}
	if n.obj != nil {
		o = *n.obj
	}
	o.Cluster, o.ID, o.DependsOn = s.Cluster, s.ID, dependsOn(n)
	o.Declared = e.secrets.hider()(n.task.Declared())
	if s.Action != Verify {
		begin := time.Now()
		var drop []providers.Addr
		if s.Action == Migrate { // takes the place of a former copy, whose records go, and with them what it relaxed
			if err := e.release(context.WithoutCancel(ctx), n, byAddr); err != nil {
				return notReleased(n, err)
			}
			drop = []providers.Addr{n.addr}
		}
		o.Phase, o.Verified, o.Refused = state.PhaseRunning, nil, nil
		o.Pending = &state.Pending{Action: string(s.Action), Since: stamp()}
		if err := e.put(o, drop...); err != nil {
			return err
		}
		e.share(n, byAddr)
		e.own(n, byAddr)
		result, task, err := n.task.Run(ctx, j)
		if err = j.end(err); err != nil {
			return err
		}
		e.scrub(result.Refused)
		o.Phase, o.Task, o.Pending, o.Refused = state.PhaseCopied, task, nil, result.Refused
		if err := e.put(o, n.addr); err != nil {
			return err
		}
		if !verifies(o.Declared) {
			e.released(n.addr)
		}
		e.tell(StepDone{Addr: s.Addr, Action: s.Action, Seconds: time.Since(begin).Seconds(), Result: &result}, sum)
		if s.Retry && len(o.Refused) > 0 {
			return e.runRetry(ctx, n, o, byAddr, sum)
		}
	}
	return e.verify(ctx, n, o, byAddr, sum)
}

// verify compares what was copied, if the files want that.
func (e *Engine) verify(ctx context.Context, n *node, o state.Object, byAddr map[providers.Addr]*node, sum *Summary) error {
	if !verifies(o.Declared) {
		return nil
	}
	e.share(n, byAddr)
	begin := time.Now()
	v, err := n.task.Verify(ctx, e.journal(n), o.Task)
	return e.compared(n, o, v, err, begin, sum)
}

// runRepair mends what a full verification finds.
func (e *Engine) runRepair(ctx context.Context, s *Step, n *node, byAddr map[providers.Addr]*node, sum *Summary) error {
	o := *n.obj
	o.Phase, o.Verified = state.PhaseCopied, nil // whatever ends this, what is written is not verified
	if err := e.put(o); err != nil {
		return err
	}
	e.share(n, byAddr)
	begin := time.Now()
	done, v, err := n.task.(providers.Repairer).Repair(ctx, e.journal(n), n.obj.Task, s.DeleteExtra)
	if err != nil && !errors.Is(err, providers.ErrVerify) {
		if putErr := e.halfRepaired(n, o, done, v, sum); putErr != nil {
			return errors.Join(err, putErr)
		}
		return err
	}
	e.tell(StepDone{Addr: s.Addr, Action: s.Action, Seconds: time.Since(begin).Seconds(), Repaired: &done}, sum)
	return e.compared(n, *n.obj, v, err, begin, sum)
}

// halfRepaired tells and records what a repair did that has not come to its
// end.
func (e *Engine) halfRepaired(n *node, o state.Object, done providers.Repaired, v providers.Verification, sum *Summary) error {
	if did := done.String(); did != "" {
		e.emit.Lock()
		sum.HalfRepaired++
		e.emit.Unlock()
		e.send(StepNote{Addr: n.addr, Text: did + " before it stopped"})
	}
	switch {
	case !v.Same():
		o.Verified = providers.Encode(e.clean(v))
	case done == (providers.Repaired{}):
		o = *n.obj // nothing was found and nothing written
	}
	return e.put(o)
}

// clean takes secrets out of what documents and servers said.
func (e *Engine) clean(v providers.Verification) providers.Verification {
	v.Notes = e.secrets.texts(v.Notes)
	for i, x := range v.Examples {
		v.Examples[i].From, v.Examples[i].To, v.Examples[i].ID = e.secrets.text(x.From), e.secrets.text(x.To), e.secrets.text(x.ID)
	}
	return v
}

// own tells a task that all that it writes to was made by esmig.
func (e *Engine) own(n *node, byAddr map[providers.Addr]*node) {
	t, ok := n.task.(providers.Relaxer)
	if !ok {
		return
	}
	f, st := newFlow(slices.Collect(maps.Values(byAddr))), e.Store.Get()
	f.declare(t, n)
	for _, at := range f.destinations(n) {
		c := f.containers[at]
		if c == nil {
			return
		}
		if o := st.Find(c.addr); o == nil || !o.Owned || o.Pending != nil {
			return
		}
	}
	t.Own()
}

// declare tells a task what the files say of what it writes to.
func (f *flow) declare(t providers.Relaxer, n *node) {
	for _, at := range f.destinations(n) {
		if c := f.containers[at]; c != nil && c.block != nil && c.res != nil {
			t.Declare(c.res.ID(), c.res.Declared())
		}
	}
}

// share tells a task which others write into its destination.
func (e *Engine) share(n *node, byAddr map[providers.Addr]*node) {
	t, ok := n.task.(providers.Sharer)
	if !ok {
		return
	}
	st := e.Store.Get()
	var peers []providers.Peer
	for _, a := range slices.SortedFunc(maps.Keys(byAddr), providers.Addr.Compare) {
		m := byAddr[a]
		if m == n || m.task == nil || m.place() != n.place() {
			continue
		}
		p := providers.Peer{Task: m.task}
		if o := st.Find(a); o != nil && o.Phase != state.PhaseRunning {
			p.Done = o.Task
		}
		peers = append(peers, p)
	}
	t.Share(peers)
}

// compared records what a verification found.
func (e *Engine) compared(n *node, o state.Object, v providers.Verification, err error, begin time.Time, sum *Summary) error {
	different := errors.Is(err, providers.ErrVerify)
	if err != nil && !different {
		return err
	}
	v = e.clean(v)
	o.Verified, o.Phase = providers.Encode(v), state.PhaseVerified
	if different {
		o.Phase = state.PhaseCopied
	}
	if err := e.put(o, n.addr); err != nil {
		return err
	}
	if !different {
		e.released(n.addr)
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
	return e.again(ctx, addrs, Step{Action: Verify})
}

// Repair compares all documents of finished migrations, copies just those again
// that are missing or different, and compares once more. Documents that only
// the destination has stay, unless deleteExtra.
func (e *Engine) Repair(ctx context.Context, addrs []providers.Addr, deleteExtra bool) (Summary, error) {
	return e.again(ctx, addrs, Step{Action: Repair, DeleteExtra: deleteExtra})
}

// again runs one step for each finished migration.
func (e *Engine) again(ctx context.Context, addrs []providers.Addr, with Step) (Summary, error) {
	st := e.Store.Get()
	nodes, ds := e.bind(ctx, st)
	if err := firstError(ds); err != nil {
		return Summary{}, err
	}
	refuse := func(code, summary, format string, args ...any) (Summary, error) {
		return Summary{}, Diagnostic{Severity: providers.SeverityError, Code: code, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	}
	p := &Plan{Salt: e.secrets.salt, again: with.Action}
	found := map[providers.Addr]bool{}
	var uncopied []string
	for _, n := range nodes {
		chosen := len(addrs) == 0
		for _, a := range addrs {
			chosen = chosen || n.is(a)
		}
		if len(addrs) > 0 && chosen && n.task != nil && n.addr.Keyed && (n.obj == nil || n.obj.Phase == state.PhaseRunning) {
			uncopied = append(uncopied, shell(n.addr))
		}
		n.out = n.task == nil || !chosen || n.obj == nil || n.obj.Phase == state.PhaseRunning
		if with.Action == Repair {
			_, can := n.task.(providers.Repairer)
			n.out = n.out || !can
		} else {
			n.out = n.out || !verifies(n.task.Declared())
		}
		if n.out {
			continue
		}
		for _, a := range addrs {
			found[a] = found[a] || n.is(a)
		}
		if changed := e.changed(n).Copy; len(changed) > 0 {
			return refuse("not_applied", "Migration was changed and not copied again", "%s of %s changed since it was copied, so the copy cannot be held against what the files say. Run esmig apply first.", join(changed), n.addr)
		}
		n.stage = n.declaredStage()
		s := newStep(n, unseen)
		s.Action, s.DeleteExtra = with.Action, with.DeleteExtra
		p.Steps = append(p.Steps, s)
	}
	for _, a := range addrs {
		if !found[a] && with.Action == Verify && slices.ContainsFunc(nodes, func(n *node) bool {
			return n.is(a) && n.task != nil && n.obj != nil && n.obj.Phase != state.PhaseRunning && !verifies(n.task.Declared())
		}) {
			return refuse("nothing_to_verify", "Nothing to verify", "The block of %s says verify = \"none\". Change that, and run esmig apply or esmig verify again.", a)
		}
		if !found[a] {
			return refuse("nothing_to_verify", "Nothing to verify", "%s is no finished migration that wants to be verified. Run esmig apply first; esmig status shows how far it is.", a)
		}
	}
	if len(uncopied) > 0 {
		return refuse("not_copied", "Instances are not copied", "%s: nothing was compared, because not all that is named is copied. Run esmig apply first, or name the instances that are; esmig status shows how far each is.", strings.Join(uncopied, ", "))
	}
	if len(p.Steps) == 0 {
		return refuse("nothing_to_verify", "Nothing to verify", "No migration is finished that wants to be verified. Run esmig apply first; esmig state list shows what there is.")
	}
	var err error
	if p.Clusters, ds, err = e.identify(ctx, nodes, st); err == nil {
		err = firstError(ds)
	}
	if err != nil {
		return Summary{}, err
	}
	return e.Apply(ctx, p)
}
