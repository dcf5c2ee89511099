package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

func destroyCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "destroy", Usage: "Delete what esmig made",
		Description: "Plans to delete all objects that esmig made, shows it, asks, and does it. Adopted objects and migrations are only forgotten, and an index with documents is protected until its deletion_protection was set to false and applied.",
		UsageText:   "esmig destroy -target index.orders",
		Flags:       slices.Concat(planFlags(), varFlags(), applyFlags()),
		Action: w.action(func(k *command) error {
			if err := k.atMost(0); err != nil {
				return err
			}
			o, err := k.planOptions()
			if err != nil {
				return err
			}
			o.Destroy = true
			return k.apply("", o, nil)
		}),
	}
}
