// Package state keeps what esmig knows of its last apply: the state file, its
// lock, the journal of the work that a task has done, and the door to the disk
// (FS) through which everything goes.
//
// Beside the state at PATH lie PATH.backup (the state before the last write),
// PATH.journal (records of tasks that are under way; gone when none is),
// PATH.lock (empty; locked by the system while esmig runs) and PATH.lock.info
// (who holds the lock; only for the message). PATH.tmp and the like are left
// by a crash and mean nothing.
//
// # Guarantees
//
// When Update or Append returns nil, the change is on disk and survives kill
// -9 and power loss. When they fail or the program dies, the old or the new
// state is there, never neither, and never a mixture. Start reading at Store.
package state
