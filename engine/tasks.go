package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// decideTasks plans the migrations, after the resources: whether a destination
// is made anew decides what has to be copied.
func (e *Engine) decideTasks(ctx context.Context, p *Plan, nodes []*node, o PlanOptions) error {
	for _, n := range nodes {
		if n.task == nil {
			if n.block == nil && n.kind.Task != nil {
				n.step = e.newStep(n, unseen)
				n.step.Action, n.step.Reason = Forget, "its documents stay"
			}
			continue
		}
		ds, info, err := e.decideTask(ctx, n, nodes, o)
		if err != nil {
			return err
		}
		p.Diagnostics = append(p.Diagnostics, ds...)
		p.Information = append(p.Information, info...)
	}
	e.withhold(nodes)
	return e.estimate(ctx, p, nodes)
}

// decideTask finds out what is left to do for one migration.
func (e *Engine) decideTask(ctx context.Context, n *node, nodes []*node, o PlanOptions) ([]Diagnostic, []Information, error) {
	src, index := n.task.Source()
	step := e.newStep(n, unseen)
	step.Source = src.Name() + "/" + index
	n.step = step
	declared, _ := e.secrets.bodies(n.task.Declared(), nil)
	step.After = declared
	restart := slices.ContainsFunc(o.Restart, func(a providers.Addr) bool { return a == n.addr })
	if n.obj == nil || restart {
		step.Action, step.Restart = Migrate, restart && n.obj != nil
		return nil, nil, nil
	}
	step.Before = n.obj.Declared
	change := n.task.Changed(n.obj.Declared)
	if n.obj.Phase == state.PhaseRunning {
		step.Action = Resume
		if len(change.Copy) > 0 {
			return e.nodeDiagnostics(n, providers.NewError("changed_while_running", "", "Migration was changed while it is half done",
				fmt.Sprintf("%s is half done, and %s changed since it began: going on would mix two different copies. Change it back, or begin again with\n\n    esmig apply -restart '%s'",
					n.addr, join(change.Copy), n.addr))), nil, nil
		}
		return nil, nil, nil
	}
	if fresh := containerOf(n, nodes); fresh != nil && (fresh.step.Action == Create || fresh.step.Action == Replace) {
		step.Action, step.Reason, step.Alarm = Migrate, "again, because its destination is made anew", true
		return nil, nil, nil
	}
	var info []Information
	if !o.NoRefresh {
		seen, err := n.task.Observe(ctx, n.obj.Task)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			n.step = nil
			return e.nodeDiagnostics(n, err), nil, nil
		}
		if seen.DestinationMissing {
			step.Action, step.Reason, step.Alarm = Migrate, "again, because its destination was deleted behind esmig's back", true
			return nil, nil, nil
		}
		if seen.NewerOnSource > 0 {
			info = append(info, Information{n.addr, count(seen.NewerOnSource, "document") + " newer on the source"})
		}
	}
	switch {
	case len(change.Copy) > 0:
		step.Action, step.Reason = Migrate, "again, because "+join(change.Copy)+" changed"
		step.Notes = []string{"documents that no longer match stay on " + step.Cluster}
	case n.obj.Phase == state.PhaseCopied && verifies(declared):
		step.Action, step.Reason = Verify, "copied, but not verified yet"
	case change.Verify && verifies(declared):
		step.Action, step.Reason = Verify, "verify changed"
	default:
		n.step = nil
	}
	return nil, info, nil
}

// verifies says whether a declared task wants to be verified at all.
func verifies(declared providers.JSON) bool {
	var d struct{ Verify string }
	return decodeInto(declared, &d) != nil || d.Verify != "none"
}

// containerOf is the node that makes a migration's destination, if this plan
// has a step for it.
func containerOf(task *node, nodes []*node) *node {
	dest, index := task.task.Destination()
	for _, n := range nodes {
		if c, ok := n.res.(providers.Container); ok && n.step != nil && n.block != nil && c.Cluster().Name() == dest.Name() && c.ID() == index {
			return n
		}
	}
	return nil
}

// running says whether a plan copies documents with this node.
func (n *node) running() bool {
	return n.task != nil && n.step != nil && (n.step.Action == Migrate || n.step.Action == Resume)
}

