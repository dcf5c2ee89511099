package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// account is empty here: servers run as the user.
type account struct{ switched bool }

func serverAccount() account { return account{} }

func (account) reachable(string) bool { return true }
func (account) own(string) error      { return nil }

func serverAttr(account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func detachedAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func commandAttr() *syscall.SysProcAttr { return nil }

// killGroup ends a process and all that it started.
func killGroup(leader int) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(leader)).Run()
}

func waitGroup(int, time.Duration) {}

// lockFile is a file that only one process can have made. One that a crash left
// behind has to be removed by hand; its path is in the message.
func lockFile(path string, wait bool) (release func(), ok bool, err error) {
	for end := time.Now().Add(15 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			return func() { f.Close(); os.Remove(path) }, true, nil
		}
		if !errors.Is(err, fs.ErrExist) || (wait && time.Now().After(end)) {
			return nil, false, err
		}
		if !wait {
			return nil, false, nil
		}
	}
}
