package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// story tells records as lines that stay. Both the terminal and the plain view
// are made of it; only progress they show each in their own way.
type story struct {
	*printer
	options  Options
	clusters map[providers.Addr]string // where a step's object lives
	copied   providers.Addr            // whose line is the last one
	stopped  bool
	waiting  int    // steps that have not started
	only     bool   // there is one step
	command  string // that goes on where this one stopped
}

func newStory(p *printer, o Options) *story {
	return &story{printer: p, options: o, clusters: map[providers.Addr]string{}, command: "esmig apply"}
}

func (s *story) tell(r engine.Record) {
	copied := s.copied
	s.copied = providers.Addr{}
	switch e := r.Event.(type) {
	case engine.PlanReady:
		for _, step := range e.Plan.Steps {
			s.clusters[step.Addr] = step.Cluster
			s.fit(step.Addr.String())
		}
		s.plan(e.Plan, s.options)
	case engine.DiagnosticFound:
		s.gap()
		s.diagnostic(e.Diagnostic)
	case engine.ApplyStarted:
		s.gap()
		s.waiting, s.only = e.Steps, e.Steps == 1
		switch {
		case e.Again != "":
			s.command = "esmig " + string(e.Again) // which leaves nothing behind that an apply would see
		case e.Destroy:
			s.command = "esmig destroy"
		}
		s.continued(e, r.Time)
	case engine.StepStarted:
		s.waiting--
		if e.Action == engine.Repair || e.Action == engine.Retry || s.only && s.command == "esmig verify" {
			s.command = "esmig " + string(e.Action) + " " + quoted(e.Addr)
		}
		s.fit(e.Addr.String())
		s.copied = copied // says nothing
	case engine.StepNote:
		s.wrapped(0, fmt.Sprintf("%s: %s", e.Addr, e.Text))
	case engine.StepDone:
		s.done(e)
	case engine.StepFailed:
		s.failed(e)
	case engine.VerifyDone:
		s.verified(e, copied)
	case engine.LeftToDo:
		s.left(e)
	case engine.Interrupted:
		s.stopped = true
		s.wrapped(0, "Stopping after what runs now; press Ctrl-C again to leave at once.")
	case engine.Summary:
		s.summary(e)
	case engine.RefreshDone, engine.DriftFound, engine.StepProgress:
		s.copied = copied // the plan shows it, or the view itself
	}
}

func (s *story) continued(e engine.ApplyStarted, now time.Time) {
	since, err := time.Parse(time.RFC3339, e.Continued)
	if err != nil {
		return
	}
	layout := time.TimeOnly
	if now.In(s.zone).Format(time.DateOnly) != since.In(s.zone).Format(time.DateOnly) {
		layout = time.DateTime
	}
	s.wrapped(0, "Continuing the apply of "+since.In(s.zone).Format(layout)+", which was interrupted.")
}

func (s *story) good(a fmt.Stringer, text string) {
	s.line(s.paint(s.green, "✓"), " ", s.address(a), clean(text))
}

func (s *story) bad(a fmt.Stringer, text string) {
	s.line(s.paint(s.red, "✗"), " ", s.address(a), clean(text))
}

type title string

func (t title) String() string { return string(t) }

func (s *story) done(e engine.StepDone) {
	timed := func(text string) string { return fmt.Sprintf("%-18s %s", text, took(e.Seconds)) }
	switch e.Action {
	case engine.Restore:
		held := make([]string, len(e.Restores))
		for i, h := range e.Restores {
			held[i] = short(h)
		}
		s.good(e.Addr, "restored "+strings.Join(held, ", "))
	case engine.Migrate, engine.Resume:
		if e.Result == nil {
			s.good(e.Addr, timed("copied"))
		} else {
			s.good(e.Addr, timed(count(e.Result.Read, "document"))+"   "+rate(e.Result.Read, e.Seconds))
			s.account(*e.Result)
			s.refused(e.Result.Refused)
		}
		s.copied = e.Addr
	case engine.Retry:
		s.retried(e)
	case engine.Verify: // VerifyDone says it
	case engine.Repair:
		s.repaired(e)
	default:
		s.good(e.Addr, timed(past(e.Action)))
	}
}

// retried tells what became of documents that were sent again.
func (s *story) retried(e engine.StepDone) {
	r := providers.Result{}
	if e.Result != nil {
		r = *e.Result
	}
	s.copied = e.Addr
	text := "sent again: " + count(r.Read, "document")
	if r.Failed > 0 {
		s.bad(e.Addr, text+", "+humanize.Comma(r.Failed)+" refused again")
		s.refused(r.Refused)
		return
	}
	s.good(e.Addr, text)
}

// refused says why documents were refused, and what to do.
func (s *story) refused(rs []providers.Refusal) {
	if len(rs) > 0 {
		s.wrapped(3, strings.TrimRight(providers.RefusalText(rs), "\n"))
	}
}

func (s *story) repaired(e engine.StepDone) {
	r := providers.Repaired{}
	if e.Repaired != nil {
		r = *e.Repaired
	}
	text := "nothing to repair"
	if did := r.String(); did != "" {
		text = "repaired: " + did
	}
	if s.copied = e.Addr; r.Failed > 0 {
		s.bad(e.Addr, text)
	} else {
		s.good(e.Addr, text)
	}
}

// account says what became of documents that were not simply created.
func (s *story) account(r providers.Result) {
	var parts []string
	for _, p := range []struct {
		n    int64
		text string
	}{{r.Updated, "updated"}, {r.Noops, "were the same already"}, {r.Conflicts, "were there already"}, {r.Failed, "refused"}} {
		if p.n > 0 {
			parts = append(parts, humanize.Comma(p.n)+" "+p.text)
		}
	}
	if len(parts) > 0 {
		s.wrapped(3, strings.Join(parts, ", "))
	}
}

func past(a engine.Action) string {
	switch a {
	case engine.Create:
		return "created"
	case engine.Update:
		return "updated"
	case engine.Replace:
		return "replaced"
	case engine.Delete:
		return "deleted"
	case engine.Adopt:
		return "adopted"
	case engine.Forget:
		return "forgotten"
	default:
		return string(a)
	}
}

// failed draws a step's error. Steps that did not start are counted at the
// end; each has the same reason, which stands above.
func (s *story) failed(e engine.StepFailed) {
	if e.Skipped {
		return
	}
	if e.Diagnostic == nil {
		s.bad(e.Addr, "failed")
		return
	}
	s.bad(e.Addr, e.Diagnostic.Summary)
	s.gap()
	if e.Diagnostic.File != "" {
		s.place(*e.Diagnostic)
		s.gap()
	}
	s.wrapped(0, strings.TrimRight(e.Diagnostic.Detail, "\n"))
	s.gap()
}

func (s *story) verified(e engine.VerifyDone, copied providers.Addr) {
	v := e.Verification
	text := compared(v)
	var a fmt.Stringer = title("verified")
	if copied != e.Addr {
		a, text = e.Addr, "verified: "+text
	}
	if e.Same {
		s.good(a, text+"  "+took(e.Seconds))
	} else {
		s.bad(a, text)
		s.differences(e)
	}
	if v.Newer > 0 {
		s.wrapped(3, count(v.Newer, "document")+" arrived on the source after the copy: no difference")
	}
	for _, n := range v.Notes {
		s.wrapped(3, n)
	}
}

// compared says how many documents were held against each other, in which way.
func compared(v providers.Verification) string {
	text := ""
	there := humanize.Comma(min(v.Source-v.Missing-v.Refused, v.Destination))
	switch {
	case v.Compared == 0 && v.Same():
		text = fmt.Sprintf("%s of %s there, by count", there, count(v.Source, "document"))
	case v.Compared == 0:
		text = fmt.Sprintf("%s of %s", humanize.Comma(v.Destination), count(v.Source, "document"))
	case v.Compared+v.Refused < v.Source && v.Same():
		text = fmt.Sprintf("%s of %s there, %s compared: identical", there, count(v.Source, "document"), humanize.Comma(v.Compared))
	case v.Compared+v.Refused < v.Source:
		text = fmt.Sprintf("%s of a sample of %s identical", humanize.Comma(v.Identical), humanize.Comma(v.Compared))
	default:
		text = fmt.Sprintf("%s of %s identical", humanize.Comma(v.Identical), humanize.Comma(v.Source))
	}
	if v.Refused > 0 {
		text += ", " + humanize.Comma(v.Refused) + " refused"
	}
	return text
}

