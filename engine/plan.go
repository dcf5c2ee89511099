package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// PlanOptions narrow a plan.
type PlanOptions struct {
	Targets   []providers.Addr // only these and what they need
	NoRefresh bool             // believe the state, do not ask for objects that it holds
	Destroy   bool
	Restart   []providers.Addr // migrations that begin again
	Retry     []providers.Addr // migrations whose refused documents are sent again
}

// Plan finds out what would have to be done. It only reads. What is wrong with
// the configuration or the clusters is in the plan's diagnostics, all of it; an
// error means that there is no plan to show.
func (e *Engine) Plan(ctx context.Context, o PlanOptions) (*Plan, error) {
	st := e.Store.Get()
	e.salted = e.secrets
	p := &Plan{FormatVersion: planFormat, ConfigHash: e.Config.Hash, Lineage: st.Lineage, Serial: st.Serial,
		Destroy: o.Destroy, Salt: e.secrets.salt, Variables: e.Config.Variables, SecretHashes: e.secretHashes(), Partial: len(o.Targets) > 0}
	if !o.Destroy {
		p.Outputs = e.outputs()
	}
	add := func(ds []Diagnostic) bool {
		p.Diagnostics = append(p.Diagnostics, ds...)
		return p.Failed()
	}
	nodes, ds := e.bind(ctx, st)
	if add(ds) {
		return p, ctx.Err()
	}
	assumeAll(nodes) // a cycle is found before anything is asked
	_, ds = e.order(nodes)
	if add(ds) {
		return p, nil
	}
	if add(target(nodes, o)) {
		return p, nil
	}
	var err error
	if p.Clusters, ds, err = e.identify(ctx, nodes, st); err != nil {
		return nil, err
	}
	if add(ds) {
		return p, nil
	}
	if !o.Destroy && add(e.readiness(nodes, p.Clusters)) {
		return p, nil
	}
	if err := e.decideAll(ctx, p, nodes, o); err != nil {
		return nil, err
	}
	add(e.warnUnrecorded(nodes))
	flow := newFlow(nodes)
	if !o.Destroy {
		flow.withhold()
		add(e.warnWriters(nodes))
		ds, err := e.preflight(ctx, flow)
		if err != nil {
			return nil, err
		}
		add(ds)
	}
	sorted, ds := e.order(nodes)
	if !add(ds) || sorted != nil {
		p.Steps = flow.steps(sorted)
	}
	e.blot(p)
	e.send(PlanReady{Plan: p})
	return p, nil
}

// blot takes secrets out of the texts that others wrote; bodies have none.
func (e *Engine) blot(p *Plan) {
	for i := range p.Diagnostics {
		p.Diagnostics[i].Detail = e.secrets.text(p.Diagnostics[i].Detail)
	}
	for i := range p.Information {
		p.Information[i].Text = e.secrets.text(p.Information[i].Text)
	}
	for _, s := range p.Steps {
		if s.Estimate != nil {
			s.Estimate.Why, s.Estimate.Notes = e.secrets.text(s.Estimate.Why), e.secrets.texts(s.Estimate.Notes)
		}
	}
}

// target leaves out all but the named blocks and what they need; to destroy,
// what needs them.
func target(nodes []*node, o PlanOptions) []Diagnostic {
	var ds []Diagnostic
	unknown := func(flag string, a providers.Addr, detail string) {
		ds = append(ds, Diagnostic{Severity: providers.SeverityError, Code: "unknown_target", Addr: a.String(), Summary: "Unknown address",
			Detail: fmt.Sprintf("%s names %s, but %s.", flag, a, detail)})
	}
	for _, a := range o.Restart {
		if !slices.ContainsFunc(nodes, func(n *node) bool { return n.is(a) && n.task != nil }) {
			unknown("-restart", a, "the files have no such migration")
		}
	}
	if len(o.Targets) == 0 {
		return ds
	}
	next := map[*node][]*node{}
	for _, n := range nodes {
		n.out = true
		for _, m := range n.needs {
			if o.Destroy {
				next[m] = append(next[m], n)
			} else {
				next[n] = append(next[n], m)
			}
		}
	}
	var keep func(n *node)
	keep = func(n *node) {
		if n.out {
			n.out = false
			for _, m := range next[n] {
				keep(m)
			}
		}
	}
	for _, t := range o.Targets {
		found := false
		for _, n := range nodes {
			if n.is(t) {
				found = true
				keep(n)
			}
		}
		if !found {
			unknown("-target", t, "neither the files nor the state have it")
		}
	}
	// What is sent again must not meet a final pipeline of a template, either.
	f := newFlow(nodes)
	for _, n := range nodes {
		if n.out || n.task == nil || !slices.ContainsFunc(o.Retry, n.is) {
			continue
		}
		for _, at := range f.destinations(n) {
			for _, m := range f.chain(at) {
				keep(m)
			}
		}
	}
	return append(ds, Diagnostic{Severity: providers.SeverityWarning, Code: "partial", Summary: "The plan is partial",
		Detail: "Because of -target it covers only the named blocks and what they need. Run esmig plan without -target afterwards to see what is left."})
}

