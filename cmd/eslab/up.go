package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// upState is what the supervisor in the background leaves for the other
// commands. It counts only while the supervisor holds its lock: a number of a
// process alone could belong to someone else by now.
type upState struct {
	Supervisor int         `json:"supervisor"`
	Env        environment `json:"env"` // empty while it boots and while it ends
}

func (s *upState) owns(server, key string) bool {
	return strings.HasPrefix(key, variable(server, ""))
}

func (s *upState) write(cache string) error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(statePath(cache)+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(statePath(cache)+".new", statePath(cache))
}

func statePath(cache string) string { return filepath.Join(cache, "up.json") }
func lockPath(cache string) string  { return filepath.Join(cache, "up.lock") }

// readState is nil where no lab is up.
func readState(cache string) (*upState, error) {
	if release, ok, err := lockFile(lockPath(cache), false); err != nil {
		return nil, err
	} else if ok {
		release()
		return nil, nil
	}
	content, err := os.ReadFile(statePath(cache))
	if errors.Is(err, os.ErrNotExist) {
		return &upState{}, nil // it has only just begun
	}
	if err != nil {
		return nil, err
	}
	var state upState
	if err := json.Unmarshal(content, &state); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", statePath(cache), err)
	}
	return &state, nil
}

// up starts a supervisor that stays, and shows what it says until all servers
// are there.
func up(ctx context.Context, cache string, opts options) error {
	if state, err := readState(cache); err != nil {
		return err
	} else if state != nil {
		if _, ok, _ := borrowed(cache, opts.servers); ok {
			progress("already up: %s", state.Env["ESLAB_SERVERS"])
			return nil
		}
		if state.Env == nil {
			return errors.New(`another lab is booting or ending; wait for it, or end it with "eslab down"`)
		}
		return fmt.Errorf(`a lab with %s is up, without all of %s; end it with "eslab down" first`,
			state.Env["ESLAB_SERVERS"], strings.Join(opts.servers, ","))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Fetched here, where Ctrl-C ends it.
	if err := fetchAll(ctx, cache, missingArtifacts(opts.servers, installedJavas()), progress); err != nil {
		return err
	}
	cmd := exec.Command(self, superviseCommand, "-servers", strings.Join(opts.servers, ","), "-heap", opts.heap)
	cmd.SysProcAttr = detachedAttr()
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stopSupervisor := context.AfterFunc(ctx, func() { terminate(cmd.Process) })
	defer stopSupervisor()
	_, _ = io.Copy(progressTo, said) // the supervisor closes it when it is ready or has failed
	if state, err := readState(cache); err == nil && state != nil && state.Env != nil && state.Supervisor == cmd.Process.Pid {
		return nil
	}
	if err := cmd.Wait(); err != nil {
		return errors.New("the servers are not up; the reason is above")
	}
	return nil
}

// supervise is the process in the background: it owns the servers.
func supervise(ctx context.Context, cache string, opts options) error {
	progressTo = os.Stdout
	err := superviseLocked(ctx, cache, opts)
	if err != nil {
		progress("%v", err)
	}
	return err
}

func superviseLocked(ctx context.Context, cache string, opts options) error {
	release, ok, err := lockFile(lockPath(cache), false)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New(`another "eslab up" is at work; wait for it`)
	}
	defer release()
	state := &upState{Supervisor: os.Getpid()}
	if err := state.write(cache); err != nil {
		return err
	}
	defer os.Remove(statePath(cache))
	l, err := newLab(ctx, cache, opts.servers, opts.heap)
	if err != nil {
		return err
	}
	defer l.stop()
	state.Env = l.env()
	if err := state.write(cache); err != nil {
		return err
	}
	progressTo = io.Discard
	os.Stdout.Close() // tells "up" to return
	<-ctx.Done()
	state.Env = nil // so that no "run" borrows servers that are about to end
	return state.write(cache)
}

// down says what the door of serverless refused, ends the supervisor and waits
// until its servers are gone.
func down(cache string) error {
	state, err := readState(cache)
	if err != nil {
		return err
	}
	if state == nil || state.Supervisor == 0 {
		progress("no lab is up")
		return nil
	}
	if total, err := refusedInAll(state.Env); err != nil {
		progress("%v", err)
	} else if total != nil {
		tellRefused(total)
	}
	supervisor, err := os.FindProcess(state.Supervisor)
	if err != nil {
		return err
	}
	terminate(supervisor)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if state, err := readState(cache); err != nil || state == nil {
			return err
		}
	}
	_ = supervisor.Kill() // its guard ends the servers
	return errors.New("the lab did not end within 30 seconds and was killed")
}

// terminate asks a process to end; on systems without signals it kills it, and
// the guard ends the servers.
func terminate(p *os.Process) {
	if p.Signal(syscall.SIGTERM) != nil {
		_ = p.Kill()
	}
}

func printEnv(w io.Writer, cache string) error {
	state, err := readState(cache)
	if err != nil {
		return err
	}
	if state == nil {
		return errors.New(`no lab is up; start one with "eslab up"`)
	}
	if state.Env == nil {
		return errors.New(`the lab is booting or ending; "eslab up" returns when it is ready`)
	}
	writeExports(w, state.Env)
	return nil
}
