package migration

import (
	"testing"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// TestJournalOfARange writes the records of some ranges, as large as those of a
// large migration are, through the real journal.
func TestJournalOfARange(t *testing.T) {
	fsys := state.NewMemFS()
	s, err := state.Open(fsys, "esmig.state.json", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := providers.ParseAddr("migration.orders")
	if err != nil {
		t.Fatal(err)
	}
	write := func(r record) int {
		if err := s.Append(addr, r); err != nil {
			t.Fatal(err)
		}
		b, err := fsys.ReadFile("esmig.state.json.journal")
		if err != nil {
			t.Fatal(err)
		}
		return len(b)
	}
	const ranges = 20 // of one flush
	x := &sourceIndex{Name: "orders", Documents: 66_666_666, Shards: 1}
	before := write(record{What: wroteCut, Run: "abcdefghij", Indices: []*sourceIndex{x}})
	var units []string
	for i := range ranges {
		x.Ranges = append(x.Ranges, span{From: int64(58_500_000 + i*500_000), To: int64(58_999_999 + i*500_000), Documents: 500_000})
		u := "0." + itoa(100+i)
		units = append(units, u)
		write(record{What: wroteBegin, Unit: u, Opaque: "esmig-abcdefghij-" + u, Size: 10_000})
		write(record{What: wroteTask, Unit: u, Task: "gq2JQOqzTAKLmlzYQ9V6zA:1234567"})
		write(record{What: wroteEnd, Unit: u, Counts: &counts{Total: 500_000, Created: 500_000}})
	}
	after := write(record{What: wroteFlush, Units: units})
	cut := write(record{What: wroteCut, Run: "abcdefghij", Indices: []*sourceIndex{x}}) - after
	got := (after - before + cut - before) / ranges
	if got < JournalRange*9/10 || got > JournalRange*11/10 {
		t.Errorf("a range adds %d bytes to the journal, JournalRange says %d", got, JournalRange)
	}
}
