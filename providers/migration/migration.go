package migration

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// Migration is the kind.
var Migration = &providers.Kind{
	Name: "migration",
	Doc: "Copies documents from an index, alias, pattern or data stream of one cluster to another, " +
		"goes on where it stopped when it is interrupted, and compares the result with the source.",
	Stage: providers.StageData,
	Attrs: []providers.Attr{
		{Name: "method", Type: cty.String, Default: cty.StringVal("auto"), OneOf: []string{"auto", "reindex", "stream"},
			Doc: "How documents travel. `reindex`: the destination pulls them with `_reindex`. `stream`: esmig reads and writes them. `auto`: reindex where the destination can reach the source, else stream.", Example: `"reindex"`},
		{Name: "script", Type: cty.DynamicPseudoType,
			Doc: "Script that changes documents on the way, as `_reindex` takes it. Contents are not compared then.", Example: `{ source = "ctx._source.remove('secret')" }`},
		{Name: "conflicts", Type: cty.String, Default: cty.StringVal("abort"), OneOf: []string{"abort", "proceed"},
			Doc: "What a document means that the destination holds already with another content: `abort` fails, `proceed` leaves it as it is.", Example: `"proceed"`},
		{Name: "requests_per_second", Type: cty.Number,
			Doc: "Documents per second over all ranges together; without it as fast as the servers can.", Example: `5000`},
		{Name: "concurrency", Type: cty.Number,
			Doc: "How many ranges are copied at the same time, at most; fewer while the destination rejects some. By default two for each processor of the destination's nodes, up to 64, and from there up to twice as many while that makes it faster, also up to 64 in all; on Serverless 8, and up to 32.", Example: `8`},
		{Name: "max_refused", Type: cty.Number, Default: cty.NumberIntVal(0),
			Doc: "How many documents the destination may refuse, over all ranges together, without the migration failing. They are kept with the reason in `esmig.dead.ADDR.ndjson`, and `esmig retry` sends them again.", Example: `10`},
		{Name: "verify", Type: cty.String, Default: cty.StringVal("full"), OneOf: []string{"none", "count", "sample", "full"},
			Doc: "How the result is compared with the source: not at all, by counts, by counts and the contents of documents from all over the index, or `full`: each document, by digests that the clusters make where the documents lie.", Example: `"sample"`},
	},
	Blocks: []providers.Nested{
		{Name: "source", Required: true, Doc: "What is read.", Attrs: []providers.Attr{
			{Name: "cluster", Type: providers.ClusterType, ClusterRole: "source",
				Doc: "The cluster to read from; by default the one that `esmig { source }` names.", Example: "cluster.source"},
			{Name: "index", Type: cty.String, Required: true, Doc: "Index, alias, pattern or data stream.", Example: `"orders-2026"`},
			{Name: "query", Type: cty.DynamicPseudoType, Doc: "Only the documents that match; it must be valid on the source's version.",
				Example: `{ range = { "@timestamp" = { gte = "2026-01-01" } } }`},
			{Name: "_source", Type: cty.DynamicPseudoType, Doc: "Only these fields: a name, a list of names, or `includes` and `excludes`.", Example: `["id", "total"]`},
			{Name: "range_field", Type: cty.String, Doc: "Date or number field by which the index is cut into ranges. By default that is `_seq_no`, which every document has; where an index has it off or does not index it, `@timestamp`. Documents that lack the field are a range of their own; where some have several values, another way is taken.",
				Example: `"created_at"`},
			{Name: "size", Type: cty.Number, Doc: "Documents per batch; by default chosen so that a batch is about 5 MB.", Example: `1000`},
		}},
		{Name: "dest", Required: true, Doc: "What is written.", Attrs: []providers.Attr{
			{Name: "cluster", Type: providers.ClusterType, ClusterRole: "target",
				Doc: "The cluster to write to; by default the one that `esmig { target }` names.", Example: "cluster.target"},
			{Name: "index", Type: cty.String, Required: true, Doc: "Index, alias or data stream.", Example: `"orders-2026"`},
			{Name: "pipeline", Type: cty.String,
				Doc: "Ingest pipeline to run the copy through. Without it none runs, not even the destination's default pipeline.", Example: "ingest_pipeline.orders.name"},
			{Name: "op_type", Type: cty.String, OneOf: []string{"index", "create"},
				Doc: "`create` for a destination in which documents may not be overwritten; data streams get it by themselves.", Example: `"create"`},
			{Name: "existing", Type: cty.String, OneOf: []string{"refuse", "keep", "overwrite"}, Default: cty.StringVal("refuse"),
				Doc: "What happens to documents that esmig did not copy there: the plan is refused, they stay as they are, or they are overwritten.", Example: `"keep"`},
		}},
	},
	Example: `migration "orders" {
  source {
    cluster = cluster.hosted
    index   = "orders-2026"
    query   = { range = { "@timestamp" = { gte = "2026-01-01" } } }
  }
  dest {
    cluster = cluster.serverless
    index   = "orders-2026"
  }
  concurrency = 8
  verify      = "full"
}
`,
	Task: func(in providers.Instance) (providers.Task, error) { return newTask(in) },
}

