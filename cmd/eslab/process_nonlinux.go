//go:build !linux

package main

func startedByGoRun() bool { return false }
