package migration

import "testing"

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
