//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// account is the user that servers run as: they refuse root.
type account struct {
	uid, gid int
	switched bool // away from root
}

func serverAccount() account {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}
	}
	return account{uid: 65534, gid: 65534, switched: true} // nobody, nearly everywhere
}

func serverAttr(who account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C of the terminal is eslab's to handle
	if who.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}
	}
	endWithParent(attr)
	return attr
}

// detachedAttr is for what must survive the terminal and eslab itself.
func detachedAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// commandAttr is for the command of "run", which keeps the terminal.
func commandAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	endWithParent(attr)
	return attr
}

func killGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// waitGroup waits until no member of the group is left.
func waitGroup(leader int, limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if errors.Is(syscall.Kill(-leader, 0), syscall.ESRCH) {
			return
		}
	}
}

// reachable says whether the account can enter a folder and read what everyone
// may read there. Root's home, for one, is closed to others.
func (a account) reachable(dir string) bool {
	if !a.switched {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// lockFile takes a lock that ends with the process. Where wait is false and
// someone else holds it, ok is false.
func lockFile(path string, wait bool) (release func(), ok bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() { f.Close() }, true, nil
}
