package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
)

// The diff is two comparisons, each of like with like: what the files say now
// with what they said at the last apply, and what the cluster answers now with
// what it answered then. Servers rewrite what they are given, so declared is
// held against observed only once: when an object is adopted.

// The fingerprint of an object that was not there, and of one that was not
// looked at (-refresh=false).
const (
	absent = "absent"
	unseen = "unseen"
)

// decision is what looking at one node gave.
type decision struct {
	step, drift *Step
	info        []string
	diags       []Diagnostic
}

// decide compares one resource (the table "What happens when").
func (e *Engine) decide(ctx context.Context, n *node, o PlanOptions) (r decision) {
	fail := func(err error) decision { return decision{diags: e.nodeDiagnostics(n, err)} }
	if o.Destroy && n.obj == nil {
		return r
	}
	known := n.obj != nil && !n.made()
	n.fingerprint = unseen
	if known && o.NoRefresh && !o.Destroy {
		n.now = n.obj.Observed
	} else if n.res != nil {
		var err error
		if n.now, r.info, err = e.observe(ctx, n); err != nil {
			return fail(err)
		}
		n.fingerprint = e.fingerprint(n.now, n.relaxed)
	}
	if n.block == nil || o.Destroy {
		return e.decideGone(ctx, n)
	}
	like := []providers.JSON{n.res.Declared()}
	if n.obj != nil {
		like = append(like, n.obj.Declared, n.obj.Observed)
	}
	hide := e.secrets.hider(like...)
	ignore := n.block.Lifecycle.IgnoreChanges
	declared, seen := hide(n.res.Declared()), hide(n.now)
	step := newStep(n, n.fingerprint)
	step.Before, step.After = seen, declared
	r.step = step
	switch {
	case !known && n.now == nil:
		step.Action, step.Before = Create, nil
	case !known:
		diff := differences(n.res.Declared(), n.now, ignore)
		step.Action, step.Reason = Adopt, "is there already, as declared"
		if len(diff) > 0 {
			step.Action, step.Reason = Update, "is there already, will be changed"
			r.diags = e.inPlace(ctx, n, step, n.now)
		}
		if n.made() {
			step.Reason = "made by an apply that was interrupted"
		}
	case n.now == nil:
		step.Action, step.Before, step.Reason = Create, nil, "was deleted behind esmig's back"
		_, step.Alarm = n.res.(providers.Container)
		r.drift = drift(n, Delete, hide(n.obj.Observed), nil)
		r.drift.Alarm = step.Alarm
	default:
		was, before := hide(n.obj.Observed), hide(n.obj.Declared)
		if !sameExcept(was, seen, slices.Concat(ignore, n.heldBack)) {
			r.drift = drift(n, Update, was, seen)
		}
		switch {
		case !sameExcept(n.obj.Declared, declared, ignore): // not before: what was stored in the clear goes
			step.Action, step.Before = Update, before
			r.diags = e.inPlace(ctx, n, step, e.secrets.reveal(n.obj.Declared, n.res.Declared()))
		case r.drift != nil:
			step.Action, step.Reason, step.After = Update, "put back as declared", was
			r.diags = e.inPlace(ctx, n, step, n.now)
		case n.obj.Protected != protected(n.block):
			step.Action, step.Reason = Update, fmt.Sprintf("deletion_protection is %v from now on", protected(n.block))
			step.Before, step.After = nil, nil
		default:
			r.step = nil
		}
	}
	return r
}

func newStep(n *node, fingerprint string) *Step {
	cluster, id := n.where()
	return &Step{Addr: n.addr, Stage: n.stage, Cluster: cluster, ID: id, Fingerprint: fingerprint, Relaxed: n.relaxed}
}

func drift(n *node, a Action, was, is providers.JSON) *Step {
	s := newStep(n, "")
	s.Action, s.Before, s.After = a, was, is
	return s
}

// inPlace turns an update that the server cannot make into a replacement, if
// the container is empty and esmig's own, else into an error that says what to
// write.
func (e *Engine) inPlace(ctx context.Context, n *node, step *Step, before providers.JSON) []Diagnostic {
	c, ok := n.res.(providers.Container)
	if !ok {
		return nil
	}
	life := n.block.Lifecycle
	changes := c.InPlace(before, providers.KeepPaths(n.res.Declared(), before, life.IgnoreChanges))
	if len(changes) == 0 {
		return nil
	}
	docs, err := c.Documents(ctx)
	if err != nil {
		return e.nodeDiagnostics(n, err)
	}
	what := e.secrets.text(join(changes))
	if docs == 0 && n.obj != nil && n.obj.Owned && !life.PreventDestroy {
		step.Action, step.Reason = Replace, what+" needs a new one; it is empty"
		return nil
	}
	return e.nodeDiagnostics(n, providers.NewError("needs_new_index", "", "The change needs a new index",
		fmt.Sprintf("%s: %s cannot be changed on a living index, and %s. Declare a new index, move the documents into it and let an alias take its place:\n\n%s",
			n.addr, what, whyNotReplaced(n, step.ID, docs), newIndexBlocks(n.addr.Name, step.Cluster, step.ID))))
}

func whyNotReplaced(n *node, id string, docs int64) string {
	switch {
	case docs > 0:
		return id + " holds " + count(docs, "document")
	case n.obj == nil || !n.obj.Owned:
		return id + " was not made by esmig"
	default:
		return "prevent_destroy keeps " + id + " from being replaced"
	}
}

