package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	e.secrets = newSecrets(o.Config, o.Store.Get().Salt)
	e.salted = e.secrets
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

// send hands an event to the sink, one at a time.
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
	// res or task is set. Neither: a task whose block is gone, or an object
	// whose cluster is gone; both can only be forgotten.
	res  providers.Resource
	task providers.Task

	stage providers.Stage // effective: see order
	needs []*node         // by reference or depends_on
	out   bool            // left out by -target

	// heldBack are paths of settings that an interrupted apply still withholds:
	// whether they are there already is no drift.
	heldBack []string
	// relaxed are paths of settings that a copy has relaxed; in heldBack, too.
	relaxed []string
	// now is what the cluster answered, settled; nil: not there.
	now         providers.JSON
	fingerprint string // of now
	step        *Step  // what to do; nil: nothing
}

// made: an apply that was interrupted had begun to make the object, which is
// therefore esmig's if it is there.
func (n *node) made() bool { return n.obj != nil && n.obj.Phase == "" && n.obj.Pending != nil }

// where is a node's object: its cluster and what it is called there.
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

// is says whether an address means the node: without a key it means all
// instances of a block.
func (n *node) is(a providers.Addr) bool { return means(a, n.addr) }

func means(a, instance providers.Addr) bool {
	return a == instance || !a.Keyed && a == instance.Block()
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
		return v.Settle(ctx, e.secrets.reveal(n.obj.Observed, n.res.Declared(), now), now)
	}
	return now, nil, nil
}

// lookAtOnce bounds the requests that planning sends at a time.
const lookAtOnce = 8

// each calls f for all nodes, several at once.
func each(ctx context.Context, nodes []*node, f func(context.Context, int, *node)) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookAtOnce)
	for i, n := range nodes {
		g.Go(func() error {
			f(gctx, i, n)
			return gctx.Err()
		})
	}
	return g.Wait()
}

// Validate checks everything that can be checked without a cluster.
func (e *Engine) Validate() []Diagnostic {
	_, ds := e.outline()
	return ds
}

// outline orders all blocks as if nothing were there yet, without asking a
// cluster.
func (e *Engine) outline() ([]*node, []Diagnostic) {
	nodes, ds := e.bind(context.Background(), &state.State{})
	if failed(ds) {
		return nil, ds
	}
	assumeAll(nodes)
	sorted, more := e.order(nodes)
	return sorted, append(ds, more...)
}

// assumeAll plans as if nothing were there yet: for what needs no cluster.
func assumeAll(nodes []*node) {
	for _, n := range nodes {
		n.step = newStep(n, unseen)
		n.step.Action = Create
		if n.task != nil {
			n.step.Action = Migrate
		}
	}
	newFlow(nodes).withhold()
}

func failed(ds []Diagnostic) bool { return firstError(ds) != nil }

// firstError is the first diagnostic that stops an apply, nil if there is none.
func firstError(ds []Diagnostic) error {
	for _, d := range ds {
		if d.Severity == providers.SeverityError {
			return d
		}
	}
	return nil
}

// stamp is the only clock that goes into what is stored.
func stamp() string { return time.Now().UTC().Format(time.RFC3339) }
