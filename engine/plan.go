package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// lookAtOnce bounds the requests that planning sends at a time.
const lookAtOnce = 8

// absent is the fingerprint of an object that was not there; unseen that of
// one that was not looked at (-refresh=false).
const (
	absent = "absent"
	unseen = "unseen"
)

// PlanOptions narrow a plan.
type PlanOptions struct {
	Targets   []providers.Addr // only these and what they need
	NoRefresh bool             // believe the state, do not ask for objects that it holds
	Destroy   bool
	Restart   []providers.Addr // migrations that begin again
}

// Plan finds out what would have to be done. It only reads. What is wrong with
// the configuration or the clusters is in the plan's diagnostics, all of it; an
// error means that there is no plan to show.
func (e *Engine) Plan(ctx context.Context, o PlanOptions) (*Plan, error) {
	st := e.Store.Get()
	e.salted = e.secrets
	p := &Plan{FormatVersion: planFormat, ConfigHash: e.Config.Hash, Lineage: st.Lineage, Serial: st.Serial,
		Destroy: o.Destroy, Salt: e.secrets.salt, SecretHashes: e.secretHashes()}
	if !o.Destroy {
		p.Outputs = e.outputs()
	}
	p.Diagnostics = append(p.Diagnostics, e.move(st)...)
	nodes, ds := e.bind(st)
	p.Diagnostics = append(p.Diagnostics, ds...)
	if p.Failed() {
		return p, nil
	}
	e.assumeAll(nodes) // a cycle is found before anything is asked
	_, ds = e.order(nodes)
	p.Diagnostics = append(p.Diagnostics, ds...)
	if p.Failed() {
		return p, nil
	}
	nodes, ds = e.target(nodes, o)
	p.Partial = len(o.Targets) > 0
	p.Diagnostics = append(p.Diagnostics, ds...)
	var err error
	if p.Clusters, ds, err = e.identify(ctx, nodes, st); err != nil {
		return nil, err
	}
	p.Diagnostics = append(p.Diagnostics, ds...)
	if p.Failed() {
		return p, nil
	}
	if o.Destroy {
		ds, err = e.decideDestroy(ctx, nodes)
		p.Diagnostics = append(p.Diagnostics, ds...)
	} else {
		err = e.decideAll(ctx, p, nodes, o)
	}
	if err != nil {
		return nil, err
	}
	sorted, ds := e.order(nodes)
	p.Diagnostics = append(p.Diagnostics, ds...)
	p.Steps = e.steps(sorted)
	for i := range p.Diagnostics {
		p.Diagnostics[i].Detail = e.secrets.text(p.Diagnostics[i].Detail)
	}
	e.send(PlanReady{Plan: p})
	return p, nil
}

// move carries out moved blocks on a copy of the state; a block without a key
// stands for all its instances.
func (e *Engine) move(st *state.State) []Diagnostic {
	var ds []Diagnostic
	for _, m := range e.Config.Moved {
		for _, o := range slices.Clone(st.Objects) {
			to := m.To
			switch {
			case o.Addr == m.From:
			case !m.From.Keyed && !m.To.Keyed && o.Addr.Block() == m.From:
				to.Key, to.Keyed = o.Addr.Key, o.Addr.Keyed
			default:
				continue // nothing of that name, or done by a former apply
			}
			if err := st.Move(o.Addr, to); err != nil {
				d := Diagnose(err)
				d.locate(m.Range, e.Config.Sources)
				ds = append(ds, d)
			}
		}
	}
	return ds
}

// target keeps the named blocks and what they need; to destroy, what needs
// them.
func (e *Engine) target(nodes []*node, o PlanOptions) ([]*node, []Diagnostic) {
	if len(o.Targets) == 0 {
		return nodes, nil
	}
	next := map[*node][]*node{}
	for _, n := range nodes {
		for _, m := range n.needs {
			if o.Destroy {
				next[m] = append(next[m], n)
			} else {
				next[n] = append(next[n], m)
			}
		}
	}
	var ds []Diagnostic
	keep := map[*node]bool{}
	var add func(n *node)
	add = func(n *node) {
		if keep[n] {
			return
		}
		keep[n] = true
		for _, m := range next[n] {
			add(m)
		}
	}
	for _, t := range o.Targets {
		found := false
		for _, n := range nodes {
			if n.addr == t || !t.Keyed && n.addr.Block() == t {
				found = true
				add(n)
			}
		}
		if !found {
			ds = append(ds, Diagnostic{Severity: providers.SeverityError, Code: "unknown_target", Addr: t.String(), Summary: "Unknown address",
				Detail: fmt.Sprintf("-target names %s, but neither the files nor the state have it.", t)})
		}
	}
	ds = append(ds, Diagnostic{Severity: providers.SeverityWarning, Code: "partial", Summary: "The plan is partial",
		Detail: "Because of -target it covers only the named blocks and what they need. Run esmig plan without -target afterwards to see what is left."})
	return slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return !keep[n] }), ds
}

