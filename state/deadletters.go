package state

import (
	"bytes"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/esmig/esmig/providers"
)

// deadLettersPath is "esmig.dead.migration.a.ndjson" beside "esmig.state.json".
func (s *Store) deadLettersPath(a providers.Addr) string {
	dir, base := filepath.Split(s.path)
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".json"), ".state")
	return filepath.Join(dir, base+".dead."+url.QueryEscape(a.String())+".ndjson")
}

// KeepDeadLetters leaves of the file of refused documents the lines that keep
// returns, and removes it if these are none. A torn last line is not shown to
// keep. It returns the file's name, too.
func (s *Store) KeepDeadLetters(a providers.Addr, keep func(lines [][]byte) [][]byte) (string, error) {
	name := s.deadLettersPath(a)
	before, err := readFile(s.fs, name)
	if err != nil || before == nil {
		return name, err
	}
	whole := before[:bytes.LastIndexByte(before, '\n')+1]
	var lines [][]byte
	for line := range bytes.Lines(whole) {
		lines = append(lines, line)
	}
	switch after := bytes.Join(keep(lines), nil); {
	case len(after) == 0:
		if err = s.fs.Remove(name); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case len(after) < len(before):
		err = WriteFile(s.fs, name, after)
	}
	if err != nil {
		err = &WriteError{name, err}
	}
	return name, err
}

// AppendDeadLetters opens the file of refused documents, and makes it if need
// be.
func (s *Store) AppendDeadLetters(a providers.Addr) (File, error) {
	name := s.deadLettersPath(a)
	f, err := s.fs.Append(name)
	if err == nil {
		err = s.fs.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		return nil, &WriteError{name, err}
	}
	return f, nil
}
