package main

import (
	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/state"
)

func statusCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "Show how far migrations are, also while they run", ArgsUsage: "[ADDRESS…]",
		Description: "Shows the migrations that are not finished, or the named ones: ranges, documents, speed, the tasks that run on the destination, and the next step. Reads the state and asks the clusters; it may be run beside an apply.",
		UsageText:   "esmig status\nesmig status -json migration.orders",
		Flags:       append(varFlags(), jsonFlag("print one JSON document")),
		Action:      w.action(status),
	}
}

func status(k *command) error {
	addrs, err := addresses(k.flags.Args().Slice())
	if err != nil {
		return err
	}
	e, _, err := k.open("")
	if err != nil {
		return err
	}
	var running *state.LockInfo
	if i, held := state.Holder(k.FS, join(k.dir, e.Config.Settings.StatePath)); held {
		running = &i
	}
	s, err := e.Status(k.flags.Context, running, addrs)
	if err != nil {
		return err
	}
	if k.flags.Bool("json") {
		k.json(s)
	} else {
		view.Status(k.Stdout, s, k.viewOptions())
	}
	return nil
}
