package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shape is a kind of documents to copy.
type shape struct {
	name, title string
	data        string // data set of eslab
	documents   int
	length      int // of a document in bytes; 0: as the data set has it
	shards      int
	batches     []int // of a plain _reindex that are tried
	page        int   // documents that one client reads at a time
	limit       int   // of elasticdump, to begin with
	// breaks: the default batch of _reindex is expected to be refused.
	breaks bool
	// verify is how many times faster than reading one side full verification
	// has to be.
	verify float64
}

func allShapes() []*shape {
	return []*shape{
		{name: "flat", title: "flat records, 1 shard", data: "flights", documents: 1_000_000, shards: 1,
			batches: []int{1000, 2500, 5000, 10_000}, page: 10_000, limit: 5000, verify: 1.3},
		{name: "flat4", title: "flat records, 4 shards", data: "flights", documents: 1_000_000, shards: 4,
			batches: []int{1000, 2500, 5000, 10_000}, page: 10_000, limit: 5000, verify: 1.3},
		{name: "text", title: "text documents", data: "speeches", documents: 100_000, length: 4 << 10, shards: 1,
			batches: []int{250, 500, 1000, 2000}, page: 1250, limit: 1250, verify: 2.5},
		{name: "large", title: "large documents", data: "speeches", documents: 5000, length: 98_000, shards: 1,
			batches: []int{25, 50, 100, 250}, page: 50, limit: 50, verify: 2.5},
		{name: "huge", title: "documents at which the default batch breaks", data: "speeches", documents: 1000, length: 300_000, shards: 1,
			batches: []int{10, 20, 50, 100}, page: 20, limit: 20, breaks: true, verify: 2.5},
	}
}

// chooseShapes parses the flag.
func chooseShapes(list string, scale float64) ([]*shape, error) {
	var out []*shape
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			continue
		}
		all := allShapes()
		i := slices.IndexFunc(all, func(s *shape) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown shape %q", name)
		}
		s := all[i]
		s.documents = max(50, int(float64(s.documents)*scale))
		if s.breaks { // fewer fit into one answer
			s.documents = max(400, s.documents)
		}
		out = append(out, s)
	}
	return out, nil
}

// linearShape is the one whose size is varied; 0 is the source that grows.
func linearShape(documents int) *shape {
	name := "linear"
	if documents > 0 {
		name = fmt.Sprint(name, "-", documents)
	}
	return &shape{name: name, documents: documents, title: "flat records, growing", data: "flights", shards: 1, page: 10_000}
}

// warmShape is copied before anything is measured.
func warmShape() *shape {
	return &shape{name: "warm", title: "flat records, not counted", data: "flights", shards: 1, page: 10_000}
}

func (s *shape) source() string { return "bench-" + s.name }
func (s *shape) dest() string   { return "bench-" + s.name + "-to" }

// settings of an index before the copy; extra ones are for the ceiling.
func (s *shape) settings(extra string) string {
	return fmt.Sprintf(`{"number_of_shards":%d,"number_of_replicas":0%s}`, s.shards, extra)
}

// unhindered are settings that let an index take as much as it can.
const unhindered = `,"refresh_interval":"-1","translog":{"durability":"async"}`

func (s *shape) mappings() string {
	if s.data == "speeches" {
		return `{"properties":{"n":{"type":"integer"},"title":{"type":"text"},"date":{"type":"date"},"body":{"type":"text"}}}`
	}
	return `{"properties":{"time_hour":{"type":"date"},"carrier":{"type":"keyword"},"tailnum":{"type":"keyword"},"origin":{"type":"keyword"},` +
		`"dest":{"type":"keyword"},"airline":{"type":"text"},"flight":{"type":"integer"},"dep_time":{"type":"short"},"sched_dep_time":{"type":"short"},` +
		`"dep_delay":{"type":"short"},"arr_time":{"type":"short"},"sched_arr_time":{"type":"short"},"arr_delay":{"type":"short"},"air_time":{"type":"short"},` +
		`"distance":{"type":"short"},"row":{"type":"integer"},"pass":{"type":"byte"},"booking":{"type":"keyword"},"gate":{"type":"keyword"}}}`
}

// sizes parses the flag with the sizes of the linear series.
func sizes(list string, scale float64) ([]int, error) {
	var out []int
	for f := range strings.SplitSeq(list, ",") {
		if f == "" {
			continue
		}
		var n int
		if _, err := fmt.Sscan(f, &n); err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of documents", f)
		}
		out = append(out, max(50, int(float64(n)*scale)))
	}
	slices.SortFunc(out, cmp.Compare)
	return slices.Compact(out), nil
}
