package view

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/esmig/esmig/engine"
)

// What is wrong with the files is told in the order of their lines, and what has
// no place stays where it was.
func TestDiagnosticsByPlace(t *testing.T) {
	ds := []engine.Diagnostic{
		{Summary: "first"},
		{Summary: "b5", File: "b.hcl", Line: 5},
		{Summary: "b2 right", File: "b.hcl", Line: 2, Column: 9},
		{Summary: "between"},
		{Summary: "b2 left", File: "b.hcl", Line: 2, Column: 3},
		{Summary: "b2 left again", File: "b.hcl", Line: 2, Column: 3},
		{Summary: "a10", File: "a.hcl", Line: 10},
		{Summary: "last"},
	}
	want := "first, a10, b2 left, between, b2 left again, b2 right, b5, last"
	before := ds[1].Summary
	for name, draw := range map[string]func(b *bytes.Buffer){
		"diagnostics": func(b *bytes.Buffer) { Diagnostics(b, ds, Options{}) },
		"refused":     func(b *bytes.Buffer) { Refused(b, ds, Options{}) },
		"plan":        func(b *bytes.Buffer) { Plan(b, &engine.Plan{Diagnostics: ds}, Options{}) },
	} {
		var b bytes.Buffer
		draw(&b)
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^Error: (.*)$`).FindAllStringSubmatch(b.String(), -1) {
			got = append(got, m[1])
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", name, s, want)
		}
	}
	if ds[1].Summary != before {
		t.Error("the caller's own were sorted")
	}
}