func newIndexBlocks(name, cluster, id string) string {
	return fmt.Sprintf(`    index "%[1]s_v2" {
      cluster  = cluster.%[2]s
      name     = "%[3]s-v2"
      mappings = { … }
    }

    migration "%[1]s_v2" {
      source {
        cluster = cluster.%[2]s
        index   = index.%[1]s.name
      }
      dest {
        cluster = cluster.%[2]s
        index   = index.%[1]s_v2.name
      }
    }

    alias "%[1]s_current" {
      cluster    = cluster.%[2]s
      name       = "%[3]s-current"
      index      = index.%[1]s_v2.name
      depends_on = [migration.%[1]s_v2]
    }`, name, cluster, id)
}

// protected is the block's deletion_protection; kinds without it have none.
func protected(b *config.Block) bool {
	if !b.Args.Type().HasAttribute("deletion_protection") {
		return false
	}
	v := b.Args.GetAttr("deletion_protection")
	return v.IsNull() || v.True()
}

// decideGone plans for an object whose block was deleted from the files, or
// that is to be destroyed.
func (e *Engine) decideGone(ctx context.Context, n *node) decision {
	step := newStep(n, n.fingerprint)
	forget := func(why string) decision {
		step.Action, step.Reason = Forget, why
		return decision{step: step}
	}
	fail := func(code, arg, summary, format string, args ...any) decision {
		return decision{diags: e.nodeDiagnostics(n, providers.NewError(code, arg, summary, fmt.Sprintf(format, args...)))}
	}
	switch {
	case n.block != nil && n.block.Lifecycle.PreventDestroy:
		return fail("prevent_destroy", "lifecycle", "Destruction is prevented",
			"%s has lifecycle { prevent_destroy = true }. Take that out first, or leave it out with -target.", n.addr)
	case n.kind.Task != nil && n.block != nil:
		return forget("its documents go only with their index")
	case n.kind.Task != nil:
		return forget("its documents stay")
	case e.removed(n.addr):
		return forget("removed from the files, stays on the cluster")
	case !n.obj.Owned:
		return forget("was there before esmig, stays on the cluster")
	case n.now == nil:
		return forget("is gone from the cluster")
	}
	step.Action, step.Before = Delete, e.secrets.hider(n.obj.Declared, n.obj.Observed)(n.obj.Observed)
	if c, ok := n.res.(providers.Container); ok {
		docs, err := c.Documents(ctx)
		if err != nil {
			return decision{diags: e.nodeDiagnostics(n, err)}
		}
		if docs > 0 && n.obj.Protected {
			return fail("protected", "", "Documents are protected from deletion",
				"%s would be deleted, and %s on %s holds %s. Set deletion_protection = false in its block and apply that first; or keep it and only forget it: removed { from = %s }.",
				n.addr, n.obj.ID, n.obj.Cluster, count(docs, "document"), n.addr)
		}
		if docs > 0 {
			step.Notes, step.Alarm = []string{"it takes " + count(docs, "document") + " with it"}, true
		}
	}
	return decision{step: step}
}

// fingerprint stands for what was observed, but for the relaxed settings.
func (e *Engine) fingerprint(now providers.JSON, relaxed []string) string {
	if now == nil {
		return absent
	}
	if len(relaxed) > 0 {
		now = leavesExcept(now, relaxed)
	}
	v, err := providers.Decode(now)
	if err != nil {
		return e.salted.hash(string(now))
	}
	return e.salted.hash(string(providers.Encode(v)))
}

// sameExcept compares two bodies, without the paths that ignore names.
func sameExcept(a, b providers.JSON, ignore []string) bool {
	if len(ignore) == 0 {
		return providers.Equal(a, b)
	}
	return providers.Equal(leavesExcept(a, ignore), leavesExcept(b, ignore))
}

func leavesExcept(raw providers.JSON, ignore []string) providers.JSON {
	if raw == nil {
		return providers.JSON("null")
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return raw
	}
	m := map[string]any{}
	for _, l := range providers.Leaves(v) {
		if !ignored(l.Path, ignore) {
			m[l.Path] = l.Value
		}
	}
	return providers.Encode(m)
}

// ignored says whether a leaf stands at or below one of the paths. Settings
// may be written as in the files, without the prefix "index." that their
// canonical form has. "*.x" is x wherever it stands.
func ignored(path string, ignore []string) bool {
	for _, p := range ignore {
		if suffix, ok := strings.CutPrefix(p, "*"); ok && strings.HasSuffix("."+path, suffix) {
			return true
		}
		for _, form := range []string{p, strings.Replace(p, "settings.", "settings.index.", 1)} {
			if p == "all" || path == form || strings.HasPrefix(path, form+".") {
				return true
			}
		}
	}
	return false
}

// differences are the leaves, without those that are ignored, where
// an object that is there already does not hold what is declared.
func differences(declared, now providers.JSON, ignore []string) []string {
	d, errD := providers.Decode(declared)
	n, errN := providers.Decode(now)
	if errD != nil || errN != nil {
		return []string{"body"}
	}
	var out []string
	for _, p := range providers.Contains(d, n) {
		if !ignored(p, ignore) {
			out = append(out, p)
		}
	}
	return out
}

// holds says whether a canonical body has the setting, anywhere, with the
// value: settings are flat keys in every kind's canonical form.
func holds(body providers.JSON, s providers.PipelineSetting) bool {
	if body == nil {
		return false
	}
	v, err := providers.Decode(body)
	if err != nil {
		return false
	}
	for _, l := range providers.Leaves(v) {
		if (l.Path == s.Setting || strings.HasSuffix(l.Path, "."+s.Setting)) && fmt.Sprint(l.Value) == s.Pipeline {
			return true
		}
	}
	return false
}

func decodeInto(raw providers.JSON, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}
