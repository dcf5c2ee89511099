package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
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

// FromHCL turns the language's diagnostics into the engine's.
func FromHCL(ds hcl.Diagnostics, sources map[string]*hcl.File) []Diagnostic {
	var out []Diagnostic
	for _, h := range ds {
		d := Diagnostic{Severity: providers.SeverityError, Code: "config", Summary: h.Summary, Detail: h.Detail}
		if h.Severity == hcl.DiagWarning {
			d.Severity = providers.SeverityWarning
		}
		if h.Subject != nil {
			d.locate(*h.Subject, sources)
		}
		out = append(out, d)
	}
	return out
}

// Diagnose turns any error into a diagnostic without a place. Summaries are
// constant; what the server said is the detail.
func Diagnose(err error) Diagnostic {
	var d Diagnostic
	if errors.As(err, &d) {
		return d
	}
	var f *providers.Finding
	if errors.As(err, &f) {
		return Diagnostic{Severity: f.Severity, Code: f.Code, Summary: f.Summary, Detail: f.Detail}
	}
	d = Diagnostic{Severity: providers.SeverityError, Detail: err.Error()}
	var read *state.ReadError
	var write *state.WriteError
	var access *state.AccessError
	if errors.Is(err, state.ErrLocked) || errors.As(err, &read) || errors.As(err, &write) || errors.As(err, &access) { // they are sentences
		d.Detail = strings.TrimRight(d.Detail, ".") + "."
	}
	switch {
	case errors.Is(err, state.ErrLocked):
		d.Code, d.Summary = "locked", "State is locked"
	case errors.Is(err, state.ErrChanged):
		d.Code, d.Summary = "state_changed", "State was changed by somebody else"
	case errors.As(err, &read):
		d.Code, d.Summary = "bad_state", "State cannot be used"
	case errors.As(err, &write):
		d.Code, d.Summary = "state_not_written", "State cannot be written"
	case errors.As(err, &access):
		d.Code, d.Summary = "state_not_opened", "State cannot be opened"
	case errors.Is(err, providers.ErrDenied):
		d.Code, d.Summary = "denied", "Cluster refused the credentials"
	case errors.Is(err, providers.ErrUnavailable):
		d.Code, d.Summary = "unavailable", "Cluster could not be reached"
	case errors.Is(err, providers.ErrConflict):
		d.Code, d.Summary = "conflict", "Object was changed meanwhile"
	case errors.Is(err, providers.ErrNotFound):
		d.Code, d.Summary = "not_found", "Object is not there"
	default:
		d.Code, d.Summary = "failed", "Request failed"
	}
	return d
}

// locate fills in file, line, source line and the block around.
func (d *Diagnostic) locate(r hcl.Range, sources map[string]*hcl.File) {
	d.File, d.Line, d.Column, d.EndLine, d.EndCol = r.Filename, r.Start.Line, r.Start.Column, r.End.Line, r.End.Column
	f := sources[r.Filename]
	if f == nil {
		return
	}
	lines := strings.Split(string(f.Bytes), "\n")
	if r.Start.Line < 1 || r.Start.Line > len(lines) {
		return
	}
	d.Source = strings.TrimRight(lines[r.Start.Line-1], "\r")
	if f.Body != nil && d.In == "" {
		if b := f.OutermostBlockAtPos(r.Start); b != nil {
			d.In = b.Type
			for _, l := range b.Labels {
				d.In += fmt.Sprintf(" %q", l)
			}
		}
	}
}

// flatten unfolds errors.Join.
func flatten(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

// blockDiagnostics places a kind's errors at the arguments they are about.
func (e *Engine) blockDiagnostics(b *config.Block, err error) []Diagnostic {
	var out []Diagnostic
	for _, one := range flatten(err) {
		d := Diagnose(one)
		d.Summary, d.Detail = e.secrets.text(d.Summary), e.secrets.text(d.Detail)
		if b != nil {
			d.Addr = b.Addr.String()
			var f *providers.Finding
			where, arg := b.DeclRange, ""
			if errors.As(one, &f) {
				arg = f.Arg
			}
			for arg != "" { // the nearest argument that the user wrote
				if r, ok := b.AttrRanges[arg]; ok {
					where = r
					break
				}
				arg = arg[:max(strings.LastIndex(arg, "."), 0)]
			}
			d.In = fmt.Sprintf("%s %q", b.Addr.Kind, b.Addr.Name)
			d.locate(where, e.Config.Sources)
			d.Source = e.secrets.text(d.Source)
		}
		out = append(out, d)
	}
	return out
}

func (e *Engine) nodeDiagnostics(n *node, err error) []Diagnostic {
	ds := e.blockDiagnostics(n.block, err)
	for i := range ds {
		ds[i].Addr = n.addr.String()
	}
	return ds
}

// clusterDiagnostics places an error at a cluster block.
func (e *Engine) clusterDiagnostics(c *config.Cluster, err error) []Diagnostic {
	var out []Diagnostic
	for _, one := range flatten(err) {
		d := Diagnose(one)
		d.Detail = e.secrets.text(d.Detail)
		d.Addr = "cluster." + c.Name
		r := c.DeclRange
		var f *providers.Finding
		if errors.As(one, &f) {
			if at, ok := c.AttrRanges[f.Arg]; ok {
				r = at
			}
		} else if at, ok := c.AttrRanges["endpoint"]; ok {
			r = at
		}
		d.locate(r, e.Config.Sources)
		d.Source = e.secrets.text(d.Source)
		out = append(out, d)
	}
	return out
}

// count writes "1 document", "336,776 documents".
func count(n int64, noun string) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if n != 1 {
		noun += "s"
	}
	return s + " " + noun
}

// join writes a list as a sentence does: "a", "a and b", "a, b and c".
func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