// identify asks every cluster that is needed who it is.
func (e *Engine) identify(ctx context.Context, nodes []*node, st *state.State) ([]PlanCluster, []Diagnostic, error) {
	writes, used := map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		if n.out {
			continue
		}
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
			found := e.clusterDiagnostics(c, errs[i])
			if twin := e.sameEndpoint(c); twin != "" && errors.Is(errs[i], providers.ErrDenied) {
				found[0].Detail += fmt.Sprintf("\n\nCluster %q has the same endpoint: does %s belong to another address?", twin, name)
			}
			ds = append(ds, found...)
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
		out = append(out, PlanCluster{Name: name, Info: infos[i], Endpoint: e.secrets.text(c.Endpoint), ReadOnly: !writes[name], Insecure: c.InsecureSkipVerify})
	}
	return out, ds, nil
}

// sameEndpoint finds another cluster block with the same address, which is no
// mistake in itself; empty: there is none.
func (e *Engine) sameEndpoint(c *config.Cluster) string {
	for _, name := range slices.Sorted(maps.Keys(e.Config.Clusters)) {
		if o := e.Config.Clusters[name]; o != c && c.Endpoint != "" && o.Endpoint == c.Endpoint {
			return name
		}
	}
	return ""
}

// decideAll fills in every node's step: resources first, because whether a
// destination is made anew decides what has to be copied.
func (e *Engine) decideAll(ctx context.Context, p *Plan, nodes []*node, o PlanOptions) error {
	flow := newFlow(nodes)
	if err := flow.markHeldBack(e); err != nil {
		return err
	}
	results := make([]decision, len(nodes))
	isTask := func(n *node) bool { return n.task != nil && !o.Destroy }
	look := func(tasks bool, f func(context.Context, *node) decision) error {
		err := each(ctx, nodes, func(ctx context.Context, i int, n *node) {
			if !n.out && isTask(n) == tasks {
				results[i] = f(ctx, n)
			}
		})
		for i, n := range nodes {
			if isTask(n) == tasks {
				n.step = results[i].step
			}
		}
		return err
	}
	err := look(false, func(ctx context.Context, n *node) decision { return e.decide(ctx, n, o) })
	if err == nil {
		err = look(true, func(ctx context.Context, n *node) decision { return e.decideTask(ctx, n, flow, o) })
	}
	if err != nil {
		return err
	}
	looked := 0
	for i, n := range nodes {
		r := results[i]
		p.Diagnostics = append(p.Diagnostics, r.diags...)
		for _, t := range r.info {
			p.Information = append(p.Information, Information{n.addr, t})
		}
		if r.drift != nil {
			p.Drift = append(p.Drift, r.drift)
			e.send(DriftFound{r.drift})
		}
		if n.res != nil && !n.out {
			looked++
		}
	}
	e.send(RefreshDone{looked})
	return nil
}

func gone(s *Step) bool { return s != nil && (s.Action == Delete || s.Action == Forget) }

// steps lists the steps of sorted nodes, with what each needs, restoring steps
// among them and deletions last, in reverse.
func (f *flow) steps(sorted []*node) []*Step {
	var out, deletions []*Step
	restores := map[*node]*Step{}
	for _, n := range sorted {
		s := n.step
		if r := f.restore(n); r != nil {
			restores[n] = r
		}
		if s == nil {
			continue
		}
		s.Stage, s.Needs = n.stage, nil
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
	f.nearestLast(restores)
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