// identify asks every cluster that is needed who it is.
func (e *Engine) identify(ctx context.Context, nodes []*node, st *state.State) ([]PlanCluster, []Diagnostic, error) {
	writes, used := map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		name, _ := n.where()
		writes[name], used[name] = true, true
		if n.task != nil {
			src, _ := n.task.Source()
			used[src.Name()] = true
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(used)), func(n string) bool { return e.clusters[n] == nil })
	infos, errs := make([]providers.Info, len(names)), make([]error, len(names))
	var g errgroup.Group
	for i, name := range names {
		g.Go(func() error {
			infos[i], errs[i] = e.clusters[name].Info(ctx)
			return nil
		})
	}
	_ = g.Wait() // errors are kept one by one: all are shown
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var out []PlanCluster
	var ds []Diagnostic
	for i, name := range names {
		c := e.Config.Clusters[name]
		if errs[i] != nil {
			ds = append(ds, e.clusterDiagnostics(c, errs[i])...)
			continue
		}
		if known, ok := st.Clusters[name]; ok && known.UUID != infos[i].UUID {
			ds = append(ds, e.clusterDiagnostics(c, providers.NewError("other_cluster", "endpoint", "Not the cluster that this state was applied to",
				fmt.Sprintf("%s answers as cluster %q with UUID %s, but the state was applied to UUID %s (%s). Correct the endpoint. If the former cluster is gone for good, begin with a new state file.",
					name, infos[i].ClusterName, infos[i].UUID, known.UUID, known.Endpoint)))...)
		}
		if c.InsecureSkipVerify {
			d := e.clusterDiagnostics(c, providers.NewError("insecure", "insecure_skip_verify", "Certificates are not checked",
				fmt.Sprintf("insecure_skip_verify is on for %s: whoever sits between can read the credentials and change the data. Set ca_file or ca_fingerprint instead.", name)))
			d[0].Severity = providers.SeverityWarning
			ds = append(ds, d...)
		}
		out = append(out, PlanCluster{Name: name, Info: infos[i], Endpoint: c.Endpoint, ReadOnly: !writes[name], Insecure: c.InsecureSkipVerify})
	}
	return out, ds, nil
}

