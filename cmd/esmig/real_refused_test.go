package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const realRefused = `
index "i" {
  name                = "refused-to"
  deletion_protection = false
  settings            = { number_of_replicas = 0 }
  mappings            = { properties = { n = { type = "short"%s }, when = { type = "date"%s } } }
}

migration "m" {
  source {
    index = "refused-from"
    size  = 100
  }
  dest { index = index.i.name }
  method      = %q
  max_refused = %d
}
`

// TestRealRefused: of 1,000 documents three do not fit the mapping. By either
// method all three are known, nothing else is missing, and once the mapping
// takes them just they are sent again.
func TestRealRefused(t *testing.T) {
	for _, method := range []string{"reindex", "stream"} {
		t.Run(method, func(t *testing.T) {
			source, target := lab(t, "source"), lab(t, "target")
			source.wipe("/refused-from")
			target.wipe("/refused-to")
			var b strings.Builder
			for i := range 1000 {
				doc := fmt.Sprintf(`{"n":%d}`, i)
				switch i {
				case 77, 501:
					doc = `{"n":40112}`
				case 940:
					doc = `{"n":1,"when":"never"}`
				}
				fmt.Fprintf(&b, "{\"index\":{\"_id\":\"%d\"}}\n%s\n", i, doc)
			}
			source.do("PUT", "/refused-from", `{"settings":{"number_of_replicas":0},"mappings":{"properties":{"when":{"type":"keyword"}}}}`)
			source.do("POST", "/refused-from/_bulk?refresh=true", b.String())

			f := newFolder(t, fmt.Sprintf(realRefused, "", "", method, 2), source, target)
			out := f.esmig(1, "apply", "-auto-approve")
			for _, words := range []string{"The destination refused documents", "failed to parse field [n] of type [short]", "max_refused allows 2", "3 documents were refused"} {
				if !strings.Contains(out, words) {
					t.Errorf("%q is missing:\n%s", words, out)
				}
			}
			letters := filepath.Join(f.dir, "esmig.dead.migration.m.ndjson")
			known := func(want int) {
				t.Helper()
				raw, err := os.ReadFile(letters)
				if n := strings.Count(string(raw), "\n"); n != want || want > 0 && err != nil {
					t.Errorf("%d dead letters, want %d: %v\n%s", n, want, err, raw)
				}
			}
			known(3)

			f.write("main.hcl", fmt.Sprintf(realRefused, "", "", method, 3))
			out = f.esmig(0, "apply", "-auto-approve")
			for _, words := range []string{"997 of 1,000 identical, 3 refused", "3 documents refused."} {
				if !strings.Contains(out, words) {
					t.Errorf("%q is missing:\n%s", words, out)
				}
			}
			known(3)
			f.settled()
			if n := len(target.all("refused-to")); n != 997 {
				t.Errorf("%d documents", n)
			}

			f.write("main.hcl", fmt.Sprintf(realRefused, ", ignore_malformed = true", ", ignore_malformed = true", method, 3))
			out = f.esmig(0, "retry", "-auto-approve", "migration.m")
			for _, words := range []string{"sent again: 3 documents", "1,000 of 1,000 identical"} {
				if !strings.Contains(out, words) {
					t.Errorf("%q is missing:\n%s", words, out)
				}
			}
			known(0)
			sameDocuments(t, source.all("refused-from"), target.all("refused-to"))
			f.settled()
		})
	}
}
