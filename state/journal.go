package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/esmig/esmig/providers"
)

// The journal is a file of JSON lines. The first line is the header:
//
//	{"journal":1,"lineage":"…"}
//
// Each other line is one commit: the records that were synced together, which
// is one, or several when many goroutines append at once.
//
//	{"serial":7,"records":[{"address":"migration.a","record":{…}}],"sum":"0a1b2c3d"}
//
// A commit is one line and never two, so that what a crash can damage is just
// the last line: the one before was durable before it was begun. Serial is the
// state's when the line was written; State.Folded says by it which records are
// in the state already. Sum is the CRC-32 of the line as it is without it.
type commit struct {
	Serial  uint64  `json:"serial"`
	Records []entry `json:"records"`
}

type entry struct {
	Addr   providers.Addr `json:"address"`
	Record providers.JSON `json:"record"`
}

type header struct {
	Journal int    `json:"journal"`
	Lineage string `json:"lineage"`
}

const (
	sumStart  = `,"sum":"`
	sumLength = len(sumStart) + 8 + len(`"}`)
)

func (c commit) line() []byte {
	b := providers.Encode(c)
	sum := crc32.ChecksumIEEE(b)
	return fmt.Appendf(b[:len(b)-1], "%s%08x\"}\n", sumStart, sum)
}

func parseLine(line []byte) (commit, error) {
	var c commit
	n := len(line) - sumLength
	if n < 0 {
		return c, errors.New("it is too short")
	}
	sum := crc32.Update(crc32.ChecksumIEEE(line[:n]), crc32.IEEETable, []byte("}"))
	if string(line[n:]) != fmt.Sprintf("%s%08x\"}", sumStart, sum) {
		return c, errors.New("its sum does not match")
	}
	err := json.Unmarshal(line, &c)
	return c, err
}

// journal is what is known of the file. Guarded by Store.disk.
type journal struct {
	file  File  // open for appending, nil if not
	size  int64 // of the part that counts; 0: there is no journal
	torn  bool  // something follows after size
	stale bool  // records may be there that State.Folded speaks of
	// serial is the highest of a line. It is above the state's where an older
	// copy of that was put back.
	serial uint64
	// live tells where the lines are that hold an address's records.
	live map[providers.Addr][]int64
}

// fold is State.Folded for the next write.
func (j *journal) fold(old map[providers.Addr]uint64, done []providers.Addr, serial uint64) map[providers.Addr]uint64 {
	var folded map[providers.Addr]uint64
	add := func(a providers.Addr, n uint64) {
		if folded == nil {
			folded = map[providers.Addr]uint64{}
		}
		folded[a] = n
	}
	if j.stale {
		for a, n := range old {
			add(a, n)
		}
	}
	for _, a := range done {
		if len(j.live[a]) > 0 {
			add(a, serial)
		}
	}
	return folded
}

func (s *Store) loadJournal(st *State, saved bool) (*journal, error) {
	data, err := readFile(s.fs, s.journalPath())
	if err != nil {
		return nil, &AccessError{"read the journal", err}
	}
	if data == nil {
		return &journal{}, nil
	}
	j, err := scan(data, st, saved)
	if err != nil {
		return nil, &ReadError{s.journalPath(), err}
	}
	if s.shared {
		s.content = data
	}
	return j, nil
}

// scan reads a whole journal. Saved: the state has a file, so that its lineage
// is one to compare with.
func scan(data []byte, st *State, saved bool) (*journal, error) {
	j := &journal{live: map[providers.Addr][]int64{}, stale: len(st.Folded) > 0}
	for n := 1; int(j.size) < len(data); n++ {
		rest := data[j.size:]
		end := bytes.IndexByte(rest, '\n')
		line := rest[:max(end, 0)]
		if n == 1 { // written whole or not at all, so it is never torn
			if err := checkHeader(line, st, saved); err != nil {
				return nil, err
			}
			j.size = int64(end) + 1
			continue
		}
		c, err := parseLine(line)
		if err != nil && end+1 < len(rest) && end >= 0 {
			return nil, fmt.Errorf(`line %d is damaged: %w. This is not from a crash, which can only harm the last line. Put back a copy of the file; without one, remove the line and run "esmig apply -restart ADDRESS" for the migration that it tells of. If it holds "what":"relax", look at the settings of the destination after that: what they were before stands in it under "relaxed"`, n, err)
		}
		if err != nil || end < 0 {
			j.torn = true
			return j, nil
		}
		j.serial = max(j.serial, c.Serial)
		for _, r := range c.Records {
			at := j.live[r.Addr]
			if len(at) == 0 && c.Serial > st.Serial {
				return nil, olderStateError{r.Addr, c.Serial, st.Serial}
			}
			if c.Serial >= st.Folded[r.Addr] && (len(at) == 0 || at[len(at)-1] != j.size) {
				j.live[r.Addr] = append(at, j.size)
			}
		}
		j.size += int64(end) + 1
	}
	return j, nil
}