// decideAll fills in every node's step.
func (e *Engine) decideAll(ctx context.Context, p *Plan, nodes []*node, o PlanOptions) error {
	markHeldBack(nodes)
	results := make([]decision, len(nodes))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookAtOnce)
	for i, n := range nodes {
		n.step = nil
		if n.res == nil {
			continue
		}
		g.Go(func() error {
			results[i] = e.decide(gctx, n, o.NoRefresh)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	looked := 0
	for i, n := range nodes {
		r := results[i]
		n.step = r.step
		p.Diagnostics = append(p.Diagnostics, r.diags...)
		for _, t := range r.info {
			p.Information = append(p.Information, Information{n.addr, t})
		}
		if r.drift != nil {
			p.Drift = append(p.Drift, r.drift)
			e.send(DriftFound{r.drift})
		}
		if n.res != nil {
			looked++
		}
	}
	e.send(RefreshDone{looked})
	return e.decideTasks(ctx, p, nodes, o)
}

// decision is what looking at one resource gave.
type decision struct {
	step, drift *Step
	info        []string
	diags       []Diagnostic
}

// decide compares one resource (the table "What happens when").
func (e *Engine) decide(ctx context.Context, n *node, noRefresh bool) (r decision) {
	fail := func(err error) decision { return decision{diags: e.nodeDiagnostics(n, err)} }
	var raw providers.JSON
	fingerprint := unseen
	if noRefresh {
		if n.obj != nil {
			raw = n.obj.Observed
		}
		n.now = raw
	} else {
		var err error
		if raw, r.info, err = e.observe(ctx, n); err != nil {
			return fail(err)
		}
		n.now, fingerprint = raw, e.fingerprint(raw)
	}
	step := e.newStep(n, fingerprint)
	if n.block == nil {
		return e.decideGone(ctx, n, step)
	}
	life := n.block.Lifecycle
	declared, seen := e.secrets.bodies(n.res.Declared(), n.now)
	step.Before, step.After = seen, declared
	switch {
	case n.obj == nil && n.now == nil:
		step.Action, step.Before = Create, nil
	case n.obj == nil:
		diff := differences(n.res.Declared(), n.now, life.IgnoreChanges)
		switch {
		case len(diff) == 0 && n.madeBefore():
			step.Action, step.Reason = Adopt, "made by an apply that was interrupted"
		case len(diff) == 0:
			step.Action, step.Reason = Adopt, "is there already, as declared"
		default:
			step.Action, step.Reason = Update, "is there already, will be changed"
			if n.madeBefore() {
				step.Reason = "made by an apply that was interrupted"
			}
			r.diags = e.inPlace(ctx, n, step, n.now)
		}
	case n.now == nil:
		step.Action, step.Before = Create, nil
		if !noRefresh {
			step.Reason = "was deleted behind esmig's back"
			_, step.Alarm = n.res.(providers.Container)
			r.drift = &Step{Addr: n.addr, Cluster: step.Cluster, ID: step.ID, Action: Delete, Before: n.obj.Observed, Alarm: step.Alarm}
		}
	default:
		changed := !sameExcept(n.obj.Declared, declared, life.IgnoreChanges)
		drifted := !sameExcept(n.obj.Observed, seen, slices.Concat(life.IgnoreChanges, n.heldBack))
		protection := n.obj.Protected != protected(n.block)
		if drifted {
			r.drift = &Step{Addr: n.addr, Cluster: step.Cluster, ID: step.ID, Action: Update, Before: n.obj.Observed, After: seen}
		}
		switch {
		case changed:
			step.Action, step.Before = Update, n.obj.Declared
			r.diags = e.inPlace(ctx, n, step, n.obj.Declared)
		case drifted:
			step.Action, step.Reason = Update, "put back as declared"
			step.Before, step.After = seen, n.obj.Observed
			r.diags = e.inPlace(ctx, n, step, n.now)
		case protection:
			step.Action, step.Reason = Update, fmt.Sprintf("deletion_protection is %v from now on", protected(n.block))
			step.Before, step.After = nil, nil
		default:
			return r
		}
	}
	r.step = step
	return r
}

func (e *Engine) newStep(n *node, fingerprint string) *Step {
	cluster, id := n.where()
	return &Step{Addr: n.addr, Stage: n.stage, Cluster: cluster, ID: id, Fingerprint: fingerprint}
}

// inPlace turns an update that the server cannot make into a replacement, if
// the container is empty and esmig's own, else into an error that says what to
// write.
func (e *Engine) inPlace(ctx context.Context, n *node, step *Step, before providers.JSON) []Diagnostic {
	c, ok := n.res.(providers.Container)
	if !ok {
		return nil
	}
	changes := c.InPlace(before, n.res.Declared())
	if len(changes) == 0 {
		return nil
	}
	docs, err := c.Documents(ctx)
	if err != nil {
		return e.nodeDiagnostics(n, err)
	}
	what := join(changes)
	if docs == 0 && n.obj != nil && n.obj.Owned {
		step.Action, step.Reason = Replace, what+" needs a new one; it is empty"
		return nil
	}
	return e.nodeDiagnostics(n, providers.NewError("needs_new_index", "", "The change needs a new index",
		fmt.Sprintf("%s: %s cannot be changed on a living index, and %s holds %s. Declare a new index, move the documents into it and let an alias take its place:\n\n%s",
			n.addr, what, step.ID, count(docs, "document"), newIndexBlocks(n.addr.Name, step.Cluster, step.ID))))
}

func newIndexBlocks(name, cluster, id string) string {
	return fmt.Sprintf(`    index "%[1]s_v2" {
      cluster  = cluster.%[2]s
      name     = "%[3]s-v2"
      mappings = { … }
    }

    migration "%[1]s_v2" {
      source {
        cluster = cluster.%[2]s
        index   = index.%[1]s.name
      }
      dest {
        cluster = cluster.%[2]s
        index   = index.%[1]s_v2.name
      }
    }

    alias "%[1]s_current" {
      cluster    = cluster.%[2]s
      name       = "%[3]s-current"
      index      = index.%[1]s_v2.name
      depends_on = [migration.%[1]s_v2]
    }`, name, cluster, id)
}

// protected is the block's deletion_protection; kinds without it have none.
func protected(b *config.Block) bool {
	if !b.Args.Type().HasAttribute("deletion_protection") {
		return false
	}
	v := b.Args.GetAttr("deletion_protection")
	return v.IsNull() || v.True()
}

// decideGone plans for an object whose block was deleted from the files.
func (e *Engine) decideGone(ctx context.Context, n *node, step *Step) decision {
	forget := func(why string) decision {
		step.Action, step.Reason = Forget, why
		return decision{step: step}
	}
	switch {
	case slices.ContainsFunc(e.Config.Removed, func(r config.Removed) bool { return r.From == n.addr || !r.From.Keyed && r.From == n.addr.Block() }):
		return forget("removed from the files, stays on the cluster")
	case !n.obj.Owned:
		return forget("was there before esmig, stays on the cluster")
	case n.now == nil:
		return forget("is gone from the cluster")
	}
	step.Action, step.Before = Delete, n.obj.Observed
	if c, ok := n.res.(providers.Container); ok {
		docs, err := c.Documents(ctx)
		if err != nil {
			return decision{diags: e.nodeDiagnostics(n, err)}
		}
		if docs > 0 && n.obj.Protected {
			return decision{diags: e.nodeDiagnostics(n, providers.NewError("protected", "", "Documents are protected from deletion",
				fmt.Sprintf("%s would be deleted, and %s on %s holds %s. Set deletion_protection = false in its block and apply that first; or keep it and only forget it: removed { from = %s }.",
					n.addr, n.obj.ID, n.obj.Cluster, count(docs, "document"), n.addr)))}
		}
		if docs > 0 {
			step.Notes, step.Alarm = []string{count(docs, "document") + " go with it"}, true
		}
	}
	return decision{step: step}
}

// decideDestroy plans the deletion of all that esmig made.
func (e *Engine) decideDestroy(ctx context.Context, nodes []*node) ([]Diagnostic, error) {
	var ds []Diagnostic
	for _, n := range nodes {
		n.step = nil
		if n.obj == nil {
			continue
		}
		if n.block != nil && n.block.Lifecycle.PreventDestroy {
			ds = append(ds, e.nodeDiagnostics(n, providers.NewError("prevent_destroy", "lifecycle", "Destruction is prevented",
				fmt.Sprintf("%s has lifecycle { prevent_destroy = true }. Take that out first, or leave it out with -target.", n.addr)))...)
			continue
		}
		step := e.newStep(n, unseen)
		if n.res == nil {
			step.Action, step.Reason = Forget, "its documents go only with their index"
			n.step = step
			continue
		}
		var err error
		if n.now, _, err = e.observe(ctx, n); err != nil {
			if ctx.Err() != nil {
				return ds, ctx.Err()
			}
			ds = append(ds, e.nodeDiagnostics(n, err)...)
			continue
		}
		step.Fingerprint = e.fingerprint(n.now)
		r := e.decideGone(ctx, n, step)
		ds, n.step = append(ds, r.diags...), r.step
	}
	return ds, nil
}

// fingerprint stands for what was observed.
func (e *Engine) fingerprint(now providers.JSON) string {
	if now == nil {
		return absent
	}
	v, err := providers.Decode(now)
	if err != nil {
		return e.salted.hash(string(now))
	}
	return e.salted.hash(string(providers.Encode(v)))
}

func gone(s *Step) bool { return s != nil && (s.Action == Delete || s.Action == Forget) }

// steps lists the steps of sorted nodes, with what each needs, restoring steps
// among them and deletions last, in reverse.
func (e *Engine) steps(sorted []*node) []*Step {
	var out, deletions []*Step
	restores := map[*node]*Step{}
	for _, n := range sorted {
		if r := e.restore(n, sorted); r != nil && !gone(n.step) {
			restores[n] = r
		}
		s := n.step
		if s == nil {
			continue
		}
		s.Stage = n.stage
		s.Needs = nil
		if gone(s) {
			deletions = append(deletions, s)
			continue
		}
		for _, m := range n.needs {
			if m.step != nil && !gone(m.step) {
				s.Needs = append(s.Needs, m.step.Key())
			}
		}
		out = append(out, s)
	}
	for _, n := range sorted {
		if r := restores[n]; r != nil {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *Step) int { return cmp.Compare(a.Stage, b.Stage) })
	slices.Reverse(deletions)
	for _, n := range sorted { // whoever refers to an object goes before it
		for _, m := range n.needs {
			if n.step != nil && m.step != nil && n.step.Action == Delete && m.step.Action == Delete {
				m.step.Needs = append(m.step.Needs, n.step.Key())
			}
		}
	}
	return append(out, deletions...)
}
