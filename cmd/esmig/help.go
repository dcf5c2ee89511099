package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/mitchellh/go-wordwrap"
	"github.com/urfave/cli/v2"
)

const exitCodes = `EXIT CODES
  0    done, or no changes
  1    error
  2    plan -detailed-exitcode: there are changes
  3    applied, but verification found a difference
  130  interrupted
`

const helpWidth = 80

func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this", DisableDefaultText: true}
}

// appHelp lists the commands in the order of work.
func appHelp(a *cli.App) string {
	var b strings.Builder
	b.WriteString(`Usage: esmig [-chdir DIR] COMMAND [flags] [arguments]

Moves an Elasticsearch deployment to another one, from files that are kept in
version control: what must be there before the data, the data, and what comes
after. What was interrupted goes on, and what arrived is compared.

COMMANDS
`)
	commandList(&b, a.Commands)
	b.WriteString("\nFLAGS\n")
	flagList(&b, a.Flags, "")
	b.WriteString(`
EXAMPLE
  esmig validate
  esmig plan -out today.plan
  esmig apply today.plan

`)
	b.WriteString(exitCodes)
	return b.String()
}

// commandHelp is usage, two sentences, flags in groups, and an example, which
// stands in UsageText.
func commandHelp(c *cli.Command, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s", name)
	if len(c.Subcommands) > 0 {
		b.WriteString(" COMMAND")
	}
	b.WriteString(" [flags]")
	if c.ArgsUsage != "" {
		b.WriteString(" " + c.ArgsUsage)
	}
	fmt.Fprintf(&b, "\n\n%s\n\n", wordwrap.WrapString(c.Description, helpWidth))
	if len(c.Subcommands) > 0 {
		b.WriteString("COMMANDS\n")
		commandList(&b, c.Subcommands)
		b.WriteString("\n")
	}
	for _, group := range groups(c.Flags) {
		if title := strings.ToUpper(group); title != "" {
			b.WriteString(title + "\n")
		} else {
			b.WriteString("FLAGS\n")
		}
		flagList(&b, c.Flags, group)
		b.WriteString("\n")
	}
	if c.UsageText != "" {
		fmt.Fprintf(&b, "EXAMPLE\n  %s\n\n", strings.ReplaceAll(c.UsageText, "\n", "\n  "))
	}
	b.WriteString(exitCodes)
	return b.String()
}

func commandList(w io.Writer, commands []*cli.Command) {
	for _, c := range commands {
		if !c.Hidden {
			fmt.Fprintf(w, "  %-12s %s\n", c.Name, c.Usage)
		}
	}
}

// category is the group of a flag; all our flags have one, if only an empty one.
func category(f cli.Flag) string {
	if c, ok := f.(cli.CategorizableFlag); ok {
		return c.GetCategory()
	}
	return ""
}

// groups in the order in which they are written; the one without a name last.
func groups(flags []cli.Flag) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, f := range flags {
		if g := category(f); !seen[g] {
			seen[g] = true
			out = append(out, g)
		}
	}
	return append(out, "")
}

// flagList writes flags with one dash, as they are documented; the value's
// name is what stands in backquotes.
func flagList(w io.Writer, flags []cli.Flag, group string) {
	const column = 24
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || category(f) != group {
			continue
		}
		name, usage := "  -"+f.Names()[0], d.GetUsage()
		if before, rest, quoted := strings.Cut(usage, "`"); quoted {
			value, after, _ := strings.Cut(rest, "`")
			usage = before + value + after
			name += " " + value
		}
		if b, ok := f.(*cli.BoolFlag); ok && b.Value {
			name += "=false"
		}
		for i, l := range strings.Split(wordwrap.WrapString(usage, helpWidth-column), "\n") {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "%-*s%s\n", column, name+" ", l)
		}
	}
}

func helpCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "Show the help of a command", ArgsUsage: "[COMMAND]", Hidden: true,
		Description: "Shows what esmig -help and esmig COMMAND -help show.",
		Action: func(c *cli.Context) error {
			text, commands, parent := c.App.CustomAppHelpTemplate, c.App.Commands, "esmig"
			for _, name := range c.Args().Slice() {
				i := indexCommand(commands, name)
				if i < 0 {
					return unknownCommand(commands, parent, name)
				}
				text, commands, parent = commands[i].CustomHelpTemplate, commands[i].Subcommands, parent+" "+name
			}
			_, err := io.WriteString(w.Stdout, text)
			return err
		},
	}
}

func indexCommand(commands []*cli.Command, name string) int {
	for i, c := range commands {
		if c.Name == name {
			return i
		}
	}
	return -1
}
