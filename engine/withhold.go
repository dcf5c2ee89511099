package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// Pipeline settings are withheld while documents are copied, so that nothing is
// transformed twice, and restored when the data is in: on the templates and
// indices that declare them, and on the indices that were made meanwhile.

// isPipelineSetting: a reference from one of them orders nothing at the
// object's own step while the setting is withheld there.
func isPipelineSetting(name string) bool {
	name = strings.TrimPrefix(name, "index.")
	return name == "default_pipeline" || name == "final_pipeline"
}

func isFinal(s providers.PipelineSetting) bool { return strings.HasSuffix(s.Setting, "final_pipeline") }

// place is an index or data stream on a cluster.
type place struct{ cluster, index string }

// flow knows which declared settings reach which index.
type flow struct {
	nodes      []*node
	chains     map[place][]*node
	containers map[place]*node // the blocks of indices and data streams
	aliases    map[place]*node
}

func newFlow(nodes []*node) *flow {
	f := &flow{nodes, map[place][]*node{}, map[place]*node{}, map[place]*node{}}
	for _, n := range nodes {
		if n.block == nil || n.res == nil {
			continue
		}
		if _, ok := n.res.(providers.Container); ok {
			f.containers[n.place()] = n
		}
		if n.kind.Name == "alias" {
			f.aliases[n.place()] = n
		}
	}
	return f
}

// declares is a node as a living declaration of pipeline settings, nil if it is
// none.
func (n *node) declares() providers.Withholder {
	if w, ok := n.res.(providers.Withholder); ok && n.block != nil {
		return w
	}
	return nil
}

// chain lists the nodes whose settings reach an index, the weakest first, as
// servers apply them: the component templates of the template that counts, that
// template, the index itself. Of several templates that fit, the one with the
// highest priority counts.
func (f *flow) chain(at place) []*node {
	if c, ok := f.chains[at]; ok {
		return c
	}
	var templates, parts, own []*node
	best := int64(-1)
	for _, n := range f.nodes {
		w := n.declares()
		if w == nil || w.Cluster().Name() != at.cluster || !w.Covers(at.index) {
			continue
		}
		if _, ok := n.res.(composed); !ok {
			own = append(own, n)
			continue
		}
		var body struct{ Priority int64 }
		if decodeInto(w.Declared(), &body) != nil || body.Priority < best {
			continue
		}
		if body.Priority > best {
			best, templates = body.Priority, nil
		}
		templates = append(templates, n)
	}
	for _, t := range templates {
		for _, name := range t.res.(composed).ComposedOf() {
			for _, n := range f.nodes {
				if w := n.declares(); w != nil && n.kind.Name == "component_template" && w.ID() == name && w.Cluster().Name() == at.cluster {
					parts = append(parts, n)
				}
			}
		}
	}
	f.chains[at] = slices.Concat(parts, templates, own)
	return f.chains[at]
}

// composed is an index template.
type composed interface{ ComposedOf() []string }

// destinations are what a migration writes to, also one whose block is gone: an
// alias that the files declare is the indices behind it.
func (f *flow) destinations(task *node) []place {
	at := task.place()
	var body struct{ Indices map[string]any }
	if n := f.aliases[at]; n == nil || decodeInto(n.res.Declared(), &body) != nil || len(body.Indices) == 0 {
		return []place{at}
	}
	var out []place
	for _, name := range slices.Sorted(maps.Keys(body.Indices)) {
		out = append(out, place{at.cluster, name})
	}
	return out
}

// covers says whether documents of a migration come under a node's settings.
func (f *flow) covers(n, task *node) bool {
	return slices.ContainsFunc(f.destinations(task), func(at place) bool { return slices.Contains(f.chain(at), n) })
}

// fresh is the step that makes a migration's destination, nil if none does.
func (f *flow) fresh(task *node) *Step {
	for _, at := range f.destinations(task) {
		if c := f.containers[at]; c != nil && c.makes() {
			return c.step
		}
	}
	return nil
}

// finished: copied, and verified if it wants to be.
func (n *node) finished() bool { return n.obj != nil && n.finishedAs(n.obj.Declared) }

// finishedAs is that by another declaration, such as what the block says now.
func (n *node) finishedAs(declared providers.JSON) bool {
	return n.obj != nil && (n.obj.Phase == state.PhaseVerified || n.obj.Phase == state.PhaseCopied && !verifies(declared))
}

// makes: this plan makes the object, so it is empty.
func (n *node) makes() bool {
	return n.step != nil && (n.step.Action == Create || n.step.Action == Replace)
}

