package state

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// replaceFile puts a file with this content in the place of name: after a
// crash the old or the new content is there. It is durable only after SyncDir,
// which the caller does, so that several files share one.
func replaceFile(fsys FS, name string, data []byte) (err error) {
	tmp := name + ".tmp" // one name: the lock lets only one write, and a crash leaves one file
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = fsys.Remove(tmp) // on a full disk this gives the space back
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	return err
}

// WriteFile writes a file so that after a crash the old or the new content is
// there, and returns when the new one is durable. Mode 0600.
func WriteFile(fsys FS, name string, data []byte) error {
	if err := replaceFile(fsys, name, data); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// readFile is ReadFile with nil for a file that is not there.
func readFile(fsys FS, name string) ([]byte, error) {
	b, err := fsys.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// WriteError says that state or journal could not be written. What was to be
// written is not lost: see [Store.Emergency].
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string {
	return "cannot write " + e.Path + ": " + e.Err.Error() + `. What esmig did since is not recorded there; mend this, then run "esmig apply" again`
}

func (e *WriteError) Unwrap() error { return e.Err }

// AccessError says that the disk does not let the state be read, or locked, or
// a file beside it be written: a folder that may only be read, or is not there.
// Nothing was done.
type AccessError struct {
	What string // "lock the state"
	Err  error
}

func (e *AccessError) Error() string {
	return "cannot " + e.What + ": " + e.Err.Error() + ". The state, its journal and its lock lie in one folder, in which esmig has to be able to read and write: mend that, or put them elsewhere with state { path = … } in the block esmig"
}

func (e *AccessError) Unwrap() error { return e.Err }

// ReadError says that state or journal is there and cannot be used. Its text
// says what is wrong, where, and how to go on.
type ReadError struct {
	Path string
	Err  error
}

func (e *ReadError) Error() string { return e.Path + " cannot be used: " + e.Err.Error() }

func (e *ReadError) Unwrap() error { return e.Err }
