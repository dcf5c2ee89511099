package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent makes the kernel end a child when eslab dies, even by SIGKILL.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// startedByGoRun says whether the parent is the go command. It does not pass
// signals on, so its death has to be noticed.
func startedByGoRun() bool {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(os.Getppid()) + "/comm")
	return err == nil && strings.TrimSpace(string(comm)) == "go"
}
