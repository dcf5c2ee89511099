package migration

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// record is one line of the journal. What says which of the fields it has.
type record struct {
	What string `json:"what"`

	// cut: what is to be done. The first record, and after a reset again.
	Run     string         `json:"run,omitempty"` // random; part of each X-Opaque-Id
	Started string         `json:"started,omitempty"`
	Indices []*sourceIndex `json:"indices,omitempty"`
	Backing []string       `json:"backing,omitempty"` // of a destination that is a data stream or an alias
	Fresh   bool           `json:"fresh,omitempty"`   // the destination was not there
	Held    bool           `json:"held,omitempty"`    // it held documents

	// begin, task, end, doubt: one range. Task is the server's id of it.
	Unit   string  `json:"unit,omitempty"`
	Opaque string  `json:"opaque,omitempty"`
	Size   int     `json:"size,omitempty"`
	There  int64   `json:"there,omitempty"` // left out, because it had come before
	Task   string  `json:"task,omitempty"`
	Counts *counts `json:"counts,omitempty"`
	// Seconds is how long the attempt took that ended the range, where no server
	// knows it: of a stream.
	Seconds float64 `json:"seconds,omitempty"`
	// Refused documents are counted in Counts; they are dead letters by then.
	// Of a left_out they are those that the next attempts are begun without, of
	// which there are LeftOut then.
	Refused refusedDocs `json:"refused,omitempty"`
	LeftOut int         `json:"left_out,omitempty"`

	// tail: what the tail pass over an index takes. Skip: nothing.
	Index       int     `json:"index,omitempty"`
	From        int64   `json:"from,omitempty"`
	Skip        bool    `json:"skip,omitempty"`
	Checkpoints []int64 `json:"checkpoints,omitempty"`
	Visible     []int64 `json:"visible,omitempty"`

	// relax: what settings were before, by concrete index (null: not set), and
	// the primary terms of the shards where the translog is relaxed. lost: the
	// terms now. flush: what is on the destination's disks.
	Relaxed map[string]map[string]*string `json:"relaxed,omitempty"`
	Terms   map[string][]int64            `json:"terms,omitempty"`
	Units   []string                      `json:"units,omitempty"`
}

// The kinds of records. After a reset nothing before it counts.
const (
	wroteCut   = "cut"
	wroteBegin = "begin"
	wroteTask  = "task"
	wroteEnd   = "end"
	wroteTail  = "tail"
	wroteReset = "reset"
	// cancel: the user ended the task.
	wroteCancel  = "cancel"
	wroteRelax   = "relax"
	wroteRestore = "restore"
	wroteFlush   = "flush"
	wroteLost    = "lost"
	// doubt: an attempt ended, and its conflicts are not explained.
	wroteDoubt = "doubt"
	// left_out: more documents that the attempts to come are begun without.
	wroteLeftOut = "left_out"
)

// unit is one range of one index.
type unit struct {
	id    string // "0.3", the tail of index 0 is "0.tail"
	index int
	span  span
	// tail: it is one, which was decided at these checkpoints.
	tail        bool
	checkpoints []int64
	// again: an earlier tail of the index was begun. cleared: what the journal
	// says was stale in it is not there any more, see stale.
	again, cleared bool

	// What the journal says of it.
	begun  int     // how often it was begun
	task   string  // of the last attempt, empty: not known
	size   int     // batch size of the last attempt
	counts *counts // it ended well
	// refused documents of a range that ended well, leftOut of the last attempt
	// at one that has not.
	refused, leftOut refusedDocs
	// made is what attempts of this run have created that ended with refused
	// documents: the next one meets it as conflicts.
	made int64
	// resent documents of the last attempt may be conflicts with itself.
	resent int64
	// there is what was left out of the last attempt: it had come before.
	there int64
	// into is the index that the next attempt by reindex writes to, because it
	// replaces documents there; empty: under the destination's name.
	into string
	// seconds that the last attempt took, of a stream only.
	seconds float64
	// streamed: the last attempt has no task. cancelled: its task is known to
	// have been ended.
	streamed, cancelled bool
	// safe: what it brought is on the destination's disks. suspect: a node
	// restarted while it ran, so that some of what it brought may be lost.
	safe, suspect bool
	// doubt: conflicts of a former attempt are not explained. others: see
	// run.doubt; once they are gone the next attempt begins.
	doubt  bool
	others *counts
	paced  *float64 // the speed that its task was told, see pace
}

// open says that an attempt was begun of which no end is known.
func (u *unit) open() bool { return u.begun > 0 && u.counts == nil }

// ledger is the journal, read: where the task stands.
type ledger struct {
	run, started string
	indices      []*sourceIndex
	backing      []string
	fresh        bool // the copy itself made the destination
	held         bool // it held documents before
	relaxed      map[string]map[string]*string
	terms        map[string][]int64 // empty: the translog is as it was
	units        []*unit            // without tails
	tails        map[int]*unit
	decided      map[int]record // tail records by index
	tailed       map[int]bool   // a tail of the index was begun
}

