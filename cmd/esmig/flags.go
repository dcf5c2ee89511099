package main

import (
	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
)

// Groups of flags in a help text.
const (
	groupWhat = "What to do"
	groupRead = "What to read"
	groupRun  = "How to run"
	groupShow = "How to show it"
)

func varFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "var", Category: groupRead, Usage: "`NAME=VALUE` of a variable; may be repeated. Also: ESMIG_VAR_name in the environment, which does not show in a list of processes"},
		&cli.StringSliceFlag{Name: "var-file", Category: groupRead, Usage: "`FILE` with values of variables; may be repeated"},
	}
}

func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "target", Category: groupWhat, Usage: "`ADDRESS` of a block: only this and what it needs; may be repeated"},
		&cli.BoolFlag{Name: "refresh", Category: groupWhat, Value: true, Usage: "believe the state instead of asking the clusters what is there"},
	}
}

func lockFlag() cli.Flag {
	return &cli.DurationFlag{Name: "lock-timeout", Category: groupRun, Usage: "how long to wait for another esmig: `TIME` such as 10m; without it: not at all"}
}

func parallelismFlag() cli.Flag {
	return &cli.IntFlag{Name: "parallelism", Category: groupRun, Usage: "run up to `N` steps at once; 10 if not given",
		Action: func(_ *cli.Context, n int) error {
			if n < 1 {
				return usagef("Too few steps at once", "-parallelism takes a number from 1 on.")
			}
			return nil
		}}
}

func jsonFlag(what string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Category: groupShow, Usage: what}
}

func verboseFlag() cli.Flag {
	return &cli.BoolFlag{Name: "verbose", Category: groupShow, Usage: "show whole bodies, and all leaves that differ"}
}

// planOptions reads planFlags and -restart.
func (k *command) planOptions() (o engine.PlanOptions, err error) {
	if o.Targets, err = addresses(k.flags.StringSlice("target")); err != nil {
		return o, err
	}
	if o.Restart, err = addresses(k.flags.StringSlice("restart")); err != nil {
		return o, err
	}
	o.NoRefresh = !k.flags.Bool("refresh")
	return o, nil
}

// atMost refuses more arguments than a command takes.
func (k *command) atMost(n int) error {
	if k.flags.NArg() > n {
		return usagef("Too many arguments", "%q is one too many. See esmig %s -help", k.flags.Args().Get(n), k.flags.Command.Name)
	}
	return nil
}
