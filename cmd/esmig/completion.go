package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// The shells ask the hidden command what may come next, so they never lag
// behind. Its last argument is the word that is being typed.
const (
	bashCompletion = `_esmig() {
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "$(esmig complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _esmig esmig
`
	zshCompletion = `#compdef esmig
_esmig() {
  local -a words_next
  words_next=(${(f)"$(esmig complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  compadd -a words_next || _files
}
compdef _esmig esmig
`
	fishCompletion = `complete -c esmig -a '(esmig complete (commandline -opc)[2..] (commandline -ct))'
`
)

func completionCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "Print a script that completes commands in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "Prints a script for a shell; put it where the shell reads its own.",
		UsageText:   "esmig completion bash > ~/.local/share/bash-completion/completions/esmig",
		Action: w.action(func(k *command) error {
			script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[k.flags.Args().First()]
			if !ok {
				return usagef("Unknown shell", "esmig completion takes bash, zsh or fish.")
			}
			_, err := io.WriteString(k.Stdout, script)
			return err
		}),
	}
}

func completeCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "complete", Hidden: true, SkipFlagParsing: true,
		Description: "Lists what may come next on a command line.",
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			commands, flags := c.App.Commands, c.App.Flags
			for _, word := range words[:len(words)-1] {
				if i := indexCommand(commands, word); i >= 0 {
					commands, flags = commands[i].Subcommands, commands[i].Flags
				}
			}
			last := words[len(words)-1]
			if strings.HasPrefix(last, "-") {
				for _, f := range flags {
					fmt.Fprintln(w.Stdout, "-"+f.Names()[0])
				}
				return nil
			}
			for _, s := range commands {
				if !s.Hidden && strings.HasPrefix(s.Name, last) {
					fmt.Fprintln(w.Stdout, s.Name)
				}
			}
			return nil
		},
	}
}
