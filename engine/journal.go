package engine

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// taskJournal is a task's journal in the state's. It is Controlled, and keeps
// DeadLetters.
type taskJournal struct {
	e    *Engine
	addr providers.Addr

	mu      sync.Mutex
	control providers.Control // as it could be read last
	unread  bool              // the user was told that it cannot be read
	letters state.File        // nil: nothing was refused
	name    string            // of letters
	refused int64
}

func (j *taskJournal) Records() iter.Seq2[providers.JSON, error] { return j.e.Store.Records(j.addr) }

func (j *taskJournal) Append(record any) error { return j.e.Store.Append(j.addr, record) }

func (j *taskJournal) Progress(p providers.Progress) {
	j.e.send(StepProgress{Addr: j.addr, Progress: p})
}

func (j *taskJournal) Note(text string) {
	j.e.send(StepNote{Addr: j.addr, Text: j.e.secrets.text(text)})
}

// Control is what the control file says now. While it cannot be read, what it
// said last holds.
func (j *taskJournal) Control() providers.Control {
	all, err := j.e.Store.Controls()
	j.mu.Lock()
	tell := err != nil && !j.unread
	if j.unread = err != nil; err == nil {
		j.control = all[j.addr]
	}
	c := j.control
	j.mu.Unlock()
	if tell {
		j.Note(err.Error() + ".")
	}
	return c
}

// Refused writes a document to the file of dead letters.
func (j *taskJournal) Refused(d providers.DeadLetter) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.letters == nil {
		var err error
		if j.letters, j.name, err = j.e.Store.CreateDeadLetters(j.addr); err != nil {
			return err
		}
	}
	d.Reason = j.e.secrets.text(d.Reason)
	if _, err := j.letters.Write(append(providers.Encode(d), '\n')); err != nil {
		return &state.WriteError{Path: j.name, Err: err}
	}
	j.refused++
	return nil
}

// end closes what a run opened, and tells where dead letters are. A run that
// went well has refused nothing: letters of an earlier one are gone then.
func (j *taskJournal) end(runErr error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.letters == nil {
		if runErr == nil {
			_ = j.e.Store.RemoveDeadLetters(j.addr) // one that stays says when it was written
		}
		return runErr
	}
	err := errors.Join(j.letters.Sync(), j.letters.Close())
	j.letters = nil
	if err != nil {
		return errors.Join(runErr, &state.WriteError{Path: j.name, Err: err})
	}
	j.Note(fmt.Sprintf("%s refused; kept in %s. When this is mended, \"esmig retry %s\" copies again.",
		count(j.refused, "document")+were(j.refused), filepath.Base(j.name), shell(j.addr)))
	return runErr
}

func were(n int64) string {
	if n == 1 {
		return " was"
	}
	return " were"
}

// shell is an address as a shell needs it.
func shell(a providers.Addr) string {
	if a.Keyed {
		return "'" + a.String() + "'"
	}
	return a.String()
}
