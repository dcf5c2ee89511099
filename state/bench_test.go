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
func grown(b testing.TB, fsys FS, path string, n int) *Store {
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

// countingFS counts what is asked of the disk.
type countingFS struct {
	FS
	read, written, syncs int
	replaced             int // files
}

func (c *countingFS) ReadFile(name string) ([]byte, error) {
	b, err := c.FS.ReadFile(name)
	c.read += len(b)
	return b, err
}

func (c *countingFS) Create(name string) (File, error) {
	f, err := c.FS.Create(name)
	return countingFile{f, c}, err
}

func (c *countingFS) Append(name string) (File, error) {
	f, err := c.FS.Append(name)
	return countingFile{f, c}, err
}

func (c *countingFS) Rename(from, to string) error {
	c.replaced++
	return c.FS.Rename(from, to)
}

type countingFile struct {
	File
	c *countingFS
}

func (f countingFile) Write(b []byte) (int, error) {
	f.c.written += len(b)
	return f.File.Write(b)
}

func (f countingFile) Sync() error {
	f.c.syncs++
	return f.File.Sync()
}

// What an Append asks of the disk does not grow with the journal: it is one line
// and one sync, and nothing is read or written again.
func TestAppendCost(t *testing.T) {
	a := providers.Addr{Kind: "migration", Name: "m", Key: "1", Keyed: true}
	record := benchRecord{"done", 7, 7000, 8000, "esmig-ABCDEFGH"}
	cost := func(n int) countingFS {
		c := &countingFS{FS: NewMemFS()}
		s := grown(t, c, testPath, n)
		if n == 0 {
			mustAppend(t, s, a, record) // makes the journal
		}
		*c = countingFS{FS: c.FS}
		mustAppend(t, s, a, record)
		mustAppend(t, s, a, record)
		got := *c
		got.FS = nil
		return got
	}
	// The serial is the same, so that the lines are of the same length.
	first, late := cost(0), cost(100_000)
	if first != late {
		t.Errorf("2 records cost %+v at first and %+v after 100,000", first, late)
	}
	if want := 2 * len(commit{1, []entry{{a, providers.Encode(record)}}}.line()); late != (countingFS{written: want, syncs: 2}) {
		t.Errorf("2 records of %d bytes cost %+v", want, late)
	}
}

// Appending costs the same whatever the journal holds.
func BenchmarkAppend(b *testing.B) {
	a := providers.Addr{Kind: "migration", Name: "m", Key: "1", Keyed: true}
	for _, n := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("memory/%d", n), func(b *testing.B) {
			c := &countingFS{FS: NewMemFS()}
			s := grown(b, c, testPath, n)
			c.written = 0
			for i := 0; b.Loop(); i++ {
				mustAppend(b, s, a, benchRecord{Event: "done", Range: i})
			}
			b.ReportMetric(float64(c.written)/float64(b.N), "B-written/record")
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
	size := float64(len(mustRead(b, fsys, testPath+".journal")))
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		defer func() { b.ReportMetric(size/100_000, "B-on-disk/record") }()
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
