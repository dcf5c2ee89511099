package engine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
)

// lacking is one thing in the files that a flavour of the server does not take.
type lacking struct {
	*providers.Lack
	block  *config.Block // nil: it stands in a cluster block
	diag   Diagnostic
	edits  []config.Edit
	groups []string // of its cluster
	// stuck says why it cannot be rewritten; empty: it can.
	stuck string
}

// Check finds, without any cluster, what the given flavour does not take if the
// clusters that blocks write to were of it. Fixable: it is worth trying Fix.
func (e *Engine) Check(f providers.Flavor) (found []Diagnostic, fixable bool) {
	all, ds := e.survey(f)
	settle(all, nil)
	for _, d := range told(all) {
		found = append(found, d.diag)
		fixable = fixable || d.stuck == ""
	}
	return append(ds, found...), fixable
}

// survey looks at all blocks. Diagnostics are what the kinds find wrong with
// them on any server; of blocks in which values were assumed that says nothing.
func (e *Engine) survey(f providers.Flavor) ([]*lacking, []Diagnostic) {
	ds := slices.Clone(e.broken)
	var nodes []*node
	flavors := map[string]providers.Flavor{}
	for _, b := range e.Config.Blocks {
		n := &node{addr: b.Addr, kind: b.Kind, block: b}
		in := providers.Instance{Addr: b.Addr, Args: b.Args, Clusters: e.clusters}
		var err error
		if b.Kind.Task != nil {
			if n.task, err = b.Kind.Task(in); err != nil {
				n.task = nil
			}
		} else {
			n.res, err = b.Kind.Resource(in)
		}
		if err != nil && !b.Assumed {
			ds = append(ds, e.blockDiagnostics(b, err)...)
		}
		if n.res != nil || n.task != nil {
			cluster, _ := n.where()
			flavors[cluster] = f
			nodes = append(nodes, n)
		}
	}
	return e.lacks(nodes, flavors, true), ds
}

// readiness is what a plan finds: before anything is asked that the target
// does not have. Whether it can read a source it says itself.
func (e *Engine) readiness(nodes []*node, clusters []PlanCluster) []Diagnostic {
	flavors := map[string]providers.Flavor{}
	for _, c := range clusters {
		flavors[c.Name] = c.Info.Flavor
	}
	var ds []Diagnostic
	for _, l := range told(e.lacks(nodes, flavors, false)) {
		ds = append(ds, l.diag)
	}
	return ds
}

// lacks asks the kinds and the clusters.
func (e *Engine) lacks(nodes []*node, flavors map[string]providers.Flavor, tasks bool) []*lacking {
	peers := map[string][]providers.Resource{}
	for _, n := range nodes {
		if n.block != nil && n.res != nil {
			peers[n.res.Cluster().Name()] = append(peers[n.res.Cluster().Name()], n.res)
		}
	}
	var out []*lacking
	for name, f := range flavors {
		c := e.Config.Clusters[name]
		if s, ok := e.clusters[name].(providers.Selective); ok && c != nil {
			for _, l := range s.Lacks(f, nil) {
				out = append(out, &lacking{Lack: l, diag: e.clusterDiagnostics(c, l.Finding)[0]})
			}
		}
	}
	for _, n := range nodes {
		if n.out || n.block == nil || n.task != nil && !tasks {
			continue
		}
		s, ok := any(n.res).(providers.Selective)
		if n.task != nil {
			s, ok = n.task.(providers.Selective)
		}
		if !ok {
			continue
		}
		cluster, _ := n.where()
		for _, l := range s.Lacks(flavors[cluster], peers[cluster]) {
			out = append(out, e.lacking(n.block, cluster, l))
		}
	}
	slices.SortStableFunc(out, (*lacking).compare)
	return out
}

// compare sorts by place.
func (l *lacking) compare(m *lacking) int {
	a, b := l.diag, m.diag
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Detail, b.Detail))
}

// lacking places what a kind says in the files.
func (e *Engine) lacking(b *config.Block, cluster string, l *providers.Lack) *lacking {
	out := &lacking{Lack: l, block: b, diag: e.blockDiagnostics(b, l.Finding)[0]}
	for _, g := range l.Groups {
		out.groups = append(out.groups, cluster+" "+g)
	}
	spot := e.Config.Spot(b, l.Arg, l.Path)
	d := &out.diag
	if spot.Within != "" {
		d.In = spot.Within + " for " + d.In
	}
	d.locate(spot.Range, e.Config.Sources)
	d.Source = e.secrets.text(d.Source)
	for _, f := range l.Fixes {
		out.edits = append(out.edits, e.Config.Edit(b, f))
	}
	return out
}

// told leaves out repetitions: what several instances or blocks read in one
// place is told once.
func told(all []*lacking) []*lacking {
	seen := map[string]bool{}
	var out []*lacking
	for _, l := range all {
		d := l.diag
		key := fmt.Sprint(d.File, d.Line, d.Column, d.Summary, d.Detail)
		if d.File == "" || !seen[key] {
			seen[key] = true
			out = append(out, l)
		}
	}
	return out
}

// settle says of each whether it can be rewritten. What belongs together, by
// the kinds' word or because it is one place in the files, is rewritten as a
// whole or not at all. Refused are reasons by the place of an edit.
func settle(all []*lacking, refused map[string]string) {
	for _, set := range together(all) {
		values := map[string]string{}
		why, who := "", (*lacking)(nil)
		for _, l := range set {
			l.stuck = ""
			if len(l.Fixes) == 0 || l.Stuck != "" {
				l.stuck = cmp.Or(l.Stuck, "only you can decide what takes its place")
			}
			for _, ed := range l.edits {
				value := fmt.Sprint(ed.Fix.Do, string(providers.Encode(ed.Fix.Value)))
				if was, ok := values[ed.ID]; ok && was != value {
					l.stuck = cmp.Or(l.stuck, "blocks that share this place need different things there")
				}
				values[ed.ID] = value
				l.stuck = cmp.Or(l.stuck, ed.Why, refused[ed.ID])
			}
			if l.stuck != "" && why == "" {
				why, who = l.stuck, l
			}
		}
		for _, l := range set {
			if why != "" && l.stuck == "" {
				l.stuck = fmt.Sprintf("it belongs together with %s line %d, and there %s", who.diag.File, who.diag.Line, why)
			}
		}
	}
}

// together makes sets of what shares a group or an edit.
func together(all []*lacking) [][]*lacking {
	root := map[string]string{}
	var find func(k string) string
	find = func(k string) string {
		if root[k] == "" || root[k] == k {
			root[k] = k
			return k
		}
		root[k] = find(root[k])
		return root[k]
	}
	keys := func(i int, l *lacking) []string {
		out := []string{fmt.Sprintf("one %d", i)}
		for _, g := range l.groups {
			out = append(out, "group "+g)
		}
		for _, ed := range l.edits {
			out = append(out, "edit "+ed.ID)
		}
		return out
	}
	for i, l := range all {
		k := keys(i, l)
		for _, other := range k[1:] {
			root[find(k[0])] = find(other)
		}
	}
	sets := map[string][]*lacking{}
	var order []string
	for i, l := range all {
		r := find(keys(i, l)[0])
		if sets[r] == nil {
			order = append(order, r)
		}
		sets[r] = append(sets[r], l)
	}
	var out [][]*lacking
	for _, r := range order {
		out = append(out, sets[r])
	}
	return out
}
