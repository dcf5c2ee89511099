package state

import (
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"

	"github.com/esmig/esmig/providers"
)

const testPath = "esmig.state.json"

func addr(t testing.TB, s string) providers.Addr {
	t.Helper()
	a, err := providers.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustOpen(t testing.TB, fsys FS, path string) *Store {
	t.Helper()
	s, err := Open(fsys, path, "0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(a providers.Addr, declared string) func(*State) error {
	return func(s *State) error {
		s.Put(Object{Addr: a, Cluster: "target", ID: a.Name, Owned: true, Declared: providers.JSON(declared)})
		return nil
	}
}

func mustUpdate(t testing.TB, s *Store, f func(*State) error, finished ...providers.Addr) {
	t.Helper()
	if err := s.Update(f, finished...); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, s *Store, a providers.Addr, record any) {
	t.Helper()
	if err := s.Append(a, record); err != nil {
		t.Fatal(err)
	}
}

func records(t testing.TB, s *Store, a providers.Addr) []string {
	t.Helper()
	var out []string
	for r, err := range s.Records(a) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(r))
	}
	return out
}

func writeFile(t testing.TB, fsys FS, name, data string) {
	t.Helper()
	if err := WriteFile(fsys, name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t testing.TB, fsys FS, name string) string {
	t.Helper()
	b, err := fsys.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func nothing(*State) error { return nil }

// hookFS calls hook before each operation that changes the disk. An error is
// returned in its place; a write then puts half of its bytes on the disk, as a
// full one does.
type hookFS struct {
	FS
	mu   sync.Mutex
	hook func(op, name string) error
}

func (h *hookFS) do(op, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hook == nil {
		return nil
	}
	return h.hook(op, name)
}

func (h *hookFS) Create(name string) (File, error) {
	if err := h.do("create", name); err != nil {
		return nil, err
	}
	f, err := h.FS.Create(name)
	return &hookFile{f, h, name}, err
}

func (h *hookFS) Append(name string) (File, error) {
	if err := h.do("append", name); err != nil {
		return nil, err
	}
	f, err := h.FS.Append(name)
	return &hookFile{f, h, name}, err
}

func (h *hookFS) Rename(o, n string) error {
	if err := h.do("rename", n); err != nil {
		return err
	}
	return h.FS.Rename(o, n)
}

func (h *hookFS) Remove(name string) error {
	if err := h.do("remove", name); err != nil {
		return err
	}
	return h.FS.Remove(name)
}

func (h *hookFS) SyncDir(name string) error {
	if err := h.do("syncdir", name); err != nil {
		return err
	}
	return h.FS.SyncDir(name)
}

func (h *hookFS) Lock(name string) (io.Closer, error) { return h.FS.Lock(name) }

type hookFile struct {
	File
	h    *hookFS
	name string
}

func (f *hookFile) Write(p []byte) (int, error) {
	if err := f.h.do("write", f.name); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *hookFile) Sync() error {
	if err := f.h.do("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

var errFull = fmt.Errorf("write: %w", syscall.ENOSPC)