func (s *story) differences(e engine.VerifyDone) {
	where := s.clusters[e.Addr]
	if where == "" {
		where = "the destination"
	}
	v := e.Verification
	for _, k := range []struct {
		what, label string
		n           int64
	}{{"missing", "missing on " + where, v.Missing}, {"different", "different", v.Different}, {"extra", "only on " + where, v.Extra}, {"", "not looked at", v.Unopened}} {
		if k.n == 0 {
			continue
		}
		label, shown := cleanf("%s %s:", humanize.Comma(k.n), k.label), false
		for _, x := range v.Examples {
			if x.What != k.what {
				continue
			}
			text := pad(clean(x.ID), 10)
			if x.Path != "" {
				text += cleanf("%s  %s → %s", x.Path, x.From, x.To)
			}
			s.line("   ", pad(label, 24), text)
			label, shown = "", true
		}
		if !shown {
			s.line("   ", label[:len(label)-1])
		}
	}
	if v.Missing+v.Different > 0 || v.Extra+v.Unopened == 0 {
		s.line("   ", cleanf(`"esmig repair %s" copies just these again.`, quoted(e.Addr)))
	}
	if v.Extra > 0 {
		s.line("   ", cleanf(`"esmig repair -delete-extra %s" deletes what only %s has.`, quoted(e.Addr), where))
	}
}

// quoted is an address as a shell needs it.
func quoted(a providers.Addr) string {
	if a.Keyed {
		return "'" + a.String() + "'"
	}
	return a.String()
}

func (s *story) left(e engine.LeftToDo) {
	s.gap()
	s.line("left to do")
	for i, text := range e.Texts {
		if i > 0 {
			s.gap()
		}
		s.wrapped(2, text)
	}
}

func (s *story) summary(e engine.Summary) {
	s.gap()
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, humanize.Comma(int64(n))+" "+text)
		}
	}
	add(e.Created, "created")
	add(e.Updated, "updated")
	add(e.Replaced, "replaced")
	add(e.Deleted, "deleted")
	add(e.Adopted, "adopted")
	add(e.Forgotten, "forgotten")
	if e.Migrated == e.Verified {
		add(e.Migrated, "migrated and verified")
	} else {
		add(e.Migrated, "migrated")
		add(e.Verified, "verified")
	}
	add(e.Repaired, "repaired")
	add(e.Retried, "sent again")
	add(e.Restored, "restored")
	add(e.Unverified, "not the same on both sides")
	add(e.HalfRepaired, "repaired in part")
	add(e.Failed, "failed")
	word := "Applied"
	switch {
	case e.Failed == 0 && e.Unverified == 0 && len(parts) == 1 && e.Verified > 0 && e.Migrated == 0:
		word = "Compared"
	case e.Failed == 0 && e.Unverified > 0 && e.Skipped == 0:
		word = "Verification failed"
	case e.Failed > 0 || e.Unverified > 0:
		word = "Failed"
		them := "it"
		if e.Failed+e.Unverified > 1 {
			them = "them"
		}
		add(e.Skipped, "not started because they wait for "+them)
	case s.stopped || e.Skipped > 0:
		word = "Stopped"
		add(s.waiting, "not started")
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
		if word == "Stopped" {
			parts = []string{"nothing was finished"}
		}
	}
	if e.Refused > 0 {
		parts = append(parts, count(e.Refused, "document")+" refused")
	}
	s.wrapped(0, fmt.Sprintf("%s: %s. %s", word, strings.Join(parts, ", "), took(e.Seconds)))
	switch word {
	case "Failed":
		s.wrapped(0, fmt.Sprintf(`Run "%s" again when this is mended; what is done is not done again.`, s.command))
	case "Stopped":
		s.wrapped(0, fmt.Sprintf(`Run "%s" to go on; what is done is not done again.`, s.command))
	}
	if len(e.Outputs) > 0 {
		s.gap()
	}
	for _, k := range slices.Sorted(maps.Keys(e.Outputs)) {
		v, err := providers.Decode(e.Outputs[k])
		if err == nil {
			s.line(inline(k, v))
		}
	}
}
