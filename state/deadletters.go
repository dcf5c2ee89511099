package state

import (
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

// CreateDeadLetters begins the file of documents that were refused, in place of
// the one that an earlier run left. It returns the file's name, too.
func (s *Store) CreateDeadLetters(a providers.Addr) (File, string, error) {
	name := s.deadLettersPath(a)
	f, err := s.fs.Create(name)
	if err != nil {
		return nil, name, &WriteError{name, err}
	}
	return f, name, nil
}

// RemoveDeadLetters removes what an earlier run left, if anything.
func (s *Store) RemoveDeadLetters(a providers.Addr) error {
	err := s.fs.Remove(s.deadLettersPath(a))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
