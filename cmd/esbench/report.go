package main

import (
	"fmt"
	"slices"
	"strings"
)

// report is the page.
func report(r *results, chartFile string) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench` on " + r.Date + ". " + r.goes() + "\n\n")
	if chartFile != "" {
		fmt.Fprintf(&b, "![Documents per second by shape and method](%s)\n\n", chartFile)
	}
	for _, s := range r.Shapes {
		if s.Scale != 1 {
			fmt.Fprintf(&b, "**%s: with %.4g of the documents, so that fixed costs weigh more.**\n\n", s.Name, s.Scale)
		}
	}
	b.WriteString("## The machine\n\n" + r.Machine.text() + "\n" + r.Warmth.text() + "\n\n" + howToRead + "\n## What must come out\n\n")
	var rows [][]string
	for _, g := range goals(r) {
		rows = append(rows, g.row())
	}
	b.WriteString(table([]string{"ratio", "goal", "measured", ""}, "lrrl", rows))
	for _, s := range r.Shapes {
		s.write(&b)
	}
	writeVerification(&b, r)
	writeLimits(&b, r)
	writeLinear(&b, r)
	if len(r.Failures) > 0 {
		b.WriteString("\n## Failed runs\n\n")
		for _, f := range r.Failures {
			b.WriteString("- " + oneLine(f) + "\n")
		}
	}
	b.WriteString("\n" + paper(measured(r)))
	return b.String()
}

// goes says which figures may be held against each other.
func (r *results) goes() string {
	if r.Goes > 1 {
		return fmt.Sprintf("The shapes come out of %d goes; all figures of a shape are of one.", r.Goes)
	}
	return "Every figure comes out of that one go."
}

const howToRead = `## How to read this

Speeds are documents per second from the start until every document is
searchable and durable on the destination: the median of the runs, which were
done in turn, forward and backward, after a warm-up. Settings of the others are
the best ones of a search in which a grid goes on as long as the best lies at its
edge, and what comes near the best is tried twice. After each run the
documents are counted; a run that lost one is no number. The destination is made
anew for every run, with the same mappings, shards and no replicas. esmig makes
it itself, and its time is that of the whole process: reading the files,
planning, making the index, copying, flushing.

- **plain _reindex**: one request, as people send it, with the default batch and
  with the best batch.
- **elasticdump**: with its best limit and concurrency, and no refresh.
- **ceiling**: bulk requests that were made beforehand, with nobody reading the
  source, as many at a time and as large as was best, refreshing off, translog
  asynchronous: the destination takes no more than this. esmig relaxes the same
  settings while it fills an index that it made, and its time includes putting
  them back and flushing; the others leave them as a new index has them.
- **memory** is the largest resident size of the process. A plain _reindex has
  none: it all happens in the servers.
- **µs of a core** is the processor time that a document takes: on the source +
  on the destination + in the client (the ceiling's client is the benchmark
  itself, and not counted).
- **alone** is what the ratio to the ceiling comes to where the destination has a
  machine of its own and is what limits the speed: the destination's processor
  time for a document at the ceiling, to that of the method. It is left out for a
  plain _reindex and for elasticdump: their one client that reads waits for one
  answer after the other, and a machine of its own lets the destination wait too.

