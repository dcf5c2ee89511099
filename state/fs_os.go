package state

import (
	"fmt"
	"io"
	"os"

	"github.com/gofrs/flock"
)

type osFS struct{}

// OS is the real disk.
func OS() FS { return osFS{} }

const ownerOnly = 0o600

func (osFS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

func (osFS) ReadDir(name string) ([]string, error) {
	es, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	// Appending: who still writes into a file that somebody else begins anew leaves
	// no hole in it.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, ownerOnly)
	if err != nil {
		return nil, err
	}
	// One that was there keeps its mode otherwise, and might be for all to read.
	if err := f.Chmod(ownerOnly); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (osFS) Append(name string) (File, error) {
	// Not "return os.OpenFile": a nil *os.File would be a File that is not nil.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, ownerOnly)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osFS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(name string) error { return syncDir(name) }

func (osFS) Lock(name string) (io.Closer, error) {
	l := flock.New(name, flock.SetPermissions(ownerOnly))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if !ok {
		return nil, ErrLocked
	}
	return l, nil
}
