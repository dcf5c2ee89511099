package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
)

func onInterruptFlag() cli.Flag {
	return &cli.StringFlag{Name: "on-interrupt", Category: groupRun, Usage: "what becomes of ranges that servers are copying when Ctrl-C stops esmig: `ACTION` leave (the next apply follows them) or cancel (it begins them again); if not given, a terminal is asked, and else, and with -json, they are left"}
}

func (k *command) checkInterrupt() error {
	if a := k.flags.String("on-interrupt"); !slices.Contains([]string{"", "leave", "cancel"}, a) {
		return usagef("Unknown action", "-on-interrupt takes leave or cancel, not %q.", a)
	}
	return nil
}

// afterInterrupt decides on what still runs on servers, once this apply has
// stopped. A second signal ends it at once: then they are left.
func (k *command) afterInterrupt(e *engine.Engine) {
	action := k.flags.String("on-interrupt")
	// A question needs somebody who sees it: not in a file, not among the lines of
	// -json, and not for who ended esmig by another signal than Ctrl-C.
	asks := k.StdinTTY && k.StdoutTTY && !k.flags.Bool("json") && !errors.Is(context.Cause(k.flags.Context), errTerminated)
	if k.flags.Context.Err() == nil || action == "leave" || action == "" && !asks {
		return
	}
	ctx := context.WithoutCancel(k.flags.Context)
	if action == "" {
		s, err := e.Status(ctx, nil, nil)
		if err != nil {
			k.diagnostics(diagnose(err), false)
			return
		}
		tasks, where := 0, ""
		for _, m := range s.Migrations {
			if m.Status != nil && len(m.Status.Tasks) > 0 {
				tasks += len(m.Status.Tasks)
				where += ", " + m.Addr.String()
			}
		}
		if tasks == 0 {
			return
		}
		is := "tasks still run"
		if tasks == 1 {
			is = "task still runs"
		}
		fmt.Fprintf(k.Stdout, "\n%d %s on the destination: %s.\nCancel? Only \"yes\" does; else they go on, and the next apply follows them: ", tasks, is, where[2:])
		if k.answer() != "yes" {
			return
		}
	}
	if err := e.CancelTasks(ctx); err != nil {
		k.diagnostics(diagnose(err), false)
	}
}
