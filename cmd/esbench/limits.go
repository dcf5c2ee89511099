package main

import (
	"fmt"
	"slices"
	"strings"
)

const limitsCopy = `
## What limits it

All servers and clients share the cores of one machine, so that the processor
time of a document, over all of them, says how many can be copied in a second at
most, when no core ever waits. For a method of esmig that is the bound of its way
of copying, with all processor time that this way takes: not of the machine. For
any client whatever it is the ceiling's time on the destination and the cheapest
reading of the source that was measured, with nothing for the client itself. Both
held against what was measured for the others (what was tried to raise the first
is told in [docs/performance.md](docs/performance.md)):

`

const limitsVerify = `
A digest by a script has to look at every document on both sides, and to do that
a server has to take its JSON apart; one client that reads does not even that.
This is the processor time, on one side, of requests like esmig's whose script
only counts a document's fields. No digest that is made by such requests can get
below it; what another kind of request would take, it does not say:

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
		if most := bound(s.anyClient(), s.Documents); most > 0 {
			row := []string{s.Name + ": any client", "–", commas(most), ratioText(ratio(most, top))}
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

// anyClient is the least that a copy takes whoever makes it: the ceiling's work
// on the destination, and the cheapest reading of the source that was measured.
// Without one of them it is nothing.
func (s *shapeResult) anyClient() work {
	var reads []float64
	add := func(runs []work) {
		if w := medianWork(runs); w.Source > 0 && !w.tooLittle() {
			reads = append(reads, w.Source)
		}
	}
	if s.Verify != nil {
		add(s.Verify.ReadWork)
	}
	for _, m := range s.Methods {
		if m.Failed == "" && m.Name != ceilingName { // which reads nothing
			add(m.Work)
		}
	}
	top := medianWork(s.method(ceilingName).Work)
	if len(reads) == 0 || top.Target == 0 {
		return work{}
	}
	return work{Source: slices.Min(reads), Target: top.Target}
}