Here all of it competes for the same cores, so the ratios are what to look at.
At the ceiling nobody reads the source, so a copy cannot come nearer to it than
the sum of its three figures allows. A ratio above 1 is possible: it is a bulk
client's ceiling, which also has to send the bytes.
`

// asFast is the part of a speed from which on the difference is noise.
const asFast = 0.97

// waits: its one client waits for one answer after the other, so that it is no
// faster by much where the destination has a machine of its own.
func (m *methodResult) waits() bool {
	return m.Name == defaultName || m.Name == bestName || m.Name == dumpName
}

func (s *shapeResult) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s: %s\n\n%s documents of %s on average; %s.\n\n", s.Name, s.Title, commas(float64(s.Documents)), bytesText(s.Bytes), s.Data)
	base, top := s.method(defaultName).speed(), s.method(ceilingName).speed()
	limit := medianWork(s.method(ceilingName).Work)
	var rows [][]string
	for _, m := range s.Methods {
		row := []string{m.Name, oneLine(m.Setting)}
		switch {
		case m.Missing != "":
			row = append(row, "not there: "+m.Missing, "", "", "", "", "", "", "")
			if strings.HasPrefix(m.Missing, "not measured") {
				row[2] = m.Missing
			}
		case m.Failed != "":
			row = append(row, "**failed**", "", "", "", "", "", "", "")
		case len(m.Runs) == 0:
			row = append(row, "not measured", "", "", "", "", "", "", "")
		default:
			row = append(row, commas(median(m.Runs)), commas(slices.Min(m.Runs)), commas(slices.Max(m.Runs)),
				ratioText(ratio(m.speed(), base)), ratioText(ratio(m.speed(), top)), "–", "–", "–")
			if m.Peak > 0 {
				row[7] = bytesText(float64(m.Peak))
			}
			if w := medianWork(m.Work); w.Target > 0 {
				row[8] = w.each(s.Documents)
				if !m.waits() {
					row[9] = ratioText(ratio(limit.Target, w.Target))
				}
			}
		}
		rows = append(rows, row)
	}
	b.WriteString(table([]string{"", "setting", "documents/s", "least", "most", "to plain", "to ceiling", "memory", "µs of a core", "alone"}, "llrrrrrrrr", rows))
	for _, m := range s.Methods {
		if m.Failed != "" {
			fmt.Fprintf(b, "\n%s: %s\n", m.Name, code(m.Failed))
		}
	}
	if plain, auto := s.method(bestName), s.method(esmigPrefix+"auto").speed(); auto > 0 && plain.speed() >= asFast*auto {
		fmt.Fprintf(b, "\nOn these shared cores one plain _reindex at its best batch (%s) is as fast as esmig, or faster.\n", plain.Setting)
	}
	if f := s.method(defaultName).Failed; s.Breaks && f != "" {
		fmt.Fprintf(b, "\nThat is what the server says to its own default batch with documents of this size: %s. esmig samples the documents first and chooses a batch that fits.\n", why(f))
	}
}

// why says which of its limits a server's refusal of a batch was about.
func why(refusal string) string {
	switch {
	case strings.Contains(refusal, "rejected execution of coordinating operation"):
		return "the batch is more than its indexing pressure allows, a tenth of the heap (`indexing_pressure.memory.limit`)"
	case strings.Contains(refusal, "chunk that was too large"):
		return "the source's answer is more than the 100 MB that _reindex keeps of a remote answer"
	}
	return "neither its indexing pressure nor the 100 MB of a remote answer, but something else"
}

func writeVerification(b *strings.Builder, r *results) {
	var rows [][]string
	for _, s := range r.Shapes {
		if s.Verify == nil {
			continue
		}
		full, memory := "not there: "+s.Verify.Missing, "–"
		if len(s.Verify.Full) > 0 {
			full, memory = commas(median(s.Verify.Full)), bytesText(float64(s.Verify.Peak))
		} else if s.Verify.Missing == "" {
			full = "**failed**"
		}
		row := []string{s.Name, full, commas(median(s.Verify.Read)), ratioText(ratio(median(s.Verify.Full), median(s.Verify.Read))), memory, "–", "–"}
		if len(s.Verify.FullWork) > 0 {
			row[5], row[6] = medianWork(s.Verify.FullWork).each(s.Documents), medianWork(s.Verify.ReadWork).each(s.Documents)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n## Full verification\n\nEvery document of both sides compared, by digests that the clusters make, against one\nclient that scrolls over one side and throws everything away, in turn, and after each has\ngone once without being counted. Documents of one side per second.\n\n")
	b.WriteString(table([]string{"", "esmig verify", "reading one side", "ratio", "memory", "µs of a core, esmig", "µs of a core, reading"}, "lrrrrrr", rows))
}

func writeLinear(b *strings.Builder, r *results) {
	if len(r.Linear) == 0 {
		return
	}
	b.WriteString("\n## The cost of a document\n\nesmig auto on flat records, one shard, a source that grows.\n\n")
	var rows [][]string
	further := append([]float64{0}, steps(r.Linear)...)
	for i, p := range r.Linear {
		row := []string{commas(float64(p.Documents)), "**failed**", "", "", "", "", ""}
		if t := median(p.Seconds); t > 0 {
			row = []string{row[0], fmt.Sprintf("%.1f", t), commas(float64(p.Documents) / t), fmt.Sprintf("%.1f", 1e6*p.perDocument()), "–", fmt.Sprint(p.Ranges), bytesText(float64(p.Peak))}
			if further[i] != 0 {
				row[4] = fmt.Sprintf("%.1f", 1e6*further[i])
			}
		}
		rows = append(rows, row)
	}
	b.WriteString(table([]string{"documents", "seconds", "documents/s", "µs each", "µs each further one", "ranges", "memory"}, "rrrrrrr", rows))
	if l, ok := lineThrough(r.Linear); ok {
		fmt.Fprintf(b, "\nThe line through them: %.1f s, whatever the size, and %.1f µs a document (R² %.4f). The\npoint that lies farthest off it lies %.0f %% of its own time off.\n", l.fixed, 1e6*l.each, l.explained, 100*l.off)
	}
}

// table is Markdown; align has l or r for each column.
func table(head []string, align string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	var rule []string
	for _, a := range align {
		rule = append(rule, map[rune]string{'l': "---", 'r': "---:"}[a])
	}
	line(rule)
	for _, r := range rows {
		cells := slices.Clone(r)
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		line(cells)
	}
	return b.String()
}

// code shows what a server or a program said.
func code(s string) string {
	return "`" + strings.ReplaceAll(oneLine(s), "`", "'") + "`"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
