package providertest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/esmig/esmig/providers"
)

// Options of a fake cluster. The zero value is a single open Elasticsearch
// 9.4.3 that may not reindex from anywhere.
type Options struct {
	Name    string           // cluster_name; default "fake"
	UUID    string           // cluster_uuid; default made from Name
	Version string           // default "9.4.3"
	Flavor  providers.Flavor // default providers.Elasticsearch
	// Whitelist is reindex.remote.whitelist: "127.0.0.1:*".
	Whitelist []string
	// Network is where a reindex from remote finds its source.
	Network *Network
	// APIKeys (encoded) and Users (to passwords) may come in. Both empty: no
	// authentication.
	APIKeys []APIKey
	Users   map[string]string
	// Lacks are the APIs whose REST handlers are not there, by their first
	// path segment: "_ilm" (its settings are unknown then, too),
	// "_data_stream", "_reindex".
	Lacks []string
	// Nodes are the addresses (host:port) that it says its nodes publish; the
	// fake must be joined to the network at each. None: one node, without.
	Nodes []string
	// ReindexBatchesPerPoll is how far each look at a reindex task brings it;
	// 0: to its end.
	ReindexBatchesPerPoll int
	// RemoteBuffer is how many bytes one batch from a remote may have; default
	// 100 MB.
	RemoteBuffer int
	// ScriptedMetric answers a scripted_metric aggregation over docs in the
	// place of painless. Nil: as a server without scripts.
	ScriptedMetric func(agg providers.JSON, docs []Doc) (any, error)
}

// APIKey is a credential that the fake accepts.
type APIKey struct {
	Encoded  string // base64 of id:key
	ReadOnly bool   // only reads; the rest is 403
}

// Fake is a cluster in memory: an http.Handler. All methods are safe for
// concurrent use.
type Fake struct {
	opt    Options
	routes []route

	mu         sync.Mutex
	counter    int // of ids that the server makes
	started    int // what it was when the node started last
	indices    map[string]*index
	streams    map[string]*stream
	components map[string]*stored
	templates  map[string]*stored
	pipelines  map[string]*stored
	policies   map[string]*policy
	persistent obj
	readers    map[string]*reader // points in time and scrolls
	tasks      map[string]*task

	log   sync.Mutex // guards what follows
	fault func(*http.Request) Fault
	seen  []Seen
}

type obj = map[string]any

// stored is a template or pipeline as it is kept.
type stored struct {
	body     obj
	created  time.Time
	modified time.Time
}

// NewFake makes an empty cluster.
func NewFake(o Options) *Fake {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	set(&o.Name, "fake")
	set(&o.UUID, fmt.Sprintf("%-22.22s", strings.ReplaceAll(o.Name, " ", "_")+"_uuid_0000000000000000"))
	set(&o.Version, "9.4.3")
	set((*string)(&o.Flavor), string(providers.Elasticsearch))
	if o.RemoteBuffer == 0 {
		o.RemoteBuffer = 100 << 20
	}
	return &Fake{
		opt: o, routes: routes(),
		indices: map[string]*index{}, streams: map[string]*stream{},
		components: map[string]*stored{}, templates: map[string]*stored{}, pipelines: map[string]*stored{},
		policies: map[string]*policy{}, persistent: obj{}, readers: map[string]*reader{}, tasks: map[string]*task{},
	}
}

// atLeast compares the fake's version; Serverless is ahead of all.
func (f *Fake) atLeast(major, minor int) bool {
	if f.opt.Flavor == providers.Serverless {
		return true
	}
	if f.opt.Flavor == providers.OpenSearch {
		return false
	}
	a, rest, _ := strings.Cut(f.opt.Version, ".")
	b, _, _ := strings.Cut(rest, ".")
	ma, _ := strconv.Atoi(a)
	mi, _ := strconv.Atoi(b)
	return ma > major || ma == major && mi >= minor
}

func (f *Fake) lacks(api string) bool {
	return slices.Contains(f.opt.Lacks, api) ||
		f.opt.Flavor == providers.OpenSearch && (api == "_ilm" || api == "_pit" || api == "_security")
}

// next makes an id that no other has, the same in every run.
func (f *Fake) next(prefix string) string {
	f.counter++
	return fmt.Sprintf("%s%0*d", prefix, 20-len(prefix), f.counter)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
