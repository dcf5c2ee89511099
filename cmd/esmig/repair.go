package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

func repairCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "repair", Usage: "Copy just what is missing or different", ArgsUsage: "ADDRESS",
		Description: "Compares all documents of a finished migration, copies those again that are missing on the destination or different there, and compares once more. One that has a higher version on the destination was written there since, and stays as it is. Asks nothing.",
		UsageText:   "esmig repair migration.orders",
		Flags: slices.Concat(varFlags(), verifyFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "delete-extra", Category: groupWhat, Usage: "delete documents that only the destination has"},
		}),
		Action: w.action(func(k *command) error {
			a, err := k.oneMigration()
			if err != nil {
				return err
			}
			return k.compare("repair", func(e *engine.Engine) (engine.Summary, error) {
				return e.Repair(k.flags.Context, []providers.Addr{a}, k.flags.Bool("delete-extra"))
			})
		}),
	}
}
