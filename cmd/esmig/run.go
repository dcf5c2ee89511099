package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// World is everything that a command touches besides time: tests give it
// another one.
type World struct {
	Args                []string // without the program's name
	Env                 []string
	Dir                 string // that relative names are relative to
	Stdin               io.Reader
	Stdout, Stderr      io.Writer
	StdinTTY, StdoutTTY bool
	Width               int // of the terminal; 0: unknown
	FS                  state.FS
	// KeepMode runs write, which replaces path, so that the file's mode stays.
	// Nil: modes do not matter.
	KeepMode func(path string, write func() error) error
	TempDir  string // for what must not be lost when the state cannot be written
	// Transport of a cluster by name. Nil, or nil of it: the network.
	Transport func(cluster string) http.RoundTripper
	Signals   <-chan os.Signal
	Version   string
	User      string // for the message to who finds the state locked
	Zone      *time.Location
}

// run is the program. The first signal asks it to stop after what runs now,
// the second ends it.
func run(ctx context.Context, w World) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- app(w).RunContext(ctx, append([]string{"esmig"}, w.Args...)) }()
	for first := true; ; first = false {
		select {
		case err := <-done:
			var usage usageError
			if errors.As(err, &usage) {
				view.Diagnostics(w.Stderr, []engine.Diagnostic{engine.Diagnostic(usage)}, w.viewOptions())
			}
			return exitCode(err)
		case s := <-w.Signals:
			switch {
			case !first:
				return exitInterrupted
			case s == os.Interrupt:
				cancel(nil)
			default:
				cancel(errTerminated)
			}
		}
	}
}

// Exit codes, as every help text lists them.
const (
	exitDone        = 0
	exitError       = 1
	exitChanges     = 2
	exitUnverified  = 3
	exitInterrupted = 130
)

var (
	// errTold: the user has read it already.
	errTold = errors.New("failed")
	// errChanges: plan -detailed-exitcode found some.
	errChanges = errors.New("there are changes")
	// errTerminated is why a context ends of which no person at the keyboard said so.
	errTerminated = fmt.Errorf("terminated: %w", context.Canceled)
)

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, engine.ErrIncomplete):
		return exitError
	case errors.Is(err, providers.ErrVerify):
		return exitUnverified
	default:
		return exitError
	}
}

func app(w World) *cli.App {
	a := &cli.App{
		Name: "esmig", HideHelp: true, HideVersion: true, Suggest: true,
		DisableSliceFlagSeparator: true, // an address or a value may hold a comma
		Reader:                    w.Stdin, Writer: w.Stdout, ErrWriter: w.Stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // exitCode decides, once
		Flags:          []cli.Flag{&cli.StringFlag{Name: "chdir", Usage: "work in `DIR` instead of this folder"}, helpFlag()},
		// In the order in which they are used.
		Commands: []*cli.Command{
			validateCommand(w), checkCommand(w), planCommand(w), applyCommand(w),
			statusCommand(w), pauseCommand(w), resumeCommand(w), throttleCommand(w), retryCommand(w),
			verifyCommand(w), repairCommand(w), showCommand(w), destroyCommand(w),
			fmtCommand(w), graphCommand(w), stateCommand(w), unlockCommand(w),
			versionCommand(w), completionCommand(w), completeCommand(w), referenceCommand(w), helpCommand(w),
		},
	}
	a.Action = func(c *cli.Context) error {
		if c.Args().Present() {
			return unknownCommand(a.Commands, "esmig", c.Args().First())
		}
		_, err := io.WriteString(w.Stdout, a.CustomAppHelpTemplate)
		return err
	}
	a.OnUsageError = badFlag("esmig", a.Flags)
	a.CustomAppHelpTemplate = appHelp(a)
	for _, c := range a.Commands {
		prepare(c, "esmig")
	}
	return a
}

// prepare gives a command and those below it what all have.
func prepare(c *cli.Command, parent string) {
	name := parent + " " + c.Name
	c.HideHelp = true
	c.OnUsageError = badFlag(name, c.Flags)
	if len(c.Subcommands) == 0 && !c.SkipFlagParsing {
		c.Before = func(ctx *cli.Context) error { return flagsFirst(name, ctx.Args().Slice()) }
	}
	for _, s := range c.Subcommands {
		prepare(s, name)
	}
	c.Flags = append(c.Flags, helpFlag())
	c.CustomHelpTemplate = commandHelp(c, name)
}

// usageError is a command line that cannot be understood. Nothing was done.
type usageError engine.Diagnostic

func (e usageError) Error() string { return e.Summary }

func usagef(summary, format string, args ...any) error {
	return usageError{Severity: providers.SeverityError, Code: "usage", Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

// flagsFirst refuses what would silently be read as an argument.
func flagsFirst(name string, args []string) error {
	for _, a := range args {
		if len(a) > 1 && strings.HasPrefix(a, "-") {
			return usagef("Flag after an argument", "%s stands after %q, where it would be read as an argument. Flags come first:\n\n    %s %s … %s", a, args[0], name, a, args[0])
		}
	}
	return nil
}

func badFlag(name string, flags []cli.Flag) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: "); ok {
			near := "-" + strings.TrimLeft(cli.SuggestFlag(flags, strings.TrimLeft(flag, "-"), true), "-")
			return usagef("Unknown flag", "%q has no flag %s. Did you mean %s? See %s -help", name, flag, near, name)
		}
		return usagef("Wrong use of a flag", "%v. See %s -help", err, name)
	}
}

func unknownCommand(commands []*cli.Command, parent, name string) error {
	visible := slices.DeleteFunc(slices.Clone(commands), func(c *cli.Command) bool { return c.Hidden })
	return usagef("Unknown command", "There is no command %q. %s See %s -help", parent+" "+name, cli.SuggestCommand(visible, name), parent)
}

func (w World) viewOptions() view.Options {
	o := view.Options{Width: w.Width, Zone: w.Zone}
	noColor := slices.ContainsFunc(w.Env, func(e string) bool {
		return strings.HasPrefix(e, "NO_COLOR=") && e != "NO_COLOR=" || e == "TERM=dumb"
	})
	o.Color = w.StdoutTTY && !noColor
	return o
}

func join(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
