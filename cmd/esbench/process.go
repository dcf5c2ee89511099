package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// finished is a process that ended.
type finished struct {
	seconds float64
	cpu     float64 // seconds of a core
	peak    int64   // bytes; 0: not known
	out     []byte
}

// runProcess runs a command to its end and measures it. The error of one that
// failed holds what it said last.
func runProcess(ctx context.Context, dir string, env []string, name string, args ...string) (finished, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = dir, env
	c.WaitDelay = 5 * time.Second
	var out, bad bytes.Buffer
	c.Stdout, c.Stderr = &out, &bad
	start := time.Now()
	if err := c.Start(); err != nil {
		return finished{}, err
	}
	watch, stop := context.WithCancel(ctx)
	peak := make(chan int64)
	go func() { peak <- watchMemory(watch, c.Process.Pid) }()
	err := c.Wait()
	f := finished{seconds: time.Since(start).Seconds(), out: out.Bytes()}
	if p := c.ProcessState; p != nil {
		f.cpu = (p.UserTime() + p.SystemTime()).Seconds()
	}
	stop()
	if f.peak = <-peak; f.peak == 0 {
		f.peak = usedMemory(c.ProcessState)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, tail(append(out.Bytes(), bad.Bytes()...), 500))
	}
	return f, err
}

// watchMemory reads the largest resident size of a process, in bytes, until
// the context ends. What the kernel tells at the end of a process will not do
// on Linux: that is never less than its parent had when it was started, and
// the parent holds the data sets. 0: this is no Linux.
func watchMemory(ctx context.Context, pid int) (peak int64) {
	for ctx.Err() == nil {
		kb, _, _ := strings.Cut(procField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM"), " ")
		if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
			peak = n << 10
		}
		pause(ctx, 20*time.Millisecond)
	}
	return peak
}

// tail is the end of a text.
func tail(b []byte, n int) string {
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-n):])
}
