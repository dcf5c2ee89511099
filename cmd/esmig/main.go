// Command esmig moves an Elasticsearch deployment to another one: it plans,
// applies in order, survives being killed, and proves that the data arrived.
//
// Everything of the outside world comes in by World; this file makes the real
// one, and no other file here touches the system.
package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/esmig/esmig/state"
)

func main() { os.Exit(run(context.Background(), world())) }

func world() World {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	w := World{
		Args: os.Args[1:], Env: os.Environ(), Dir: ".",
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		StdinTTY: term.IsTerminal(int(os.Stdin.Fd())), StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		FS: state.OS(), KeepMode: keepMode, TempDir: os.TempDir(), Zone: time.Local,
		Signals: signals, Version: version(), User: "unknown",
	}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		w.Width = width
	}
	if u, err := user.Current(); err == nil {
		w.User = u.Username
	}
	return w
}

// revision is set by the linker (see the Makefile).
var revision string

// version is what the build recorded: a release's tag, or "dev" and the commit,
// so that a state or a lock can be tied to the build that wrote it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	if revision != "" {
		return "dev-" + revision
	}
	return "dev"
}

// keepMode gives a file that write replaces the mode that it had.
func keepMode(path string, write func() error) error {
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	return os.Chmod(path, before.Mode().Perm())
}
