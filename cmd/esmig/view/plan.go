package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/fatih/color"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// Plan draws a plan for people. The JSON of the same value is for programs.
func Plan(w io.Writer, plan *engine.Plan, o Options) {
	newPrinter(w, o).plan(plan, o)
}

func (p *printer) plan(plan *engine.Plan, o Options) {
	for _, s := range slices.Concat(plan.Drift, plan.Steps) {
		p.fit(s.Addr.String())
	}
	p.clusters(plan)
	p.drift(plan, o)
	p.steps(plan, o)
	p.information(plan.Information)
	p.diagnostics(plan.Diagnostics)
	p.ending(plan, o)
}

func (p *printer) clusters(plan *engine.Plan) {
	nameWidth, titleWidth := 0, 0
	for _, c := range plan.Clusters {
		nameWidth = max(nameWidth, len(clean(c.Name))+4)
		titleWidth = max(titleWidth, len(clean(c.Info.Title()))+2)
	}
	for _, c := range plan.Clusters {
		if plan.Empty() && !plan.Failed() && !c.Insecure {
			continue // nothing is going to happen there
		}
		role := safe("")
		if c.ReadOnly {
			role = "   only read"
		}
		p.line(p.paint(p.bold, pad(clean(c.Name), nameWidth)), pad(clean(c.Info.Title()), titleWidth), clean(c.Endpoint), role)
		if c.Insecure {
			p.line(pad("", nameWidth), p.paint(p.red, "! CERTIFICATES ARE NOT CHECKED: whoever sits in between can read everything"))
		}
	}
	p.gap()
}

// drift shows what others changed: always with the diff, it is news.
func (p *printer) drift(plan *engine.Plan, o Options) {
	cluster := ""
	for _, s := range plan.Drift {
		if s.Cluster != cluster {
			cluster = s.Cluster
			p.line(p.paint(p.bold, cleanf("changed on %s since the last apply", cluster)))
		}
		symbol, what := safe("~"), place(s)
		if len(s.After) == 0 {
			symbol, what = "-", cleanf("%s is gone", s.ID)
		}
		p.line("  ", p.paint(p.yellow, symbol), " ", p.address(s.Addr), what)
		p.reason(s)
		p.diff(s.Before, s.After)
	}
	p.gap()
}

func (p *printer) steps(plan *engine.Plan, o Options) {
	drifted := map[providers.Addr]bool{}
	for _, s := range plan.Drift {
		drifted[s.Addr] = true
	}
	for i, s := range plan.Steps {
		if i == 0 || plan.Steps[i-1].Stage != s.Stage {
			p.gap()
			p.line(p.paint(p.bold, clean(s.Stage.String())))
		}
		what := p.summary(s)
		if s.Action == engine.Update && drifted[s.Addr] && s.Reason != "" {
			what = clean(s.Reason) // where it is stands above
		}
		p.line("  ", p.paint(p.colorOf(s), clean(s.Action.Symbol())), " ", p.address(s.Addr), what)
		if s.Alarm || !beside(s.Action) {
			p.reason(s)
		}
		p.details(s, o, drifted[s.Addr])
	}
	p.gap()
}

func (p *printer) colorOf(s *engine.Step) *color.Color {
	switch {
	case s.Alarm, s.Action == engine.Delete, s.Action == engine.Replace:
		return p.red
	case s.Action == engine.Create:
		return p.green
	default:
		return p.yellow
	}
}

func place(s *engine.Step) safe { return cleanf("%s on %s", s.ID, s.Cluster) }

// summary is the text behind a step's address.
func (p *printer) summary(s *engine.Step) safe {
	switch s.Action {
	case engine.Migrate, engine.Resume:
		return cleanf("%s → %s/%s", s.Source, s.Cluster, s.ID)
	case engine.Retry:
		return cleanf("%s → %s/%s: %s", s.Source, s.Cluster, s.ID, s.Reason)
	case engine.Verify:
		return cleanf("%s and %s/%s are compared", s.Source, s.Cluster, s.ID)
	case engine.Restore:
		return cleanf("%s restored", settings(s.Withheld))
	case engine.Forget:
		if s.Reason == "" {
			return place(s) + ", forgotten"
		}
		return place(s) + ", forgotten: " + clean(s.Reason)
	default:
		if s.Reason != "" && !s.Alarm && beside(s.Action) {
			return place(s) + ", " + clean(s.Reason)
		}
		return place(s)
	}
}

// beside: the reason is short and stands on the step's own line.
func beside(a engine.Action) bool {
	return a == engine.Adopt || a == engine.Update || a == engine.Forget || a == engine.Retry
}

func settings(held []providers.PipelineSetting) string {
	names := make([]string, len(held))
	for i, h := range held {
		names[i] = short(h.Setting)
	}
	return strings.Join(names, ", ")
}

func short(setting string) string { return strings.TrimPrefix(setting, "index.") }

func (p *printer) reason(s *engine.Step) {
	switch {
	case s.Reason == "":
	case s.Alarm:
		for _, l := range p.wrap(8, s.Reason) {
			p.line("      ", p.paint(p.red, "! "+l))
		}
	default:
		p.wrapped(6, s.Reason)
	}
}