// covers says whether documents of a running migration come under a node's
// pipeline settings: by name, by pattern, or for a component template through
// an index template that is composed of it.
func covers(n, task *node, nodes []*node) bool {
	dest, index := task.task.Destination()
	if n.res.Cluster().Name() != dest.Name() {
		return false
	}
	if n.res.(providers.Withholder).Covers(index) {
		return true
	}
	for _, m := range nodes {
		c, ok := m.res.(interface{ ComposedOf() []string })
		if ok && m.block != nil && m.res.Cluster().Name() == dest.Name() && slices.Contains(c.ComposedOf(), n.res.ID()) && m.res.(providers.Withholder).Covers(index) {
			return true
		}
	}
	return false
}

// withhold decides which pipeline settings wait until the data is in, so that
// nothing is transformed twice.
func (e *Engine) withhold(nodes []*node) {
	for _, n := range nodes {
		w, ok := n.res.(providers.Withholder)
		if !ok || n.block == nil || !slices.ContainsFunc(nodes, func(t *node) bool { return t.running() && covers(n, t, nodes) }) {
			continue
		}
		var held []providers.PipelineSetting
		live := false
		for _, s := range w.Held() {
			isLive := holds(n.now, s) && (n.step == nil || n.step.Action == Update)
			final := strings.HasSuffix(s.Setting, "final_pipeline")
			// The copy bypasses a default pipeline, so one that is live, or
			// that the user put before the data, may stay. A final pipeline
			// cannot be bypassed.
			if final || !isLive && !e.beforeData(n, s, nodes) {
				held = append(held, s)
				live = live || isLive
			}
		}
		if len(held) == 0 {
			continue
		}
		if n.step == nil && !live {
			continue // withheld already, by an apply that was interrupted
		}
		if n.step == nil {
			n.step = e.newStep(n, e.fingerprint(n.now))
			n.step.Action, n.step.Reason = Update, "must not run on what is copied"
		}
		n.step.Withheld = held
	}
}

// markHeldBack notes which settings an interrupted apply still withholds, on
// the objects themselves and on the containers made under them.
func markHeldBack(nodes []*node) {
	for _, n := range nodes {
		w, ok := n.res.(providers.Withholder)
		if !ok || n.obj == nil || len(n.obj.Withheld) == 0 {
			continue
		}
		for _, m := range nodes {
			if c, ok := m.res.(providers.Container); m == n || ok && c.Cluster().Name() == w.Cluster().Name() && w.Covers(c.ID()) {
				for _, s := range n.obj.Withheld {
					m.heldBack = append(m.heldBack, "*."+s)
				}
			}
		}
	}
}

// beforeData says whether the pipeline of a setting is declared to be made
// before the data.
func (e *Engine) beforeData(n *node, s providers.PipelineSetting, nodes []*node) bool {
	return slices.ContainsFunc(nodes, func(m *node) bool {
		return m.kind.Name == "ingest_pipeline" && m.block != nil && m.res != nil && m.res.ID() == s.Pipeline &&
			m.res.Cluster().Name() == n.res.Cluster().Name() && m.declaredStage() < providers.StageData
	})
}

// withheld are the settings that wait for the data: by this plan, or since an
// apply that was interrupted.
func (n *node) withheld() []providers.PipelineSetting {
	w, ok := n.res.(providers.Withholder)
	if !ok || n.block == nil {
		return nil
	}
	var held []providers.PipelineSetting
	if n.step != nil {
		held = slices.Clone(n.step.Withheld)
	}
	if n.obj != nil {
		for _, s := range w.Held() {
			if slices.Contains(n.obj.Withheld, s.Setting) && !slices.Contains(held, s) {
				held = append(held, s)
			}
		}
	}
	return held
}

// restore makes the second step of a node whose settings are withheld now or
// since an interrupted apply.
func (e *Engine) restore(n *node, nodes []*node) *Step {
	held := n.withheld()
	if len(held) == 0 {
		return nil
	}
	r := &Step{Addr: n.addr, Stage: providers.StagePipelines, Action: Restore, Cluster: n.res.Cluster().Name(), ID: n.res.ID(), Withheld: held, Fingerprint: unseen}
	if n.step != nil {
		r.Needs = append(r.Needs, n.step.Key())
	}
	for _, m := range nodes {
		if m.task != nil && covers(n, m, nodes) {
			if m.running() || m.step != nil && m.step.Action == Verify {
				r.Needs = append(r.Needs, m.step.Key())
			}
			_, index := m.task.Destination()
			if index != n.res.ID() && !declaresItself(m, held, nodes) && !slices.Contains(r.Destinations, index) {
				r.Destinations = append(r.Destinations, index)
			}
		}
		if m.kind.Name == "ingest_pipeline" && m.step != nil && m.res != nil && slices.ContainsFunc(held, func(s providers.PipelineSetting) bool { return s.Pipeline == m.res.ID() }) {
			r.Needs = append(r.Needs, m.step.Key())
		}
	}
	return r
}

