package main

import (
	"io"

	"github.com/urfave/cli/v2"
)

func graphCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "graph", Usage: "Draw the order of all steps",
		Description: "Prints what waits for what, as if nothing had been applied yet. Asks no cluster.",
		UsageText:   "esmig graph | dot -Tsvg > graph.svg",
		Flags: append(varFlags(), &cli.StringFlag{Name: "format", Category: groupShow, Value: "dot",
			Usage: "`FORMAT`: dot for Graphviz, or mermaid for Markdown"}),
		Action: w.action(func(k *command) error {
			format := k.flags.String("format")
			if format != "dot" && format != "mermaid" {
				return usagef("Unknown format", "-format takes dot or mermaid, not %q.", format)
			}
			if err := k.atMost(0); err != nil {
				return err
			}
			e, _, err := k.open("")
			if err != nil {
				return err
			}
			text, ds := e.Graph(format)
			if text == "" {
				return refused(ds)
			}
			_, err = io.WriteString(k.Stdout, text)
			return err
		}),
	}
}