// replay reads the journal. A ledger without indices: nothing was begun. The
// error is a gapError where a line is missing that others build on.
func replay(j providers.Journal) (*ledger, error) { return read(j, false) }

// read goes on where a line is missing if gaps may be.
func read(j providers.Journal, gaps bool) (*ledger, error) {
	l := &ledger{}
	var byID map[string]*unit
	for raw, err := range j.Records() {
		var r record
		if err == nil {
			err = decode(raw, &r)
		}
		if err != nil {
			return nil, fmt.Errorf("the journal of a migration cannot be read: %w", err)
		}
		u := byID[r.Unit]
		if u == nil && r.Unit != "" {
			if !gaps {
				return nil, gapError{r.Unit}
			}
			u = l.unknown(r)
			if byID == nil {
				byID = map[string]*unit{}
			}
			byID[r.Unit] = u
		}
		switch r.What {
		case wroteReset:
			l, byID = &ledger{relaxed: l.relaxed}, nil
		case wroteCut:
			l.cut(r)
			byID = map[string]*unit{}
			for _, u := range l.units {
				byID[u.id] = u
			}
		case wroteBegin:
			l.begins(u)
			u.task, u.size, u.there = "", r.Size, r.There
			u.streamed, u.cancelled, u.suspect = r.Opaque == "", false, false
			u.counts, u.refused, u.others = nil, nil, nil // it ended before, and was taken up again
			if r.LeftOut == 0 {
				u.leftOut = nil
			}
			if u.streamed {
				u.size = 0 // of pages, which are no measure for a task
			}
		case wroteTask:
			u.task, u.begun = r.Task, max(u.begun, 1)
		case wroteCancel:
			u.task, u.cancelled = "", true
		case wroteEnd:
			u.seconds = r.Seconds
			if !u.suspect {
				u.counts, u.refused, u.leftOut, u.doubt = r.Counts, r.Refused, nil, false
			}
		case wroteLeftOut:
			u.leftOut.add(r.Refused.letters(&task{})...)
		case wroteDoubt:
			u.task, u.cancelled, u.doubt, u.others = "", true, true, r.Counts
		case wroteRelax:
			l.relaxed, l.terms = r.Relaxed, r.Terms
		case wroteRestore:
			l.relaxed = nil
		case wroteFlush:
			for _, id := range r.Units { // and not l.flushed, which looks at all units each time
				if u := byID[id]; u != nil {
					u.safe = true
				}
			}
		case wroteLost:
			l.lost(r.Terms)
		case wroteTail:
			if len(l.indices) == 0 { // the cut is missing
				if !gaps {
					return nil, gapError{fmt.Sprint(r.Index, ".tail")}
				}
				continue
			}
			if t := l.tail(r); t != nil {
				byID[t.id] = t
			}
		}
	}
	return l, nil
}

func (l *ledger) cut(r record) {
	*l = ledger{run: r.Run, started: r.Started, indices: r.Indices, backing: r.Backing, fresh: r.Fresh, held: r.Held, relaxed: l.relaxed,
		tails: map[int]*unit{}, decided: map[int]record{}, tailed: map[int]bool{}}
	for i, x := range l.indices {
		for n, s := range x.Ranges {
			l.units = append(l.units, &unit{id: fmt.Sprint(i, ".", n), index: i, span: s})
		}
	}
}

// tail takes up what was decided about the tail of an index; nil: none.
func (l *ledger) tail(r record) *unit {
	l.decided[r.Index] = r
	if r.Skip {
		return nil
	}
	u := &unit{id: fmt.Sprint(r.Index, ".tail"), index: r.Index, span: span{From: r.From, To: -1}, tail: true, checkpoints: r.Checkpoints,
		again: l.tailed[r.Index]}
	l.tails[r.Index] = u
	return u
}

// begins counts an attempt. What it brings is on no disk yet, and a document
// may have left its range since the tail was decided, which is done anew.
func (l *ledger) begins(u *unit) {
	u.begun, u.safe, u.seconds = u.begun+1, false, 0
	if u.tail {
		l.tailed[u.index] = true
		return
	}
	delete(l.tails, u.index)
	delete(l.decided, u.index)
}

// flushed takes down what is on the destination's disks.
func (l *ledger) flushed(ids []string) {
	safe := map[string]bool{}
	for _, id := range ids {
		safe[id] = true
	}
	l.each(func(u *unit) { u.safe = u.safe || safe[u.id] })
}

// lost opens again what may not have come to the destination's disks before a
// node restarted. The tails are decided anew, after it: a document may have
// left its range since that was copied.
func (l *ledger) lost(terms map[string][]int64) (units int, documents int64) {
	l.terms = terms
	l.each(func(u *unit) {
		if u.begun == 0 || u.safe {
			return
		}
		units++
		if u.counts == nil {
			u.suspect = true
			return
		}
		documents += u.counts.done()
		u.counts, u.refused, u.task = nil, nil, "" // the server still knows how that ended
	})
	if units > 0 {
		l.tails, l.decided = map[int]*unit{}, map[int]record{}
	}
	return units, documents
}

