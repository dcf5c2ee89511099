package engine

import (
	"iter"
	"sync"

	"github.com/esmig/esmig/providers"
)

// taskJournal is a task's journal in the state's. It is Controlled, and keeps
// DeadLetters.
type taskJournal struct {
	e    *Engine
	addr providers.Addr

	mu      sync.Mutex
	control providers.Control // as it could be read last
	unread  bool              // the user was told that it cannot be read
	letters deadLetters
}

func (j *taskJournal) Records() iter.Seq2[providers.JSON, error] { return j.e.Store.Records(j.addr) }

func (j *taskJournal) Append(record any) error { return j.e.Store.Append(j.addr, record) }

func (j *taskJournal) Progress(p providers.Progress) {
	j.e.send(StepProgress{Addr: j.addr, Progress: p})
}

func (j *taskJournal) Note(text string) {
	j.e.send(StepNote{Addr: j.addr, Text: j.e.secrets.text(text)})
}

// Control is what the control file says now. While it is there and cannot be
// read, it may well say "paused".
func (j *taskJournal) Control() providers.Control {
	all, err := j.e.Store.Controls()
	j.mu.Lock()
	changed := (err != nil) != j.unread
	if j.unread = err != nil; err == nil {
		j.control = all[j.addr]
	}
	c := j.control
	c.Unread = j.unread
	j.mu.Unlock()
	switch {
	case changed && err != nil:
		j.Note(err.Error() + ", or let this user read it. Until then no range is begun and no speed is changed.")
	case changed:
		j.Note("The control file can be read again, or is gone: what it says now holds.")
	}
	return c
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
