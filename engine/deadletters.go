package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// deadLetters are the refused documents of one run, in the file that keeps
// them. What earlier runs left goes only when this one refuses a document or
// ends well: until then it is what is known.
type deadLetters struct {
	file state.File // nil: nothing was refused yet
	name string
	keep func(providers.DeadLetter) bool // what of earlier runs stays; nil: nothing
}

// Retain implements providers.DeadLetters.
func (j *taskJournal) Retain(keep func(providers.DeadLetter) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.letters.keep = keep
}

// Refused implements providers.DeadLetters.
func (j *taskJournal) Refused(ds []providers.DeadLetter) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := &j.letters
	if l.file == nil {
		var err error
		if l.name, err = j.e.Store.KeepDeadLetters(j.addr, l.standing); err != nil {
			return err
		}
		if l.file, err = j.e.Store.AppendDeadLetters(j.addr); err != nil {
			return err
		}
	}
	var lines []byte
	for i := range ds {
		for _, s := range []*string{&ds[i].Reason, &ds[i].CausedBy, &ds[i].Advice} {
			*s = j.e.secrets.text(*s)
		}
		lines = append(append(lines, providers.Encode(ds[i])...), '\n')
	}
	_, err := l.file.Write(lines)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return &state.WriteError{Path: l.name, Err: err}
	}
	return nil
}

// standing are the lines of documents that keep wants, each document once.
func (l *deadLetters) standing(lines [][]byte) [][]byte {
	return latest(lines, func(d providers.DeadLetter) bool { return l.keep != nil && l.keep(d) })
}

// latest leaves of each wanted document the last line. A range that started
// again has met its documents again.
func latest(lines [][]byte, wanted func(providers.DeadLetter) bool) (out [][]byte) {
	seen := map[string]bool{}
	for _, line := range slices.Backward(lines) {
		var d providers.DeadLetter
		if json.Unmarshal(line, &d) != nil || seen[d.Key()] || !wanted(d) {
			continue
		}
		seen[d.Key()] = true
		out = append(out, line)
	}
	slices.Reverse(out)
	return out
}

// end closes what a run opened, and tells where dead letters are. After a run
// that went well they are those that it leaves behind.
func (j *taskJournal) end(runErr error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := &j.letters
	if l.file != nil {
		err := l.file.Close()
		if l.file = nil; err != nil {
			return errors.Join(runErr, &state.WriteError{Path: l.name, Err: err})
		}
	} else if runErr != nil {
		return runErr
	}
	kept := 0
	// One that stays although it could go holds more than it must, no less.
	name, _ := j.e.Store.KeepDeadLetters(j.addr, func(lines [][]byte) [][]byte {
		if runErr != nil {
			lines = latest(lines, func(providers.DeadLetter) bool { return true })
		} else {
			lines = l.standing(lines)
		}
		kept = len(lines)
		return lines
	})
	if kept > 0 {
		what := "copies"
		if runErr == nil {
			what = "sends them"
		}
		j.Note(fmt.Sprintf("%s refused; kept in %s. When this is mended, \"esmig retry %s\" %s again.",
			count(int64(kept), "document")+were(int64(kept)), filepath.Base(name), shell(j.addr), what))
	}
	return runErr
}