// complete: all ranges are done and all tails decided.
func (l *ledger) complete() bool {
	for i, x := range l.indices {
		if _, ok := l.decided[i]; !ok && x.tails() {
			return false
		}
	}
	done := true
	l.each(func(u *unit) { done = done && u.counts != nil })
	return done
}

// short is how many documents fewer than at the start the ranges of an index
// had when they were read.
func (l *ledger) short(index int) (n int64) {
	for _, u := range l.units {
		if u.index == index && u.counts != nil {
			n += u.span.Documents - u.counts.Total
		}
	}
	return n
}

// tails: a tail pass follows the ranges.
func (x *sourceIndex) tails() bool { return x.SeqNo && len(x.Checkpoints) > 0 }

// each yields all units that are known, tails last.
func (l *ledger) each(f func(*unit)) {
	for _, u := range l.units {
		f(u)
	}
	for i := range l.indices {
		if u := l.tails[i]; u != nil {
			f(u)
		}
	}
}

// sum adds up what ended well.
func (l *ledger) sum() (ranges int, c counts) {
	l.each(func(u *unit) {
		if u.counts == nil {
			return
		}
		ranges++
		c.Total += u.counts.Total
		c.Created += u.counts.Created
		c.Updated += u.counts.Updated
		c.Deleted += u.counts.Deleted
		c.Noops += u.counts.Noops
		c.Conflicts += u.counts.Conflicts
		c.Refused += u.counts.Refused
	})
	return ranges, c
}

// refused is what the ranges that ended well leave behind. A document that the
// tail pass met again is in it once.
func (l *ledger) refused(t *task) (out refusedDocs) {
	var all []providers.DeadLetter
	l.each(func(u *unit) { all = append(all, u.refused.letters(t)...) })
	out.add(all...)
	return out
}

func (l *ledger) opaque(u *unit) string { return "esmig-" + l.run + "-" + u.id }

func result(c counts, failed int64) providers.Result {
	return providers.Result{Read: c.done() + failed, Created: c.Created, Updated: c.Updated,
		Noops: c.Noops + c.Deleted, Conflicts: c.Conflicts, Failed: c.Refused + failed}
}

// done is what is kept of a finished copy, for plans and verifications to
// come. Checkpoints of the indices are those of the end.
type done struct {
	Run       string           `json:"run"`
	Dest      string           `json:"dest,omitempty"` // cluster/index
	Documents int64            `json:"documents"`
	Ranges    int              `json:"ranges"`
	Started   string           `json:"started"`
	Finished  string           `json:"finished"`
	Result    providers.Result `json:"result"`
	Stream    bool             `json:"data_stream,omitempty"`
	Indices   []*sourceIndex   `json:"indices"`
	// Refused documents are not on the destination.
	Refused refusedDocs `json:"refused,omitempty"`
	left    *leftBehind // what of it is found to be so still
	// Brought is how many documents are there by the copy at the most, Dropped
	// how many its pipeline or script has dropped at the most: the tail pass
	// reads some a second time.
	Brought int64 `json:"brought,omitempty"`
	Dropped int64 `json:"dropped,omitempty"`
}

// account is what the copy brought and dropped. What the ranges count is of
// different documents. Of the tail pass only what it created is new: it updates
// what is there, and meets as a conflict what the ranges have brought. noops is
// how many different documents were dropped at the least.
func (l *ledger) account(external bool) (brought, dropped, noops int64) {
	ranges, tails := map[int]int64{}, map[int]int64{}
	l.each(func(u *unit) {
		switch c := u.counts; {
		case c == nil:
		case u.tail:
			if brought += c.Created; !external {
				brought += c.Updated
			}
			tails[u.index] += c.Noops
			dropped += c.Noops + c.Deleted
		default:
			brought += c.Created + c.Updated + c.Conflicts
			ranges[u.index] += c.Noops
			dropped += c.Noops + c.Deleted
		}
	})
	for i := range l.indices {
		noops += max(ranges[i], tails[i])
	}
	return brought, dropped, noops
}

func (l *ledger) done(t *task, d destination) done {
	ranges, c := l.sum()
	out := done{Run: l.run, Ranges: ranges, Started: l.started, Finished: now(), Stream: d.Stream}
	out.Brought, out.Dropped, c.Noops = l.account(t.external(d))
	out.Documents = c.Created + c.Updated + c.Noops
	out.leave(c, l.refused(t), t)
	for i, x := range l.indices {
		kept := *x
		kept.Ranges = nil
		if r, ok := l.decided[i]; ok {
			kept.Checkpoints, kept.Visible = r.Checkpoints, r.Visible
		}
		out.Indices = append(out.Indices, &kept)
	}
	return out
}

// leave closes the account: what was done, and what is left behind.
func (d *done) leave(c counts, refused refusedDocs, t *task) {
	c.Refused = int64(refused.len())
	d.Refused, d.Result = refused, result(c, 0)
	d.Result.Refused = providers.Refusals(refused.letters(t))
}

// now is the one place that asks for the time that is stored.
func now() string { return time.Now().UTC().Format(time.RFC3339) }

func newRun() string { return strings.ToLower(rand.Text()[:10]) }
