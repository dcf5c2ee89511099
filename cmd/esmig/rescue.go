package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/esmig/esmig/state"
)

// rescue keeps what was done when the state could not be written: in another
// place, in the form that state push takes.
func (k *command) rescue(s *state.Store) {
	meant := s.Emergency()
	written, err := state.Encode(s.Get())
	if meant == nil || err == nil && bytes.Equal(meant, written) {
		return
	}
	// Named after the state, so that two configurations never meet.
	path := filepath.Join(k.TempDir, "esmig-rescued-"+s.Get().Lineage[:8]+".state.json")
	if err := state.WriteFile(k.FS, path, meant); err != nil {
		fmt.Fprintf(k.Stdout, "%s\n", meant)
		path = "FILE, with the JSON above in it"
	}
	k.diagnostics(diagnose(problem("state_rescued", "State could not be written", "What was done since is not recorded there, but it is not lost. When this is mended, record it with\n\n    esmig state push %s", path)), false)
}
