package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/state"
)

func checkCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "Find what a Serverless target does not take, without any cluster",
		Description: "Names everything in the files that the target would refuse because of what it is: settings, kinds, field types, policies and all that names them. " +
			"Asks no cluster, and needs no credentials: variables may be without a value. With -fix the files are rewritten, after the differences were shown and approved; " +
			"comments and layout stay. Exits with 1 as long as there is anything.",
		UsageText: "esmig check -target-flavor serverless\nesmig check -target-flavor serverless -fix",
		Flags: slices.Concat(varFlags(), []cli.Flag{
			&cli.StringFlag{Name: "target-flavor", Category: groupWhat, Value: string(providers.Serverless), Usage: "`FLAVOR` that all clusters are taken to have which blocks write to: serverless"},
			&cli.BoolFlag{Name: "fix", Category: groupWhat, Usage: "rewrite the files; what cannot be rewritten is said"},
			&cli.BoolFlag{Name: "auto-approve", Category: groupRun, Usage: "do not ask before the files are rewritten"},
			jsonFlag("print the result as one JSON document"),
		}),
		Action: w.action(check),
	}
}

func check(k *command) error {
	if err := k.atMost(0); err != nil {
		return err
	}
	flavor := providers.Flavor(k.flags.String("target-flavor"))
	if flavor != providers.Serverless {
		return usagef("Unknown flavor", "-target-flavor takes serverless, not %q: other servers are asked what they have, by esmig plan.", flavor)
	}
	cfg, ds := k.lenient(nil)
	if ds.HasErrors() {
		return refused(engine.FromHCL(ds, cfg.Sources))
	}
	k.warnings = engine.FromHCL(ds, cfg.Sources)
	if k.flags.Bool("fix") {
		return k.fix(flavor)
	}
	e, err := k.offline(cfg)
	if err != nil {
		return err
	}
	found, fixable := e.Check(flavor)
	if k.flags.Bool("json") {
		k.json(map[string]any{"format_version": 1, "diagnostics": slices.Concat([]engine.Diagnostic{}, k.warnings, found)})
	} else {
		k.diagnostics(k.warnings, false)
		k.diagnostics(found, true)
	}
	if len(found) > 0 {
		if fixable && !k.flags.Bool("json") {
			fmt.Fprintln(k.Stderr, "Run \"esmig check -fix\" to see what of it esmig can rewrite.")
		}
		return errTold
	}
	if !k.flags.Bool("json") {
		fmt.Fprintf(k.Stdout, "Nothing in the files stands in the way of %s.\n", providers.Info{Flavor: flavor}.Title())
	}
	return nil
}

// lenient reads the files without the values of variables; changed are
// contents in the place of those on disk.
func (k *command) lenient(changed map[string][]byte) (*config.Config, hcl.Diagnostics) {
	return config.Load(config.Options{
		Dir: k.dir, Files: overlay{k.FS, changed}, Kinds: all.Kinds(), Env: k.Env, Version: k.Version, Lenient: true,
		Vars: k.flags.StringSlice("var"), VarFiles: k.flags.StringSlice("var-file"),
	})
}

// offline is an engine that talks to no cluster and has no state.
func (k *command) offline(cfg *config.Config) (*engine.Engine, error) {
	store, err := state.Open(state.NewMemFS(), cfg.Settings.StatePath, k.Version)
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{Config: cfg, Store: store, Kinds: all.Kinds(), Connect: func(c providers.ClusterConfig) (providers.Cluster, error) {
		return elasticsearch.Offline(c), nil
	}}), nil
}

// overlay is a disk on which some files have another content.
type overlay struct {
	state.FS
	changed map[string][]byte
}

func (o overlay) ReadFile(name string) ([]byte, error) {
	if b, ok := o.changed[filepath.ToSlash(name)]; ok {
		return b, nil
	}
	return o.FS.ReadFile(name)
}

