package migration

import "time"

// What a model of migrations that are too large to be tried has to know of this
// package (cmd/esbench computes with it).
const (
	DocumentsPerRange = bigRange
	BatchBytes        = batchBytes  // of a batch of documents
	MostFetched       = mostFetched // documents of a migration whose digests may pass through esmig
	FlushEvery        = flushEvery
	// JournalRange is about how many bytes a range adds to the journal.
	JournalRange = 590
)

// Together is how many ranges of a migration are copied at the same time where
// the user does not say and the destination's data nodes have so many
// processors.
func Together(processors int) int { return min(perProcessor*processors, mostTogether) }

// RangesOf is into how many ranges an index of so many documents and bytes is
// cut.
func RangesOf(documents, bytes int64, together int) int64 {
	t := &task{together: together, small: smallIndex, big: bigRange}
	x := &sourceIndex{Documents: documents, Bytes: bytes}
	if !t.divisible(x) {
		return 1
	}
	return t.wantedRanges(x)
}

// LookEvery is the pause between two lists of tasks: while a migration follows
// so many of them and the next one will end after soonest.
func LookEvery(tasks int, soonest time.Duration) time.Duration {
	return waitFor(lastLook, leastLook(tasks), soonest)
}
