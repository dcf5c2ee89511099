package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// bind makes a node of every block and of every object that has none. It
// changes st, a copy of the state, where the files call something otherwise
// than the state does; Apply records that. What an object is does not depend on
// a label: it is a kind, a cluster (by its UUID) and a name there.
func (e *Engine) bind(ctx context.Context, st *state.State) ([]*node, []Diagnostic) {
	ds := slices.Clone(e.broken)
	var nodes []*node
	blocks := map[providers.Addr]bool{}
	for _, b := range e.Config.Blocks {
		n := &node{addr: b.Addr, kind: b.Kind, block: b}
		blocks[b.Addr] = true
		nodes = append(nodes, n)
		if len(e.broken) > 0 {
			continue
		}
		in := providers.Instance{Addr: b.Addr, Args: b.Args, Clusters: e.clusters}
		var err error
		if b.Kind.Task != nil {
			n.task, err = b.Kind.Task(in)
		} else {
			n.res, err = b.Kind.Resource(in)
		}
		if err == nil {
			err = sensitiveName(n)
		}
		if err != nil {
			ds = append(ds, e.blockDiagnostics(b, err)...)
		}
	}
	if ds = append(ds, e.move(st)...); failed(ds) {
		return nodes, ds
	}
	e.rename(ctx, st)
	if ds = append(ds, e.place(ctx, st, nodes, blocks)...); failed(ds) {
		return nodes, ds
	}
	for i := range st.Objects {
		if o := &st.Objects[i]; !blocks[o.Addr] {
			n, d := e.bindStored(o)
			if d != nil {
				ds = append(ds, *d)
				continue
			}
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *node) int { return a.addr.Compare(b.addr) })
	for _, n := range nodes {
		n.obj = st.Find(n.addr)
	}
	return nodes, ds
}

// sensitiveName refuses a name that holds a sensitive value: names stand in
// plans, states and requests' paths.
func sensitiveName(n *node) error {
	args, names := []string{"name"}, []string{""}
	if n.task != nil {
		_, source := n.task.Source()
		_, dest := n.task.Destination()
		args, names = []string{"source.index", "dest.index"}, []string{source, dest}
	} else {
		names[0] = n.res.ID()
	}
	for i, name := range names {
		if slices.ContainsFunc(n.block.Secrets, func(s string) bool { return name == s || len(s) >= shortSecret && strings.Contains(name, s) }) {
			return providers.NewError("sensitive_name", args[i], "Sensitive name",
				"The name is made from a sensitive value. Names are shown and stored, so it would not stay secret. Use a value that is not sensitive.")
		}
	}
	return nil
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
			if err := readdress(st, o.Addr, to); err != nil {
				d := Diagnose(err)
				d.locate(m.Range, e.Config.Sources)
				ds = append(ds, d)
			}
		}
	}
	return ds
}

// readdress gives an object another address. A migration that was begun stays
// where its journal is; another object's begun step has none.
func readdress(st *state.State, from, to providers.Addr) error {
	o := st.Find(from)
	var pending *state.Pending
	if o != nil && o.Phase == "" {
		pending, o.Pending = o.Pending, nil
	}
	err := st.Move(from, to)
	if err == nil {
		from = to
	}
	if o := st.Find(from); o != nil && pending != nil {
		o.Pending = pending
	}
	return err
}

// rename follows a cluster block that is called otherwise now: the same UUID
// answers.
func (e *Engine) rename(ctx context.Context, st *state.State) {
	for _, old := range slices.Sorted(maps.Keys(st.Clusters)) {
		if e.clusters[old] != nil {
			continue
		}
		// Of several blocks for one cluster rather one that is a default.
		for _, name := range append([]string{e.Config.Settings.TargetCluster, e.Config.Settings.SourceCluster}, slices.Sorted(maps.Keys(e.clusters))...) {
			c := e.clusters[name]
			if c == nil {
				continue
			}
			if info, err := c.Info(ctx); err != nil || info.UUID != st.Clusters[old].UUID {
				continue // an error is told when the cluster is needed
			}
			st.Clusters[name] = st.Clusters[old]
			delete(st.Clusters, old)
			for i := range st.Objects {
				o := &st.Objects[i]
				if o.Cluster == old {
					o.Cluster = name
				}
				if o.Phase != "" {
					o.Declared = renamed(o.Declared, old, name)
				}
			}
			break
		}
	}
}

// renamed is a task's declaration with another name for a cluster block.
func renamed(declared providers.JSON, from, to string) providers.JSON {
	v, err := providers.Decode(declared)
	if err != nil {
		return declared
	}
	m, _ := v.(map[string]any)
	for _, side := range m {
		if s, ok := side.(map[string]any); ok && s["cluster"] == from {
			s["cluster"] = to
		}
	}
	return providers.Encode(v)
}

