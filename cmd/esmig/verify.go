package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

func verifyCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "Compare finished migrations again", ArgsUsage: "[ADDRESS…]",
		Description: "Compares source and destination of all finished migrations, or of the named ones, as their blocks say. Nothing is copied.",
		UsageText:   "esmig verify migration.orders",
		Flags: slices.Concat(varFlags(), []cli.Flag{
			parallelismFlag(), lockFlag(), jsonFlag("print each event as a line of JSON"),
			&cli.StringFlag{Name: "json-into", Category: groupShow, Usage: "write the events as lines of JSON into `FILE` too"},
		}),
		Action: w.action(verify),
	}
}

func verify(k *command) error {
	addrs, err := addresses(k.flags.Args().Slice())
	if err != nil {
		return err
	}
	if err := k.openView(); err != nil {
		return err
	}
	e, unlock, err := k.open("verify")
	defer func() { unlock() }()
	if err != nil {
		return err
	}
	sum, err := e.VerifyOnly(k.flags.Context, addrs)
	k.begun = sum.Verified+sum.Unverified+sum.Failed+sum.Skipped > 0
	k.rescue(e.Store)
	return err
}
