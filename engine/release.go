package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// release ends what a migration that is given up, or begun again, still has on
// servers: its tasks, and what it relaxed. It does nothing for one that is not
// under way.
func (e *Engine) release(ctx context.Context, n *node, byAddr map[providers.Addr]*node) error {
	t, err := e.underWay(n)
	if t == nil || err != nil {
		return err
	}
	if e.clusters[n.obj.Cluster] == nil {
		return fmt.Errorf("the block of cluster %q is gone", n.obj.Cluster)
	}
	newFlow(slices.Collect(maps.Values(byAddr))).declare(t, n)
	return t.Release(ctx, e.journal(n))
}

// notReleased: beside a task of the former copy a new one would not know what it
// has on the destination.
func notReleased(n *node, err error) error {
	f := providers.NewError("not_released", "", "Former copy could not be ended",
		fmt.Sprintf("%s is half done. Before it begins again its tasks on %s are cancelled and the settings that it relaxed there are put back, which failed: %v. Run esmig apply -restart %s again when this is mended. "+
			"If %s is gone for good, forget the former copy with esmig state rm %s.", n.addr, n.obj.Cluster, err, shell(n.addr), n.obj.Cluster, shell(n.addr)))
	f.Err = err
	return f
}

// giveUp releases before the record goes. A cluster that cannot be asked is no
// reason to keep it for ever.
func (e *Engine) giveUp(ctx context.Context, n *node, byAddr map[providers.Addr]*node) {
	if err := e.release(ctx, n, byAddr); err != nil {
		e.send(StepNote{Addr: n.addr, Text: e.secrets.text(fmt.Sprintf("Its tasks on %s may still run, or settings of %s be relaxed: %v.", n.obj.Cluster, n.obj.ID, err))})
	}
}

// warnUnrecorded tells of migrations that the state says are half done and the
// journal does not know: there is nothing by which what they left on servers
// could be ended.
func (e *Engine) warnUnrecorded(nodes []*node) []Diagnostic {
	var ds []Diagnostic
	for _, n := range nodes {
		if n.step == nil || n.kind.Task == nil || n.obj == nil || n.obj.Phase != state.PhaseRunning || e.recorded(n) {
			continue
		}
		ds = append(ds, e.nodeDiagnostics(n, &providers.Finding{Severity: providers.SeverityWarning, Code: "journal_missing", Summary: "Nothing is recorded of a migration that was begun",
			Detail: fmt.Sprintf("%[1]s is half done, says the state, and its journal has no record of it. Either esmig was killed before it had begun to copy, or the journal is lost. Then tasks of the former copy may still write to %[2]s on %[3]s, and its settings still be those that it got to be filled faster: esmig does not know of them, ends no such task and puts nothing back.\n\n"+
				"Put the journal back if there is a copy of it. Otherwise look on %[3]s before you apply. Cancel tasks that copy to %[2]s and have an X-Opaque-Id that begins with esmig-, and put refresh_interval (-1), number_of_replicas (0) and translog.durability (async) back if they have these values and should not:\n\n"+
				"    GET /_tasks?actions=*reindex&detailed\n    GET /%[2]s/_settings", n.addr, n.obj.ID, n.obj.Cluster)})...)
	}
	return ds
}

// recorded: the journal holds something of a node. One that cannot be read is
// found elsewhere.
func (e *Engine) recorded(n *node) bool {
	for range e.Store.Records(n.addr) {
		return true
	}
	return false
}

// underWay is a migration that is half done, as it was begun: its block may say
// something else by now, or be gone. It knows clusters and names only and must
// not be run. nil: there is nothing to release.
func (e *Engine) underWay(n *node) (providers.Relaxer, error) {
	if n.kind.Task == nil || n.obj == nil || n.obj.Phase != state.PhaseRunning {
		return nil, nil
	}
	var declared map[string]any
	if err := decodeInto(n.obj.Declared, &declared); err != nil {
		return nil, err
	}
	args := map[string]cty.Value{}
	for _, a := range n.kind.Attrs {
		args[a.Name] = cty.NullVal(a.Type)
	}
	for _, b := range n.kind.Blocks {
		side, _ := declared[b.Name].(map[string]any)
		attrs := map[string]cty.Value{}
		for _, a := range b.Attrs {
			attrs[a.Name] = cty.NullVal(a.Type)
			switch name, ok := side[a.Name].(string); {
			case ok && a.Type.Equals(providers.ClusterType):
				attrs[a.Name] = providers.ClusterValue(name)
			case ok && a.Name == "index":
				attrs[a.Name] = cty.StringVal(name)
			}
		}
		args[b.Name] = cty.ObjectVal(attrs)
	}
	t, err := n.kind.Task(providers.Instance{Addr: n.addr, Args: cty.ObjectVal(args), Clusters: e.clusters})
	if err != nil {
		return nil, err
	}
	r, _ := t.(providers.Relaxer)
	return r, nil
}
