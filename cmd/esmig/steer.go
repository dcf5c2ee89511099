package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

func pauseCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "Begin no more ranges of running migrations", ArgsUsage: "[ADDRESS…]",
		Description: "Keeps the migrations that are under way, or the named ones, from beginning ranges; what runs already goes on to its end. A verification of all documents waits, too. The apply that runs waits then, and so does a later one, until esmig resume. Run it from another terminal, or when no esmig runs any more.",
		UsageText:   "esmig pause\nesmig resume",
		Flags:       varFlags(),
		Action:      w.action(func(k *command) error { return pause(k, true) }),
	}
}

func resumeCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "Let paused migrations go on", ArgsUsage: "[ADDRESS…]",
		Description: "Takes back esmig pause: an apply that waits goes on. It begins nothing by itself.",
		UsageText:   "esmig resume migration.orders",
		Flags:       varFlags(),
		Action:      w.action(func(k *command) error { return pause(k, false) }),
	}
}

func throttleCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "throttle", Usage: "Change the speed of running migrations", ArgsUsage: "N|off [ADDRESS…]",
		Description: "Lets the migrations that are under way, or the named ones, copy up to N documents per second each, over all their ranges together: the tasks that run are told at once, and ranges to come keep to it, also those of a later apply. A verification of all documents keeps to it on each side. off: as fast as the block says.",
		UsageText:   "esmig throttle 500\nesmig throttle off migration.orders",
		Flags:       varFlags(),
		Action:      w.action(throttle),
	}
}

func pause(k *command, paused bool) error {
	done, err := k.steer(k.flags.Args().Slice(), engine.Steering{Paused: &paused})
	for _, m := range done {
		if paused && m.Copied {
			fmt.Fprintf(k.Stdout, "%s is paused: nothing more is compared.\n", m.Addr)
		} else if paused {
			fmt.Fprintf(k.Stdout, "%s is paused: no range is begun, those that run end.\n", m.Addr)
		} else {
			fmt.Fprintf(k.Stdout, "%s is not paused.\n", m.Addr)
		}
	}
	return err
}

func throttle(k *command) error {
	text := k.flags.Args().First()
	n := 0.0
	if text != "off" {
		var err error
		if n, err = strconv.ParseFloat(text, 64); err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return usagef("Not a speed", "esmig throttle takes a number of documents per second, or off, and then addresses. See esmig throttle -help")
		}
	}
	done, err := k.steer(k.flags.Args().Tail(), engine.Steering{RequestsPerSecond: &n})
	for _, m := range done {
		as, does := "as fast as its block says", "copies"
		if n > 0 {
			as = fmt.Sprintf("up to %s documents per second", text)
		}
		if m.Copied {
			does = "compares"
		}
		tasks := "; no task runs now"
		switch {
		case m.Trouble != "" || m.Copied:
			tasks = ""
		case m.Tasks == 1:
			tasks = "; 1 running task was told"
		case m.Tasks > 1:
			tasks = fmt.Sprintf("; %d running tasks were told", m.Tasks)
		}
		fmt.Fprintf(k.Stdout, "%s %s %s%s.\n", m.Addr, does, as, tasks)
		if m.Trouble != "" {
			k.diagnostics(diagnose(problem("not_told", "Running tasks were not told", "%s: %s. It is written down: an apply that runs tells them, or the next one.", m.Addr, m.Trouble)), false)
			err = errTold
		}
	}
	return err
}

func (k *command) steer(args []string, s engine.Steering) ([]engine.Steered, error) {
	addrs, err := addresses(args)
	if err != nil {
		return nil, err
	}
	e, _, err := k.open("")
	if err != nil {
		return nil, err
	}
	if i, held := state.Holder(k.FS, join(k.dir, e.Config.Settings.StatePath)); held {
		s.Verifying = i.Operation == "verify" || i.Operation == "repair"
	}
	k.begun = true // "nothing has been changed" may be wrong from here on
	return e.Steer(k.flags.Context, addrs, s)
}
