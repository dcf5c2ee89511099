package state

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// MemFS is a disk in memory, for tests. Folders need not be made. It is safe
// for concurrent use. It knows no crash: what is written is there.
type MemFS struct {
	mu     sync.Mutex
	files  map[string]*memFile
	locked map[string]bool
}

// NewMemFS is an empty disk.
func NewMemFS() *MemFS {
	return &MemFS{files: map[string]*memFile{}, locked: map[string]bool{}}
}

// Clone is the disk as it is now, without locks: what the next process finds
// after this one was killed.
func (m *MemFS) Clone() *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemFS()
	for name, f := range m.files {
		c.files[name] = &memFile{m: c, data: slices.Clone(f.data)}
	}
	return c
}

type memFile struct {
	m    *MemFS
	data []byte
}

func clean(name string) string { return path.Clean(filepath.ToSlash(name)) }

// ReadFile implements FS.
func (m *MemFS) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[clean(name)]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(f.data), nil
}

// ReadDir implements FS. A folder exists when there is a file below it; "."
// and "/" always do.
func (m *MemFS) ReadDir(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := clean(name)
	prefix := strings.TrimSuffix(dir, "/") + "/"
	if dir == "." {
		prefix = ""
	}
	var names []string
	for f := range m.files {
		if rest, ok := strings.CutPrefix(f, prefix); ok && (prefix != "" || !path.IsAbs(f)) {
			first, _, _ := strings.Cut(rest, "/")
			names = append(names, first)
		}
	}
	if names == nil && dir != "." && dir != "/" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Create implements FS.
func (m *MemFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &memFile{m: m}
	m.files[clean(name)] = f
	return f, nil
}

// Append implements FS.
func (m *MemFS) Append(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[clean(name)]
	if f == nil {
		f = &memFile{m: m}
		m.files[clean(name)] = f
	}
	return f, nil
}

// Rename implements FS.
func (m *MemFS) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[clean(oldname)]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
	}
	delete(m.files, clean(oldname))
	m.files[clean(newname)] = f
	return nil
}

// Remove implements FS.
func (m *MemFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[clean(name)] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, clean(name))
	return nil
}

// SyncDir implements FS.
func (m *MemFS) SyncDir(string) error { return nil }

// Lock implements FS: two Stores in one process stand for two processes.
func (m *MemFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := clean(name)
	if m.locked[n] {
		return nil, ErrLocked
	}
	m.locked[n] = true
	if m.files[n] == nil {
		m.files[n] = &memFile{m: m}
	}
	return memLock(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locked, n)
	}), nil
}

type memLock func()

func (l memLock) Close() error { l(); return nil }

func (f *memFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.data = append(f.data, p...)
	return len(p), nil
}

func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }
