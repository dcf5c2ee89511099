package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/state"
)

// failingFS is a disk on which only so many files can be written.
type failingFS struct {
	*state.MemFS
	left int
}

func (f *failingFS) Create(name string) (state.File, error) {
	if f.left == 0 {
		return nil, syscall.ENOSPC
	}
	f.left--
	return f.MemFS.Create(name)
}

// TestFixInterrupted: wherever the rewriting stops, running it again gives what
// it would have given at once. Above all no retention is lost on the way from a
// policy to a template.
func TestFixInterrupted(t *testing.T) {
	for _, parts := range []string{"apart", "in one file"} {
		t.Run(parts, func(t *testing.T) {
			start := state.NewMemFS()
			names := unready(t, start, parts == "in one file")
			check := func(disk *failingFS, args ...string) (string, int) {
				var out bytes.Buffer
				w := World{Args: append([]string{"check"}, args...), Dir: ".", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, FS: disk, Version: "0.1.0"}
				code := run(t.Context(), w)
				return out.String(), code
			}
			contents := func(disk *failingFS) map[string]string {
				out := map[string]string{}
				for _, n := range names {
					b, err := disk.ReadFile(n)
					if errors.Is(err, fs.ErrNotExist) {
						continue // nothing was left of it
					}
					if err != nil {
						t.Fatal(err)
					}
					out[n] = string(b)
				}
				return out
			}
			whole := &failingFS{MemFS: start.Clone(), left: -1}
			if out, code := check(whole, "-fix", "-auto-approve"); code != 0 {
				t.Fatalf("%d %s", code, out)
			}
			want := contents(whole)
			if maps.Equal(want, contents(&failingFS{MemFS: start})) {
				t.Fatal("nothing was rewritten")
			}
			for n := 0; ; n++ {
				disk := &failingFS{MemFS: start.Clone(), left: n}
				out, code := check(disk, "-fix", "-auto-approve")
				if code == 0 {
					if n < 2 {
						t.Fatalf("only %d files were written", n)
					}
					break
				}
				if !strings.Contains(out, "File cannot be written") || n == 0 && !strings.Contains(out, "Nothing was written") {
					t.Fatalf("%d files: %s", n, out)
				}
				disk.left = -1
				if out, code := check(disk, "-fix", "-auto-approve"); code != 0 {
					t.Fatalf("after %d files: %d %s", n, code, out)
				}
				if diff := cmp.Diff(want, contents(disk)); diff != "" {
					t.Errorf("after %d files: %s", n, diff)
				}
				if out, code := check(disk); code != 0 {
					t.Errorf("after %d files: %d %s", n, code, out)
				}
			}
		})
	}
}

// unready puts the folder of that name on a disk.
func unready(t *testing.T, disk state.FS, oneFile bool) (names []string) {
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS("testdata/serverless-unready"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile("testdata/serverless-unready/" + path)
		if oneFile && strings.HasSuffix(path, ".hcl") {
			files["main.hcl"] += fmt.Sprintf("%s\n", b)
			return err
		}
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := state.WriteFile(disk, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}
