//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// usedMemory is the largest resident size that a process had, in bytes, as the
// kernel told at its end.
func usedMemory(p *os.ProcessState) int64 {
	if p == nil {
		return 0
	}
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}
