package main

import (
	"fmt"
	"strings"

	"github.com/esmig/esmig/providers/migration"
)

// paper writes the model's page: as esmig comes, and as one would set it for
// such a size.
func paper(p params) string {
	other := p
	other.oneNode = true
	a, t := p.forecast(), other.forecast()
	var b strings.Builder
	fmt.Fprintf(&b, `## On paper: %s, %s documents

What nobody can try here: %s indices on two clusters of %.0f nodes. A model that a
test runs (cmd/esbench/model.go), with what was measured above: %s documents a
second for one _reindex, %s for a core of the destination, %.1f µs of a core of
esmig for the digests of a document, %s of state for an index with its migration.
How many ranges there are (of about %s documents), how many of a migration
run at once (%.0f), how often esmig looks and what it records is as the program has
it. Assumed of a node, and of esmig's machine: %.0f cores, %s/s of network; of a
node's disk %s/s of documents with all merging.

The second column is what becomes of it behind a proxy that leads to one node: all
tasks run there. Where the endpoint is itself a node, esmig spreads them over all.

`, bytesText(p.bytes), commas(p.documents), commas(p.indices), p.nodes, commas(p.taskSpeed), commas(p.coreSpeed),
		1e6*p.digestClient, bytesText(p.stateIndex), commas(migration.DocumentsPerRange), a.together, p.cores, bytesText(p.network), bytesText(p.disk))
	row := func(what, format string, f func(forecast) any) []string {
		return []string{what, fmt.Sprintf(format, f(a)), fmt.Sprintf(format, f(t))}
	}
	b.WriteString(table([]string{"", "as it comes", "all tasks on one node"}, "lrr", [][]string{
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
		row("what limits the verification", "%s", func(f forecast) any {
			return fmt.Sprintf("%s; then %s, at %.1f times the speed", f.verifyLimits[0].what, f.verifyLimits[1].what, f.verifyLimits[1].speed/f.verifyLimits[0].speed)
		}),
	}))
	fmt.Fprintf(&b, "\nWhat would break first: how full it is of what it may hold. %s\n\n", breaks(t))
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
	b.WriteString(table([]string{"", "as it comes", "all tasks on one node"}, "lrr", rows))
	return b.String()
}

// breaks says what does not hold where all tasks run on one node.
func breaks(f forecast) string {
	var all []string
	for _, l := range f.loads {
		if l.share() > 1 {
			all = append(all, l.what)
		}
	}
	if len(all) == 0 {
		return "Nothing of it breaks."
	}
	return "With all tasks on one node this breaks: " + strings.Join(all, ", ") + "; there, set `-parallelism` or `concurrency` lower."
}