// running says whether a plan copies documents with this node.
func (n *node) running() bool {
	return n.task != nil && n.step != nil && (n.step.Action == Migrate || n.step.Action == Resume)
}

// withhold decides which settings wait until the data is in.
func (f *flow) withhold() {
	for _, t := range f.nodes {
		if !t.running() && (t.task == nil || t.step == nil || t.step.Action != Retry) {
			continue
		}
		for _, at := range f.destinations(t) {
			for _, n := range f.chain(at) {
				f.withholdOn(n)
			}
			f.withholdInherited(at)
		}
	}
}

func (f *flow) withholdOn(n *node) {
	if n.out || n.step != nil && len(n.step.Withheld) > 0 {
		return
	}
	var held []providers.PipelineSetting
	live := false // there now, and nothing else takes it away
	for _, s := range n.declares().Held() {
		isLive := holds(n.now, s) && !n.makes()
		// The copy bypasses a default pipeline, so one that is live, or that
		// the user put before the data, may stay. A final pipeline cannot be
		// bypassed.
		if isFinal(s) || !isLive && !f.beforeData(n, s) {
			held = append(held, s)
			live = live || isLive
		}
	}
	switch {
	case len(held) == 0, !live && (n.step == nil || n.step.Action == Adopt):
		return // nothing, or withheld already by an apply that was interrupted
	case n.step == nil || n.step.Action == Adopt:
		n.takeAway()
	}
	n.step.Withheld = held
}

// takeAway makes a step that only takes settings away.
func (n *node) takeAway() {
	if n.step == nil {
		n.step = newStep(n, n.fingerprint)
	}
	n.step.Action, n.step.Reason = Update, "must not run on what is copied"
}

// withholdInherited takes a final pipeline off a living index that has it from
// a template.
func (f *flow) withholdInherited(at place) {
	c := f.containers[at]
	if c == nil || c.out || c.makes() || c.declares() == nil {
		return
	}
	for _, n := range f.chain(at) {
		for _, s := range n.declares().Held() {
			if n == c || n.out || !isFinal(s) || !holds(c.now, s) || c.step != nil && slices.Contains(c.step.Withheld, s) {
				continue
			}
			if c.step == nil || c.step.Action == Adopt {
				c.takeAway()
			}
			c.step.Withheld = append(c.step.Withheld, s)
		}
	}
}

// warnWriters tells what withholding means for those who use the target
// already.
func (e *Engine) warnWriters(nodes []*node) []Diagnostic {
	var ds []Diagnostic
	for _, n := range nodes {
		if n.step == nil || len(n.step.Withheld) == 0 || n.now == nil {
			continue
		}
		var held []string
		for _, s := range n.step.Withheld {
			held = append(held, s.Setting)
		}
		ds = append(ds, e.nodeDiagnostics(n, &providers.Finding{Severity: providers.SeverityWarning, Code: "writers_miss_pipeline", Summary: "Documents of live writers miss a pipeline",
			Detail: fmt.Sprintf("%s of %s is withheld until the data is in. Documents that others write there until then are not transformed. when = \"before_data\" on the pipeline keeps default_pipeline in place; the copy bypasses it.", join(held), n.step.ID)})...)
	}
	return ds
}

// beforeData says whether the pipeline of a setting is declared to be made
// before the data.
func (f *flow) beforeData(n *node, s providers.PipelineSetting) bool {
	return slices.ContainsFunc(f.nodes, func(m *node) bool { return m.isPipeline(n, s) && m.declaredStage() < providers.StageData })
}

// isPipeline: the node is the pipeline that a setting of another one names.
func (n *node) isPipeline(of *node, s providers.PipelineSetting) bool {
	return n.kind.Name == "ingest_pipeline" && n.block != nil && n.res != nil && n.res.ID() == s.Pipeline &&
		n.res.Cluster().Name() == of.res.Cluster().Name()
}

// markHeldBack notes which settings an interrupted apply still withholds, on
// the objects themselves and on the containers made under them; and which ones
// a copy that was interrupted has relaxed.
func (f *flow) markHeldBack(e *Engine) error {
	for _, n := range f.nodes {
		t, err := e.underWay(n)
		if t != nil && err == nil {
			var settings []string
			settings, err = t.Relaxed(e.journal(n))
			for _, c := range f.nodes { // also one whose block is gone
				if _, ok := c.res.(providers.Container); !ok || !slices.Contains(f.destinations(n), c.place()) {
					continue
				}
				for _, s := range settings {
					c.relaxed = append(c.relaxed, "*."+s)
					c.heldBack = append(c.heldBack, "*."+s)
				}
			}
		}
		if err != nil && n.block != nil { // else it is only forgotten
			return err
		}
		if n.declares() == nil || n.obj == nil {
			continue
		}
		for _, s := range n.obj.Withheld {
			n.heldBack = append(n.heldBack, "*."+s)
			for at, m := range f.containers {
				if m != n && slices.Contains(f.chain(at), n) {
					m.heldBack = append(m.heldBack, "*."+s)
				}
			}
		}
	}
	return nil
}

