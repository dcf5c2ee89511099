package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/state"
)

func applyCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "apply", Usage: "Do it: make objects, copy the data, compare it", ArgsUsage: "[PLANFILE]",
		Description: "Plans, asks, and carries the plan out in order. What was interrupted goes on where it was. With a PLANFILE of esmig plan -out exactly that plan is carried out, without asking, and refused when anything has changed since.",
		UsageText:   "esmig apply\nesmig apply today.plan",
		Flags: slices.Concat(planFlags(), varFlags(), applyFlags(), []cli.Flag{
			&cli.StringSliceFlag{Name: "restart", Category: groupWhat, Usage: "`ADDRESS` of a migration that begins again instead of going on; may be repeated"},
		}),
		Action: w.action(func(k *command) error { return apply(k, false) }),
	}
}

func applyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "auto-approve", Category: groupRun, Usage: "do not ask"},
		parallelismFlag(), lockFlag(), verboseFlag(),
		jsonFlag("print each event as a line of JSON; needs -auto-approve or a PLANFILE"),
		&cli.StringFlag{Name: "json-into", Category: groupShow, Usage: "write the events as lines of JSON into `FILE` too; esmig show -events FILE shows them again"},
	}
}

func apply(k *command, destroy bool) error {
	file := k.flags.Args().First()
	o, err := k.planOptions()
	if err != nil {
		return err
	}
	o.Destroy = destroy
	if err := checkApply(k, file, o); err != nil {
		return err
	}
	if err := k.openView(); err != nil {
		return err
	}
	e, unlock, err := k.open(k.flags.Command.Name)
	defer func() { unlock() }()
	if err != nil {
		return err
	}
	var p *engine.Plan
	if file != "" {
		p, err = k.readPlan(e, file)
	} else {
		p, err = e.Plan(k.flags.Context, o)
	}
	if err != nil {
		return err
	}
	if p.Failed() && !k.flags.Bool("json") {
		k.showPlan(p, "")
		return errTold
	}
	k.sink(engine.PlanReady{Plan: p})
	switch {
	case p.Failed():
		return errTold
	case p.Empty() && !moves(e):
		return nil
	}
	if !p.Empty() && file == "" && !k.flags.Bool("auto-approve") {
		if err := k.ask("Do this?"); err != nil {
			return err
		}
	}
	k.begun = true
	_, err = e.Apply(k.flags.Context, p)
	k.rescue(e.Store)
	return err
}

// moves: a moved block says something that the state does not know yet. Only
// the record changes.
func moves(e *engine.Engine) bool {
	return slices.ContainsFunc(e.Store.Get().Objects, func(o state.Object) bool {
		return slices.ContainsFunc(e.Config.Moved, func(m config.Moved) bool {
			return o.Addr == m.From || !m.From.Keyed && o.Addr.Block() == m.From
		})
	})
}

func checkApply(k *command, file string, o engine.PlanOptions) error {
	switch asks := file == "" && !k.flags.Bool("auto-approve"); {
	case asks && k.flags.Bool("json"):
		return usagef("Nobody to ask", "With -json nobody is asked. Say -auto-approve, or apply a file of esmig plan -out FILE.")
	case asks && !k.StdinTTY:
		return usagef("Nobody to ask", "esmig %s asks before it changes anything, and there is no terminal. Say -auto-approve, or apply a file of esmig plan -out FILE.", k.flags.Command.Name)
	case file != "" && (len(o.Targets) > 0 || len(o.Restart) > 0 || o.NoRefresh):
		return usagef("The plan is made", "%s says what is done: -target, -restart and -refresh belong to the plan.", file)
	}
	return k.atMost(1)
}

func (k *command) readPlan(e *engine.Engine, file string) (*engine.Plan, error) {
	p, err := engine.ReadPlan(k.FS, join(k.dir, file))
	if err != nil {
		return nil, err
	}
	if ds := e.CheckPlan(k.flags.Context, p); (&engine.Plan{Diagnostics: ds}).Failed() {
		return nil, refused(ds)
	}
	return p, nil
}
