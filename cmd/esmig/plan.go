package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/engine"
)

func planCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "Show what apply would do; changes nothing",
		Description: "Compares the files with the state and the clusters and shows what apply would do, in order, with all that stands in the way. Only reads.",
		UsageText:   "esmig plan -out today.plan",
		Flags: slices.Concat(planFlags(), varFlags(), []cli.Flag{
			&cli.StringFlag{Name: "out", Category: groupWhat, Usage: "keep exactly this plan in `FILE`, for esmig apply FILE"},
			&cli.BoolFlag{Name: "detailed-exitcode", Category: groupShow, Usage: "exit with 2 when there are changes"},
			verboseFlag(), jsonFlag("print the plan as one JSON document"),
		}),
		Action: w.action(plan),
	}
}

func plan(k *command) error {
	o, err := k.planOptions()
	if err == nil {
		err = k.atMost(0)
	}
	if err != nil {
		return err
	}
	e, _, err := k.open("")
	if err != nil {
		return err
	}
	p, err := e.Plan(k.flags.Context, o)
	if err != nil {
		return err
	}
	hint := `Nothing has been changed. Run "esmig apply" to do this, or "esmig plan -out FILE" to keep exactly this plan.`
	if out := k.flags.String("out"); out != "" && !p.Failed() {
		if err := engine.WritePlan(k.FS, join(k.dir, out), p); err != nil {
			return problem("plan_not_written", "Plan cannot be written", "%v", err)
		}
		hint = fmt.Sprintf("Nothing has been changed. The plan is in %s. Run \"esmig apply %s\" to do exactly this.", out, out)
	}
	if k.flags.Bool("json") {
		p.Diagnostics = append(k.warnings, p.Diagnostics...)
		k.json(p)
	} else {
		k.showPlan(p, hint)
	}
	switch {
	case p.Failed():
		return errTold
	case k.flags.Bool("detailed-exitcode") && !p.Empty():
		return errChanges
	}
	return nil
}

// showPlan draws a plan; one that was refused is an error.
func (k *command) showPlan(p *engine.Plan, hint string) {
	o := k.viewOptions()
	o.Verbose, o.Hint = k.flags.Bool("verbose"), hint
	w := k.Stdout
	if p.Failed() {
		w = k.Stderr
	}
	view.Plan(w, p, o)
}
