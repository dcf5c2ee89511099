package migration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// tally is what became of the documents of a batch.
type tally struct {
	counts
	rejections int64
	// resent documents may have been written before, by a request whose answer
	// did not come.
	resent  int64
	refused []refusal
	letters []providers.DeadLetter
}

// refusal is a document that the destination does not take.
type refusal struct {
	failure
	doc rawHit
}

func (a *tally) add(b tally) {
	a.Created += b.Created
	a.Updated += b.Updated
	a.Noops += b.Noops
	a.Conflicts += b.Conflicts
	a.rejections += b.rejections
	a.resent += b.resent
}

// The pauses before documents that were rejected are sent again.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
)

// bulkTimeout is for a destination that is busy: an answer that is not waited
// for means that all is sent again.
const bulkTimeout = 3 * time.Minute

// write sends a batch until every document of it is there or refused. What may
// be sent again is what the destination had no room for: those documents alone
// go again, after growing pauses and with fewer requests under way. It gives up
// when for long nothing at all was taken. seen gets what each request brought.
func (s *streamer) write(ctx context.Context, b *batch, seen func(tally) error) error {
	pause, waited, resent := firstPause, time.Duration(0), false
	for b.len() > 0 {
		if err := s.gate.enter(ctx); err != nil {
			return err
		}
		sent := time.Now()
		raw, err := s.dst.Do(ctx, s.bulkRequest(b))
		s.gate.leave()
		var got tally
		var again []int
		var reason error
		e := serverError(err)
		switch {
		case err == nil:
			if got, again, reason, err = readBulk(b, raw); err != nil {
				return err
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case e != nil && tooMuch(e) && b.len() > 1:
			for _, half := range b.halves() {
				if err := s.write(ctx, half, seen); err != nil {
					return err
				}
			}
			return nil
		case e != nil && tooMuch(e):
			got.refuse(b, 0, e.Status, providers.Encode(object{"type": cmp.Or(e.Type, "request_entity_too_large"),
				"reason": "the document is larger than the destination takes in one request"}))
		case errors.Is(err, providers.ErrUnavailable):
			if s.dest.rolls() && (e == nil || e.Status != http.StatusTooManyRequests) {
				return errAgain // documents may have arrived, and ids be doubled after a rollover
			}
			reason = err
			for i := range b.len() {
				again = append(again, i)
			}
			got.rejections = int64(b.len())
			if !resent && (e == nil || e.Status != http.StatusTooManyRequests) {
				resent, got.resent = true, int64(b.len())
			}
		default:
			return err
		}
		if err := seen(got); err != nil {
			return err
		}
		if len(again) == 0 {
			s.gate.taken()
			return nil
		}
		s.gate.rejected(sent)
		if len(again) < b.len() {
			pause, waited = firstPause, 0
		}
		if waited >= patience {
			return &trouble{what: later, err: cmp.Or(serverError(reason), &elasticsearch.Error{Reason: reason.Error()})}
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		waited += pause
		pause = min(2*pause, lastPause)
		b = b.only(again)
	}
	return nil
}

// tooMuch says that a bulk request is larger than the destination ever takes.
func tooMuch(e *elasticsearch.Error) bool {
	return e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusTooManyRequests && overLimit(e.Reason)
}

// bulkRequest is safe to send again: a version, or create, makes what is there
// already a conflict. In a data stream or an alias that has rolled over in between
// it is not; without both a document is written twice with the same contents. Where
// it is to be told whose a conflict is (blind), write itself sends again.
func (s *streamer) bulkRequest(b *batch) providers.Request {
	return providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(s.destIndex) + "/_bulk",
		Query: url.Values{"pipeline": {cmp.Or(s.pipeline, "_none")}, "filter_path": {bulkFields}},
		Body:  b.body, Compress: !onThisMachine(s.dst), Repeatable: !s.dest.rolls() && !s.blind(), Timeout: max(bulkTimeout, s.dst.Config().Timeout)}
}

// readBulk sorts the documents of a batch by what became of them. again are
// those that may be sent again, reason is why.
func readBulk(b *batch, raw providers.JSON) (got tally, again []int, reason error, err error) {
	err = readItems(raw, b.len(), func(i, status int, result string, fault providers.JSON) {
		switch {
		case status == http.StatusConflict:
			got.Conflicts++
		case fault == nil && status/100 == 2:
			switch result {
			case "created":
				got.Created++
			case "updated":
				got.Updated++
			default: // a pipeline dropped it
				got.Noops++
			}
		default:
			e := elasticsearch.ParseError(fault)
			if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || slices.Contains(transient, e.Type) {
				again, reason = append(again, i), e
				got.rejections++
				return
			}
			got.refuse(b, i, status, fault)
		}
	})
	return got, again, reason, err
}

func (a *tally) refuse(b *batch, i, status int, cause providers.JSON) {
	doc := b.document(i)
	a.refused = append(a.refused, refusal{doc: doc,
		failure: failure{ID: unquote(doc.id), Status: status, Cause: bytes.Clone(cause)}})
}
