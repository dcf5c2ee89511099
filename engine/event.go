package engine

import (
	"time"

	"github.com/esmig/esmig/providers"
)

// Event is one thing that happened. The engine prints nothing: everything that
// a user sees is drawn from these, and a recorded stream can be shown again.
// The type is sealed: these are all there are.
type Event interface{ event() string }

// Sink receives events. It must not block for long; it is called from many
// goroutines, one at a time.
type Sink func(Event)

// RefreshDone: the clusters were asked.
type RefreshDone struct {
	Objects int `json:"objects"`
}

// PlanReady carries the whole plan.
type PlanReady struct {
	Plan *Plan `json:"plan"`
}

// DriftFound is one object that was changed behind esmig's back.
type DriftFound struct {
	Step *Step `json:"step"`
}

// DiagnosticFound is an error, a warning or a note.
type DiagnosticFound struct {
	Diagnostic Diagnostic `json:"diagnostic"`
}

// ApplyStarted: the steps begin. Continued is set when a former apply was
// interrupted.
type ApplyStarted struct {
	Steps     int    `json:"steps"`
	Continued string `json:"continued,omitempty"` // when the former apply began, RFC 3339
	// Again is Verify or Repair if that is all that is done, to finished migrations.
	Again Action `json:"again,omitempty"`
	// Destroy: what esmig made is deleted.
	Destroy bool `json:"destroy,omitempty"`
}

// StepStarted: a step's first request is about to be sent.
type StepStarted struct {
	Addr     providers.Addr      `json:"address"`
	Stage    providers.Stage     `json:"stage"`
	Action   Action              `json:"action"`
	Restores []string            `json:"restores,omitempty"`
	Estimate *providers.Estimate `json:"estimate,omitempty"`
}

// StepProgress is ephemeral: it need not be kept.
type StepProgress struct {
	Addr     providers.Addr     `json:"address"`
	Progress providers.Progress `json:"progress"`
}

// StepNote is a line that a running step has to say.
type StepNote struct {
	Addr providers.Addr `json:"address"`
	Text string         `json:"text"`
}

// StepDone: the step is done and recorded.
type StepDone struct {
	Addr     providers.Addr      `json:"address"`
	Action   Action              `json:"action"`
	Restores []string            `json:"restores,omitempty"`
	Seconds  float64             `json:"seconds"`
	Result   *providers.Result   `json:"result,omitempty"` // migrations
	Repaired *providers.Repaired `json:"repaired,omitempty"`
}

// StepFailed: the step failed, or did not start because one that it needs did
// not succeed (Skipped).
type StepFailed struct {
	Addr       providers.Addr   `json:"address"`
	Action     Action           `json:"action"`
	Skipped    bool             `json:"skipped,omitempty"`
	WaitsFor   []providers.Addr `json:"waits_for,omitempty"`
	Diagnostic *Diagnostic      `json:"diagnostic,omitempty"`
}

// VerifyDone: a migration was compared, with or without differences.
type VerifyDone struct {
	Addr         providers.Addr         `json:"address"`
	Verification providers.Verification `json:"verification"`
	Same         bool                   `json:"same"`
	Seconds      float64                `json:"seconds"`
}

// LeftToDo: all that was planned is done, and this is left for a person.
type LeftToDo struct {
	Texts []string `json:"texts"`
}

// Interrupted: the user asked to stop; running steps end first.
type Interrupted struct{}

// Summary is the last event of every command that applies.
type Summary struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Replaced  int `json:"replaced"`
	Deleted   int `json:"deleted"`
	Adopted   int `json:"adopted"`
	Forgotten int `json:"forgotten"`
	Migrated  int `json:"migrated"`
	Verified  int `json:"verified"`
	Repaired  int `json:"repaired,omitempty"`
	// HalfRepaired: the repair wrote documents and was stopped, or failed.
	HalfRepaired int     `json:"half_repaired,omitempty"`
	Retried      int     `json:"retried,omitempty"`
	Restored     int     `json:"restored"`
	Failed       int     `json:"failed"`
	Unverified   int     `json:"unverified"` // verification found a difference
	Skipped      int     `json:"skipped"`
	Refused      int64   `json:"refused,omitempty"` // documents that migrations which ended well leave behind
	Seconds      float64 `json:"seconds"`
	// Outputs are shown at the end; sensitive ones read "(sensitive)".
	Outputs map[string]providers.JSON `json:"outputs,omitempty"`
}

func (RefreshDone) event() string     { return "refresh_done" }
func (PlanReady) event() string       { return "plan_ready" }
func (DriftFound) event() string      { return "drift" }
func (DiagnosticFound) event() string { return "finding" }
func (ApplyStarted) event() string    { return "apply_started" }
func (StepStarted) event() string     { return "step_started" }
func (StepProgress) event() string    { return "progress" }
func (StepNote) event() string        { return "note" }
func (StepDone) event() string        { return "step_done" }
func (StepFailed) event() string      { return "step_failed" }
func (VerifyDone) event() string      { return "verify_done" }
func (LeftToDo) event() string        { return "left_to_do" }
func (Interrupted) event() string     { return "interrupted" }
func (Summary) event() string         { return "summary" }

// Record is an event as it is written to a log: one JSON object a line.
type Record struct {
	Type      string    `json:"type"`
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Ephemeral bool      `json:"ephemeral,omitempty"`
	Event     Event     `json:"event"`
}

// NewRecord stamps an event.
func NewRecord(e Event, seq uint64, t time.Time) Record {
	_, ephemeral := e.(StepProgress)
	return Record{Type: e.event(), Seq: seq, Time: t.UTC(), Ephemeral: ephemeral, Event: e}
}
