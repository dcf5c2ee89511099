package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// Status is how far all migrations are.
type Status struct {
	FormatVersion int `json:"format_version"`
	// Running is who holds the state's lock now, nil if nobody does.
	Running    *state.LockInfo   `json:"running,omitempty"`
	Migrations []MigrationStatus `json:"migrations"`
}

// MigrationStatus is how far one migration is.
type MigrationStatus struct {
	Addr    providers.Addr    `json:"address"`
	Source  string            `json:"source"` // "hosted/flights"
	Dest    string            `json:"dest"`
	Phase   state.Phase       `json:"phase,omitempty"` // empty: not begun
	Control providers.Control `json:"control"`
	// Status is what journal and servers say; only while it is copied or verified.
	Status   *providers.Status       `json:"status,omitempty"`
	Verified *providers.Verification `json:"verified,omitempty"`
	Refused  []providers.Refusal     `json:"refused,omitempty"` // what a finished one leaves behind
	Trouble  string                  `json:"trouble,omitempty"` // why a server could not be asked
	Next     string                  `json:"next"`
}

// Status looks, with reads only, at the named migrations, or at those that are
// not finished, leave refused documents behind, or are paused or throttled.
// running is who holds the lock, nil if nobody does.
func (e *Engine) Status(ctx context.Context, running *state.LockInfo, addrs []providers.Addr) (*Status, error) {
	nodes, err := e.migrations(ctx, addrs, abandoned)
	if err != nil {
		return nil, err
	}
	controls, err := e.Store.Controls()
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		nodes = slices.DeleteFunc(nodes, func(n *node) bool {
			return n.task != nil && n.finishedAs(n.task.Declared()) && len(n.obj.Refused) == 0 && controls[n.addr] == (providers.Control{})
		})
	}
	out := &Status{FormatVersion: 1, Running: running, Migrations: make([]MigrationStatus, len(nodes))}
	err = each(ctx, nodes, func(ctx context.Context, i int, n *node) {
		if n.task == nil {
			out.Migrations[i] = e.abandonedStatus(ctx, n)
			return
		}
		out.Migrations[i] = e.migrationStatus(ctx, n, controls[n.addr], running != nil)
	})
	return out, err
}

func (e *Engine) migrationStatus(ctx context.Context, n *node, c providers.Control, running bool) MigrationStatus {
	src, index := n.task.Source()
	dst, destIndex := n.task.Destination()
	m := MigrationStatus{Addr: n.addr, Source: src.Name() + "/" + index, Dest: dst.Name() + "/" + destIndex, Control: c}
	if n.obj != nil {
		m.Phase, m.Refused = n.obj.Phase, n.obj.Refused
	}
	if t, ok := n.task.(providers.Steerable); ok && (m.Phase == state.PhaseRunning || m.Phase == state.PhaseCopied && running) {
		s, err := t.Status(ctx, e.journal(n))
		if err != nil {
			m.Trouble = e.secrets.text(err.Error())
		}
		if running {
			s.PerSecond += s.Passing
		}
		m.Status = &s
	}
	if n.obj != nil && n.obj.Verified != nil {
		v := &providers.Verification{}
		if decodeInto(n.obj.Verified, v) == nil {
			m.Verified = v
		}
	}
	m.Next = next(m, n.finishedAs(n.task.Declared()), running)
	return m
}

// abandonedStatus asks as the next apply will, which releases it.
func (e *Engine) abandonedStatus(ctx context.Context, n *node) MigrationStatus {
	var declared struct {
		Source struct{ Cluster, Index string }
	}
	_ = decodeInto(n.obj.Declared, &declared) // else it is not shown
	m := MigrationStatus{Addr: n.addr, Source: declared.Source.Cluster + "/" + declared.Source.Index, Dest: n.obj.Cluster + "/" + n.obj.ID, Phase: n.obj.Phase,
		Next: `its block is gone from the files; the next "esmig apply" releases it: its tasks are cancelled, the settings that it relaxed are put back, and it is forgotten`}
	r, err := e.underWay(n)
	if t, ok := r.(providers.Steerable); ok && err == nil && e.clusters[n.obj.Cluster] != nil {
		var s providers.Status
		s, err = t.Status(ctx, e.journal(n))
		m.Status = &s
	}
	switch {
	case err != nil:
		m.Trouble = e.secrets.text(err.Error())
	case e.clusters[n.obj.Cluster] == nil:
		m.Trouble = fmt.Sprintf("the block of cluster %q is gone, too", n.obj.Cluster)
		m.Next = fmt.Sprintf(`write the block of cluster %q again: without it the next "esmig apply" forgets it, and its tasks may run on`, n.obj.Cluster)
	}
	return m
}

