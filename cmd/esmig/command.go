package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/state"
)

// command is one that runs: the world, its flags, and what several share.
type command struct {
	World
	flags    *cli.Context
	dir      string                    // of the configuration
	view     view.View                 // of events, once open
	sink     engine.Sink               // into view
	junit    *view.JUnit               // of -junit; nil without
	log      engine.Sink               // into the file of -json-into only; nil without
	files    []*laterFile              // of -json-into and -junit
	in       *bufio.Reader             // of Stdin, once something was asked
	planned  map[string]providers.JSON // values of variables, of a plan file
	warnings []engine.Diagnostic       // about the files, not shown yet
	begun    bool                      // an apply has begun: "nothing has been changed" is no longer true
}

// action wraps a command's function: what it returns is shown, once, in the
// form that the flags ask for.
func (w World) action(f func(*command) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		k := &command{World: w, flags: c, dir: join(w.Dir, c.String("chdir"))}
		err := f(k)
		if k.junit != nil && err != nil && !k.begun {
			for _, d := range diagnose(err) {
				k.junit.Fail(d)
			}
		}
		if k.view != nil {
			k.view.Close()
		}
		// A command that was refused before it had the lock says so in its files,
		// unless they may be those of the esmig that has it.
		says := err != nil && !errors.Is(err, state.ErrLocked)
		if err != nil && c.Context.Err() != nil && !k.begun {
			err = context.Canceled
		}
		k.report(err)
		k.closeFiles(says)
		return err
	}
}

// refused are diagnostics that stop a command before it does anything.
type refused []engine.Diagnostic

func (r refused) Error() string { return "refused" }

func problem(code, summary, format string, args ...any) error {
	return engine.Diagnostic{Severity: providers.SeverityError, Code: code, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

// report shows an error that nobody has shown yet.
func (k *command) report(err error) {
	var usage usageError
	switch {
	case err == nil, errors.As(err, &usage), errors.Is(err, errTold), errors.Is(err, errChanges):
	case k.begun && (errors.Is(err, engine.ErrIncomplete) || errors.Is(err, providers.ErrVerify) || errors.Is(err, context.Canceled)):
		// the summary says it
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(k.Stderr, "Interrupted. Nothing has been changed.")
	default:
		k.diagnostics(diagnose(err), !k.begun)
	}
}

func (k *command) diagnostics(ds []engine.Diagnostic, unchanged bool) {
	if k.log != nil && !k.flags.Bool("json") {
		for _, d := range ds {
			k.log(engine.DiagnosticFound{Diagnostic: d})
		}
	}
	switch {
	case len(ds) == 0:
	case k.flags.Bool("json") && k.sink != nil:
		for _, d := range ds {
			k.sink(engine.DiagnosticFound{Diagnostic: d})
		}
	case k.flags.Bool("json"):
		k.json(map[string]any{"format_version": 1, "diagnostics": ds})
	case unchanged:
		view.Refused(k.Stderr, ds, k.viewOptions())
	default:
		view.Diagnostics(k.Stderr, ds, k.viewOptions())
	}
}

func (k *command) json(v any) {
	e := json.NewEncoder(k.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
}

// diagnose unfolds errors that are several.
func diagnose(err error) []engine.Diagnostic {
	switch many := any(err).(type) {
	case refused:
		return many
	case interface{ Unwrap() []error }:
		var out []engine.Diagnostic
		for _, e := range many.Unwrap() {
			out = append(out, diagnose(e)...)
		}
		return out
	}
	return []engine.Diagnostic{engine.Diagnose(err)}
}

// load reads the configuration and shows its warnings.
func (k *command) load() (*config.Config, error) {
	cfg, ds := config.Load(config.Options{
		Dir: k.dir, Files: k.FS, Kinds: all.Kinds(), Env: k.Env, Planned: k.planned, Version: k.Version,
		Vars: k.flags.StringSlice("var"), VarFiles: k.flags.StringSlice("var-file"),
	})
	found := engine.FromHCL(ds, cfg.Sources)
	if ds.HasErrors() {
		return cfg, refused(found)
	}
	switch {
	case k.flags.Bool("json") && k.sink == nil:
		k.warnings = found // they go into the one document
	default:
		k.diagnostics(found, false)
	}
	return cfg, nil
}

// open reads configuration and state, and takes the lock when operation is set:
// unlock must be called then, also after an error.
func (k *command) open(operation string) (e *engine.Engine, unlock func(), err error) {
	unlock = func() {}
	cfg, err := k.load()
	if err != nil {
		return nil, unlock, err
	}
	openState := state.OpenShared // another esmig may be writing it
	if operation != "" {
		openState = state.Open
	}
	store, err := openState(k.FS, join(k.dir, cfg.Settings.StatePath), k.Version)
	if err != nil {
		return nil, unlock, err
	}
	if operation != "" {
		if unlock, err = k.lock(store, operation); err != nil {
			return nil, unlock, err
		}
		if err := k.openFiles(); err != nil {
			return nil, unlock, err
		}
	}
	return engine.New(engine.Options{
		Config: cfg, Store: store, Kinds: all.Kinds(), Connect: k.connect,
		Sink: k.send, Parallelism: k.flags.Int("parallelism"),
	}), unlock, nil
}

func (k *command) lock(s *state.Store, operation string) (func(), error) {
	err := s.Lock(k.flags.Context, state.LockInfo{Operation: operation, Who: k.User}, k.flags.Duration("lock-timeout"))
	if err != nil {
		return func() {}, err
	}
	return func() {
		if err := s.Unlock(); err != nil {
			k.diagnostics(diagnose(err), false)
		}
	}, nil
}

func (k *command) connect(c providers.ClusterConfig) (providers.Cluster, error) {
	var rt http.RoundTripper
	if k.Transport != nil {
		rt = k.Transport(c.Name)
	}
	return elasticsearch.Connect(c, rt)
}

// send passes events on. The plan is shown by show, which also knows those
// that were refused.
func (k *command) send(e engine.Event) {
	if _, plan := e.(engine.PlanReady); !plan && k.sink != nil {
		k.sink(e)
	}
}

func addresses(texts []string) ([]providers.Addr, error) {
	var out []providers.Addr
	for _, t := range texts {
		a, err := providers.ParseAddr(t)
		if err != nil {
			return nil, usagef("Not an address", "%v", err)
		}
		out = append(out, a)
	}
	return out, nil
}