// details below a step. The diff of a change that the user wrote is only shown
// on demand; one with a reason is about something that the user did not write,
// so it is shown, unless the drift above has shown it already.
func (p *printer) details(s *engine.Step, o Options, drifted bool) {
	if e := s.Estimate; e != nil && s.Action != engine.Verify {
		p.estimate(s, e)
	}
	if s.Action != engine.Restore {
		for _, h := range s.Withheld {
			p.line("      ", cleanf("%s = %q is withheld until the data is in", short(h.Setting), h.Pipeline))
		}
	}
	for _, n := range s.Notes {
		p.wrapped(6, n)
	}
	switch s.Action {
	case engine.Create:
		if o.Verbose {
			p.body(s.After)
		}
	case engine.Update, engine.Replace:
		if o.Verbose || (s.Reason != "" && !drifted) {
			p.diff(s.Before, s.After)
		}
	}
}

func (p *printer) estimate(s *engine.Step, e *providers.Estimate) {
	text := count(e.Documents, "document")
	if e.Bytes > 0 {
		text += ", " + size(e.Bytes)
	}
	if e.Shards > 0 {
		text += " in " + count(e.Shards, "shard")
	}
	if e.Done > 0 {
		text += fmt.Sprintf("; %s of them copied already", humanize.Comma(e.Done))
	}
	p.wrapped(6, text)

	method := e.Method
	if e.Why != "" {
		method += ": " + e.Why
	}
	if e.Ranges > 0 {
		method += "; " + count(e.Ranges, "range")
		if e.RangeBy != "" {
			method += " by " + e.RangeBy
		}
		if e.Ranges > 1 && e.Concurrency > 0 {
			method += fmt.Sprintf(", %d at a time", e.Concurrency)
		}
	}
	p.wrapped(6, method)

	var costs []string
	if e.Seconds > 0 {
		costs = append(costs, "about "+about(e.Seconds))
	}
	if e.DiskNeed > 0 {
		need := fmt.Sprintf("needs about %s on %s", size(e.DiskNeed), s.Cluster)
		if e.DiskFree > 0 {
			need += ", " + size(e.DiskFree) + " free"
		}
		costs = append(costs, need)
	}
	if len(costs) > 0 {
		p.wrapped(6, strings.Join(costs, "; "))
	}
	if text := requests(s, e); text != "" {
		p.wrapped(6, text)
	}
	p.wrapped(6, verification(e.Verify))
	for _, n := range e.Notes {
		p.wrapped(6, n)
	}
}

// requests says how many both clusters get, by both methods and with the
// comparison; empty: that is not known.
func requests(s *engine.Step, e *providers.Estimate) string {
	source, _, _ := strings.Cut(s.Source, "/")
	switch {
	case e.SourceRequests == 0 || e.DestRequests == 0:
		return ""
	case source == s.Cluster:
		return fmt.Sprintf("about %s requests to %s", rough(e.SourceRequests+e.DestRequests), source)
	}
	return fmt.Sprintf("about %s requests to %s, %s to %s", rough(e.SourceRequests), source, rough(e.DestRequests), s.Cluster)
}

func verification(method string) string {
	switch method {
	case "full":
		return "then compared document by document"
	case "sample":
		return "then counted, and a sample compared"
	case "count":
		return "then counted, contents not compared"
	case "none", "":
		return "not verified"
	default:
		return "then " + method
	}
}

func (p *printer) information(infos []engine.Information) {
	if len(infos) == 0 {
		return
	}
	p.line(p.paint(p.bold, "for information"))
	for _, i := range infos {
		p.fit(i.Addr.String())
	}
	for _, i := range infos {
		p.line("    ", p.address(i.Addr), clean(i.Text))
	}
	p.gap()
}

func (p *printer) ending(plan *engine.Plan, o Options) {
	switch {
	case plan.Failed():
		p.line(clean(count(errorCount(plan.Diagnostics), "error")), ". Nothing has been changed.")
	case plan.Empty():
		p.line("No changes. What the files say, the state and the clusters agree.")
	default:
		p.wrapped(0, "Plan: "+strings.Join(totals(plan), ", ")+".")
		if o.Hint != "" {
			p.wrapped(0, o.Hint)
		}
	}
}

func totals(plan *engine.Plan) (out []string) {
	drifted := map[providers.Addr]bool{}
	for _, s := range plan.Drift {
		drifted[s.Addr] = true
	}
	n, fromDrift, documents := map[engine.Action]int{}, 0, int64(0)
	for _, s := range plan.Steps {
		n[s.Action]++
		if s.Action == engine.Update && drifted[s.Addr] {
			fromDrift++
		}
		if s.Action == engine.Migrate && s.Estimate != nil {
			documents += s.Estimate.Documents
		}
	}
	for _, t := range []struct {
		action engine.Action
		text   string
	}{
		{engine.Create, "create"}, {engine.Update, "update"}, {engine.Replace, "replace"}, {engine.Delete, "delete"},
		{engine.Adopt, "adopt"}, {engine.Forget, "forget"}, {engine.Migrate, "migrate"}, {engine.Resume, "go on with"},
		{engine.Retry, "retry"}, {engine.Verify, "verify"}, {engine.Restore, "restore"},
	} {
		if n[t.action] == 0 {
			continue
		}
		text := fmt.Sprintf("%s to %s", humanize.Comma(int64(n[t.action])), t.text)
		if t.action == engine.Migrate && documents > 0 {
			text += " (" + count(documents, "document") + ")"
		}
		if t.action == engine.Update && fromDrift > 0 {
			switch {
			case len(plan.Steps) == fromDrift:
				text += ", because of drift"
			case n[t.action] == fromDrift:
				text += " because of drift"
			default:
				text += fmt.Sprintf(" (%d because of drift)", fromDrift)
			}
		}
		out = append(out, text)
	}
	return out
}
