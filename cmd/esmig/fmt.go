package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

func fmtCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "fmt", Usage: "Write the files in the usual form",
		Description: "Rewrites the files of the folder with the usual spaces and indentation and prints the names of those that changed.",
		UsageText:   "esmig fmt -check -diff",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "write nothing; exit with 1 if a file would change"},
			&cli.BoolFlag{Name: "diff", Usage: "show what changes"},
		},
		Action: w.action(format),
	}
}

func format(k *command) error {
	if err := k.atMost(0); err != nil {
		return err
	}
	names, err := k.FS.ReadDir(k.dir)
	if err != nil {
		return problem("unreadable", "Folder cannot be read", "%v", err)
	}
	changed := false
	for _, name := range names {
		if !strings.HasSuffix(name, ".hcl") || strings.HasPrefix(name, ".") {
			continue
		}
		path := join(k.dir, name)
		before, err := k.FS.ReadFile(path)
		if err != nil {
			return problem("unreadable", "File cannot be read", "%v", err)
		}
		if ds := config.Syntax(name, before); ds.HasErrors() {
			return refused(engine.FromHCL(ds, map[string]*hcl.File{name: {Bytes: before}}))
		}
		after := config.Format(before)
		if bytes.Equal(before, after) {
			continue
		}
		changed = true
		fmt.Fprintln(k.Stdout, name)
		if k.flags.Bool("diff") {
			_, _ = k.Stdout.Write(diff.Diff(name, before, name+" formatted", after))
		}
		if k.flags.Bool("check") {
			continue
		}
		if err := k.keepMode(path, func() error { return state.WriteFile(k.FS, path, after) }); err != nil {
			return problem("not_written", "File cannot be written", "%v", err)
		}
	}
	if changed && k.flags.Bool("check") {
		return errTold
	}
	return nil
}

func (k *command) keepMode(path string, write func() error) error {
	if k.KeepMode == nil {
		return write()
	}
	return k.KeepMode(path, write)
}
