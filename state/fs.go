package state

import "io"

// FS is the one door to the disk: state, journal, plan files and reports go
// through it, so that the whole program runs on a simulated disk in tests.
type FS interface {
	// ReadFile returns the whole file; fs.ErrNotExist when it is not there.
	ReadFile(name string) ([]byte, error)
	// ReadDir lists the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	// Create makes an empty file with mode 0600, in place of one that is there.
	Create(name string) (File, error)
	// Append opens a file for appending and makes it, mode 0600, if need be.
	Append(name string) (File, error)
	Rename(oldname, newname string) error
	Remove(name string) error
	// SyncDir makes renames and new files in a folder durable.
	SyncDir(name string) error
	// Lock takes an exclusive lock that ends with the process. It does not
	// wait: ErrLocked when another process holds it.
	Lock(name string) (io.Closer, error)
}

// File is an open file for writing.
type File interface {
	io.Writer
	Sync() error
	Close() error
}
