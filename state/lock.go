package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("the state is locked")

// LockInfo is who holds the lock, for the message to others. The lock itself
// is the system's and ends with its process; this text may outlive it.
type LockInfo struct {
	Operation string    `json:"operation"` // "apply"
	Who       string    `json:"who"`       // the user
	Host      string    `json:"host"`      // filled in by Lock when empty
	PID       int       `json:"pid"`       // filled in by Lock when 0
	Since     time.Time `json:"since"`     // filled in by Lock when zero
	Version   string    `json:"version"`   // of esmig; filled in by Lock when empty
}

// LockedError says who holds the lock and what to do. It wraps ErrLocked.
type LockedError struct {
	Path string
	Info LockInfo // zero when the holder's text cannot be read
}

func (e *LockedError) Error() string {
	by := "by another esmig, which left no name"
	if i := e.Info; i.PID != 0 {
		by = fmt.Sprintf("by %q of %s on %s (process %d, esmig %s) since %s", i.Operation,
			printable(i.Who), printable(i.Host), i.PID, printable(i.Version), i.Since.Format("2006-01-02 15:04:05 MST"))
	}
	return fmt.Sprintf(`%s is locked %s. Wait until that is done, or let esmig wait with "-lock-timeout 10m". If no esmig runs there any more, "esmig unlock" removes what it left`, e.Path, by)
}

func (e *LockedError) Unwrap() error { return ErrLocked }

func lockPath(path string) string { return path + ".lock" }

// The text lies in a file of its own: Windows lets nobody, the holder
// included, write to a locked file by another handle. The locked file stays
// when the lock is given back, because removing it could remove it from under
// the next one, who has opened it already.
func infoPath(path string) string { return path + ".lock.info" }

const lockPoll = 100 * time.Millisecond

// Lock takes the state for this process and reads it again, since it may have
// changed while waiting. Timeout is how long to wait for another one; 0: not at
// all. A *LockedError says who has it; the context's error is joined to it when
// nobody waits any more.
func (s *Store) Lock(ctx context.Context, info LockInfo, timeout time.Duration) error {
	var waited time.Duration
	for {
		err := s.tryLock(info)
		if !errors.Is(err, ErrLocked) || waited >= timeout {
			return err
		}
		pause := min(lockPoll, timeout-waited)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		waited += pause
	}
}

func (s *Store) tryLock(info LockInfo) error {
	s.disk <- struct{}{}
	defer func() { <-s.disk }()
	l, err := s.fs.Lock(lockPath(s.path))
	if errors.Is(err, ErrLocked) {
		return &LockedError{s.path, readInfo(s.fs, s.path)}
	}
	if err != nil {
		return &AccessError{"lock the state", err}
	}
	if err := s.load(); err != nil {
		_ = l.Close()
		return err
	}
	s.lock = l
	writeInfo(s.fs, s.path, s.complete(info))
	return nil
}

func (s *Store) complete(i LockInfo) LockInfo {
	if i.Host == "" {
		i.Host, _ = os.Hostname()
	}
	if i.PID == 0 {
		i.PID = os.Getpid()
	}
	if i.Since.IsZero() {
		i.Since = time.Now()
	}
	if i.Version == "" {
		i.Version = s.version
	}
	i.Since = i.Since.UTC().Truncate(time.Second)
	return i
}

// writeInfo is best effort: the lock holds without the text.
func writeInfo(fsys FS, path string, i LockInfo) {
	b, err := json.Marshal(i)
	if err != nil {
		return
	}
	f, err := fsys.Create(infoPath(path))
	if err != nil {
		return
	}
	_, _ = f.Write(append(b, '\n'))
	_ = f.Close()
}

func readInfo(fsys FS, path string) LockInfo {
	var i LockInfo
	b, err := fsys.ReadFile(infoPath(path))
	if err != nil || json.Unmarshal(b, &i) != nil {
		return LockInfo{}
	}
	return i
}

// Unlock gives the lock back. Without one it does nothing.
func (s *Store) Unlock() error {
	s.disk <- struct{}{}
	defer func() { <-s.disk }()
	s.closeJournal()
	if s.lock == nil {
		return nil
	}
	l := s.lock
	s.lock = nil
	return release(s.fs, s.path, l)
}

// ForceUnlock removes what a killed process left. Its lock ended with it, so
// there is nothing to break: while a live process holds the lock, it is refused
// with a *LockedError.
func ForceUnlock(fsys FS, path string) error {
	l, err := fsys.Lock(lockPath(path))
	if errors.Is(err, ErrLocked) {
		return &LockedError{path, readInfo(fsys, path)}
	}
	if err != nil {
		return &AccessError{"lock the state", err}
	}
	return release(fsys, path, l)
}

// Holder says who holds the lock of a state, without waiting. It tries the lock
// only where somebody left a name, so that it is in nobody's way.
func Holder(fsys FS, path string) (LockInfo, bool) {
	i := readInfo(fsys, path)
	if i == (LockInfo{}) {
		return i, false
	}
	l, err := fsys.Lock(lockPath(path))
	if err == nil {
		_ = l.Close()
		return LockInfo{}, false
	}
	return i, errors.Is(err, ErrLocked)
}

// release removes the text while the lock is still held: afterwards it may be
// the next one's.
func release(fsys FS, path string, l io.Closer) error {
	err := fsys.Remove(infoPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.Close())
}

// printable removes what could disturb a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
