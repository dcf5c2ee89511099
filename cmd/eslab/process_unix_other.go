//go:build unix && !linux

package main

import "syscall"

// endWithParent has no means here; the guard ends the servers.
func endWithParent(*syscall.SysProcAttr) {}