// next is the next step, in the user's words.
func next(m MigrationStatus, finished, running bool) string {
	switch a := shell(m.Addr); {
	case m.Phase == state.PhaseCopied && running && m.Status != nil && m.Status.Ranges > 0:
		return "what was refused is sent again, then it is verified"
	case m.Control.Paused && finished: // a verification that was stopped left it so
		return fmt.Sprintf(`finished; to verify it again waits for "esmig resume %s"`, a)
	case finished && len(m.Refused) > 0:
		return fmt.Sprintf(`nothing, it is finished; "esmig retry %s" sends what was refused again`, a)
	case finished:
		return "nothing, it is finished"
	case m.Control.Paused:
		also := ""
		if !running {
			also = `, then "esmig apply" goes on`
		}
		return fmt.Sprintf(`paused until "esmig resume %s"%s`, a, also)
	case m.Phase == "" && running:
		return "waits for its turn"
	case m.Phase == "":
		return `"esmig apply" begins`
	case m.Phase == state.PhaseRunning && running:
		return "ranges are copied, then it is verified"
	case m.Phase == state.PhaseRunning:
		return `nobody is at it; "esmig apply" goes on where it stopped`
	case m.Phase == state.PhaseCopied && running:
		return "is being verified, or waits for that"
	case m.Phase == state.PhaseCopied && m.Verified != nil:
		return fmt.Sprintf(`the last verification found a difference; "esmig repair %s" copies just those documents again`, a)
	default:
		return fmt.Sprintf(`"esmig verify %s" compares it`, a)
	}
}

// Steering is a change of what the user wants of running migrations.
type Steering struct {
	Paused            *bool
	RequestsPerSecond *float64 // 0: as the block says
	// Verifying: an esmig verify or repair runs, which finished migrations that
	// are named may be part of.
	Verifying bool
}

// Steered is one migration that was steered.
type Steered struct {
	Addr    providers.Addr    `json:"address"`
	Control providers.Control `json:"control"`
	Tasks   int               `json:"tasks"`            // running ones that were told
	Copied  bool              `json:"copied,omitempty"` // it is the verification that is steered
	Trouble string            `json:"trouble,omitempty"`
}

// Steer changes the named migrations, or all that are under way, whether an
// esmig runs them or not: what is wanted is written down first, and then told
// to the tasks that run. Nobody has to hold the lock.
func (e *Engine) Steer(ctx context.Context, addrs []providers.Addr, s Steering) ([]Steered, error) {
	nodes, err := e.migrations(ctx, addrs, nil)
	if err != nil {
		return nil, err
	}
	controls, err := e.Store.Controls()
	if err != nil {
		return nil, err
	}
	under := func(n *node) bool { return n.obj != nil && !n.finished() }
	if len(addrs) == 0 {
		// What is taken back is taken back wherever it was said: a verification of a
		// finished migration that was paused and stopped would wait for ever.
		lifted := s.Paused != nil && !*s.Paused || s.RequestsPerSecond != nil && *s.RequestsPerSecond == 0
		nodes = slices.DeleteFunc(nodes, func(n *node) bool {
			return !under(n) && (!lifted || controls[n.addr] == (providers.Control{}))
		})
		if len(nodes) == 0 {
			return nil, Diagnostic{Severity: providers.SeverityError, Code: "nothing_runs", Summary: "No migration is under way",
				Detail: "No migration was begun that is not done. Name one to say beforehand how it is to run; esmig status shows what there is."}
		}
	}
	for _, n := range nodes {
		_, steered := controls[n.addr] // by a verification that was stopped
		if n.obj != nil && !under(n) && !steered && !(s.Verifying && verifies(n.obj.Declared)) {
			return nil, Diagnostic{Severity: providers.SeverityError, Code: "copied", Addr: n.addr.String(), Summary: "Migration is finished already",
				Detail: fmt.Sprintf("%s is not under way: it is copied, and verified if it wants to be.", n.addr)}
		}
	}
	out := make([]Steered, len(nodes))
	err = e.Store.Steer(func(all map[providers.Addr]providers.Control) {
		for i, n := range nodes {
			c := all[n.addr]
			if s.Paused != nil {
				c.Paused = *s.Paused
			}
			if s.RequestsPerSecond != nil {
				c.RequestsPerSecond = *s.RequestsPerSecond
			}
			all[n.addr] = c
			out[i] = Steered{Addr: n.addr, Control: c, Copied: n.obj != nil && n.obj.Phase != state.PhaseRunning}
		}
	})
	if err != nil {
		return nil, err
	}
	if s.RequestsPerSecond == nil {
		return out, nil
	}
	return out, each(ctx, nodes, func(ctx context.Context, i int, n *node) {
		t, ok := n.task.(providers.Steerable)
		if !ok || n.obj == nil || n.obj.Phase != state.PhaseRunning {
			return
		}
		var err error
		if out[i].Tasks, err = t.Throttle(ctx, e.journal(n), *s.RequestsPerSecond); err != nil {
			out[i].Trouble = e.secrets.text(err.Error())
		}
	})
}

