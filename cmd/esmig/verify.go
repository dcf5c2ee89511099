package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
)

func verifyCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "Compare finished migrations again", ArgsUsage: "[ADDRESS…]",
		Description: "Compares source and destination of all finished migrations, or of the named ones, as their blocks say. Nothing is copied.",
		UsageText:   "esmig verify migration.orders",
		Flags:       slices.Concat(varFlags(), verifyFlags()),
		Action: w.action(func(k *command) error {
			addrs, err := addresses(k.flags.Args().Slice())
			if err != nil {
				return err
			}
			return k.compare("verify", func(e *engine.Engine) (engine.Summary, error) {
				return e.VerifyOnly(k.flags.Context, addrs)
			})
		}),
	}
}

func verifyFlags() []cli.Flag {
	return []cli.Flag{
		parallelismFlag(), lockFlag(), jsonFlag("print each event as a line of JSON"),
		&cli.StringFlag{Name: "json-into", Category: groupShow, Usage: "write the events as lines of JSON into `FILE` too"},
		&cli.StringFlag{Name: "junit", Category: groupShow, Usage: "write what was found into `FILE` as the XML of JUnit: a test for each migration"},
	}
}

// compare runs what ends with a verification.
func (k *command) compare(operation string, f func(*engine.Engine) (engine.Summary, error)) error {
	k.openView()
	e, unlock, err := k.open(operation)
	defer func() { unlock() }()
	if err != nil {
		return err
	}
	sum, err := f(e)
	k.begun = sum.Verified+sum.Unverified+sum.Repaired+sum.HalfRepaired+sum.Failed+sum.Skipped > 0
	k.rescue(e.Store)
	return err
}
