package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// attempts is what the journal of one migration says of its ranges: how many
// were begun, how many of these have no end, which is what a kill makes an apply
// copy again at the most, and how often one was begun, or is to be begun, that
// had ended.
type attempts struct{ begun, open, again int }

// attemptsOf counts them. A last line that a kill has torn is none.
func attemptsOf(journal []byte) (a attempts) {
	ended := map[string]bool{} // of the ranges that were begun
	for line := range bytes.Lines(journal) {
		var commit struct {
			Records []struct {
				Record struct{ What, Unit string }
			}
		}
		if json.Unmarshal(line, &commit) != nil {
			continue
		}
		for _, r := range commit.Records {
			switch unit := r.Record.Unit; r.Record.What {
			case "begin":
				if ended[unit] {
					a.again++
				}
				ended[unit] = false
			case "end":
				ended[unit] = true
			case "reset":
				for unit, had := range ended {
					if had {
						a.again++
					}
					delete(ended, unit)
				}
			}
		}
	}
	for _, had := range ended {
		if a.begun++; !had {
			a.open++
		}
	}
	return a
}

// attempts counts those in the folder's journal; none: it is in the state.
func (f *folder) attempts() attempts {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, "esmig.state.json.journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	return attemptsOf(b)
}

func TestAttempts(t *testing.T) {
	const (
		header = `{"journal":1,"lineage":"l"}` + "\n"
		begun  = `{"serial":3,"records":[{"address":"migration.m","record":{"what":"cut","run":"r"}}],"sum":"00000000"}
{"serial":3,"records":[{"address":"migration.m","record":{"what":"begin","unit":"0.0","opaque":"esmig-r-0.0","size":10}},{"address":"migration.m","record":{"what":"begin","unit":"0.1"}}],"sum":"00000000"}
{"serial":3,"records":[{"address":"migration.m","record":{"what":"task","unit":"0.0","task":"n:1"}}],"sum":"00000000"}
`
		ended = `{"serial":3,"records":[{"address":"migration.m","record":{"what":"end","unit":"0.0","counts":{}}},{"address":"migration.m","record":{"what":"begin","unit":"0.2"}}],"sum":"00000000"}
`
		first  = `{"serial":3,"records":[{"address":"migration.m","record":{"what":"begin","unit":"0.0"}}],"sum":"00000000"}` + "\n"
		second = `{"serial":3,"records":[{"address":"migration.m","record":{"what":"begin","unit":"0.1"}}],"sum":"00000000"}` + "\n"
		reset  = `{"serial":3,"records":[{"address":"migration.m","record":{"what":"reset"}}],"sum":"00000000"}` + "\n"
	)
	for _, c := range []struct {
		name, journal string
		want          attempts
	}{
		{"none", "", attempts{}},
		{"only cut", header, attempts{}},
		{"begun", header + begun, attempts{begun: 2, open: 2}},
		{"one has ended", header + begun + ended, attempts{begun: 3, open: 2}},
		{"a torn line", header + begun + ended[:len(ended)/2], attempts{begun: 2, open: 2}},
		{"what was open, again", header + begun + ended + second + second, attempts{begun: 3, open: 2}},
		{"what had ended, again", header + begun + ended + first, attempts{begun: 3, open: 3, again: 1}},
		{"everything again", header + begun + ended + reset + first, attempts{begun: 1, open: 1, again: 1}},
	} {
		if got := attemptsOf([]byte(c.journal)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
