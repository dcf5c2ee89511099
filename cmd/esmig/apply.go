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
			onInterruptFlag(),
		}),
		Action: w.action(func(k *command) error {
			o, err := k.planOptions()
			if err != nil {
				return err
			}
			return k.apply(k.flags.Args().First(), o, nil)
		}),
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

// apply carries out the plan in file or, without one, makes one, which accept
// may refuse.
func (k *command) apply(file string, o engine.PlanOptions, accept func(*engine.Plan) error) error {
	if err := checkApply(k, file, o); err != nil {
		return err
	}
	k.openView()
	var p *engine.Plan
	var err error
	if file != "" {
		if p, err = engine.ReadPlan(k.FS, join(k.dir, file)); err != nil {
			return err
		}
		k.planned = p.Variables
	}
	e, unlock, err := k.open(k.flags.Command.Name)
	defer func() { unlock() }()
	if err != nil {
		return err
	}
	if file != "" {
		err = k.checkPlan(e, p)
	} else {
		p, err = e.Plan(k.flags.Context, o)
	}
	if err != nil {
		return err
	}
	if p.Failed() && !k.flags.Bool("json") {
		k.showPlan(p, "")
		if k.log != nil {
			k.log(engine.PlanReady{Plan: p})
		}
		return errTold
	}
	if accept != nil && !p.Failed() {
		if err := accept(p); err != nil {
			return err
		}
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
	k.afterInterrupt(e)
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
	if err := k.checkInterrupt(); err != nil {
		return err
	}
	return k.atMost(1)
}

// checkPlan refuses a plan from a file that is out of date.
func (k *command) checkPlan(e *engine.Engine, p *engine.Plan) error {
	if ds := e.CheckPlan(k.flags.Context, p); (&engine.Plan{Diagnostics: ds}).Failed() {
		return refused(ds)
	}
	return nil
}
