package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// Pipeline settings: a reference from one of them orders nothing at the
// object's own step while the setting is withheld there.
func isPipelineSetting(name string) bool {
	name = strings.TrimPrefix(name, "index.")
	return name == "default_pipeline" || name == "final_pipeline"
}

// order resolves references, pulls forward what an earlier stage refers to,
// and returns the nodes in a stable order: by stage, then by reference, then by
// address. A cycle is an error that names its blocks.
//
// Stages need no edges of their own: on one cluster a step waits for all steps
// of lower stages. A reference overrides that by moving what is referred to
// forward into the stage of who refers, so stages can never close a cycle.
func (e *Engine) order(nodes []*node) ([]*node, []Diagnostic) {
	byBlock := map[providers.Addr][]*node{}
	for _, n := range nodes {
		byBlock[n.addr.Block()] = append(byBlock[n.addr.Block()], n)
	}
	find := func(a providers.Addr) []*node {
		all := byBlock[a.Block()]
		if !a.Keyed {
			return all
		}
		return slices.DeleteFunc(slices.Clone(all), func(n *node) bool { return n.addr != a })
	}
	for _, n := range nodes {
		n.needs, n.stage = nil, n.declaredStage()
		var to []providers.Addr
		if n.block == nil {
			if n.obj != nil {
				to = n.obj.DependsOn
			}
		} else {
			to = slices.Clone(n.block.DependsOn)
			for _, r := range n.block.Refs {
				if isPipelineSetting(r.Setting) && len(n.withheld()) > 0 {
					continue
				}
				to = append(to, r.To)
			}
		}
		for _, a := range to {
			for _, m := range find(a) {
				if m != n && !slices.Contains(n.needs, m) {
					n.needs = append(n.needs, m)
				}
			}
		}
		slices.SortFunc(n.needs, func(a, b *node) int { return a.addr.Compare(b.addr) })
	}
	// Depth first: a node's needs come before it; what is open and met again
	// closes a cycle.
	var sorted, path []*node
	const open, done = 1, 2
	mark := map[*node]int{}
	var cycle []*node
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
	if cycle != nil {
		return nil, []Diagnostic{e.cycleDiagnostic(cycle)}
	}
	for i := len(sorted) - 1; i >= 0; i-- { // who refers comes later in sorted
		for _, m := range sorted[i].needs {
			m.stage = min(m.stage, sorted[i].stage)
		}
	}
	slices.SortStableFunc(sorted, func(a, b *node) int { return int(a.stage) - int(b.stage) })
	return sorted, nil
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
	nodes, ds := e.bind(&state.State{})
	if failed(ds) {
		return "", ds
	}
	e.assumeAll(nodes)
	nodes, more := e.order(nodes)
	if failed(more) {
		return "", append(ds, more...)
	}
	steps := e.steps(nodes)
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