// mostLeft bounds max_refused: journal and state keep the id of each document,
// and each verification looks them up.
const mostLeft = 10_000

// task is one migration block. It holds what the files say and nothing that
// was learned from a server.
type task struct {
	src, dst           providers.Cluster
	srcName, dstName   string // of the cluster blocks
	index, destIndex   string
	query, filter      any // filter is source._source; nil: absent
	script             any
	rangeField         string
	size               int // 0: chosen
	pipeline           string
	opType             string // as declared, may be empty
	existing           string
	method             string
	conflicts          string
	requestsPerSecond  float64 // 0: unlimited
	concurrency        int     // 0: chosen
	maxRefused         int
	verify             string
	leftOut            []string         // fields of _source that a comparison does not read
	peers              []providers.Peer // that write into the same destination
	addr               providers.Addr
	declared           providers.JSON
	changesID, dropsIt bool // script sets _id; script sets op to noop or delete
	changesVersion     bool
	owned              bool // esmig made the destination
	// declaredLax are, by index, the settings that the files have as they are relaxed.
	declaredLax map[string]map[string]bool
	// together is how many ranges are copied at the same time at first, most
	// how many at the most; see chooseTogether.
	together, most int
	// small and big are smallIndex and bigRange; tests cut finer. heavy is
	// heavyRange, 0: any number of bytes.
	small, big, heavy int64
	opened            int   // mostOpened; likewise
	listed            int   // mostListed; likewise
	fetched           int64 // mostFetched
	sizes             sizes
}

func newTask(in providers.Instance) (*task, error) {
	get := func(block, name string) cty.Value {
		v := in.Args
		for _, part := range []string{block, name} {
			if part == "" {
				continue
			}
			if v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(part) {
				return cty.NullVal(cty.DynamicPseudoType)
			}
			v = v.GetAttr(part)
		}
		return v
	}
	text := func(block, name string) string {
		v := get(block, name)
		if v.IsNull() || v.Type() != cty.String {
			return ""
		}
		return v.AsString()
	}
	var errs []error
	bad := func(arg, summary, detail string) {
		errs = append(errs, providers.NewError("bad_argument", arg, summary, detail))
	}
	number := func(block, name string, lowest, highest float64) float64 {
		v := get(block, name)
		if v.IsNull() || v.Type() != cty.Number {
			return 0
		}
		f, _ := v.AsBigFloat().Float64()
		if f < lowest || f > highest || name != "requests_per_second" && f != math.Trunc(f) {
			kind := "whole number"
			if name == "requests_per_second" {
				kind = "number"
			}
			bad(strings.TrimPrefix(block+"."+name, "."), "Number out of range", fmt.Sprintf("%s is %s; it must be a %s from %s to %s.",
				name, v.AsBigFloat().Text('f', -1), kind, humanize.Commaf(lowest), humanize.Commaf(highest)))
		}
		return f
	}
	body := func(block, name string) any {
		v := get(block, name)
		if v.IsNull() {
			return nil
		}
		raw, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			bad(strings.TrimPrefix(block+"."+name, "."), "Not a body", fmt.Sprintf("%s cannot be written as JSON: %v.", name, err))
			return nil
		}
		out, err := providers.Decode(raw)
		if err != nil {
			bad(strings.TrimPrefix(block+"."+name, "."), "Not a body", err.Error())
		}
		return out
	}
	t := &task{
		srcName: providers.ClusterName(nullCluster(get("source", "cluster"))),
		dstName: providers.ClusterName(nullCluster(get("dest", "cluster"))),
		index:   text("source", "index"), destIndex: text("dest", "index"),
		query: body("source", "query"), filter: body("source", "_source"), script: body("", "script"),
		size: int(number("source", "size", 1, 100_000)), rangeField: text("source", "range_field"),
		pipeline: text("dest", "pipeline"), opType: text("dest", "op_type"), existing: text("dest", "existing"),
		method: text("", "method"), conflicts: text("", "conflicts"), verify: text("", "verify"),
		requestsPerSecond: number("", "requests_per_second", 0.001, 1e9),
		concurrency:       int(number("", "concurrency", 1, 1000)),
		maxRefused:        int(number("", "max_refused", 0, mostLeft)),
		small:             smallIndex, big: bigRange, heavy: heavyRange, opened: mostOpened, fetched: mostFetched, listed: mostListed, sizes: sizes{bulk: bulkBytes, limit: pageLimit, inFlight: mostInFlight, kept: mostKept},
	}
	t.addr = in.Addr
	t.src, t.dst = in.Clusters[t.srcName], in.Clusters[t.dstName]
	t.chooseTogether(providers.Info{}, nil)
	for name, v := range map[string]any{"source.query": t.query, "script": t.script} {
		if _, ok := v.(map[string]any); v != nil && !ok {
			bad(name, "Not an object", fmt.Sprintf("%s must be an object, as the server takes it.", name))
		}
	}
	if t.method == "stream" && t.script != nil {
		bad("script", "Arguments exclude each other", `A script runs in _reindex and not in a stream. Take method = "reindex", or an ingest pipeline (dest.pipeline).`)
	}
	if t.filter == false {
		bad("source._source", "Nothing to copy", "_source = false would copy empty documents; leave it out, or name the fields to keep.")
	}
	if strings.ContainsAny(t.destIndex, "*,") {
		bad("dest.index", "Not one destination", fmt.Sprintf("%q is a pattern; a migration writes into one index, alias or data stream. Use for_each for several.", t.destIndex))
	}
	if t.opType == "create" && t.existing == "overwrite" {
		bad("dest.existing", "Arguments exclude each other", `op_type = "create" never overwrites; leave it out, or set existing = "keep".`)
	}
	if t.opType == "index" && t.existing == "keep" {
		bad("dest.existing", "Arguments exclude each other", `existing = "keep" needs op_type = "create"; leave op_type out.`)
	}
	if t.srcName == t.dstName && t.index == t.destIndex && t.index != "" {
		errs = append(errs, sameIndex(t.destIndex))
	}
	source := scriptSource(t.script)
	t.changesID, t.dropsIt, t.changesVersion = names(source, "_id"), names(source, "op"), names(source, "_version")
	t.declared = t.canonical()
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return t, errors.Join(errs...)
}

