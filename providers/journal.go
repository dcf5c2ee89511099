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

// Controlled is a Journal by which a user steers a task that runs, also from
// another process. A Journal need not be one.
type Controlled interface {
	// Control is what the user wants now. It is asked often.
	Control() Control
}

// Control is what a user wants of a task that runs.
type Control struct {
	// Paused: no range is begun; what runs already goes on to its end.
	Paused bool `json:"paused,omitempty"`
	// RequestsPerSecond is documents per second over all ranges together; 0: as
	// the block says.
	RequestsPerSecond float64 `json:"requests_per_second,omitempty"`
	// Unread: it could not be asked, and the rest is what was known last. Until
	// it can, no range is begun and no speed is changed.
	Unread bool `json:"-"`
}

// DeadLetters is a Journal that keeps the documents that a destination refused,
// for people to look at and to send again. A Journal need not be one.
type DeadLetters interface {
	// Refused returns when the documents are on disk: a range that leaves some
	// of its own behind is recorded as done only after that. It takes secrets
	// out of the texts, also for the caller. Safe for concurrent use.
	Refused([]DeadLetter) error
	// Retain says which documents of earlier runs are still refused: the others
	// go, when this run refuses its first or when it ends well. keep is called
	// then.
	Retain(keep func(DeadLetter) bool)
}

// DeadLetter is one refused document.
type DeadLetter struct {
	Index    string `json:"index"` // of the source
	Dest     string `json:"dest"`
	ID       string `json:"id"`
	Routing  string `json:"routing,omitempty"`
	Version  int64  `json:"version,omitempty"`
	Status   int    `json:"status"`
	Type     string `json:"type"`   // "document_parsing_exception"
	Reason   string `json:"reason"` // the server's, without what is another for each document
	CausedBy string `json:"caused_by,omitempty"`
	Field    string `json:"field,omitempty"`
	Advice   string `json:"advice,omitempty"`
	// Source is missing where the document could not be found any more, and
	// where the contents of refused documents are too large to keep all of them.
	Source JSON `json:"source,omitempty"`
}

// Key tells documents apart: those of several indices, and with custom routing
// also those of one, may have the same id.
func (d DeadLetter) Key() string { return d.Index + "\x00" + d.ID + "\x00" + d.Routing }
