package engine

import (
	"github.com/esmig/esmig/providers"
)

// Diagnostic is an error, warning or note as a user reads it: what is wrong,
// why, what to do, and where. It survives JSON, so a log can be shown again.
type Diagnostic struct {
	Severity providers.Severity `json:"severity"`
	Code     string             `json:"code,omitempty"`
	Summary  string             `json:"summary"`
	Detail   string             `json:"detail,omitempty"`
	Addr     string             `json:"address,omitempty"`
	// Where: the file, line and column, and the source line itself. In is the
	// block that it stands in, in the user's words: `migration "flights"`.
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	EndLine int    `json:"end_line,omitempty"`
	EndCol  int    `json:"end_column,omitempty"`
	Source  string `json:"source,omitempty"`
	In      string `json:"in,omitempty"`
}

func (d Diagnostic) Error() string { return d.Summary + ": " + d.Detail }
