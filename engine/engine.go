package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// Options are everything that an engine needs of the world.
type Options struct {
	Config  *config.Config
	Store   *state.Store
	Kinds   []*providers.Kind
	Connect func(providers.ClusterConfig) (providers.Cluster, error)
	Sink    Sink
	// Parallelism is how many steps run at once; 0: 10.
	Parallelism int
}

// Engine plans and applies one configuration.
type Engine struct {
	Options
	clusters  map[string]providers.Cluster
	broken    []Diagnostic // cluster blocks that cannot even be a connection
	secrets   *secrets
	salted    *secrets // hashes as the plan at hand does
	emit      sync.Mutex
	restoring sync.Mutex
}

// New makes an engine. Nothing is sent before Plan or Apply.
func New(o Options) *Engine {
	if o.Parallelism <= 0 {
		o.Parallelism = 10
	}
	e := &Engine{Options: o, clusters: map[string]providers.Cluster{}}
	e.secrets = newSecrets(o.Config.Secrets, o.Store.Get().Salt)
	for _, name := range slices.Sorted(maps.Keys(o.Config.Clusters)) {
		c := o.Config.Clusters[name]
		conn, err := o.Connect(c.ClusterConfig)
		if err != nil {
			e.broken = append(e.broken, e.clusterDiagnostics(c, err)...)
			continue
		}
		e.clusters[name] = conn
	}
	return e
}

// send hands an event to the sink, one at a time and without secrets.
func (e *Engine) send(ev Event) {
	if e.Sink == nil {
		return
	}
	e.emit.Lock()
	defer e.emit.Unlock()
	e.Sink(ev)
}

// node is one block, or one object of the state whose block is gone.
type node struct {
	addr  providers.Addr
	kind  *providers.Kind
	block *config.Block // nil: the block is gone
	obj   *state.Object // nil: never applied
	res   providers.Resource
	task  providers.Task
	stage providers.Stage // effective: see order
	needs []*node         // by reference or depends_on
	// begun holds the engine's journal record of a step that did not end.
	begun *begun
	// heldBack are paths of settings that an interrupted apply still withholds:
	// whether they are there already is no drift.
	heldBack []string
	// now is what the cluster answered, settled; nil: not there.
	now  providers.JSON
	step *Step // what to do; nil: nothing
}

// begun is the engine's own journal record, written before a step's first
// request: an object that is there afterwards was made by esmig.
type begun struct {
	Action Action `json:"begin"`
	At     string `json:"at"` // RFC 3339
}

// madeBefore: an apply that was interrupted had begun to make the object.
func (n *node) madeBefore() bool { return n.begun != nil && n.begun.Action == Create }

// cluster and id of a node's object, "" for what has none.
func (n *node) where() (cluster, id string) {
	switch {
	case n.res != nil:
		return n.res.Cluster().Name(), n.res.ID()
	case n.task != nil:
		c, index := n.task.Destination()
		return c.Name(), index
	default:
		return n.obj.Cluster, n.obj.ID
	}
}

// declaredStage is the stage that the kind and the block ask for.
func (n *node) declaredStage() providers.Stage {
	if n.kind.StageOf != nil && n.block != nil {
		return n.kind.StageOf(n.block.Args)
	}
	return n.kind.Stage
}

// bind makes a node of every block and of every object that has none.
func (e *Engine) bind(st *state.State) ([]*node, []Diagnostic) {
	ds := slices.Clone(e.broken)
	var nodes []*node
	seen := map[providers.Addr]bool{}
	for _, b := range e.Config.Blocks {
		seen[b.Addr] = true
		n := &node{addr: b.Addr, kind: b.Kind, block: b, obj: st.Find(b.Addr)}
		nodes = append(nodes, n)
		if len(e.broken) > 0 {
			continue
		}
		in := providers.Instance{Addr: b.Addr, Args: b.Args, Clusters: e.clusters}
		var err error
		if b.Kind.Task != nil {
			n.task, err = b.Kind.Task(in)
		} else {
			n.res, err = b.Kind.Resource(in)
		}
		if err != nil {
			ds = append(ds, e.blockDiagnostics(b, err)...)
		}
	}
	for i := range st.Objects {
		o := &st.Objects[i]
		if seen[o.Addr] {
			continue
		}
		n, d := e.bindStored(o)
		if d != nil {
			ds = append(ds, *d)
			continue
		}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int { return a.addr.Compare(b.addr) })
	if !failed(ds) {
		for _, n := range nodes {
			if err := e.readBegun(n); err != nil {
				ds = append(ds, Diagnose(err))
				break
			}
		}
	}
	return nodes, ds
}

