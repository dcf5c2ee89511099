package migration

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// diskJournal is the journal of a migration as it is on disk.
type diskJournal struct {
	*memJournal // of notes
	s           *state.Store
	addr        providers.Addr
}

func (j diskJournal) Records() iter.Seq2[providers.JSON, error] { return j.s.Records(j.addr) }

func (j diskJournal) Append(record any) error { return j.s.Append(j.addr, record) }

// openJournal opens it as an esmig does that was begun anew.
func openJournal(t testing.TB, path string) diskJournal {
	t.Helper()
	s, err := state.Open(state.OS(), path, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Unlock() })
	addr, err := providers.ParseAddr("migration.orders")
	if err != nil {
		t.Fatal(err)
	}
	return diskJournal{newJournal(), s, addr}
}

// grow writes what a migration of so many ranges writes, with together of them
// at once, which are left open in the end as by a kill. It returns how long each
// tenth took.
func grow(t testing.TB, j diskJournal, ranges, together int) (tenths [10]time.Duration) {
	t.Helper()
	cut := record{What: wroteCut, Run: "abcdefghij", Started: now()}
	var units []string
	for left := ranges; left > 0; {
		n := min(left, mostRanges)
		x := &sourceIndex{Name: fmt.Sprint("orders-", len(cut.Indices)), Documents: int64(n) * bigRange, Shards: 1, SeqNo: true}
		for i := range n {
			x.Ranges = append(x.Ranges, span{From: int64(i) * bigRange, To: int64(i+1)*bigRange - 1, Documents: bigRange})
			units = append(units, fmt.Sprint(len(cut.Indices), ".", i))
		}
		cut.Indices, left = append(cut.Indices, x), left-n
	}
	if err := j.Append(cut); err != nil {
		t.Fatal(err)
	}
	open := units[len(units)-together:]
	one := func(u string) error {
		if err := j.Append(record{What: wroteBegin, Unit: u, Opaque: "esmig-abcdefghij-" + u, Size: 10_000}); err != nil {
			return err
		}
		if err := j.Append(record{What: wroteTask, Unit: u, Task: "gq2JQOqzTAKLmlzYQ9V6zA:1234567"}); err != nil || slices.Contains(open, u) {
			return err
		}
		return j.Append(record{What: wroteEnd, Unit: u, Counts: &counts{Total: bigRange, Created: bigRange}})
	}
	const flushed = 20 // ranges of one flush
	for tenth := range tenths {
		begin := time.Now()
		var g errgroup.Group
		g.SetLimit(together)
		for some := range slices.Chunk(units[tenth*ranges/10:(tenth+1)*ranges/10], flushed) {
			g.Go(func() error {
				for _, u := range some {
					if err := one(u); err != nil {
						return err
					}
				}
				if slices.Contains(open, some[len(some)-1]) {
					return nil
				}
				return j.Append(record{What: wroteFlush, Units: some})
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		tenths[tenth] = time.Since(begin)
	}
	return tenths
}

// goOn reads it as a start after a kill does: how many ranges are done and open.
func (j diskJournal) goOn(t testing.TB) (done, open int) {
	t.Helper()
	l, err := replay(j)
	if err != nil {
		t.Fatal(err)
	}
	l.each(func(u *unit) {
		if u.open() {
			open++
		}
	})
	done, _ = l.sum()
	return done, open
}

// TestJournalAfterKill keeps the benchmark below honest: what it writes is a
// journal that goes on.
func TestJournalAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "esmig.state.json")
	grow(t, openJournal(t, path), 200, 8)
	if done, open := openJournal(t, path).goOn(t); done != 192 || open != 8 {
		t.Errorf("%d ranges done and %d open", done, open)
	}
}

// BenchmarkJournalOfRanges writes the journal of a migration of 100,000 ranges on
// a real disk, and opens it as after a kill. What a range costs must not grow with
// what is there already: last/first compares the last tenth of them with the
// first.
func BenchmarkJournalOfRanges(b *testing.B) {
	const ranges, together = 100_000, 8
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "esmig.state.json")
		tenths := grow(b, openJournal(b, path), ranges, together)
		all := time.Duration(0)
		for _, t := range tenths {
			all += t
		}
		file, err := os.Stat(path + ".journal")
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		j := openJournal(b, path)
		opened := time.Since(begin)
		if done, open := j.goOn(b); done != ranges-together || open != together {
			b.Fatalf("%d ranges done and %d open", done, open)
		}
		b.ReportMetric(all.Seconds()/ranges*1e6, "µs/range")
		b.ReportMetric(tenths[9].Seconds()/tenths[0].Seconds(), "last/first")
		b.ReportMetric(float64(file.Size())/ranges, "B/range")
		b.ReportMetric(opened.Seconds(), "s-open")
		b.ReportMetric(time.Since(begin).Seconds(), "s-load")
		b.ReportMetric(0, "ns/op")
	}
}
