package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// task is a program to start for a server, as the lab's account.
type task struct {
	path  string
	args  []string
	env   []string
	dir   string
	stdin []byte // nil: the null device
	log   string // file for both outputs
}

func (t task) command(who account) *exec.Cmd {
	cmd := exec.Command(t.path, t.args...)
	cmd.Dir = t.dir
	// Not eslab's own environment: it may hold secrets, and settings of Java
	// that are meant for other programs.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, t.env...)
	if systemRoot := os.Getenv("SYSTEMROOT"); systemRoot != "" {
		cmd.Env = append(cmd.Env, "SYSTEMROOT="+systemRoot) // sockets on Windows need it
	}
	if t.stdin != nil {
		cmd.Stdin = bytes.NewReader(t.stdin)
	}
	cmd.SysProcAttr = serverAttr(who)
	return cmd
}

// process is a running server: a launcher or the server itself, leader of a
// process group that holds all it starts.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the leader has ended
}

func startProcess(t task, who account) (*process, error) {
	log, err := os.OpenFile(t.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: t.command(who), log: t.log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		// Linux ends a child with the thread that started it, not with the
		// process: the thread has to stay for as long as the server.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		log.Close()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	return p, <-started
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the server and its launcher at once: their data is thrown away
// anyway. The server goes first so that its launcher, the parent, collects it;
// in a container nobody else may.
func (p *process) stop(server int) {
	if server > 0 && server != p.cmd.Process.Pid && !p.ended() {
		if child, err := os.FindProcess(server); err == nil {
			_ = child.Kill()
		}
		select {
		case <-p.done:
		case <-time.After(2 * time.Second):
		}
	}
	killGroup(p.cmd.Process.Pid)
	<-p.done
	waitGroup(p.cmd.Process.Pid, 5*time.Second)
}

// runTask runs a program to its end.
func runTask(t task, who account) error {
	cmd := t.command(who)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", t.path, err, lastLines(string(out), 10))
	}
	return nil
}

// lastLines is the end of a log, indented so that it stands apart.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		if len(line) > 400 {
			line = line[:400] + "…"
		}
		lines[i] = "  | " + line
	}
	return strings.Join(lines, "\n")
}
