package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/esmig/esmig/providers"
)

const (
	// bulkBytes is about how large a page and the bulk request made of it are.
	bulkBytes = 5 << 20
	// pageLimit is the most that a page may have. A page of more is asked for
	// again with fewer documents.
	pageLimit = 2 * bulkBytes
	// mostInFlight bounds what is read and not yet acknowledged, in bytes over
	// all ranges: the memory that a copy takes, whatever it copies.
	mostInFlight = 48 << 20
	// mostDocuments of a page: the servers' default max_result_window.
	mostDocuments = 10_000
	// mostRefused ends a range in which nearly nothing is taken.
	mostRefused = 1000
	// mostKept bounds the contents of refused documents that one run keeps, in
	// bytes: the file of them is read as a whole.
	mostKept = 16 << 20
)

// streamer copies through this process: it reads pages of the source and writes
// bulk requests, for a destination that cannot read from the source itself.
type streamer struct {
	*run
	gate   *gate
	speed  *speed
	memory *semaphore.Weighted
	sizes
}

// sizes are the constants above; tests take smaller ones.
type sizes struct{ bulk, limit, inFlight, kept int64 }

func newStreamer(r *run) *streamer {
	s := &streamer{run: r, gate: newGate(max(2, min(2*r.together, 64)), max(2, min(2*r.together, 64))), speed: newSpeed(r.rate), sizes: r.sizes}
	s.memory = semaphore.NewWeighted(s.inFlight)
	return s
}