// declaresItself: the destination's own block sets these settings, which win
// over a template's.
func declaresItself(task *node, held []providers.PipelineSetting, nodes []*node) bool {
	dest, index := task.task.Destination()
	for _, n := range nodes {
		if c, ok := n.res.(providers.Container); ok && n.block != nil && c.Cluster().Name() == dest.Name() && c.ID() == index {
			w, ok := n.res.(providers.Withholder)
			return ok && slices.ContainsFunc(w.Held(), func(s providers.PipelineSetting) bool {
				return slices.ContainsFunc(held, func(h providers.PipelineSetting) bool { return h.Setting == s.Setting })
			})
		}
	}
	return false
}

// estimate asks what each migration would do; its findings are the preflight.
func (e *Engine) estimate(ctx context.Context, p *Plan, nodes []*node) error {
	type answer struct {
		est providers.Estimate
		err error
	}
	answers := make([]answer, len(nodes))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookAtOnce)
	for i, n := range nodes {
		if !n.running() {
			continue
		}
		pr := e.prospect(n, nodes)
		g.Go(func() error {
			answers[i].est, answers[i].err = n.task.Estimate(gctx, pr)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, n := range nodes {
		if !n.running() {
			continue
		}
		a := answers[i]
		if a.err != nil {
			p.Diagnostics = append(p.Diagnostics, e.nodeDiagnostics(n, a.err)...)
			continue
		}
		for _, f := range a.est.Findings {
			p.Diagnostics = append(p.Diagnostics, e.nodeDiagnostics(n, f)...)
		}
		est := a.est
		n.step.Estimate = &est
	}
	return nil
}

// prospect is what the engine knows of a migration's surroundings.
func (e *Engine) prospect(n *node, nodes []*node) providers.Prospect {
	var pr providers.Prospect
	dest, index := n.task.Destination()
	for _, m := range nodes {
		switch {
		case m.res != nil && m.block != nil && m.res.Cluster().Name() == dest.Name():
			w, withholder := m.res.(providers.Withholder)
			_, container := m.res.(providers.Container)
			own := container && m.res.ID() == index
			if own || withholder && w.Covers(index) || m.kind.Stage == providers.StageContainers && m.res.ID() == index {
				pr.DestinationDeclared = true
			}
			if own && m.step != nil && (m.step.Action == Create || m.step.Action == Replace) {
				pr.DestinationFresh = true
			}
			if withholder && covers(m, n, nodes) {
				pr.Withheld = append(pr.Withheld, m.withheld()...)
			}
		case m != n && m.task != nil:
			other, otherIndex := m.task.Destination()
			if other.Name() != dest.Name() || otherIndex != index {
				continue
			}
			if m.running() || m.obj != nil {
				pr.Others = -1
			}
		}
	}
	if n.obj != nil && !n.step.Restart {
		if n.step.Action == Resume {
			pr.Resume = &taskJournal{e: e, addr: n.addr}
		}
		pr.Done = n.obj.Task
	}
	return pr
}

// taskJournal is a task's view of the journal: its records are wrapped, so
// that the engine's own stand beside them.
type taskJournal struct {
	e    *Engine
	addr providers.Addr
}

type taskRecord struct {
	Task providers.JSON `json:"task,omitempty"`
}

func (j *taskJournal) Records() iter.Seq2[providers.JSON, error] {
	return func(yield func(providers.JSON, error) bool) {
		for raw, err := range j.e.Store.Records(j.addr) {
			var r taskRecord
			if err == nil {
				err = decodeInto(raw, &r)
			}
			if (err != nil || r.Task != nil) && !yield(r.Task, err) {
				return
			}
		}
	}
}

func (j *taskJournal) Append(record any) error {
	return j.e.Store.Append(j.addr, taskRecord{providers.Encode(record)})
}

func (j *taskJournal) Progress(p providers.Progress) {
	j.e.send(StepProgress{Addr: j.addr, Progress: p})
}

func (j *taskJournal) Note(text string) {
	j.e.send(StepNote{Addr: j.addr, Text: j.e.secrets.text(text)})
}
