package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/state"
)

func unlockCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "unlock", Usage: "Remove what a killed esmig left of its lock",
		Description: "A lock ends with its process, so this is seldom needed. While a living esmig holds the lock, it is refused.",
		UsageText:   "esmig unlock",
		Flags:       varFlags(),
		Action: w.action(func(k *command) error {
			if err := k.atMost(0); err != nil {
				return err
			}
			cfg, err := k.load()
			if err != nil {
				return err
			}
			if err := state.ForceUnlock(k.FS, join(k.dir, cfg.Settings.StatePath)); err != nil {
				return err
			}
			fmt.Fprintln(k.Stdout, "The state is not locked.")
			return nil
		}),
	}
}
