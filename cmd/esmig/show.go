package main

import (
	"bytes"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

func showCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "Show the state, a plan file, or a log of events", ArgsUsage: "[PLANFILE]",
		Description: "Shows what the last apply left, or with a PLANFILE what that plan would do, or a log of apply -json again. Asks no cluster.",
		UsageText:   "esmig show today.plan\nesmig show -events apply.jsonl",
		Flags: append(varFlags(),
			&cli.StringFlag{Name: "events", Category: groupWhat, Usage: "`FILE` that apply -json-into wrote"},
			verboseFlag(), jsonFlag("print state or plan as one JSON document")),
		Action: w.action(show),
	}
}

func show(k *command) error {
	file, events := k.flags.Args().First(), k.flags.String("events")
	switch {
	case file != "" && events != "":
		return usagef("Two things to show", "Show either the plan %s or the events of %s.", file, events)
	case events != "":
		return k.showEvents(events)
	case file != "":
		p, err := engine.ReadPlan(k.FS, join(k.dir, file))
		if err != nil {
			return err
		}
		if k.flags.Bool("json") {
			k.json(p)
		} else {
			k.showPlan(p, "")
		}
		return k.atMost(1)
	}
	store, err := k.store()
	if err != nil {
		return err
	}
	if k.flags.Bool("json") {
		b, err := state.Encode(store.Get())
		_, _ = k.Stdout.Write(b)
		return err
	}
	view.State(k.Stdout, store.Get(), k.viewOptions())
	return nil
}

func (k *command) showEvents(name string) error {
	raw, err := k.FS.ReadFile(join(k.dir, name))
	if err != nil {
		return problem("no_events", "Events cannot be read", "%v", err)
	}
	k.openView()
	if err := view.Replay(bytes.NewReader(raw), k.view); err != nil {
		return problem("bad_events", "Not a log of events", "%s: %v", name, err)
	}
	return nil
}

// store opens the state that the files name.
func (k *command) store() (*state.Store, error) {
	cfg, err := k.load()
	if err != nil {
		return nil, err
	}
	return state.Open(k.FS, join(k.dir, cfg.Settings.StatePath), k.Version)
}
