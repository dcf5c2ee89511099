package state

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var holder = LockInfo{Operation: "apply", Who: "nik\x1b[31m", Host: "build-7", PID: 4711,
	Since: time.Date(2026, 11, 3, 21, 4, 11, 999, time.UTC), Version: "0.1.0"}

func TestLock(t *testing.T) {
	disks(t, func(t *testing.T, fsys FS, path string) {
		one, two := mustOpen(t, fsys, path), mustOpen(t, fsys, path)
		if err := one.Lock(t.Context(), holder, 0); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{two.Lock(t.Context(), LockInfo{}, 0), one.Lock(t.Context(), LockInfo{}, 0), ForceUnlock(fsys, path)} {
			var l *LockedError
			if !errors.As(err, &l) || !errors.Is(err, ErrLocked) {
				t.Fatalf("error %v", err)
			}
			want := holder
			want.Since = want.Since.Truncate(time.Second)
			if diff := cmp.Diff(want, l.Info); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, w := range []string{path, `"apply" of nik[31m on build-7`, "process 4711", "2026-11-03 21:04:11 UTC", "-lock-timeout", "esmig unlock"} {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not tell %q", err, w)
				}
			}
		}
		mustUpdate(t, one, nothing)
		if err := one.Unlock(); err != nil {
			t.Error(err)
		}
		if _, err := fsys.ReadFile(path + ".lock.info"); err == nil {
			t.Error("the text stayed")
		}
		if err := two.Lock(t.Context(), LockInfo{}, 0); err != nil {
			t.Fatal(err)
		}
		if two.Get().Serial != 1 {
			t.Error("Lock did not read the state again")
		}
		mustUpdate(t, two, nothing)
		if i := readInfo(fsys, path); i.PID != os.Getpid() || i.Host == "" || i.Since.IsZero() || i.Version != "0.1.0" {
			t.Errorf("filled in: %+v", i)
		}
		if err := errors.Join(two.Unlock(), two.Unlock(), ForceUnlock(fsys, path)); err != nil {
			t.Error(err)
		}
	})
}

// A new state keeps its lineage when it is locked: what was made of it before
// stays valid.
func TestLockKeepsNewState(t *testing.T) {
	s := mustOpen(t, NewMemFS(), testPath)
	want := s.Get()
	if err := s.Lock(t.Context(), LockInfo{}, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.Get()); diff != "" {
		t.Error(diff)
	}
}

func TestLockRefusesDamage(t *testing.T) {
	fsys := NewMemFS()
	s := mustOpen(t, fsys, testPath)
	writeFile(t, fsys, testPath, "{")
	var r *ReadError
	if err := s.Lock(t.Context(), LockInfo{}, 0); !errors.As(err, &r) {
		t.Fatalf("error %v", err)
	}
	if err := ForceUnlock(fsys, testPath); err != nil {
		t.Errorf("the lock was kept: %v", err)
	}
}

func TestLockedWithoutText(t *testing.T) {
	fsys := NewMemFS()
	s := mustOpen(t, fsys, testPath)
	if err := s.Lock(t.Context(), holder, 0); err != nil {
		t.Fatal(err)
	}
	writeFile(t, fsys, testPath+".lock.info", "{")
	err := mustOpen(t, fsys, testPath).Lock(t.Context(), LockInfo{}, 0)
	if err == nil || !strings.Contains(err.Error(), "left no name") {
		t.Errorf("error %v", err)
	}
}

func TestLockWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := NewMemFS()
		one, two := mustOpen(t, fsys, testPath), mustOpen(t, fsys, testPath)
		if err := one.Lock(t.Context(), holder, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := two.Lock(t.Context(), LockInfo{}, 250*time.Millisecond); !errors.Is(err, ErrLocked) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 250*time.Millisecond {
			t.Errorf("waited %v", d)
		}
		gaveUp, giveUp := context.WithCancel(t.Context())
		time.AfterFunc(90*time.Second, giveUp)
		start = time.Now()
		if err := two.Lock(gaveUp, LockInfo{}, time.Hour); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrLocked) || time.Since(start) != 90*time.Second {
			t.Errorf("after %v: error %v", time.Since(start), err)
		}
		time.AfterFunc(time.Minute, func() { _ = one.Unlock() })
		if err := two.Lock(t.Context(), LockInfo{}, time.Hour); err != nil {
			t.Error(err)
		}
	})
}

const holdLock = "ESMIG_TEST_HOLD_LOCK"

// TestMain lets the test binary be the process that holds a lock and is killed.
func TestMain(m *testing.M) {
	path := os.Getenv(holdLock)
	if path == "" {
		os.Exit(m.Run())
	}
	s, err := Open(OS(), path, "0.1.0")
	if err == nil {
		err = s.Lock(context.Background(), LockInfo{Operation: "apply", Who: "killed"}, 0)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("locked\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
}

func TestKilledProcessFreesTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), testPath)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), holdLock+"="+path)
	if _, err := cmd.StdinPipe(); err != nil { // held open: the process waits
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("%v: %q", err, line)
	}
	s := mustOpen(t, OS(), path)
	var l *LockedError
	if err := s.Lock(t.Context(), LockInfo{}, 0); !errors.As(err, &l) || l.Info.PID != cmd.Process.Pid || l.Info.Who != "killed" {
		t.Errorf("while it lives: %v", err)
	}
	if err := ForceUnlock(OS(), path); !errors.Is(err, ErrLocked) {
		t.Errorf("unlock while it lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if readInfo(OS(), path).Who != "killed" {
		t.Error("the text is gone: this does not test that it is ignored")
	}
	if err := s.Lock(t.Context(), LockInfo{}, 0); err != nil {
		t.Errorf("after the kill: %v", err)
	}
	if err := s.Unlock(); err != nil {
		t.Error(err)
	}
}
