package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// order resolves references, finds the stage of each node, and returns the
// nodes in a stable order: by stage, then by reference, then by address. A
// cycle is an error that names its blocks.
//
// Stages need no edges of their own: on one cluster a step waits for all steps
// of lower stages. A reference overrides that by moving what is referred to
// forward into the stage of who refers, so stages can never close a cycle. Data
// is never moved forward: who waits for it comes with the cutover.
func (e *Engine) order(nodes []*node) ([]*node, []Diagnostic) {
	byBlock := map[providers.Addr][]*node{}
	for _, n := range nodes {
		byBlock[n.addr.Block()] = append(byBlock[n.addr.Block()], n)
	}
	wishes := map[*node][]*node{}
	for _, n := range nodes {
		n.needs, n.stage = nil, n.declaredStage()
		add := func(list *[]*node, a providers.Addr) {
			for _, m := range byBlock[a.Block()] {
				// A reference in the files means no object whose block is gone.
				if m != n && m.is(a) && (n.block == nil || m.block != nil) && !slices.Contains(*list, m) {
					*list = append(*list, m)
				}
			}
		}
		if n.block == nil {
			if n.obj != nil {
				for _, a := range n.obj.DependsOn {
					add(&n.needs, a)
				}
			}
			continue
		}
		for _, a := range n.block.DependsOn {
			add(&n.needs, a)
		}
		var wish []*node
		for _, r := range n.block.Refs {
			switch {
			case !isPipelineSetting(r.Setting):
				add(&n.needs, r.To)
			case len(n.withheld()) == 0:
				add(&wish, r.To)
			}
		}
		wishes[n] = wish
	}
	// The pipeline of a setting that is not withheld should come first, but
	// must not close a cycle: servers take the name of one that is not there.
	for _, n := range nodes {
		for _, m := range wishes[n] {
			if !slices.Contains(n.needs, m) && !reaches(m, n) {
				n.needs = append(n.needs, m)
			}
		}
		slices.SortFunc(n.needs, func(a, b *node) int { return a.addr.Compare(b.addr) })
	}
	sorted, cycle := topological(nodes)
	if cycle != nil {
		return nil, []Diagnostic{e.cycleDiagnostic(cycle)}
	}
	waits := map[*node]bool{} // for data
	for _, n := range sorted {
		waits[n] = slices.ContainsFunc(n.needs, func(m *node) bool { return m.kind.Task != nil || waits[m] })
		if waits[n] && n.block != nil && n.stage < providers.StageData {
			n.stage = providers.StageCutover
		}
	}
	for _, n := range slices.Backward(sorted) { // who refers comes later in sorted
		for _, m := range n.needs {
			if n.block != nil || m.block == nil { // what is gone moves nothing that is not
				m.stage = min(m.stage, n.stage)
			}
		}
	}
	slices.SortStableFunc(sorted, func(a, b *node) int { return int(a.stage) - int(b.stage) })
	return sorted, nil
}

// reaches says whether n needs m, directly or not.
func reaches(n, m *node) bool {
	seen := map[*node]bool{}
	var visit func(*node) bool
	visit = func(x *node) bool {
		if x == m {
			return true
		}
		seen[x] = true
		return slices.ContainsFunc(x.needs, func(y *node) bool { return !seen[y] && visit(y) })
	}
	return visit(n)
}

// topological sorts depth first: a node's needs come before it; what is open
// and met again closes a cycle.
func topological(nodes []*node) (sorted, cycle []*node) {
	const open, done = 1, 2
	mark := map[*node]int{}
	var path []*node
	var visit func(n *node)
	visit = func(n *node) {
		if cycle != nil || mark[n] == done {
			return
		}
		path = append(path, n)
		defer func() { path = path[:len(path)-1] }()
		if mark[n] == open {
			cycle = slices.Clone(path[slices.Index(path, n):])
			return
		}
		mark[n] = open
		for _, m := range n.needs {
			visit(m)
		}
		mark[n] = done
		sorted = append(sorted, n)
	}
	for _, n := range nodes {
		visit(n)
	}
	return sorted, cycle
}

func (e *Engine) cycleDiagnostic(cycle []*node) Diagnostic {
	var b strings.Builder
	b.WriteString("These blocks wait for each other, so none can be first:\n\n")
	for i := range len(cycle) - 1 {
		fmt.Fprintf(&b, "    %s", cycle[i].addr)
		if blk := cycle[i].block; blk != nil {
			fmt.Fprintf(&b, " (%s line %d)", blk.DeclRange.Filename, blk.DeclRange.Start.Line)
		}
		fmt.Fprintf(&b, " needs %s\n", cycle[i+1].addr)
	}
	b.WriteString("\nTake one of these references or depends_on out.")
	d := Diagnostic{Severity: providers.SeverityError, Code: "cycle", Summary: "Blocks depend on each other in a circle", Detail: b.String(), Addr: cycle[0].addr.String()}
	if cycle[0].block != nil {
		d.locate(cycle[0].block.DeclRange, e.Config.Sources)
	}
	return d
}

// Graph draws the order of everything that the files declare, as DOT or as
// Mermaid, without asking a cluster.
func (e *Engine) Graph(format string) (string, []Diagnostic) {
	nodes, ds := e.outline()
	if failed(ds) {
		return "", ds
	}
	steps := newFlow(nodes).steps(nodes)
	var b strings.Builder
	ids := map[string]string{}
	for i, s := range steps {
		ids[s.Key()] = fmt.Sprintf("n%d", i)
	}
	dot := format == "dot"
	b.WriteString(map[bool]string{true: "digraph esmig {\n  rankdir=LR; node [shape=box];\n", false: "flowchart LR\n"}[dot])
	for stage := providers.StageLifecycle; stage <= providers.StageKibana; stage++ {
		var rows []string
		for _, s := range steps {
			if s.Stage != stage {
				continue
			}
			label := s.Addr.String()
			if s.Action == Restore {
				label += " (pipelines restored)"
			}
			if dot {
				rows = append(rows, fmt.Sprintf("    %s [label=%q];\n", ids[s.Key()], label))
			} else {
				rows = append(rows, fmt.Sprintf("    %s[\"%s\"]\n", ids[s.Key()], strings.ReplaceAll(label, `"`, "#quot;")))
			}
		}
		if len(rows) == 0 {
			continue
		}
		if dot {
			fmt.Fprintf(&b, "  subgraph cluster_%s {\n    label=%q;\n%s  }\n", stage, stage, strings.Join(rows, ""))
		} else {
			fmt.Fprintf(&b, "  subgraph %s\n%s  end\n", stage, strings.Join(rows, ""))
		}
	}
	for _, s := range steps {
		for _, need := range s.Needs {
			fmt.Fprintf(&b, map[bool]string{true: "  %s -> %s;\n", false: "  %s --> %s\n"}[dot], ids[need], ids[s.Key()])
		}
	}
	if dot {
		b.WriteString("}\n")
	}
	return b.String(), ds
}
