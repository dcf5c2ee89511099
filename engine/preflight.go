package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// decideTask finds out what is left to do for one migration.
func (e *Engine) decideTask(ctx context.Context, n *node, flow *flow, o PlanOptions) decision {
	src, index := n.task.Source()
	step := newStep(n, unseen)
	step.Source = src.Name() + "/" + index
	step.After = e.secrets.hider()(n.task.Declared())
	r := decision{step: step}
	restart := slices.ContainsFunc(o.Restart, n.is)
	if n.obj == nil || restart {
		step.Action, step.Restart, step.Notes = Migrate, restart && n.obj != nil, e.heldNotes(n.addr)
		return r
	}
	step.Before = e.secrets.hider()(n.obj.Declared)
	if flow.fresh(n) != nil {
		step.Action, step.Reason, step.Alarm = Migrate, "again, because its destination is made anew", true
		return r
	}
	change := e.changed(n)
	if n.obj.Phase == state.PhaseRunning {
		step.Action, step.Notes, step.Retry = Resume, e.heldNotes(n.addr), slices.ContainsFunc(o.Retry, n.is)
		if len(change.Copy) > 0 {
			r.diags = e.nodeDiagnostics(n, providers.NewError("changed_while_running", "", "Migration was changed while it is half done",
				fmt.Sprintf("%s is half done, and %s changed since it began: going on would mix two different copies. Change it back, or begin again with\n\n    esmig apply -restart '%s'",
					n.addr, join(change.Copy), n.addr)))
		}
		return r
	}
	if !o.NoRefresh {
		seen, err := n.task.Observe(ctx, n.obj.Task)
		if err != nil {
			return decision{diags: e.nodeDiagnostics(n, err)}
		}
		if seen.DestinationMissing {
			step.Action, step.Reason, step.Alarm = Migrate, "again, because its destination was deleted behind esmig's back", true
			return r
		}
		if seen.Gone > 0 {
			r.info = append(r.info, count(seen.Gone, "document")+" that were copied are no longer on "+step.Cluster+"; esmig verify tells which")
		}
		if seen.NewerOnSource > 0 {
			r.info = append(r.info, count(seen.NewerOnSource, "document")+" newer on the source")
		}
	}
	refused := providers.RefusedDocuments(n.obj.Refused)
	if refused > 0 && !slices.ContainsFunc(o.Retry, n.is) {
		r.info = append(r.info, fmt.Sprintf("%s refused by %s; esmig retry %s sends %s again", count(refused, "document")+were(refused), step.Cluster, shell(n.addr), them(refused)))
	}
	switch {
	case len(change.Copy) > 0:
		step.Action, step.Reason = Migrate, "again, because "+join(change.Copy)+" changed"
		step.Notes = []string{"documents that no longer match stay on " + step.Cluster}
	case refused > 0 && slices.ContainsFunc(o.Retry, n.is):
		step.Action, step.Reason = Retry, count(refused, "refused document")+" sent again"
	case n.obj.Phase == state.PhaseCopied && verifies(step.After) && n.obj.Verified != nil:
		step.Action, step.Reason, step.Alarm = Verify, "the last verification found a difference", true
	case n.obj.Phase == state.PhaseCopied && verifies(step.After):
		step.Action, step.Reason = Verify, "copied, but not verified yet"
	case change.Verify && verifies(step.After):
		step.Action, step.Reason = Verify, "verify changed"
	default:
		r.step = nil
		return r
	}
	step.Notes = append(step.Notes, e.heldNotes(n.addr)...)
	return r
}

// changed compares a task with what was declared when it ran.
func (e *Engine) changed(n *node) providers.TaskChange {
	return n.task.Changed(e.secrets.reveal(n.obj.Declared, n.task.Declared()))
}

// verifies says whether a declared task wants to be verified at all.
func verifies(declared providers.JSON) bool {
	var d struct{ Verify string }
	return decodeInto(declared, &d) != nil || d.Verify != "none"
}

// preflight asks what each migration would do and what is in its way.
func (e *Engine) preflight(ctx context.Context, flow *flow) ([]Diagnostic, error) {
	ests, errs := make([]providers.Estimate, len(flow.nodes)), make([]error, len(flow.nodes))
	prospects := make([]providers.Prospect, len(flow.nodes))
	for i, n := range flow.nodes {
		if n.running() {
			prospects[i] = e.prospect(n, flow)
		}
	}
	err := each(ctx, flow.nodes, func(ctx context.Context, i int, n *node) {
		if n.running() {
			ests[i], errs[i] = n.task.Estimate(ctx, prospects[i])
		}
	})
	var ds []Diagnostic
	for i, n := range flow.nodes {
		if errs[i] != nil {
			ds = append(ds, e.nodeDiagnostics(n, errs[i])...)
			continue
		}
		for _, f := range ests[i].Findings {
			ds = append(ds, e.nodeDiagnostics(n, f)...)
		}
		if n.running() {
			n.step.Estimate = &ests[i]
		}
	}
	return ds, err
}

// prospect is what the engine knows of a migration's surroundings.
func (e *Engine) prospect(n *node, flow *flow) providers.Prospect {
	pr := providers.Prospect{DestinationFresh: flow.fresh(n) != nil, Pipelines: []string{}}
	for _, at := range append(flow.destinations(n), n.place()) {
		for _, m := range append(flow.chain(at), flow.containers[at], flow.aliases[at]) {
			// A component template alone makes no index.
			if m != nil && (!m.out || m.obj != nil) && m.kind.Name != "component_template" {
				pr.DestinationDeclared = true
			}
		}
		if c := flow.containers[at]; c != nil && c.step != nil {
			pr.Withheld = append(pr.Withheld, c.step.Withheld...)
		}
	}
	for _, m := range flow.nodes {
		if m.kind.Name == "ingest_pipeline" && m.block != nil && m.res != nil && m.place().cluster == n.place().cluster &&
			(!m.out || m.obj != nil) && (m.stage < n.stage || reaches(n, m)) {
			pr.Pipelines = append(pr.Pipelines, m.res.ID())
		}
		if m != n && m.task != nil && (m.running() || m.obj != nil) &&
			slices.ContainsFunc(flow.destinations(m), func(at place) bool { return slices.Contains(flow.destinations(n), at) }) {
			pr.Others = -1
		}
	}
	if n.obj != nil {
		pr.Done = n.obj.Task
		if len(pr.Done) == 0 && n.step.Restart {
			pr.Done = providers.JSON("{}") // begun: what is there may be its own
		}
		if n.step.Action == Resume {
			pr.Resume = &taskJournal{e: e, addr: n.addr}
		}
	}
	return pr
}
