package providers

import "iter"

// Journal is where a task records what it is about to do and what it has done,
// bound to one address. The records are the task's own; only it can read them.
type Journal interface {
	// Records yields, in order, what was appended since the task began, also
	// by a run that was killed.
	Records() iter.Seq2[JSON, error]
	// Append returns when the record is on disk. Record the intent before a
	// request that may not be repeated, and its result before going on. Safe
	// for concurrent use.
	Append(record any) error
	// Progress tells how far the work is. It never blocks and may be dropped.
	Progress(Progress)
	// Note sends one line to the user: what was continued, what slows it down.
	Note(text string)
}

// Progress of a running task.
type Progress struct {
	Phase      string `json:"phase"` // copy, verify
	Done       int64  `json:"done"`
	Total      int64  `json:"total"`
	RangesDone int    `json:"ranges_done"`
	Ranges     int    `json:"ranges"`
	Rejections int64  `json:"rejections"`
}