func nullCluster(v cty.Value) cty.Value {
	if v.IsNull() || !v.Type().Equals(providers.ClusterType) {
		return cty.NullVal(providers.ClusterType)
	}
	return v
}

func sameIndex(name string) *providers.Finding {
	return providers.NewError("same_index", "dest.index", "Source and destination are the same index",
		fmt.Sprintf("%s would be copied onto itself. Name another index in dest.", name))
}

// scriptSource is the text of an inline script; a stored one is unknown.
func scriptSource(script any) string {
	m, _ := script.(map[string]any)
	s, _ := m["source"].(string)
	return s
}

// names says whether a script names this metadata of a document: ctx._id, and
// not ctx._source.user_id.
func names(script, metadata string) bool {
	return regexp.MustCompile(`\bctx\s*(\??\.\s*` + metadata + `\b|\[\s*['"]` + metadata + `['"]\s*\]|\.\s*put\s*\(\s*['"]` + metadata + `['"])`).MatchString(script)
}

type object = map[string]any

// canonical is what the files say, absent arguments left out, so that an
// argument written with its default changes nothing.
func (t *task) canonical() providers.JSON {
	prune := func(o object) object {
		for k, v := range o {
			if v == nil || v == "" || v == 0 || v == 0.0 {
				delete(o, k)
			}
		}
		return o
	}
	return providers.Encode(prune(object{
		"source": prune(object{"cluster": t.srcName, "index": t.index, "query": t.query, "_source": t.filter, "size": t.size, "range_field": t.rangeField}),
		"dest":   prune(object{"cluster": t.dstName, "index": t.destIndex, "pipeline": t.pipeline, "op_type": t.opType, "existing": t.existing}),
		"method": t.method, "script": t.script, "conflicts": t.conflicts,
		"requests_per_second": t.requestsPerSecond, "concurrency": t.concurrency, "max_refused": t.maxRefused, "verify": t.verify,
	}))
}

func (t *task) Source() (providers.Cluster, string)      { return t.src, t.index }
func (t *task) Destination() (providers.Cluster, string) { return t.dst, t.destIndex }
func (t *task) Pipeline() string                         { return t.pipeline }
func (t *task) Declared() providers.JSON                 { return t.declared }

// Changed tells what is copied from how it is copied: a different speed is no
// reason to copy again.
func (t *task) Changed(before providers.JSON) providers.TaskChange {
	was, err := providers.Decode(before)
	now, err2 := providers.Decode(t.declared)
	if err != nil || err2 != nil {
		return providers.TaskChange{Copy: []string{"everything"}}
	}
	at := func(v any, path ...string) string {
		for _, p := range path {
			m, _ := v.(object)
			v = m[p]
		}
		return string(providers.Encode(v))
	}
	var c providers.TaskChange
	for _, a := range [][2]string{
		{"source", "cluster"}, {"source", "index"}, {"source", "query"}, {"source", "_source"},
		{"dest", "cluster"}, {"dest", "index"}, {"dest", "pipeline"}, {"dest", "op_type"}, {"dest", "existing"},
	} {
		if at(was, a[:]...) != at(now, a[:]...) {
			name := a[1]
			if name == "cluster" || name == "index" { // both blocks have them
				name = a[0] + "." + name
			}
			c.Copy = append(c.Copy, name)
		}
	}
	if at(was, "script") != at(now, "script") {
		c.Copy = append(c.Copy, "script")
	}
	c.Verify = len(c.Copy) == 0 && at(was, "verify") != at(now, "verify")
	return c
}

// altersContents says why documents cannot be equal on both sides; empty: they
// can.
func (t *task) altersContents() string {
	switch {
	case t.script != nil:
		return "a script changes them"
	case t.pipeline != "":
		return "pipeline " + t.pipeline + " changes them"
	case t.filter != nil:
		return "_source leaves fields out"
	}
	return ""
}
