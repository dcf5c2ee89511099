package main

import (
	"fmt"
	"strings"
)

// paper writes the model's page: as esmig comes, and as one would set it for
// such a size.
func paper(p params) string {
	tuned := p
	tuned.parallelism, tuned.spread = 50, true
	a, t := p.forecast(), tuned.forecast()
	var b strings.Builder
	fmt.Fprintf(&b, `## On paper: %s, %s documents

What nobody can try here: %s indices on two clusters of %.0f nodes. A model that a
test runs (cmd/esbench/model.go), with what was measured above: %s documents a
second for one _reindex, %s for a core of the destination, %s documents
in a range, %.0f bytes of journal for a range, %s of state for an index with its
migration. Assumed of a node: %.0f cores, %s/s of network, %s/s of documents that its
disk takes with all merging.

`, bytesText(p.bytes), commas(p.documents), commas(p.indices), p.nodes, commas(p.taskSpeed), commas(p.coreSpeed),
		commas(p.docsPerRange), p.journalRange, bytesText(p.stateIndex), p.cores, bytesText(p.network), bytesText(p.disk))
	row := func(what, format string, f func(forecast) any) []string {
		return []string{what, fmt.Sprintf(format, f(a)), fmt.Sprintf(format, f(t))}
	}
	b.WriteString(table([]string{"", "as it comes", "-parallelism 50, tasks on all nodes"}, "lrr", [][]string{
		row("ranges", "%s", func(f forecast) any { return commas(f.ranges) }),
		row("hours of copying", "%.0f", func(f forecast) any { return f.hours }),
		row("what limits the speed", "%s", func(f forecast) any { return f.limits[0].what }),
		row("what would limit it next", "%s", func(f forecast) any {
			return fmt.Sprintf("%s, at %.1f times the speed", f.limits[1].what, f.limits[1].speed/f.limits[0].speed)
		}),
		row("requests of esmig per second", "%.0f", func(f forecast) any { return f.requests }),
		row("journal, written in all", "%s", func(f forecast) any { return bytesText(f.journal) }),
		row("journal, the file at its longest", "%s", func(f forecast) any { return bytesText(f.journalPeak) }),
		row("state, the file", "%s", func(f forecast) any { return bytesText(f.state) }),
		row("state, written in all", "%s", func(f forecast) any { return bytesText(f.stateWritten) }),
		row("memory of esmig", "%s", func(f forecast) any { return bytesText(f.memory) }),
		row("results of tasks that the destination keeps in .tasks", "%s", func(f forecast) any { return commas(f.storedTasks) }),
		row("hours of full verification", "%.1f", func(f forecast) any { return f.verifyHours }),
	}))
	b.WriteString("\nWhat would break first: how full it is of what it may hold.\n\n")
	var rows [][]string
	for _, l := range a.loads {
		other := 0.0
		for _, o := range t.loads {
			if o.what == l.what {
				other = o.share()
			}
		}
		rows = append(rows, []string{l.what, fmt.Sprintf("%.1f %%", 100*l.share()), fmt.Sprintf("%.1f %%", 100*other)})
	}
	b.WriteString(table([]string{"", "as it comes", "-parallelism 50, tasks on all nodes"}, "lrr", rows))
	return b.String()
}
