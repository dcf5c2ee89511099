package providers

import "errors"

// What every kind's errors wrap, so that the engine can tell them apart
// without knowing a server.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrUnavailable = errors.New("unavailable") // no answer, or one that says to come back later
	ErrDenied      = errors.New("denied")      // wrong credentials or too few privileges
	ErrTooLarge    = errors.New("too large")   // the answer has more bytes than Request.Limit

	// ErrVerify is wrapped by the error of a verification that found a
	// difference, or that has not looked at all that may differ: exit code 3.
	ErrVerify = errors.New("verification found a difference")
)

// Severity of a finding.
type Severity string

// An error stops an apply before it begins; a warning does not; a note is one
// quiet line.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Finding is something that a kind has to say about a block: found while
// planning, or as the error of a step. The engine adds file and line.
type Finding struct {
	Severity Severity
	Code     string // constant, for programs: "not_whitelisted"
	Summary  string // constant words, no trailing full stop
	Detail   string // what is wrong, why, and what to do; may hold indented lines
	// Arg is the argument it is about, with dots: "source.query". Empty: the
	// whole block.
	Arg string
	Err error // what it wraps, if anything
}

func (f *Finding) Error() string { return f.Summary + ": " + f.Detail }

// Unwrap gives errors.Is the sentinel.
func (f *Finding) Unwrap() error { return f.Err }

// NewError is a finding of severity error.
func NewError(code, arg, summary, detail string) *Finding {
	return &Finding{Severity: SeverityError, Code: code, Arg: arg, Summary: summary, Detail: detail}
}