// olderStateError: an older copy of the state was put back, from before what
// the journal tells of was begun. To go on by it would take those records for
// the account of whatever the older state and the files speak of.
type olderStateError struct {
	addr          providers.Addr
	needs, serial uint64
}

func (e olderStateError) Error() string {
	a := e.addr.String()
	if e.addr.Keyed {
		a = "'" + a + "'"
	}
	return fmt.Sprintf(`it tells what was begun of %s at serial %d of the state, and the state beside it has serial %d, so it is an older copy. Put the newest state back; its .backup is the one before the last write. If that is lost, move the journal away: esmig then no longer knows of the tasks that it began on the destination and of the settings that it relaxed there (refresh_interval, number_of_replicas, translog.durability). End the tasks (GET /_tasks?actions=*reindex), put the settings back, and run "esmig apply -restart %s"`, e.addr, e.needs, e.serial, a)
}

func checkHeader(line []byte, st *State, saved bool) error {
	var h header
	switch err := json.Unmarshal(line, &h); {
	case err != nil || h.Journal == 0 || h.Lineage == "":
		return errors.New("line 1 is no journal's header. Put back a copy of the file; without one, remove it and run \"esmig apply -restart ADDRESS\" for each migration that was under way")
	case h.Journal > 1:
		return fmt.Errorf("it is of version %d, written by a newer esmig; use that one", h.Journal)
	case !saved:
		return fmt.Errorf("it belongs to a state (lineage %s) that is not there. Put the state back; to begin anew, remove this journal", printable(h.Lineage))
	case h.Lineage != st.Lineage:
		return fmt.Errorf("it belongs to the state of lineage %s, and the state beside it has lineage %s. Put the right state back; if this one is right, move the journal away", printable(h.Lineage), printable(st.Lineage))
	}
	return nil
}

// batch is a commit that more records may still join.
type batch struct {
	entries []entry
	synced  chan struct{}
	err     error // set before synced is closed
}

// Append adds a record for an address to the journal and returns when it is on
// disk. Callers that come while the disk is busy are written together. After a
// *WriteError Records does not yield it; whether it is found after a crash is
// not known. The record may be appended again.
func (s *Store) Append(a providers.Addr, record any) error {
	raw, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("a record of %s is no JSON: %w; this is a bug in esmig", a, err)
	}
	s.mu.Lock()
	b, first := s.batch, s.batch == nil
	if first {
		b = &batch{synced: make(chan struct{})}
		s.batch = b
	}
	b.entries = append(b.entries, entry{a, raw})
	s.mu.Unlock()
	if !first {
		<-b.synced
		return b.err
	}
	// The first one writes for all that join while it waits for the disk.
	s.disk <- struct{}{}
	s.mu.Lock()
	s.batch = nil
	s.mu.Unlock()
	b.err = s.commit(b.entries)
	<-s.disk
	close(b.synced)
	return b.err
}

// commit appends one line. The caller holds s.disk.
func (s *Store) commit(entries []entry) error {
	if s.onDisk == nil { // a journal without its state would be refused
		if err := s.save(s.state.Clone(), nil); err != nil {
			return err
		}
	}
	line := commit{s.state.Serial, entries}.line()
	if err := s.appendLine(line); err != nil {
		// How much of it is on disk is not known: the next one cleans up.
		s.closeJournal()
		s.journal.torn = true
		return &WriteError{s.journalPath(), err}
	}
	j := &s.journal
	for _, e := range entries {
		if at := j.live[e.Addr]; len(at) == 0 || at[len(at)-1] != j.size {
			j.live[e.Addr] = append(at, j.size)
		}
	}
	j.size += int64(len(line))
	return nil
}

