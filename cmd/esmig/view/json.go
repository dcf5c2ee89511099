package view

import (
	"encoding/json"
	"io"

	"github.com/esmig/esmig/engine"
)

// JSON writes one object a line: the program's version first, then each record.
type JSON struct{ encoder *json.Encoder }

// NewJSON writes the first line.
func NewJSON(w io.Writer, version string) *JSON {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]any{"type": versionLine, "esmig": version, "format": 1})
	return &JSON{e}
}

const versionLine = "version"

// Show writes a line.
func (j *JSON) Show(r engine.Record) { _ = j.encoder.Encode(r) }

// Close does nothing: every line is out.
func (j *JSON) Close() {}
