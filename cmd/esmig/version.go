package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/state"
)

func versionCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Print the version",
		Description: "Prints the version of esmig, and with -json also the platform and the format of its state.",
		UsageText:   "esmig version -json",
		Flags:       []cli.Flag{jsonFlag("print one JSON document")},
		Action: w.action(func(k *command) error {
			if k.flags.Bool("json") {
				k.json(map[string]any{"version": k.Version, "platform": runtime.GOOS + "_" + runtime.GOARCH, "go": runtime.Version(), "state_format": state.Format})
				return nil
			}
			fmt.Fprintln(k.Stdout, "esmig", k.Version)
			return k.atMost(0)
		}),
	}
}
