package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

func validateCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "validate", Usage: "Check the files, without any cluster",
		Description: "Reads all files of the folder and checks what can be checked offline: arguments, types, references, circles. Every error names file and line.",
		UsageText:   "esmig validate",
		Flags:       append(varFlags(), jsonFlag("print the diagnostics as one JSON document")),
		Action:      w.action(validate),
	}
}

func validate(k *command) error {
	if err := k.atMost(0); err != nil {
		return err
	}
	cfg, err := k.load()
	if err != nil {
		return err
	}
	// An empty state: what is on disk has no part in it.
	store, err := state.Open(state.NewMemFS(), cfg.Settings.StatePath, k.Version)
	if err != nil {
		return err
	}
	e := engine.New(engine.Options{Config: cfg, Store: store, Connect: k.connect})
	ds := e.Validate()
	if (&engine.Plan{Diagnostics: ds}).Failed() {
		return refused(ds)
	}
	if k.flags.Bool("json") {
		k.json(map[string]any{"format_version": 1, "diagnostics": append(append([]engine.Diagnostic{}, k.warnings...), ds...)})
		return nil
	}
	k.diagnostics(ds, false)
	blocks := fmt.Sprint(len(cfg.Blocks), " blocks")
	if len(cfg.Blocks) == 1 {
		blocks = "1 block"
	}
	fmt.Fprintf(k.Stdout, "The files are valid: %s.\n", blocks)
	return nil
}
