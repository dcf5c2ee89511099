package main

import (
	"fmt"
	"strings"
)

const limitsCopy = `
## What limits it

All servers and clients share the cores of one machine, so that the processor
time of a document, over all of them, says how many can be copied in a second at
the very most: when no core ever waits. That bound, held against what was
measured for the others (what was tried to raise it is told in
[docs/performance.md](docs/performance.md)):

`

const limitsVerify = `
A digest by a script has to look at every document on both sides, and to do that
a server has to take its JSON apart; one client that reads does not even that.
The processor time of a script that only counts a document's fields, on one side,
is about what no digest in the cluster can get below:

`

// total is all that a document takes, in seconds of a core.
func (w work) total() float64 { return w.Source + w.Target + w.Client }

// writeLimits holds the goals against what the machine's cores allow.
func writeLimits(b *strings.Builder, r *results) {
	bound := func(w work, documents int) float64 { // documents per second
		if w.total() == 0 {
			return 0
		}
		return float64(r.Machine.Cores) * float64(documents) / w.total()
	}
	var rows [][]string
	for _, s := range r.Shapes {
		top := s.method(ceilingName).speed()
		for _, name := range []string{"auto", "stream"} {
			m := s.method(esmigPrefix + name)
			most := bound(medianWork(m.Work), s.Documents)
			if most == 0 {
				continue
			}
			row := []string{s.Name + ": " + m.Name, commas(m.speed()), commas(most), ratioText(ratio(most, top))}
			for _, other := range []string{defaultName, bestName, dumpName} {
				row = append(row, ratioText(ratio(most, s.method(other).speed())))
			}
			rows = append(rows, row)
		}
		if top > 0 {
			row := []string{s.Name + ": the ceiling itself", commas(top), "", ""}
			for _, other := range []string{defaultName, bestName, dumpName} {
				row = append(row, ratioText(ratio(top, s.method(other).speed())))
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString(limitsCopy)
	b.WriteString(table([]string{"", "measured", "at most", "to ceiling", "to plain", "to plain, best", "to elasticdump"}, "lrrrrrr", rows))
	rows = nil
	for _, s := range r.Shapes {
		if s.Verify == nil || len(s.Verify.LookWork) == 0 || len(s.Verify.Full) == 0 {
			continue
		}
		look := medianWork(s.Verify.LookWork)
		if look.tooLittle() {
			continue
		}
		both := work{Source: look.Source, Target: look.Source}
		read, full := median(s.Verify.Read), median(s.Verify.Full)
		rows = append(rows, []string{s.Name, fmt.Sprintf("%.1f", 1e6*look.Source/float64(s.Documents)), commas(bound(both, s.Documents)),
			ratioText(ratio(bound(both, s.Documents), read)), ratioText(ratio(full, read)), ratioText(s.Goal)})
	}
	if len(rows) > 0 {
		b.WriteString(limitsVerify)
		b.WriteString(table([]string{"", "µs of a core", "documents/s at most", "ratio at most", "measured", "goal"}, "lrrrrr", rows))
	}
}
