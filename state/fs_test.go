package state

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Both file systems do the same.
func TestFS(t *testing.T) {
	disks(t, func(t *testing.T, fsys FS, path string) {
		dir := filepath.Dir(path)
		at := func(name string) string { return filepath.Join(dir, name) }
		for name, err := range map[string]error{
			"read":    func() error { _, err := fsys.ReadFile(at("no")); return err }(),
			"readdir": func() error { _, err := fsys.ReadDir(at("no")); return err }(),
			"rename":  fsys.Rename(at("no"), at("b")),
			"remove":  fsys.Remove(at("no")),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
		write := func(open func(string) (File, error), name, text string) {
			t.Helper()
			f, err := open(at(name))
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Write([]byte(text))
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		write(fsys.Append, "a", "one")
		write(fsys.Append, "a", "two")
		write(fsys.Create, "b", "longer than that")
		write(fsys.Create, "b", "b")
		if got := mustRead(t, fsys, at("a")) + mustRead(t, fsys, at("b")); got != "onetwob" {
			t.Errorf("got %q", got)
		}
		if err := errors.Join(fsys.Rename(at("b"), at("a")), fsys.SyncDir(dir)); err != nil {
			t.Error(err)
		}
		l, err := fsys.Lock(at("l"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fsys.Lock(at("l")); !errors.Is(err, ErrLocked) {
			t.Errorf("locked twice: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		names, err := fsys.ReadDir(dir)
		if diff := cmp.Diff([]string{"a", "l"}, names); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if got := mustRead(t, fsys, at("a")); got != "b" {
			t.Errorf("after the rename: %q", got)
		}
		if err := fsys.Remove(at("a")); err != nil {
			t.Error(err)
		}
	})
}

func TestMemFSFolders(t *testing.T) {
	m := NewMemFS()
	for _, name := range []string{"x", "d/b", "d/a", "d/e/f", "/abs/y"} {
		writeFile(t, m, name, "")
	}
	for dir, want := range map[string][]string{".": {"d", "x"}, "d": {"a", "b", "e"}, "./d/": {"a", "b", "e"}, "/": {"abs"}, "/abs": {"y"}} {
		got, err := m.ReadDir(dir)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", dir, err, diff)
		}
	}
	c := m.Clone()
	writeFile(t, m, "x", "later")
	if got := mustRead(t, c, "x"); got != "" {
		t.Errorf("the clone changed: %q", got)
	}
}
