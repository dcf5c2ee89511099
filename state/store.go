package state

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/esmig/esmig/providers"
)

// ErrChanged is wrapped when the state on disk is not what was read or written
// here last.
var ErrChanged = errors.New("it was changed by somebody else")

// Store is one state file with its journal. Whoever writes takes the Lock
// first and calls Get after it. Safe for concurrent use.
type Store struct {
	fs      FS
	path    string
	version string

	// disk is held while the disk is used. It is a channel, and not a mutex,
	// so that waiting for a slow simulated disk is seen by testing/synctest.
	disk    chan struct{}
	onDisk  []byte // content of the state file as read or written last; nil: no file
	unsaved *State // of a write that failed; the next one takes it along
	done    []providers.Addr
	journal journal
	encoder encoder
	lock    io.Closer
	shared  bool   // see OpenShared
	content []byte // of the journal, when shared

	mu        sync.Mutex // guards the rest; never held while the disk is used
	state     *State     // as it is on disk
	attempted []byte     // what the last Update wrote, or failed to write
	batch     *batch     // records that wait for the disk
}

// Open reads the state at path, and the journal beside it. Without a file the
// state is new and empty, and nothing is written yet. Version is that of the
// running esmig. Errors about the content are a *ReadError.
func Open(fsys FS, path, version string) (*Store, error) {
	s := &Store{fs: fsys, path: path, version: version, disk: make(chan struct{}, 1)}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenShared opens a state that another process may be writing, for reading
// only: what it holds belongs together and stays as it was then.
func OpenShared(fsys FS, path, version string) (*Store, error) {
	for tries := 0; ; tries++ {
		before, err := readFile(fsys, path)
		if err != nil {
			return nil, &AccessError{"read the state", err}
		}
		s := &Store{fs: fsys, path: path, version: version, disk: make(chan struct{}, 1), shared: true}
		err = s.load()
		after, again := readFile(fsys, path)
		if again == nil && bytes.Equal(before, after) || tries == 9 {
			if err != nil {
				return nil, err
			}
			return s, nil
		}
	}
}

func (s *Store) journalPath() string { return s.path + ".journal" }
func (s *Store) backupPath() string  { return s.path + ".backup" }

// load reads everything from disk and forgets what was in memory.
func (s *Store) load() error {
	b, err := readFile(s.fs, s.path)
	if err != nil {
		return &AccessError{"read the state", err}
	}
	st := &State{
		Format: Format, Writer: "esmig " + s.version, Clusters: map[string]Cluster{},
		Lineage: rand.Text(), Salt: rand.Text(),
	}
	if s.state != nil && s.onDisk == nil { // still the same new one
		st.Lineage, st.Salt = s.state.Lineage, s.state.Salt
	}
	if b != nil {
		if st, err = Decode(b, s.version); err != nil {
			return &ReadError{s.path, fmt.Errorf("%w.%s", err, s.wayBack())}
		}
	}
	j, err := s.loadJournal(st, b != nil)
	if older := (olderStateError{}); errors.As(err, &older) {
		if now, again := readFile(s.fs, s.path); again == nil && !bytes.Equal(now, b) {
			return s.load() // another process wrote between the two
		}
	}
	if err != nil {
		return err
	}
	s.closeJournal()
	s.onDisk, s.unsaved, s.done, s.journal = b, nil, nil, *j
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.attempted = st, nil
	return nil
}

// wayBack tells what to do about a state that cannot be used.
func (s *Store) wayBack() string {
	b, err := readFile(s.fs, s.backupPath())
	if err != nil || b == nil {
		return ""
	}
	old, err := Decode(b, s.version)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" %s holds the state before the last write (serial %d). To go back to it, keep a copy of the damaged file, put the backup in its place, and look at what \"esmig plan\" says", s.backupPath(), old.Serial)
}

// Get is a deep copy of the state as it is on disk.
func (s *Store) Get() *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Clone()
}

// Emergency is the state file that the last Update wrote or should have
// written, nil if there was none. After a *WriteError it holds also what other
// failed writes should have recorded.
func (s *Store) Emergency() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.attempted)
}

// Update changes the state and returns when it is durable, with a raised
// serial. The journal's records of the finished addresses are dropped with the
// same write, so f has to put their sum into the state. When f fails nothing
// changes. When the disk fails, Get still gives the old state, the error is a
// *WriteError, and the next Update writes this change too. f must not call the
// Store.
func (s *Store) Update(f func(*State) error, finished ...providers.Addr) error {
	s.disk <- struct{}{}
	defer func() { <-s.disk }()
	next := s.state
	if s.unsaved != nil {
		next = s.unsaved
	}
	next = next.Clone()
	if err := f(next); err != nil {
		return err
	}
	return s.save(next, finished)
}

// save makes next the state. The caller holds s.disk.
func (s *Store) save(next *State, finished []providers.Addr) error {
	if s.onDisk != nil && next.Lineage != s.state.Lineage {
		return fmt.Errorf("%s is the state of lineage %s and cannot become that of lineage %s: that one belongs to another file",
			s.path, s.state.Lineage, printable(next.Lineage))
	}
	next.Format, next.Writer = Format, "esmig "+s.version
	// Above the journal's, too: what is folded now was written before.
	next.Serial = 1 + max(s.state.Serial, next.Serial, s.journal.serial)
	done := append(s.done[:len(s.done):len(s.done)], finished...)
	next.Folded = s.journal.fold(s.state.Folded, done, next.Serial)
	b, err := s.encoder.encode(next)
	if err != nil {
		return fmt.Errorf("%w; this is a bug in esmig", err)
	}
	s.mu.Lock()
	before := s.attempted
	s.attempted = b
	s.mu.Unlock()
	s.unsaved, s.done = next, done
	if err := s.replace(b, before); err != nil {
		return &WriteError{s.path, err}
	}
	s.onDisk, s.unsaved, s.done = b, nil, nil
	s.mu.Lock()
	s.state = next
	s.mu.Unlock()
	for _, a := range done {
		delete(s.journal.live, a)
	}
	if len(next.Folded) > 0 {
		s.journal.stale = true
		// The state is safe and says which records count no more, so a failure
		// is none of the caller's: the next write tries again.
		_ = s.rewriteJournal(false)
	}
	return nil
}

// replace writes the state file, after its former content to the backup. The
// folder is synced once: whichever of the two renames survives a crash alone,
// the state is a whole one.
func (s *Store) replace(b, before []byte) error {
	cur, err := readFile(s.fs, s.path)
	if err != nil {
		return err
	}
	// An earlier try may have failed after its rename.
	if !bytes.Equal(cur, s.onDisk) && (before == nil || !bytes.Equal(cur, before)) {
		return s.changed(cur)
	}
	if s.onDisk != nil {
		if err := replaceFile(s.fs, s.backupPath(), s.onDisk); err != nil {
			return err
		}
	}
	return WriteFile(s.fs, s.path, b)
}

func (s *Store) changed(cur []byte) error {
	is := "the file is gone"
	if cur != nil {
		is = "the file cannot be read as a state now"
		if st, err := Decode(cur, s.version); err == nil {
			is = fmt.Sprintf("the file now has serial %d, lineage %s", st.Serial, printable(st.Lineage))
		}
	}
	return fmt.Errorf("%w: it was read with serial %d, lineage %s; %s", ErrChanged, s.state.Serial, s.state.Lineage, is)
}