// fix shows how the files can be rewritten, asks, and does it.
func (k *command) fix(flavor providers.Flavor) error {
	r, err := engine.Fix(flavor, func(changed map[string][]byte) (*engine.Engine, error) {
		cfg, ds := k.lenient(changed)
		if ds.HasErrors() {
			return nil, engine.FromHCL(ds, cfg.Sources)[0]
		}
		return k.offline(cfg)
	})
	if err != nil {
		return err
	}
	json, approved := k.flags.Bool("json"), k.flags.Bool("auto-approve")
	doc := map[string]any{"format_version": 1, "diagnostics": slices.Concat([]engine.Diagnostic{}, k.warnings, r.Left),
		"fixed": slices.Concat([]engine.Diagnostic{}, r.Fixed), "notes": slices.Concat([]engine.Diagnostic{}, r.Notes)}
	var files []map[string]any
	for _, f := range r.Files {
		d := unified(f)
		files = append(files, map[string]any{"name": f.Name, "diff": d, "removed": f.Empty})
		if !json {
			fmt.Fprint(k.Stdout, d)
		}
	}
	if !json {
		if len(r.Files) > 0 {
			fmt.Fprintln(k.Stdout)
		}
		view.Diagnostics(k.Stdout, r.Notes, k.viewOptions())
		k.diagnostics(k.warnings, false)
		k.diagnostics(r.Left, false)
		k.summary(r, flavor)
	}
	if len(r.Files) > 0 && !approved && !json && k.StdinTTY {
		if err := k.ask("Rewrite the files?"); err != nil {
			return err
		}
		approved = true
	}
	if approved {
		if err := k.rewrite(r); err != nil {
			return err
		}
	}
	if json {
		doc["files"], doc["written"] = files, approved && len(files) > 0
		k.json(doc)
	}
	switch {
	case !approved && len(r.Files) > 0:
		if !json {
			return problem("not_approved", "Files were not rewritten", "There is no terminal to ask at. Say -auto-approve to rewrite them as shown.")
		}
		return errTold
	case len(r.Left) > 0:
		return errTold
	}
	return nil
}

// summary is the last line before the question.
func (k *command) summary(r *engine.Rewriting, flavor providers.Flavor) {
	switch {
	case len(r.Files)+len(r.Left) == 0:
		fmt.Fprintf(k.Stdout, "Nothing in the files stands in the way of %s.\n", providers.Info{Flavor: flavor}.Title())
	case len(r.Files) == 0:
		fmt.Fprintln(k.Stderr, "Nothing of it can be rewritten.")
	default:
		fmt.Fprintf(k.Stdout, "%d of %d can be rewritten, in %s.\n", len(r.Fixed), len(r.Fixed)+len(r.Left), names(r))
	}
}

// rewrite writes the files one by one, each so that after a crash the old or
// the new one is there, and removes those of which nothing is left.
func (k *command) rewrite(r *engine.Rewriting) error {
	for _, first := range []bool{true, false} {
		for _, f := range r.Files {
			path, content := filepath.FromSlash(f.Name), f.Content
			if first {
				if content = f.First; content == nil {
					continue
				}
			}
			write := func() error { return k.keepMode(path, func() error { return state.WriteFile(k.FS, path, content) }) }
			if f.Empty && !first {
				write = func() error { return k.remove(path) }
			}
			if err := write(); err != nil {
				done := "Nothing was written."
				if k.begun {
					done = "A part of the files was."
				}
				return problem("not_written", "File cannot be written", "%v. %s Mend this, then run esmig check -fix again.", err, done)
			}
			k.begun = true
		}
	}
	if k.begun && !k.flags.Bool("json") {
		fmt.Fprintf(k.Stdout, "Rewritten: %s.\n", names(r))
	}
	return nil
}

// remove returns when it is durable.
func (k *command) remove(path string) error {
	if err := k.FS.Remove(path); err != nil {
		return err
	}
	return k.FS.SyncDir(filepath.Dir(path))
}

func names(r *engine.Rewriting) string {
	var out []string
	for _, f := range r.Files {
		name := f.Name
		if f.Empty {
			name += " (removed)"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

func unified(f engine.RewrittenFile) string {
	after := f.Name + " rewritten"
	if f.Empty {
		after = "/dev/null"
	}
	return string(diff.Diff(f.Name, f.Before, after, f.After))
}