// CancelTasks ends what runs on servers for migrations that are under way. The
// state is locked and nothing is applied.
func (e *Engine) CancelTasks(ctx context.Context) error {
	nodes, err := e.migrations(ctx, nil, nil)
	if err != nil {
		return err
	}
	errs := make([]error, len(nodes))
	err = each(ctx, nodes, func(ctx context.Context, i int, n *node) {
		t, ok := n.task.(providers.Steerable)
		if !ok || n.obj == nil || n.obj.Phase != state.PhaseRunning {
			return
		}
		var ended int
		if ended, errs[i] = t.Cancel(ctx, e.journal(n)); ended > 0 {
			e.send(StepNote{Addr: n.addr, Text: fmt.Sprintf("%s cancelled on %s; the next apply begins what they copied again",
				count(int64(ended), "task")+were(int64(ended)), n.place().cluster)})
		}
	})
	return errors.Join(append(errs, err)...)
}

// released: what the user wanted of a migration while it ran counts no more. It
// could not be done is no reason to fail what was copied.
func (e *Engine) released(a providers.Addr) {
	all, err := e.Store.Controls()
	if _, there := all[a]; err == nil && !there {
		return
	}
	if err == nil {
		err = e.Store.Steer(func(all map[providers.Addr]providers.Control) { delete(all, a) })
	}
	if err != nil {
		e.send(StepNote{Addr: a, Text: err.Error() + "."})
	}
}

// heldNotes tells in a plan what the user still wants of a migration.
func (e *Engine) heldNotes(a providers.Addr) []string {
	all, err := e.Store.Controls()
	switch c := all[a]; {
	case err != nil:
		return []string{err.Error()}
	case c.Paused:
		return []string{fmt.Sprintf(`paused: no range is copied or compared before "esmig resume %s"`, shell(a))}
	case c.RequestsPerSecond > 0:
		return []string{fmt.Sprintf(`throttled to %v documents/s; "esmig throttle off %s" takes that back`, c.RequestsPerSecond, shell(a))}
	}
	return nil
}

func (e *Engine) journal(n *node) *taskJournal { return &taskJournal{e: e, addr: n.addr} }

// abandoned is a migration that is half done and whose block is gone: its tasks
// may run.
func abandoned(n *node) bool {
	return n.task == nil && n.block == nil && n.kind.Task != nil && n.obj != nil && n.obj.Phase == state.PhaseRunning
}

// migrations are all migrations of the files, and what also says, or the named
// ones of these.
func (e *Engine) migrations(ctx context.Context, addrs []providers.Addr, also func(*node) bool) ([]*node, error) {
	nodes, ds := e.bind(ctx, e.Store.Get())
	if err := firstError(ds); err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n.task == nil && (also == nil || !also(n)) })
	if len(addrs) == 0 {
		return nodes, nil
	}
	for _, a := range addrs {
		if !slices.ContainsFunc(nodes, func(n *node) bool { return n.is(a) }) {
			return nil, Diagnostic{Severity: providers.SeverityError, Code: "unknown_address", Addr: a.String(), Summary: "Unknown address",
				Detail: fmt.Sprintf("The files have no migration %s.", a)}
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool {
		return !slices.ContainsFunc(addrs, n.is)
	}), nil
}
