package migration

import (
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

var errStopped = errors.New("the journal stops here")

// memJournal is a journal in memory. It can stop for good at its n-th record,
// as a process that is killed does.
type memJournal struct {
	mu       sync.Mutex
	records  []providers.JSON
	notes    []string
	progress []providers.Progress
	// left is how many records it still takes; negative: any number. cut says
	// whether the record at which it stops was written before the end.
	left int
	torn bool
	// at is called with each record before it is written.
	at func(record)
}

func newJournal() *memJournal { return &memJournal{left: -1} }

func (j *memJournal) Records() iter.Seq2[providers.JSON, error] {
	j.mu.Lock()
	kept := append([]providers.JSON(nil), j.records...)
	j.mu.Unlock()
	return func(yield func(providers.JSON, error) bool) {
		for _, r := range kept {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (j *memJournal) Append(v any) error {
	if r, ok := v.(record); ok && j.at != nil {
		j.at(r)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left == 0 {
		if j.torn { // written, and then the plug was pulled
			j.records = append(j.records, providers.Encode(v))
			j.torn = false
		}
		return errStopped
	}
	j.left--
	j.records = append(j.records, providers.Encode(v))
	return nil
}

func (j *memJournal) Progress(p providers.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress = append(j.progress, p)
}

func (j *memJournal) Note(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notes = append(j.notes, s)
}

// block is what a test says of a migration; everything else has its default.
type block struct {
	source, dest, args map[string]cty.Value
}

func (b block) instance(clusters map[string]providers.Cluster) providers.Instance {
	fill := func(attrs []providers.Attr, given map[string]cty.Value) map[string]cty.Value {
		out := map[string]cty.Value{}
		for _, a := range attrs {
			v, ok := given[a.Name]
			switch {
			case ok:
			case a.ClusterRole != "":
				v = providers.ClusterValue(a.ClusterRole)
			case a.Default != cty.NilVal:
				v = a.Default
			default:
				v = cty.NullVal(a.Type)
			}
			out[a.Name] = v
		}
		return out
	}
	args := fill(Migration.Attrs, b.args)
	args["source"] = cty.ObjectVal(fill(Migration.Blocks[0].Attrs, b.source))
	args["dest"] = cty.ObjectVal(fill(Migration.Blocks[1].Attrs, b.dest))
	return providers.Instance{Addr: providers.Addr{Kind: "migration", Name: "test"}, Args: cty.ObjectVal(args), Clusters: clusters}
}

func (b block) task(t testing.TB, clusters map[string]providers.Cluster) *task {
	t.Helper()
	out, err := newTask(b.instance(clusters))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// copying is the plain case: one index to another.
func copying(from, to string) block {
	return block{
		source: map[string]cty.Value{"index": cty.StringVal(from)},
		dest:   map[string]cty.Value{"index": cty.StringVal(to)},
		args:   map[string]cty.Value{},
	}
}
