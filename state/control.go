package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/esmig/esmig/providers"
)

// The control file is how other processes steer the one that holds the state's
// lock, and also the next one when that has gone. It is one JSON document:
//
//	{"version":1,"addresses":{"migration.a":{"paused":true,"requests_per_second":500}}}
//
// It is there only while it says something.
type controlFile struct {
	Version   int                                  `json:"version"`
	Addresses map[providers.Addr]providers.Control `json:"addresses"`
}

const controlVersion = 1

func (s *Store) controlPath() string { return s.path + ".control" }

// controlPatience is how long another process may take to write the file.
const controlPatience = 10 * time.Second

// Controls is what the user wants of running tasks, now. It needs no lock and
// may be asked often. Errors are a *ReadError.
func (s *Store) Controls() (map[providers.Addr]providers.Control, error) {
	c := controlFile{Addresses: map[providers.Addr]providers.Control{}}
	b, err := readFile(s.fs, s.controlPath())
	if err == nil && b != nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		err = d.Decode(&c)
		if err == nil && c.Version != controlVersion {
			err = fmt.Errorf("it is of version %d, and this esmig knows version %d", c.Version, controlVersion)
		}
	}
	if err != nil {
		return nil, &ReadError{s.controlPath(), fmt.Errorf("%w. Remove it: then nothing is paused or throttled", err)}
	}
	return c.Addresses, nil
}

// Steer changes what the user wants of running tasks. It works while another
// process holds the state's lock; two that steer at once wait for each other.
func (s *Store) Steer(change func(map[providers.Addr]providers.Control)) error {
	l, err := s.lockControl()
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	all, err := s.Controls()
	if err != nil {
		return err
	}
	change(all)
	for a, c := range all {
		if c == (providers.Control{}) {
			delete(all, a)
		}
	}
	if len(all) > 0 {
		err = WriteFile(s.fs, s.controlPath(), append(providers.Encode(controlFile{controlVersion, all}), '\n'))
	} else if err = s.fs.Remove(s.controlPath()); err == nil {
		err = s.fs.SyncDir(filepath.Dir(s.path))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return &AccessError{"write " + s.controlPath(), err}
	}
	return nil
}

func (s *Store) lockControl() (l interface{ Close() error }, err error) {
	for waited := time.Duration(0); ; waited += lockPoll {
		l, err = s.fs.Lock(s.controlPath() + ".lock")
		if !errors.Is(err, ErrLocked) || waited >= controlPatience {
			break
		}
		time.Sleep(lockPoll)
	}
	switch {
	case errors.Is(err, ErrLocked):
		return nil, fmt.Errorf("cannot lock %s: %w", s.controlPath(), err)
	case err != nil:
		return nil, &AccessError{"lock " + s.controlPath(), err}
	}
	return l, nil
}
