package state

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/esmig/esmig/providers"
)

type benchRecord struct {
	Event string `json:"event"`
	Range int    `json:"range"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Task  string `json:"task"`
}

// grown is a Store whose journal holds n records, of 100 migrations.
func grown(b *testing.B, fsys FS, path string, n int) *Store {
	s := mustOpen(b, fsys, path)
	mustUpdate(b, s, nothing)
	es := make([]entry, 0, n/100)
	for m := range 100 {
		es = es[:0]
		a := providers.Addr{Kind: "migration", Name: "m", Key: fmt.Sprint(m), Keyed: true}
		for i := range n / 100 {
			es = append(es, entry{a, providers.Encode(benchRecord{"done", i, int64(i) * 1000, int64(i+1) * 1000, "esmig-ABCDEFGH"})})
			if len(es) == 4 || i == n/100-1 {
				if err := s.commit(es); err != nil {
					b.Fatal(err)
				}
				es = es[:0]
			}
		}
	}
	return s
}

// Appending costs the same whatever the journal holds.
func BenchmarkAppend(b *testing.B) {
	a := providers.Addr{Kind: "migration", Name: "m", Key: "1", Keyed: true}
	for _, n := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("memory/%d", n), func(b *testing.B) {
			s := grown(b, NewMemFS(), testPath, n)
			for i := 0; b.Loop(); i++ {
				mustAppend(b, s, a, benchRecord{Event: "done", Range: i})
			}
		})
	}
	b.Run("disk", func(b *testing.B) {
		s := mustOpen(b, OS(), filepath.Join(b.TempDir(), testPath))
		for i := 0; b.Loop(); i++ {
			mustAppend(b, s, a, benchRecord{Event: "done", Range: i})
		}
		_ = s.Unlock()
	})
}

// Opening a journal of 100,000 records, and reading one migration of 100.
func BenchmarkLoad(b *testing.B) {
	fsys := NewMemFS()
	s := grown(b, fsys, testPath, 100_000)
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mustOpen(b, fsys, testPath)
		}
	})
	a := providers.Addr{Kind: "migration", Name: "m", Key: "50", Keyed: true}
	b.Run("records", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for range s.Records(a) {
				n++
			}
			if n != 1000 {
				b.Fatal(n)
			}
		}
	})
}

// A state of 1,000 objects of 3 KB.
func BenchmarkUpdate(b *testing.B) {
	for name, fsys := range map[string]FS{"memory": NewMemFS(), "disk": OS()} {
		b.Run(name, func(b *testing.B) {
			s := mustOpen(b, fsys, filepath.Join(b.TempDir(), testPath))
			body := map[string]any{}
			for i := range 50 {
				body[fmt.Sprint("field_", i)] = map[string]any{"type": "keyword", "n": i}
			}
			raw := providers.Encode(body)
			mustUpdate(b, s, func(st *State) error {
				for i := range 1000 {
					st.Put(Object{Addr: providers.Addr{Kind: "index", Name: fmt.Sprint("i", i)}, Declared: raw, Observed: raw})
				}
				return nil
			})
			for b.Loop() {
				mustUpdate(b, s, put(providers.Addr{Kind: "index", Name: "i500"}, `{}`))
			}
		})
	}
}