// copyUnit brings one range to its end. An attempt that breaks off is made
// again from the beginning of the range: what is there already answers as a
// conflict.
func (s *streamer) copyUnit(ctx context.Context, u *unit) error {
	x := s.l.indices[u.index]
	size := s.streamSize(x)
	pause := time.Second
	alone := false // see pages
	var away outage
	u.leftOut = nil // it meets them itself
	for begun := 0; ; {
		if err := s.hold(ctx); err != nil {
			return err
		}
		if begun++; begun > mostAttempts {
			return &trouble{what: gaveUp, unit: u, index: x.Name}
		}
		var query any
		var left sift
		var told func()
		err := s.patiently(ctx, func() (err error) {
			if query, err = s.whole(ctx, x, u); err == nil {
				left, told, err = s.sifter(ctx, x, u)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := s.j.Append(record{What: wroteBegin, Unit: u.id, Size: size, There: u.there}); err != nil {
			return err
		}
		s.mu.Lock()
		s.l.begins(u)
		u.task, u.suspect, u.others = "", false, nil
		s.mu.Unlock()
		pumped := time.Now()
		got, err := s.pump(ctx, u, x, query, size, alone, left)
		u.resent, u.seconds = got.resent, time.Since(pumped).Round(time.Millisecond).Seconds()
		var t *trouble
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			told()
			if err := s.ended(ctx, u, x, got.counts, got.letters); !errors.Is(err, errSuspect) {
				return err
			}
			begun--
			continue
		case errors.As(err, &t):
			t.unit, t.index, t.counts = u, x.Name, got.counts
			return t
		case errors.Is(err, providers.ErrTooLarge):
			if alone {
				return s.explainError(err)
			}
			alone, size, begun = size == 1, max(1, size/4), begun-1
			continue
		case errors.Is(err, errLost):
			if got.Created > 0 {
				begun = 0 // each attempt gets further
			}
			s.j.Note(fmt.Sprintf("%s no longer knows what range %s of %s was read from: the range starts again.", s.srcName, u.id, x.Name))
		case errors.Is(err, errAgain), errors.Is(err, errShards), errors.Is(err, providers.ErrUnavailable), serverError(err) != nil && isTransient(serverError(err)):
			if got.Total > 0 {
				away = outage{}
			} else if begun--; away.tooLong() {
				return s.explainError(err)
			}
			s.j.Note(fmt.Sprintf("Range %s of %s was interrupted and starts again in %v: %v.", u.id, x.Name, pause, err))
		default:
			return s.explainError(err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// keep is for how long the source must know what is being read: a throttled
// range waits for its turn, at the slowest for one document of each range.
func (s *streamer) keep() string {
	share := s.share()
	if share <= 0 || keepTurns/share <= keepSeconds {
		return keepAlive
	}
	return fmt.Sprintf("%.0fs", min(keepTurns/share, mostKeepSeconds))
}

// most documents of a page of a stream.
func (t *task) mostStreamed(x *sourceIndex) int {
	return min(cmp.Or(t.size, mostDocuments), cmp.Or(x.Window, mostDocuments))
}

// streamSize is how many documents the first page of a stream has.
func (t *task) streamSize(x *sourceIndex) int {
	size := t.mostStreamed(x)
	if x.Bytes > 0 {
		size = max(1, min(size, int(t.sizes.bulk*x.Documents/x.Bytes)))
	}
	return size
}

// ended closes the account of a range and records it. letters are what the
// destination refused of it.
func (r *run) ended(ctx context.Context, u *unit, x *sourceIndex, c counts, letters []providers.DeadLetter) error {
	c.Total, c.Conflicts = c.Total+u.there, c.Conflicts+u.there
	if len(letters) > 0 && !r.leave(letters) {
		return &trouble{what: refused, unit: u, index: x.Name, counts: c, letters: letters}
	}
	if c.Refused = int64(len(letters)); c.done() != c.Total {
		return &trouble{what: unclosed, unit: u, index: x.Name, counts: c}
	}
	var left refusedDocs
	left.add(letters...)
	if err := r.patiently(ctx, func() error { return r.explain(ctx, u, c, left) }); err != nil {
		if f := (*providers.Finding)(nil); u.task == "" && !errors.As(err, &f) {
			return r.doubt(u, nil, err) // what this attempt was answered goes with the process
		}
		return err
	}
	own := min(u.made, c.Conflicts)
	c.Created, c.Conflicts = c.Created+own, c.Conflicts-own
	return r.end(u, c, left)
}

// errSuspect: a node of the destination restarted while the range was copied.
var errSuspect = errors.New("some of it may be lost")

// end records that all of a range is acknowledged, but for what is refused.
func (r *run) end(u *unit, c counts, left refusedDocs) error {
	if err := r.j.Append(record{What: wroteEnd, Unit: u.id, Counts: &c, Seconds: u.seconds, Refused: left}); err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.live, u)
	suspect := u.suspect
	if !suspect {
		u.counts, u.refused, u.leftOut, u.doubt = &c, left, nil, false
	}
	r.mu.Unlock()
	if suspect {
		return errSuspect
	}
	r.progress(nil, taskStatus{}, false)
	return nil
}

// pump reads a range and writes it, both at the same time. It returns when all
// of it is acknowledged, or when it cannot be.
func (s *streamer) pump(ctx context.Context, u *unit, x *sourceIndex, query any, size int, alone bool, left sift) (tally, error) {
	from, err := s.openFor(ctx, x, query, s.keep())
	if err != nil {
		return tally{}, err
	}
	defer from.close(ctx)
	var mu sync.Mutex
	var got tally
	seen := func(t tally) error {
		letters := s.streamed(x, t.refused)
		if err := s.bury(letters); err != nil {
			return err
		}
		mu.Lock()
		got.add(t)
		got.letters = append(got.letters, letters...)
		got.Refused = int64(len(got.letters))
		status := taskStatus{counts: got.counts}
		status.Retries.Bulk = got.rejections
		enough := len(got.letters) >= max(mostRefused, s.maxRefused+1)
		mu.Unlock()
		s.progress(u, status, false)
		if enough {
			return errRefused
		}
		return nil
	}
	g, inner := errgroup.WithContext(ctx)
	if wanted := left; wanted != nil {
		left = func(ctx context.Context, hits []rawHit) ([]rawHit, error) {
			kept, err := wanted(ctx, hits)
			if err != nil {
				return nil, err
			}
			there := int64(len(hits) - len(kept)) // as if it had been sent
			mu.Lock()
			got.Total += there
			mu.Unlock()
			return kept, seen(tally{counts: counts{Conflicts: there}})
		}
	}
	g.Go(func() error {
		return s.pages(inner, from, x, size, alone, left, func(b *batch, held int64) {
			mu.Lock()
			got.Total += int64(b.len())
			mu.Unlock()
			g.Go(func() error {
				defer s.memory.Release(held)
				return s.write(inner, b, seen)
			})
		})
	})
	err = g.Wait()
	if errors.Is(err, errRefused) {
		err = nil // the account says why
	}
	return got, err
}

// errRefused ends a range of which too much is refused.
var errRefused = errors.New("the destination takes hardly any document")

// pages reads to the end of a range and makes a batch of each page. Memory is
// asked for before a page is: the page and the batch made of it; with the batch
// goes what it holds of that. The size of pages follows that of the documents,
// and the speed: it is waited for before a page is read, so that ranges take
// turns that are shorter than the source remembers what is being read.
// alone: one document is more than a page may be. Where that was found by a
// scroll, whose pages cannot be asked for again, it is so from the beginning,
// and to the end: it may be anywhere.
func (s *streamer) pages(ctx context.Context, from reader, x *sourceIndex, size int, alone bool, left sift, take func(b *batch, held int64)) error {
	most := s.mostStreamed(x)
	create, external := s.createOnly(s.dest), s.external(s.dest)
	always := alone
	for read, all := int64(0), int64(-1); read != all; {
		held, limit := min(2*s.limit, s.inFlight), s.limit
		if alone {
			held, limit = s.inFlight, 0
		}
		if share := s.share(); share > 0 {
			size = min(size, int(throttledSize(share)))
		}
		if err := s.speed.wait(ctx, size); err != nil {
			return err
		}
		if err := s.memory.Acquire(ctx, held); err != nil {
			return err
		}
		p, err := from.next(ctx, size, limit)
		s.speed.correct(len(p.hits) - size)
		if errors.Is(err, providers.ErrTooLarge) && !errors.Is(err, errLost) && !alone {
			s.memory.Release(held)
			alone, size = size == 1, max(1, size/4)
			continue
		}
		if err == nil && all < 0 {
			all = p.total
		}
		if err == nil && len(p.hits) == 0 && read != all {
			err = fmt.Errorf("%w: it counts %d documents and gives %d", errLost, all, read)
		}
		if err != nil || len(p.hits) == 0 {
			s.memory.Release(held)
			return err
		}
		read += int64(len(p.hits))
		if left != nil {
			if p.hits, err = left(ctx, p.hits); err != nil || len(p.hits) == 0 {
				s.memory.Release(held)
				if err != nil {
					return err
				}
				alone = always
				continue
			}
		}
		bytes := 0
		for _, h := range p.hits {
			bytes += len(h.index) + len(h.id) + len(h.routing) + len(h.version) + len(h.source) + actionBytes
		}
		b := newBatch(bytes, len(p.hits))
		for _, h := range p.hits {
			b.add(h, create, external)
		}
		keep := min(held, int64(bytes))
		s.memory.Release(held - keep)
		take(b, keep)
		alone = always || alone && int64(bytes) > s.limit
		size = max(1, min(2*size, most, int(int64(len(p.hits))*s.bulk/int64(bytes))))
	}
	return nil
}