func (n *node) place() place {
	cluster, id := n.where()
	return place{cluster, id}
}

// withheld are the settings of its own that wait for the data: by this plan,
// or since an apply that was interrupted.
func (n *node) withheld() []providers.PipelineSetting {
	w := n.declares()
	if w == nil {
		return nil
	}
	var held []providers.PipelineSetting
	for _, s := range w.Held() {
		if n.step != nil && slices.Contains(n.step.Withheld, s) || n.interrupted() && slices.Contains(n.obj.Withheld, s.Setting) {
			held = append(held, s)
		}
	}
	return held
}

// interrupted: a former apply withheld settings and did not restore them.
func (n *node) interrupted() bool { return n.obj != nil && len(n.obj.Withheld) > 0 }

// restore makes the second step of a node whose settings are withheld. It is
// put off while a migration is not done that -target left out.
func (f *flow) restore(n *node) *Step {
	held := n.withheld()
	if len(held) == 0 || n.out || gone(n.step) {
		return nil
	}
	r := newStep(n, unseen)
	r.Stage, r.Action, r.Withheld = providers.StagePipelines, Restore, held
	if n.step != nil {
		r.Needs = append(r.Needs, n.step.Key())
	}
	var reached []place
	for _, m := range f.nodes {
		switch {
		case m.kind.Task != nil && f.covers(n, m):
			if m.out && m.block != nil && !m.finished() {
				return nil
			}
			if m.step != nil && m.step.Action != Forget {
				r.Needs = append(r.Needs, m.step.Key())
			}
			reached = append(reached, f.destinations(m)...)
		case m.step != nil && slices.ContainsFunc(held, func(s providers.PipelineSetting) bool { return m.isPipeline(n, s) }):
			r.Needs = append(r.Needs, m.step.Key())
		case m.res != nil && f.containers[m.place()] == m && slices.Contains(f.chain(m.place()), n):
			reached = append(reached, m.place())
		}
	}
	for _, at := range reached {
		if at != n.place() && slices.Contains(f.chain(at), n) && !slices.Contains(r.Destinations, at.index) && f.lacks(at, n) && !f.goes(at) && !f.overridden(at, n, held) {
			r.Destinations = append(r.Destinations, at.index)
		}
	}
	return r
}

// lacks says whether an index may be without the settings of a node because
// they are, or were, withheld: it is made by this plan, was made by an apply
// that was interrupted, or has been taken them away. A living index that is
// older than a template is none of the template's business.
func (f *flow) lacks(at place, n *node) bool {
	c := f.containers[at]
	return c == nil || c.makes() || c.step != nil && len(c.step.Withheld) > 0 || n.interrupted() && c.obj != nil
}

// goes: this plan deletes the index.
func (f *flow) goes(at place) bool {
	return slices.ContainsFunc(f.nodes, func(m *node) bool {
		_, ok := m.res.(providers.Container)
		return ok && m.place() == at && m.step != nil && m.step.Action == Delete
	})
}

// overridden says whether nearer declarations have a say in all the settings.
func (f *flow) overridden(at place, n *node, held []providers.PipelineSetting) bool {
	chain := f.chain(at)
	nearer := chain[slices.Index(chain, n)+1:]
	return !slices.ContainsFunc(held, func(h providers.PipelineSetting) bool {
		return !slices.ContainsFunc(nearer, func(m *node) bool {
			return slices.ContainsFunc(m.declares().Held(), func(s providers.PipelineSetting) bool { return s.Setting == h.Setting })
		})
	})
}

// nearestLast makes the restoring steps of one index follow each other, so
// that the nearest declaration has the last word.
func (f *flow) nearestLast(restores map[*node]*Step) {
	for n, r := range restores {
		for _, index := range r.Destinations {
			chain := f.chain(place{r.Cluster, index})
			for _, m := range chain[slices.Index(chain, n)+1:] {
				if next := restores[m]; next != nil && m.kind != n.kind && !slices.Contains(next.Needs, r.Key()) {
					next.Needs = append(next.Needs, r.Key())
				}
			}
		}
	}
	for _, r := range restores {
		slices.Sort(r.Needs)
	}
}
