package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// JUnit collects what verifications found, and writes it as the XML that build
// servers read: one test for each migration.
type JUnit struct {
	w     io.Writer
	cases []junitCase
	steps map[providers.Addr]bool
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitFault `xml:"failure,omitempty"` // the sides differ
	Error   *junitFault `xml:"error,omitempty"`   // could not be compared
	Out     string      `xml:"system-out,omitempty"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// NewJUnit writes when it is closed.
func NewJUnit(w io.Writer) *JUnit { return &JUnit{w: w, steps: map[providers.Addr]bool{}} }

const junitName = "esmig verify"

// Show takes a record.
func (j *JUnit) Show(r engine.Record) {
	switch e := r.Event.(type) {
	case engine.StepStarted:
		j.steps[e.Addr] = true
	case engine.VerifyDone:
		delete(j.steps, e.Addr)
		c := junitCase{Name: e.Addr.String(), Class: junitName, Time: seconds(e.Seconds), Out: outcome(e)}
		if !e.Same {
			v := e.Verification
			text := fmt.Sprintf("%d missing, %d different, %d extra", v.Missing, v.Different, v.Extra)
			if v.Unopened > 0 {
				text += fmt.Sprintf(", %d not looked at", v.Unopened)
			}
			c.Failure = &junitFault{Message: text, Text: examples(v)}
		}
		j.cases = append(j.cases, c)
	case engine.StepFailed:
		delete(j.steps, e.Addr)
		d := engine.Diagnostic{Summary: "not compared"}
		if e.Diagnostic != nil {
			d = *e.Diagnostic
		}
		j.fault(e.Addr.String(), d)
	}
}

// Fail adds what kept the whole command from comparing anything.
func (j *JUnit) Fail(d engine.Diagnostic) { j.fault(junitName, d) }

func (j *JUnit) fault(name string, d engine.Diagnostic) {
	j.cases = append(j.cases, junitCase{Name: name, Class: junitName, Time: seconds(0), Error: &junitFault{Message: d.Summary, Text: d.Detail}})
}

// Close writes the document. What was begun and has no end was interrupted.
func (j *JUnit) Close() {
	for a := range j.steps {
		j.fault(a.String(), engine.Diagnostic{Summary: "interrupted"})
	}
	type suite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	s := suite{Name: junitName, Tests: len(j.cases), Cases: j.cases}
	for _, c := range j.cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	_, _ = io.WriteString(j.w, xml.Header)
	e := xml.NewEncoder(j.w)
	e.Indent("", "  ")
	_ = e.Encode(struct {
		XMLName xml.Name `xml:"testsuites"`
		Suite   suite
	}{Suite: s})
	_, _ = io.WriteString(j.w, "\n")
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

func outcome(e engine.VerifyDone) string {
	v := e.Verification
	text := fmt.Sprintf("%s: %d documents on the source, %d on the destination, %d compared, %d identical",
		v.Method, v.Source, v.Destination, v.Compared, v.Identical)
	if v.Refused > 0 {
		text += fmt.Sprintf(", %d refused", v.Refused)
	}
	return strings.Join(append([]string{text}, v.Notes...), "\n")
}

func examples(v providers.Verification) string {
	var b strings.Builder
	for _, x := range v.Examples {
		fmt.Fprintf(&b, "%s %s", x.What, x.ID)
		if x.Path != "" {
			fmt.Fprintf(&b, "  %s  %s → %s", x.Path, x.From, x.To)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
