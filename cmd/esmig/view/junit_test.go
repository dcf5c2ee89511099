package view

import (
	"strings"
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

// What was not looked at is a failure, and said.
func TestJUnitUnopened(t *testing.T) {
	var b strings.Builder
	j := NewJUnit(&b)
	v := providers.Verification{Method: "full", Source: 9, Compared: 5, Identical: 5, Unopened: 4, Notes: []string{"more differs than was looked into"}}
	j.Show(engine.Record{Event: engine.VerifyDone{Addr: providers.Addr{Kind: "migration", Name: "a"}, Verification: v, Same: v.Same()}})
	j.Close()
	for _, s := range []string{`failures="1"`, `0 missing, 0 different, 0 extra, 4 not looked at`, "more differs than was looked into"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("%q is missing in %s", s, b.String())
		}
	}
}