// bindStored makes the node of an object whose block is gone: with the
// cluster, the name, and what was declared last.
func (e *Engine) bindStored(o *state.Object) (*node, *Diagnostic) {
	i := slices.IndexFunc(e.Kinds, func(k *providers.Kind) bool { return k.Name == o.Addr.Kind })
	if i < 0 {
		return nil, &Diagnostic{Severity: providers.SeverityError, Code: "unknown_kind", Addr: o.Addr.String(), Summary: "Unknown kind in the state",
			Detail: fmt.Sprintf("The state holds %s, but this esmig has no kind %q: a newer esmig wrote it. Use that one, or forget the object with\n\n    esmig state rm '%s'", o.Addr, o.Addr.Kind, o.Addr)}
	}
	k := e.Kinds[i]
	n := &node{addr: o.Addr, kind: k, obj: o}
	if k.Task != nil {
		return n, nil // a task without a block is only forgotten
	}
	if e.clusters[o.Cluster] == nil {
		return nil, &Diagnostic{Severity: providers.SeverityError, Code: "cluster_gone", Addr: o.Addr.String(), Summary: "Cluster block is gone",
			Detail: fmt.Sprintf("%s was made on cluster %q, whose block is gone, so its object cannot be looked at or deleted. Write the cluster block again, or forget the object with\n\n    esmig state rm '%s'", o.Addr, o.Cluster, o.Addr)}
	}
	args := map[string]cty.Value{}
	for _, a := range k.Attrs {
		args[a.Name] = cty.NullVal(a.Type)
		switch {
		case a.Type.Equals(providers.ClusterType):
			args[a.Name] = providers.ClusterValue(o.Cluster)
		case a.Name == "name":
			args[a.Name] = cty.StringVal(o.ID)
		}
	}
	for _, b := range k.Blocks {
		args[b.Name] = cty.NullVal(cty.DynamicPseudoType)
	}
	res, err := k.Resource(providers.Instance{Addr: o.Addr, Args: cty.ObjectVal(args), Stored: o.Declared, Clusters: e.clusters})
	if err != nil {
		d := Diagnose(err)
		d.Addr = o.Addr.String()
		return nil, &d
	}
	n.res = res
	return n, nil
}

// readBegun finds the record of a step that was begun and did not end.
func (e *Engine) readBegun(n *node) error {
	for rec, err := range e.Store.Records(n.addr) {
		if err != nil {
			return err
		}
		var b begun
		if err := decodeInto(rec, &b); err != nil {
			return err
		}
		if b.Action != "" {
			n.begun = &b
		}
	}
	return nil
}

// observe asks the cluster for a node's object and settles what the server may
// change by itself. Missing: nil.
func (e *Engine) observe(ctx context.Context, n *node) (providers.JSON, []string, error) {
	now, err := n.res.Read(ctx)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if v, ok := n.res.(providers.Volatile); ok && n.obj != nil && n.obj.Observed != nil {
		return v.Settle(ctx, n.obj.Observed, now)
	}
	return now, nil, nil
}

// Validate checks everything that can be checked without a cluster.
func (e *Engine) Validate() []Diagnostic {
	nodes, ds := e.bind(&state.State{})
	if failed(ds) {
		return ds
	}
	e.assumeAll(nodes)
	_, more := e.order(nodes)
	return append(ds, more...)
}

// assumeAll plans as if nothing were there yet: for what needs no cluster.
func (e *Engine) assumeAll(nodes []*node) {
	for _, n := range nodes {
		cluster, id := n.where()
		n.step = &Step{Addr: n.addr, Cluster: cluster, ID: id, Action: Create}
		if n.task != nil {
			n.step.Action = Migrate
		}
	}
	e.withhold(nodes)
}

func failed(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == providers.SeverityError })
}

// stamp is the only clock that goes into what is stored.
func stamp() string { return time.Now().UTC().Format(time.RFC3339) }
