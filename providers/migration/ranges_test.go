package migration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
)

// A range is bounded in documents and in bytes, and so is the number of ranges.
func TestWantedRanges(t *testing.T) {
	for _, c := range []struct {
		name                  string
		documents, bytes, big int64
		together              int
		want                  int64
	}{
		{"small", 60_000, 60e6, bigRange, 2, fewestRanges},
		{"two for each that runs", 60_000, 60e6, bigRange, 10, 20},
		{"by documents", 66e6, 33e9, bigRange, 4, 132},
		{"large documents", 5e6, 500e9, bigRange, 4, 931},
		{"a few, very large", 60, 6e9, bigRange, 1, 11},
		{"at most", 1e12, 1e15, bigRange, 4, mostRanges},
		{"at most, by bytes", 1e6, 1e15, bigRange, 4, mostRanges},
	} {
		k := &task{together: c.together, big: c.big, heavy: heavyRange}
		if got := k.wantedRanges(&sourceIndex{Documents: c.documents, Bytes: c.bytes}); got != c.want {
			t.Errorf("%s: %d ranges, want %d", c.name, got, c.want)
		}
	}
	k := (&task{together: 4, small: smallIndex, big: bigRange, heavy: heavyRange}).forPieces(5000, 1)
	if got := k.wantedRanges(&sourceIndex{Documents: 50_000, Bytes: 500e9}); got != 10 {
		t.Errorf("pieces have a bound of their own: %d", got)
	}
}

// The batch size is of documents from all over an index, not of the oldest.
func TestSampledSize(t *testing.T) {
	for _, c := range []struct {
		name  string
		empty bool // the places that are looked at
	}{{"all over", false}, {"nothing there", true}} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w world) {
				const name = "mig-sampled"
				w.fresh(t, name, 1)
				put(t, w.admin, name, 1, ids(0, 40)...)
				var docs []string
				for i := range 160 {
					docs = append(docs, fmt.Sprint("large ", i), `{"n":2,"text":"`+strings.Repeat("x", 10_000)+`"}`)
				}
				lines(t, w.admin, name, docs...)
				if c.empty {
					w.source = &faulty{Cluster: w.source, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						if strings.Contains(string(r.Body), "random_score") {
							return providers.JSON(`{"_shards":{"total":1,"successful":1},"hits":{"total":0,"hits":[]}}`), nil
						}
						return pass()
					}}
				}
				indices, err := copying(name, name).task(t, w.clusters()).plan(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				x := indices[0]
				if c.empty != (x.Size == 10_000) || !c.empty && (x.Size > 1000 || x.Bytes < 1e6 || x.Bytes > 2e6) {
					t.Errorf("batches of %d, %d bytes", x.Size, x.Bytes)
				}
			})
		})
	}
}
