package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

func stateCommand(w World) *cli.Command {
	sub := func(name, usage, args, description, example string, f func(*command) error) *cli.Command {
		flags := varFlags()
		if name != "list" && name != "show" {
			flags = append(flags, lockFlag())
		}
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: args, Description: description, UsageText: example, Flags: flags, Action: w.action(f)}
	}
	c := &cli.Command{
		Name: "state", Usage: "Look at the state and mend it",
		Description: "What esmig knows of its last apply. These commands never touch a cluster; moved and removed blocks in the files are the reviewable way to do the same.",
		UsageText:   "esmig state list",
		Subcommands: []*cli.Command{
			sub("list", "List the addresses", "", "Lists the addresses of all objects, one a line.", "esmig state list", stateList),
			sub("show", "Show one object", "ADDRESS", "Shows an object and what was declared last.", "esmig state show index.orders", stateShow),
			sub("rm", "Forget an object", "ADDRESS", "Forgets an object. It stays on its cluster; the next apply finds it there.", "esmig state rm index.orders", stateRemove),
			sub("mv", "Give an object another address", "FROM TO", "Gives an object the address that its block has now.", "esmig state mv index.orders index.sales", stateMove),
			sub("push", "Put a state file in the place of the state", "FILE", "Checks a state file and puts it in the place of the state, which is kept as its backup. For what a failed apply rescued.", "esmig state push rescued.json", statePush),
		},
	}
	c.Action = func(ctx *cli.Context) error {
		if ctx.Args().Present() {
			return unknownCommand(c.Subcommands, "esmig state", ctx.Args().First())
		}
		return cli.ShowSubcommandHelp(ctx)
	}
	return c
}

// arguments reads exactly n addresses.
func (k *command) arguments(n int) ([]providers.Addr, error) {
	if k.flags.NArg() != n {
		return nil, usagef("Wrong number of arguments", "esmig state %s needs %s. See esmig state %s -help", k.flags.Command.Name, k.flags.Command.ArgsUsage, k.flags.Command.Name)
	}
	return addresses(k.flags.Args().Slice())
}

func stateList(k *command) error {
	s, err := k.store()
	if err != nil {
		return err
	}
	for _, o := range s.Get().Objects {
		fmt.Fprintln(k.Stdout, o.Addr)
	}
	return k.atMost(0)
}

func stateShow(k *command) error {
	addrs, err := k.arguments(1)
	if err != nil {
		return err
	}
	s, err := k.store()
	if err != nil {
		return err
	}
	o := s.Get().Find(addrs[0])
	if o == nil {
		return notInState(addrs[0])
	}
	view.Object(k.Stdout, o, k.viewOptions())
	return nil
}

func notInState(a providers.Addr) error {
	return problem("not_in_state", "Not in the state", "The state has no %s. esmig state list shows what it has.", a)
}

// change runs f on the state under the lock.
func (k *command) change(f func(*state.State) error, finished ...providers.Addr) error {
	s, err := k.store()
	if err != nil {
		return err
	}
	unlock, err := k.lock(s, "state "+k.flags.Command.Name)
	if err != nil {
		return err
	}
	defer unlock()
	return s.Update(f, finished...)
}

func stateRemove(k *command) error {
	addrs, err := k.arguments(1)
	if err != nil {
		return err
	}
	err = k.change(func(st *state.State) error {
		if st.Find(addrs[0]) == nil {
			return notInState(addrs[0])
		}
		st.Remove(addrs[0])
		return nil
	}, addrs[0])
	if err == nil {
		err = k.uncontrol(addrs[0])
	}
	if err == nil {
		fmt.Fprintf(k.Stdout, "%s is forgotten. It is still on its cluster.\n", addrs[0])
	}
	return err
}

// uncontrol: what was wanted of an object that is forgotten counts no more.
func (k *command) uncontrol(a providers.Addr) error {
	s, err := k.store()
	if err != nil {
		return err
	}
	return s.Steer(func(all map[providers.Addr]providers.Control) { delete(all, a) })
}

func stateMove(k *command) error {
	addrs, err := k.arguments(2)
	if err != nil {
		return err
	}
	err = k.change(func(st *state.State) error { return st.Move(addrs[0], addrs[1]) })
	if err == nil {
		fmt.Fprintf(k.Stdout, "%s is now %s.\n", addrs[0], addrs[1])
	}
	return err
}

func statePush(k *command) error {
	if k.flags.NArg() != 1 {
		_, err := k.arguments(1)
		return err
	}
	name := k.flags.Args().First()
	raw, err := k.FS.ReadFile(join(k.dir, name))
	if err != nil {
		return problem("unreadable", "File cannot be read", "%v", err)
	}
	pushed, err := state.Decode(raw, k.Version)
	if err != nil {
		return problem("bad_state", "Not a state file", "%s: %v", name, err)
	}
	err = k.change(func(st *state.State) error {
		if st.Serial > 0 && (st.Lineage != pushed.Lineage || st.Serial > pushed.Serial) {
			return problem("other_state", "It is another state, or an older one", "%s has lineage %s and serial %d, the state here lineage %s and serial %d: it would undo what was recorded since. To do that all the same, move the state here away first.", name, pushed.Lineage, pushed.Serial, st.Lineage, st.Serial)
		}
		serial := max(st.Serial, pushed.Serial)
		*st = *pushed
		st.Serial = serial // Update raises it
		return nil
	})
	if err == nil {
		fmt.Fprintf(k.Stdout, "The state is now that of %s.\n", name)
	}
	return err
}
