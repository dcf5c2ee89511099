// Package migration is the kind that moves documents: a source index is cut
// into ranges of _seq_no, the destination pulls each of them with _reindex as
// a task of its own (or, where it cannot reach the source, this process reads
// and writes them: a stream), a tail pass takes what was written meanwhile, and the
// result is compared with the source.
//
// Start reading at migration.go (what a user writes), then ranges.go (what is
// to be done), run.go (doing it, from any point of the journal on), reindex.go
// (one task on the server) and stream.go (one range through this process), with
// method.go to choose between them, preflight.go (what a plan finds) and verify.go.
//
// # What is recorded
//
// The journal's first record is the cut: it never changes while the task is
// under way, so that a range means the same documents after a crash. Before a
// reindex is sent its range is recorded as begun, with the X-Opaque-Id under
// which the server's task can be found; then the task's id; then its counts.
// What is begun and not ended is looked for before it is done again.
//
// # Why doing a range again does no harm
//
// Documents keep the source's version (version_type external), so that one
// that is there already answers as a conflict. Where that is not allowed (data
// streams, existing = "keep") op_type create does the same by id, within one
// index; behind a stream or an alias, which may roll over, what is there is left
// out of what is written again (rest.go).
//
// # Refused documents
//
// A range of which documents are refused is copied by stream, because a reindex
// tells of the first bad batch only (deadletter.go). Up to max_refused of them
// may be left behind: the end of their range and the sum of the migration hold
// their ids, a verification expects them to be missing (verify_refused.go), and
// retry.go sends them again.
//
// # How all documents are compared
//
// Each document has a digest of 64 bits (digest.go), made by the clusters
// (digest_painless.go) or, where they cannot, by esmig (verify_read.go). Both
// sides are added up per bucket in pieces that the journal keeps
// (verify_pieces.go); verify_whole.go makes sure that the pieces were all of an
// index, verify_full.go compares the sums, verify_open.go looks into what differs,
// verify_each.go looks document by document where too much does, repair.go mends
// it.
package migration
