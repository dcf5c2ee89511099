package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

func retryCommand(w World) *cli.Command {
	return &cli.Command{
		Name: "retry", Usage: "Copy refused documents again", ArgsUsage: "ADDRESS",
		Description: "Sends the documents of a migration again that the destination has refused, after what they were refused for is mended, and compares once more. Of one that is half done the ranges in which documents were refused are copied again first, and it goes on. Only this migration and what it needs is applied; what is there is not copied again.",
		UsageText:   "esmig retry migration.orders",
		Flags:       slices.Concat(varFlags(), applyFlags(), []cli.Flag{onInterruptFlag()}),
		Action:      w.action(retry),
	}
}

func retry(k *command) error {
	a, err := k.oneMigration()
	if err != nil {
		return err
	}
	return k.apply("", engine.PlanOptions{Targets: []providers.Addr{a}, Retry: []providers.Addr{a}}, func(p *engine.Plan) error {
		if slices.ContainsFunc(p.Steps, func(s *engine.Step) bool {
			return (s.Action == engine.Resume || s.Action == engine.Retry) && (s.Addr == a || !a.Keyed && s.Addr.Block() == a)
		}) {
			return nil
		}
		return problem("nothing_to_retry", "Nothing to retry", "%s is not half done and leaves no refused documents behind, so that none waits to be sent again. esmig status shows how far it is.", a)
	})
}

// oneMigration is the one argument of retry and repair.
func (k *command) oneMigration() (providers.Addr, error) {
	addrs, err := addresses(k.flags.Args().Slice())
	if err == nil && len(addrs) != 1 {
		err = usagef("Wrong number of arguments", "esmig %s needs the address of one migration. See esmig %s -help", k.flags.Command.Name, k.flags.Command.Name)
	}
	if err != nil {
		return providers.Addr{}, err
	}
	return addrs[0], nil
}
