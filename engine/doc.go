// Package engine compares what the files say with the state and the live
// clusters, makes a plan, and carries the plan's steps out in order.
//
//	files ── config ──┐
//	                  ├── bind ── decide ── order ── Plan ── Apply ── state
//	state ────────────┤             │                  │       │
//	clusters ─────────┴── observe ──┘                  └ file  └── Events
//
// It knows no server: kinds (packages below providers) read, write and copy.
// It prints nothing: all that a user sees is drawn from its events.
//
// Start reading at event.go, what an apply says, and step.go, what a plan is.
// Then, in the order in which a plan comes about:
//
//	engine.go    Engine and node: one block, or one object whose block is gone
//	bind.go      nodes of blocks and of the state's objects; moved, renamed
//	graph.go     references and stages give the order; cycles; DOT and Mermaid
//	plan.go      Plan from end to end; -target; who the clusters are
//	diff.go      what to do about one object: the table "What happens when"
//	ready.go     what of the files the target's flavour does not take
//	preflight.go what to do about one migration, and what is in its way
//	withhold.go  pipeline settings that wait until the data is in
//	planfile.go  a plan on disk, and whether it is still true
//
// and in the order in which it is carried out:
//
//	apply.go     the loop: ready steps run, failures are told
//	schedule.go  which steps are ready
//	run.go       one step: object, migration, verification, restoring
//	retry.go     documents sent again that were refused
//	journal.go   what a running migration gets to write to
//	deadletters.go the file of refused documents
//	steer.go     looking at and steering migrations that run
//
// fix.go works out how files are rewritten so that ready.go finds nothing.
//
// secrets.go keeps sensitive values out of all of it; diag.go is the one place
// that makes a diagnostic of an error.
//
// What must hold, whatever is changed here:
//
//   - Planning only reads.
//   - Nothing is written or deleted that no plan has shown: each step looks
//     again before it acts (Step.Fingerprint).
//   - What is to be done is in the state or the journal before the request, its
//     result after it: between any two of them the process may die.
//   - An object is a kind, a cluster (by its UUID) and a name there. A label is
//     how the files call it, and may change.
//   - Only what esmig made is deleted (state.Object.Owned).
//   - No sensitive value is stored or shown, and no hash of one is sent.
package engine