// place finds the objects that blocks are about now. A block that has another
// one than before leaves the former under an address of its own, as an object
// whose block is gone; a block without one takes over an object without one.
func (e *Engine) place(ctx context.Context, st *state.State, nodes []*node, blocks map[providers.Addr]bool) []Diagnostic {
	var ds []Diagnostic
	try := func(n *node, f func() error) {
		if err := f(); err != nil {
			ds = append(ds, e.nodeDiagnostics(n, err)...)
		}
	}
	for _, n := range nodes {
		o := st.Find(n.addr)
		if o == nil || n.res == nil {
			continue
		}
		try(n, func() error {
			same, err := e.sameObject(ctx, n, o)
			if err != nil || same {
				return err
			}
			if n.block.Lifecycle.PreventDestroy && o.Owned {
				return providers.NewError("prevent_destroy", "lifecycle", "Destruction is prevented",
					fmt.Sprintf("%s is another object now, so %s on %s would be deleted, and the block has lifecycle { prevent_destroy = true }. Take that out first, or take the change back.", n.addr, o.ID, o.Cluster))
			}
			former := n.addr
			former.Key, former.Keyed = strings.TrimPrefix(fmt.Sprintf("%s, was %s on %s", n.addr.Key, o.ID, o.Cluster), ", "), true
			return readdress(st, n.addr, former)
		})
	}
	for _, n := range nodes {
		if n.res == nil || st.Find(n.addr) != nil {
			continue
		}
		for _, o := range st.Objects {
			if o.Addr.Kind != n.addr.Kind || blocks[o.Addr] || e.removed(o.Addr) {
				continue
			}
			same, err := e.sameObject(ctx, n, &o)
			if err == nil && same {
				if err = readdress(st, o.Addr, n.addr); err == nil {
					st.Find(n.addr).Cluster = o.Cluster // as it is called now
				}
			}
			try(n, func() error { return err })
			if same {
				break
			}
		}
	}
	return ds
}

// sameObject says whether a block is about the object that the state holds,
// and writes down by which name the cluster goes now.
func (e *Engine) sameObject(ctx context.Context, n *node, o *state.Object) (bool, error) {
	cluster, id := n.where()
	if o.ID != id || o.Cluster != cluster && e.clusters[o.Cluster] == nil {
		return false, nil
	}
	if o.Cluster == cluster {
		return true, nil
	}
	was, err := e.clusters[o.Cluster].Info(ctx)
	if err != nil {
		return false, err
	}
	is, err := e.clusters[cluster].Info(ctx)
	if err != nil || is.UUID != was.UUID {
		return false, err
	}
	o.Cluster = cluster
	return true, nil
}

// removed: the files say that it is to be forgotten.
func (e *Engine) removed(a providers.Addr) bool {
	return slices.ContainsFunc(e.Config.Removed, func(r config.Removed) bool { return means(r.From, a) })
}

// bindStored makes the node of an object whose block is gone: with the
// cluster, the name, and what was declared last.
func (e *Engine) bindStored(o *state.Object) (*node, *Diagnostic) {
	i := slices.IndexFunc(e.Kinds, func(k *providers.Kind) bool { return k.Name == o.Addr.Kind })
	if i < 0 {
		return nil, &Diagnostic{Severity: providers.SeverityError, Code: "unknown_kind", Addr: o.Addr.String(), Summary: "Unknown kind in the state",
			Detail: fmt.Sprintf("The state holds %s, but this esmig has no kind %q: a newer esmig wrote it. Use that one, or forget the object with\n\n    esmig state rm '%s'", o.Addr, o.Addr.Kind, o.Addr)}
	}
	k := e.Kinds[i]
	n := &node{addr: o.Addr, kind: k}
	if k.Task != nil {
		return n, nil // a task without a block is only forgotten
	}
	if e.clusters[o.Cluster] == nil {
		if !o.Owned || e.removed(o.Addr) {
			return n, nil // so is this
		}
		return nil, &Diagnostic{Severity: providers.SeverityError, Code: "cluster_gone", Addr: o.Addr.String(), Summary: "Cluster block is gone",
			Detail: fmt.Sprintf("%s was made on cluster %q, whose block is gone, so its object cannot be looked at or deleted. Write the cluster block again, or keep the object and only forget it:\n\n    removed { from = %s }", o.Addr, o.Cluster, o.Addr)}
	}
	args := map[string]cty.Value{}
	for _, a := range k.Attrs {
		args[a.Name] = cty.NullVal(a.Type)
		switch {
		case a.Type.Equals(providers.ClusterType):
			args[a.Name] = providers.ClusterValue(o.Cluster)
		case a.Name == "name":
			args[a.Name] = cty.StringVal(o.ID)
		}
	}
	for _, b := range k.Blocks {
		args[b.Name] = cty.NullVal(cty.DynamicPseudoType)
	}
	var err error
	if n.res, err = k.Resource(providers.Instance{Addr: o.Addr, Args: cty.ObjectVal(args), Stored: o.Declared, Clusters: e.clusters}); err != nil {
		d := Diagnose(err)
		d.Addr = o.Addr.String()
		return nil, &d
	}
	return n, nil
}
