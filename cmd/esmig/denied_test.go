package main

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/esmig/esmig/state"
)

// deniedFS is a folder in which nothing may be written, or read.
type deniedFS struct {
	*state.MemFS
	unreadable string // the file that may not be read
}

func denied(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission} }

func (f deniedFS) ReadFile(name string) ([]byte, error) {
	if name == f.unreadable {
		return nil, denied("open", name)
	}
	return f.MemFS.ReadFile(name)
}
func (f deniedFS) Create(name string) (state.File, error) { return nil, denied("open", name) }
func (f deniedFS) Append(name string) (state.File, error) { return nil, denied("open", name) }
func (f deniedFS) Rename(from, _ string) error            { return denied("rename", from) }
func (f deniedFS) Remove(name string) error               { return denied("remove", name) }
func (f deniedFS) Lock(name string) (io.Closer, error)    { return nil, denied("open", name) }

// A folder that esmig may not use is said to be that, before anything is asked of
// a cluster.
func TestDeniedFolder(t *testing.T) {
	for _, c := range []struct {
		args       string
		unreadable string
		words      []string
	}{
		{"apply -auto-approve", "", []string{"Error: State cannot be opened", "cannot lock the state", "esmig.state.json.lock", "permission denied", "state { path"}},
		{"destroy -auto-approve", "", []string{"Error: State cannot be opened"}},
		{"unlock", "", []string{"Error: State cannot be opened"}},
		{"state rm index.a", "", []string{"Error: State cannot be opened"}},
		{"plan", "esmig.state.json", []string{"Error: State cannot be opened", "cannot read the state", "permission denied"}},
		{"show", "esmig.state.json.journal", []string{"Error: State cannot be opened", "cannot read the journal"}},
		{"pause migration.a", "", []string{"Error: State cannot be opened", "esmig.state.json.control"}},
	} {
		t.Run(c.args+c.unreadable, func(t *testing.T) {
			disk := deniedFS{state.NewMemFS(), c.unreadable}
			if err := state.WriteFile(disk.MemFS, "main.hcl", []byte(deniedConfig)); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			w := World{Args: strings.Fields(c.args), Dir: ".", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, FS: disk, Version: "0.1.0"}
			if code := run(t.Context(), w); code != exitError {
				t.Errorf("exit code %d", code)
			}
			for _, s := range c.words {
				if !strings.Contains(strings.ReplaceAll(out.String(), "\n", " "), s) {
					t.Errorf("%q is missing in:\n%s", s, &out)
				}
			}
		})
	}
}

const deniedConfig = `
esmig {
  source = cluster.a
  target = cluster.b
}

cluster "a" { endpoint = "http://127.0.0.1:1" }
cluster "b" { endpoint = "http://127.0.0.1:2" }

migration "a" {
  source { index = "a" }
  dest   { index = "a" }
}
`
