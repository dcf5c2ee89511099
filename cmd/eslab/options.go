package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

var errHelp = errors.New("help")

type options struct {
	command string
	servers []string
	heap    string
	args    []string // of run: the command and its arguments
}

// superviseCommand is the process that "up" leaves in the background.
const superviseCommand = "supervise"

func parse(args []string) (options, error) {
	if len(args) == 0 {
		return options{}, errors.New(`a command is missing; run "eslab help" for the list`)
	}
	opts := options{command: args[0]}
	switch opts.command {
	case "help", "-h", "-help", "--help":
		return opts, errHelp
	case "run", "up", "down", "env", "fetch", "load", superviseCommand, dataCommand:
	default:
		return opts, fmt.Errorf(`unknown command %q; run "eslab help" for the list`, opts.command)
	}
	flags := flag.NewFlagSet(opts.command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	servers := flags.String("servers", "source,target", "")
	flags.StringVar(&opts.heap, "heap", "1g", "")
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return opts, errHelp
	} else if err != nil {
		return opts, err
	}
	opts.args = flags.Args()
	switch {
	case opts.command == "run" && len(opts.args) == 0:
		return opts, errors.New("a command to run is missing; give it after --, as in: eslab run -- go test ./...")
	case opts.command == "load" && len(opts.args) != 1:
		return opts, errors.New("name the server to load, as in: eslab load source")
	case opts.command == dataCommand && len(opts.args) != 1:
		return opts, errors.New("name the data set, as in: eslab data flights")
	case opts.command != "run" && opts.command != "load" && opts.command != dataCommand && len(opts.args) > 0:
		return opts, fmt.Errorf("%s takes no argument %q", opts.command, opts.args[0])
	}
	var err error
	opts.servers, err = parseServers(*servers)
	return opts, err
}

func parseServers(list string) ([]string, error) {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		s, ok := catalogue[name]
		if !ok {
			return nil, fmt.Errorf("unknown server %q; known are %s", name, strings.Join(serverNames, ", "))
		}
		if s.before != "" {
			add(s.before)
		}
		add(name)
	}
	return names, nil
}
