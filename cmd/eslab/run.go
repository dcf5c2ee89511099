package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// runCommand boots what is needed, runs the command and ends the servers. The
// code is the command's, unless that is 0 and esmig was refused something.
func runCommand(ctx context.Context, cache string, opts options) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cancelWithGo(cancel)
	given, wanted := splitGiven(opts.servers)
	env, ok, err := borrowed(cache, wanted)
	if err != nil {
		return 1, err
	}
	if !ok && len(wanted) > 0 {
		progress("booting %v …", wanted)
		l, err := newLab(ctx, cache, wanted, opts.heap)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return 130, errors.New("interrupted")
		}
		if err != nil {
			return 1, err
		}
		defer l.stop()
		env = l.env()
	}
	vars := commandEnv(os.Environ(), given, env)
	return watched(environmentOf(vars), func() (int, error) { return runWith(ctx, opts.args, vars) })
}

// borrowed is the environment of a running "up", where it covers the servers.
func borrowed(cache string, wanted []string) (environment, bool, error) {
	state, err := readState(cache)
	if err != nil || state == nil || len(wanted) == 0 {
		return nil, false, err
	}
	env := environment{}
	for _, name := range wanted {
		if !slices.Contains(state.Env.servers(), name) {
			return nil, false, nil
		}
	}
	for key, value := range state.Env {
		if key == "ESLAB_SERVERS" || slices.ContainsFunc(wanted, func(name string) bool {
			return state.owns(name, key)
		}) {
			env[key] = value
		}
	}
	env.setServers(slices.Clone(wanted))
	return env, true, nil
}

func runWith(ctx context.Context, args, env []string) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = env
	cmd.SysProcAttr = commandAttr()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 127, fmt.Errorf("cannot run %s: %w", args[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	interrupted := ctx.Done()
	for {
		select {
		case err := <-done:
			return exitCode(cmd, err)
		case <-interrupted:
			// The terminal sends Ctrl-C to the command as well; a second one is
			// better than none where the signal came from elsewhere.
			interrupted = nil
			sig := os.Signal(syscall.SIGTERM)
			select {
			case sig = <-signals:
			default:
			}
			_ = cmd.Process.Signal(sig)
			time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		case <-signals:
			_ = cmd.Process.Kill() // asked twice
		}
	}
}

func exitCode(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 1, err
	case exit.ExitCode() >= 0:
		return exit.ExitCode(), nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil // as shells do
	}
	return 1, err
}

// cancelWithGo ends the lab when "go run" is killed: it does not hand the
// signal to the program it runs.
func cancelWithGo(cancel func()) {
	if !startedByGoRun() {
		return
	}
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(500 * time.Millisecond)
		}
		cancel()
	}()
}