func (s *Store) appendLine(line []byte) error {
	if s.journal.size == 0 || s.journal.torn {
		if err := s.rewriteJournal(true); err != nil {
			return err
		}
	}
	if s.journal.file == nil {
		if err := s.openJournal(); err != nil {
			return err
		}
	}
	if _, err := s.journal.file.Write(line); err != nil {
		return err
	}
	return s.journal.file.Sync()
}

// openJournal makes durable what a killed process may have left unsynced:
// otherwise a crash could lose a line and keep the one after it.
func (s *Store) openJournal() error {
	if _, err := s.journalData(); err != nil {
		return err // Append would make a new file without a header
	}
	f, err := s.fs.Append(s.journalPath())
	if err != nil {
		return err
	}
	s.journal.file = f
	if err := f.Sync(); err != nil {
		return err
	}
	return s.fs.SyncDir(filepath.Dir(s.path))
}

func (s *Store) closeJournal() {
	if s.journal.file != nil {
		_ = s.journal.file.Close() // all that counts was synced
		s.journal.file = nil
	}
}

// rewriteJournal replaces the journal by one that holds just the header and
// the records that count. Without any it is removed, unless it is needed.
func (s *Store) rewriteJournal(needed bool) error {
	s.closeJournal() // Windows renames over no open file
	data, err := s.journalData()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(providers.Encode(header{1, s.state.Lineage}))
	b.WriteByte('\n')
	empty := b.Len()
	for line := range bytes.Lines(data[min(len(data), bytes.IndexByte(data, '\n')+1):]) {
		c, err := parseLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return err
		}
		kept := c.Records[:0]
		for _, r := range c.Records {
			if c.Serial >= s.state.Folded[r.Addr] {
				kept = append(kept, r)
			}
		}
		if c.Records = kept; len(kept) > 0 {
			b.Write(c.line())
		}
	}
	next := &journal{}
	if b.Len() == empty && !needed {
		err = s.fs.Remove(s.journalPath())
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else if next, err = scan(b.Bytes(), s.state, true); err == nil {
		err = replaceFile(s.fs, s.journalPath(), b.Bytes())
	}
	if err != nil {
		return err
	}
	// Until the folder is synced a crash may bring the old file back, and
	// Folded may not forget.
	next.stale, next.serial = s.journal.stale, max(next.serial, s.journal.serial)
	s.journal = *next
	if err := s.fs.SyncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.journal.stale = false
	return nil
}

// journalData is the part of the file that counts.
func (s *Store) journalData() ([]byte, error) {
	if s.journal.size == 0 {
		return nil, nil
	}
	if s.shared {
		return s.content[:s.journal.size], nil
	}
	data, err := s.fs.ReadFile(s.journalPath())
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < s.journal.size {
		return nil, fmt.Errorf("%s was cut by somebody else: it has %d bytes of %d", s.journalPath(), len(data), s.journal.size)
	}
	return data[:s.journal.size], nil
}

// Records yields an address's records in the order in which they were written,
// those of this process and of earlier ones, without those that are in the
// state already. It reads the file and keeps just this address's lines.
func (s *Store) Records(a providers.Addr) iter.Seq2[providers.JSON, error] {
	return func(yield func(providers.JSON, error) bool) {
		lines, err := s.lines(a)
		if err != nil {
			yield(nil, &ReadError{s.journalPath(), err})
			return
		}
		for _, line := range lines {
			c, err := parseLine(line)
			if err != nil {
				yield(nil, &ReadError{s.journalPath(), err})
				return
			}
			for _, r := range c.Records {
				if r.Addr == a && !yield(r.Record, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) lines(a providers.Addr) ([][]byte, error) {
	s.disk <- struct{}{}
	defer func() { <-s.disk }()
	offsets := s.journal.live[a]
	if len(offsets) == 0 {
		return nil, nil
	}
	data, err := s.journalData()
	if err != nil {
		return nil, err
	}
	lines := make([][]byte, len(offsets))
	for i, at := range offsets {
		line, _, _ := bytes.Cut(data[at:], []byte("\n"))
		lines[i] = bytes.Clone(line) // not a part of data, so that it can go
	}
	return lines, nil
}
