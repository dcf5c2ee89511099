package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
)

// referenceCommand prints the reference page, which is checked in and compared.
func referenceCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "reference", Hidden: true, Usage: "Print the reference of all kinds as Markdown",
		Description: "Prints the reference page of all kinds of blocks, as Markdown.",
		Action: w.action(func(k *command) error {
			reference(k.Stdout, all.Kinds())
			return k.atMost(0)
		}),
	}
}

func reference(w io.Writer, kinds []*providers.Kind) {
	fmt.Fprint(w, "# Kinds of blocks\n\nMade by `esmig reference` from the kinds themselves; do not edit.\n")
	for _, k := range kinds {
		fmt.Fprintf(w, "\n## %s\n\n%s\n\nStage: %s.\n", k.Name, k.Doc, k.Stage)
		attributes(w, k.Attrs)
		for _, b := range k.Blocks {
			fmt.Fprintf(w, "\n### block `%s`\n\n%s", b.Name, b.Doc)
			if b.Required {
				fmt.Fprint(w, " Required.")
			}
			fmt.Fprintln(w)
			attributes(w, b.Attrs)
		}
		if k.Example != "" {
			fmt.Fprintf(w, "\n```hcl\n%s\n```\n", strings.TrimSpace(k.Example))
		}
	}
}

func attributes(w io.Writer, attrs []providers.Attr) {
	if len(attrs) == 0 {
		return
	}
	fmt.Fprint(w, "\n| argument | type | |\n|---|---|---|\n")
	for _, a := range attrs {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", a.Name, typeName(a.Type), cell(a))
	}
}

func typeName(t cty.Type) string {
	switch {
	case t.Equals(providers.ClusterType):
		return "cluster"
	case t == cty.DynamicPseudoType:
		return "any"
	default:
		return t.FriendlyName()
	}
}

// cell is the argument's sentence, and what a user must know besides.
func cell(a providers.Attr) string {
	parts := []string{a.Doc}
	if a.Required {
		parts = append(parts, "Required.")
	}
	if len(a.OneOf) > 0 {
		parts = append(parts, "One of `"+strings.Join(a.OneOf, "`, `")+"`.")
	}
	if a.Default != cty.NilVal {
		if b, err := ctyjson.Marshal(a.Default, a.Default.Type()); err == nil {
			parts = append(parts, "Default: `"+string(b)+"`.")
		}
	}
	if a.Sensitive {
		parts = append(parts, "Sensitive: never shown.")
	}
	if a.Example != "" {
		parts = append(parts, "Example: `"+a.Example+"`")
	}
	return strings.ReplaceAll(strings.Join(parts, " "), "|", "\\|")
}
