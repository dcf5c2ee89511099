package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

const guardCommand = "guard"

// guard is a second eslab process that outlives the first. It reads from a pipe
// which process groups were started; the pipe ends when eslab does, however it
// ends, and the guard then kills them and removes the lab's folder. The kernel's
// own signal to the children (Linux only) reaches just the launchers.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startGuard(dir string) (*guard, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, guardCommand, dir)
	cmd.SysProcAttr = detachedAttr()
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the process that guards the servers: %w", err)
	}
	return &guard{cmd, pipe}, nil
}

func (g *guard) watch(leader int) {
	_, _ = fmt.Fprintf(g.pipe, "+%d\n", leader)
}

// forget is called before a leader's number can go to another process.
func (g *guard) forget(leader int) {
	_, _ = fmt.Fprintf(g.pipe, "-%d\n", leader)
}

// finish lets the guard clean up what is left and waits for it.
func (g *guard) finish() {
	g.pipe.Close()
	_ = g.cmd.Wait()
}

func guardMain(in io.Reader, dir string) error {
	leaders := map[int]bool{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		number, err := strconv.Atoi(lines.Text())
		switch {
		case err != nil:
		case number > 0:
			leaders[number] = true
		default:
			delete(leaders, -number)
		}
	}
	for leader := range leaders {
		killGroup(leader)
	}
	for leader := range leaders {
		waitGroup(leader, 5*time.Second)
	}
	return os.RemoveAll(dir)
}
