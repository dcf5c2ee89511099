package migration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/esmig/esmig/providers"
)

const (
	// A piece is what one record of the journal stands for at the least: some
	// seconds of one processor.
	pieceDocuments = 500_000
	pieceBytes     = 500 << 20
	// mostFetched documents are fetched one by one, as id and digest (10 GB);
	// more are added up in the cluster.
	mostFetched = 100_000_000
	// mostSums bounds the journal: 20 kB each. With more pieces a record holds
	// the sums of several.
	mostSums = 1000
)

// side is one side of a comparison: what a migration took from its source, or
// all that the destination holds.
type side struct {
	*task    // src, index and query say what is read; of a destination too
	title    string
	run      string
	contents bool
	parts    []*part
	note     func(string)
	steered  *verifying
	speed    *speed // over all pieces; nil: any
	// What the cluster can do, as far as is known.
	aggregates, runtime, scripts atomic.Bool
	memory                       *memory
	hitBytes                     atomic.Int64 // of a hit of the last page; 0: not known
	// few: ids and digests of all documents may pass through esmig.
	few bool
	// What a source's destination has refused, and what of it is left behind.
	refusals refusedDocs
	left     *leftBehind
	created  int64 // by the copy
}

// part is one concrete index of a side.
type part struct {
	x       *sourceIndex
	limits  []int64 // per shard, up to where it was copied; nil: all
	pieces  []piece
	routing bool // some document has one
	// quiet: a source that was not written to since it was copied.
	quiet bool
	// of names what the sums are of. It changes with each write that the index
	// sees; empty: that cannot be told, or the whole side is no more than a piece
	// should be, so that sums are not kept. It cannot be told without checkpoints:
	// the highest _seq_no of _stats counts writes that no search sees yet, so that
	// sums of before would pass for those of after, and bounds that are percentiles
	// need not be the same the next time. To begin anew is better than a false proof.
	of string
}

// piece is a range of one shard; shard -1: of all.
type piece struct {
	shard     int
	span      span
	documents int64 // about
}

// destinationSide reads the destination as if it were a source.
func (t *task) destinationSide(ctx context.Context) (*side, error) {
	m := &task{src: t.dst, srcName: t.dstName, index: t.destIndex, rangeField: t.rangeField, together: t.together, requestsPerSecond: t.requestsPerSecond, small: t.small, big: t.big, fetched: t.fetched}
	s := &side{task: m, title: t.dstName + "/" + t.destIndex}
	indices, err := m.resolve(ctx)
	if errors.Is(err, providers.ErrNotFound) {
		return s, nil
	}
	window := 0 // the smallest, as all are asked together by the name
	for _, x := range indices {
		if window == 0 || x.Window > 0 && x.Window < window {
			window = x.Window
		}
	}
	for _, x := range indices {
		x.Window = window
		s.parts = append(s.parts, &part{x: x})
	}
	return s, err
}

// sourceSide is what a finished migration took. What was written since is not
// part of it.
func (t *task) sourceSide(d done) *side {
	s := &side{task: t, title: t.srcName + "/" + t.index, run: d.Run, refusals: d.Refused, left: d.left, created: d.Result.Created}
	for _, x := range d.Indices {
		s.parts = append(s.parts, &part{x: x})
	}
	return s
}

// leaveOut leaves fields out of the contents that are read.
func (s *side) leaveOut(fields []string) {
	if len(fields) > 0 {
		k := *s.task
		k.leftOut = fields
		s.task = &k
	}
}

// cutPieces divides all indices of a side. average is the size of a document.
func (s *side) cutPieces(ctx context.Context, average int64) error {
	info, err := s.src.Info(ctx)
	if err != nil {
		return err
	}
	s.aggregates.Store(info.Flavor != providers.Serverless) // it has no scripted_metric
	s.runtime.Store(info.Flavor == providers.Serverless || info.Flavor == providers.Elasticsearch && atLeast(info.Version, 7, 11))
	s.scripts.Store(true)
	if len(s.leftOut) > 0 { // a script sees the whole _source
		s.aggregates.Store(false)
		s.runtime.Store(false)
		s.scripts.Store(false)
	}
	least := s.leastPiece(average)
	err = each(ctx, len(s.parts), func(ctx context.Context, i int) error { return s.cutPart(ctx, s.parts[i], least) })
	s.few = s.documents() <= s.fetched
	for _, p := range s.parts {
		if s.documents() < least {
			p.of = ""
		}
	}
	return err
}

// leastPiece is how many documents of this average size a piece should have.
func (t *task) leastPiece(average int64) int64 {
	if t.small != smallIndex {
		return t.small // a test's
	}
	return max(5000, min(pieceDocuments, pieceBytes/max(1, average)))
}

// forPieces is the task as it cuts an index of so many shards into pieces of
// about so many documents. The cut does not go by what runs at the same time:
// the next process may choose another number, and sums are kept by piece.
func (t *task) forPieces(documents int64, shards int) *task {
	k := *t
	k.heavy = 0 // leastPiece has seen to it
	k.together = unknownSize
	if k.small == smallIndex { // not a test's
		k.small = documents * int64(shards)
		k.big = k.small
	}
	return &k
}

// cutPart divides an index into pieces of about so many documents.
func (s *side) cutPart(ctx context.Context, p *part, documents int64) error {
	x := *p.x // as it is now: the ranges of the copy are no measure any more
	x.Ranges, x.Checkpoints, x.Visible, x.Why, x.Shards = nil, nil, nil, "", max(1, p.x.Shards)
	if s.run != "" && p.x.SeqNo {
		p.limits = p.x.Checkpoints
	}
	k := s.forPieces(documents, x.Shards)
	if x.SeqNo && !x.Slow {
		k.rangeField = "" // nothing is better than _seq_no for pieces of single shards
	}
	g, sub := errgroup.WithContext(ctx)
	g.Go(func() error { return k.cut(sub, &x) })
	unnumbered := int64(0) // documents, from before 6.0: pieces of _seq_no hold none of them
	g.Go(func() (err error) {
		if !p.x.SeqNo || p.x.Slow {
			return nil
		}
		if unnumbered, err = count(sub, s.src, x.Name, -1, object{"bool": object{"must_not": []any{seqNo(0, -1)}}}); badRequest(err) {
			return nil
		}
		return err
	})
	g.Go(func() error {
		n, err := count(sub, s.src, x.Name, -1, object{"exists": object{"field": "_routing"}})
		if p.routing = n > 0 || badRequest(err); badRequest(err) {
			return nil
		}
		return err
	})
	window := 0
	uuid := "" // where it is shown: an index that was made anew may look as the former did
	g.Go(func() error {
		shown, err := readSettings(sub, s.src, x.Name)
		window, _ = strconv.Atoi(shown[x.Name].at("index.max_result_window", ""))
		if uuid = shown[x.Name].at("index.uuid", ""); serverError(err) != nil && !errors.Is(err, providers.ErrUnavailable) {
			return nil
		}
		return err
	})
	if err := g.Wait(); err != nil || x.Documents == 0 {
		return err
	}
	if window > 0 {
		x.Window = window
	}
	switch p.x = &x; {
	case x.SeqNo && unnumbered > 0: // too small to be cut, and so not looked at by cut
		x.noSeqNo("some of its documents have no sequence number")
		x.Ranges = []span{{From: 0, To: -1, Documents: x.Documents}}
	case !x.SeqNo && unnumbered == 0: // the checkpoints of the copy are of no use any more
		p.limits = nil
	}
	if !x.SeqNo && len(x.Ranges) == 1 {
		pieces, err := s.cutByShard(ctx, &x, documents)
		p.pieces = pieces
		return err
	}
	if !x.SeqNo {
		for _, r := range x.Ranges {
			p.pieces = append(p.pieces, piece{shard: -1, span: r, documents: r.Documents})
		}
		return nil
	}
	p.quiet = slices.Equal(p.limits, x.Checkpoints)
	for shard, top := range x.Checkpoints {
		of := shard
		if x.Shards == 1 {
			of = -1
		}
		if len(p.limits) == x.Shards {
			top = min(top, p.limits[shard])
		}
		for _, r := range x.Ranges {
			if r.To < 0 || r.To > top {
				r.To = top
			}
			if r.From <= r.To {
				p.pieces = append(p.pieces, piece{of, r, r.Documents / int64(x.Shards)})
			}
		}
	}
	sum := sha256.Sum256(providers.Encode(object{"digest": digestVersion, "run": s.run, "cluster": s.srcName, "index": x.Name, "uuid": uuid, "query": s.query, "filter": x.Filter,
		"contents": s.contents, "left_out": s.leftOut, "pieces": fmt.Sprint(p.pieces), "checkpoints": x.Checkpoints, "visible": x.Visible}))
	p.of = hex.EncodeToString(sum[:8])
	return nil
}

func (s *side) documents() (n int64) {
	for _, p := range s.parts {
		for _, c := range p.pieces {
			n += c.documents
		}
	}
	return n
}

// digests makes sums or a list of one piece: inside the cluster, or by reading it
// where that is refused or would be too much for the speed that the user wants.
func (s *side) digests(ctx context.Context, p *part, c piece, params digestParams) (*sums, []digested, error) {
	params.Routing, params.Contents = p.routing, s.contents
	query := s.selection(p.x, c.span.query())
	if s.aggregates.Load() && !p.x.Packed && (!s.few || !p.x.SeqNo) && c.documents <= s.atMost(c.documents) {
		if err := s.turn(ctx, c.documents); err != nil {
			return nil, nil, err
		}
		sum, list, err := inside(ctx, s.src, p.x.Name, c.shard, query, params)
		if !s.refused(err, &s.aggregates) {
			return sum, list, err
		}
		s.came(0, c.documents)
	}
	sum, list := &sums{}, []digested(nil)
	err := s.read(ctx, p, c, query, func(d digested) {
		place := digestID(d.id)
		if !params.wanted(place) {
			return
		}
		if params.List {
			list = append(list, d)
			return
		}
		b := bucketOf(place, params.Level)
		sum.Sum[b] += d.digest
		sum.Count[b]++
	})
	return sum, list, err
}

// refused says whether a cluster cannot make digests in this way; can is what
// is known of it. That documents have to be read is told once.
func (s *side) refused(err error, can *atomic.Bool) bool {
	if !refusesScript(err) {
		return false
	}
	if can.CompareAndSwap(true, false) && can == &s.scripts {
		s.note(fmt.Sprintf("%s makes no digests (%s): esmig reads the documents and makes them.", s.srcName, serverError(err).Reason))
	}
	return true
}

// refusesScript tells a server without scripts, or a document that is too much
// for one, from a server that is not well. Script errors are 400, an unlucky
// few 500.
func refusesScript(err error) bool {
	e := serverError(err)
	return e != nil && !errors.Is(err, providers.ErrUnavailable) && !errors.Is(err, providers.ErrNotFound) && !errors.Is(err, providers.ErrDenied) &&
		(e.Status == 400 || e.Status == 500 || notImplemented(err))
}

// work runs f for each piece of a side, at most so many at a time.
func (s *side) work(parent context.Context, most int, f func(ctx context.Context, p *part, n int) error) error {
	g, ctx := errgroup.WithContext(parent)
	g.SetLimit(most)
	free := semaphore.NewWeighted(int64(most))
	for _, p := range s.parts {
		for n := range p.pieces {
			if ctx.Err() != nil {
				break
			}
			g.Go(func() error {
				if err := s.steered.hold(ctx); err != nil {
					return err
				}
				slots := s.slots(most)
				if err := free.Acquire(ctx, slots); err != nil {
					return err
				}
				defer free.Release(slots)
				return f(ctx, p, n)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return parent.Err() // stopped when no piece was under way: not all were
}

// sumRecord is a line of the journal: what some pieces of an index add up to.
// One without pieces says that those before it are not to be taken.
type sumRecord struct {
	What   string `json:"what"` // wroteDigest
	Of     string `json:"of"`
	Pieces []int  `json:"pieces"`
	Sums   *sums  `json:"sums"`
}

const wroteDigest = "digest"

// keptSums are the sums that the journal holds already.
func keptSums(j providers.Journal) (map[string][]sumRecord, error) {
	out := map[string][]sumRecord{}
	for raw, err := range j.Records() {
		var what struct {
			What string `json:"what"`
		}
		if err == nil {
			err = decode(raw, &what)
		}
		if err == nil && what.What == wroteDigest {
			var r sumRecord
			if err = decode(raw, &r); err == nil && len(r.Pieces) == 0 {
				delete(out, r.Of)
			} else if err == nil {
				out[r.Of] = append(out[r.Of], r)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("the journal of a migration cannot be read: %w", err)
		}
	}
	return out, nil
}

// sum adds up a whole side. What the journal holds is not asked for again.
func (s *side) sum(ctx context.Context, j providers.Journal, kept map[string][]sumRecord, progress func(int64)) (*sums, error) {
	whole, pieces := &sums{}, 0
	for _, p := range s.parts {
		pieces += len(p.pieces)
	}
	together := (pieces + mostSums - 1) / mostSums
	var mu sync.Mutex
	have, pending, summed := map[*part]map[int]bool{}, map[*part]*sumRecord{}, map[*part]int64{}
	for _, p := range s.parts {
		have[p] = map[int]bool{}
		pending[p] = &sumRecord{What: wroteDigest, Of: p.of, Sums: &sums{}}
		for _, r := range kept[p.of] {
			if p.of == "" || slices.ContainsFunc(r.Pieces, func(n int) bool { return n >= len(p.pieces) || have[p][n] }) {
				continue
			}
			whole.add(r.Sums)
			summed[p] += r.Sums.documents()
			for _, n := range r.Pieces {
				have[p][n] = true
				progress(p.pieces[n].documents)
			}
		}
	}
	write := func(p *part, least int) error {
		r := pending[p]
		if len(r.Pieces) == 0 || len(r.Pieces) < least || p.of == "" {
			return nil
		}
		pending[p] = &sumRecord{What: wroteDigest, Of: p.of, Sums: &sums{}}
		return j.Append(r)
	}
	err := s.work(ctx, s.together, func(ctx context.Context, p *part, n int) error {
		if have[p][n] {
			return nil
		}
		one, _, err := s.digests(ctx, p, p.pieces[n], digestParams{})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		whole.add(one)
		summed[p] += one.documents()
		progress(p.pieces[n].documents)
		pending[p].Sums.add(one)
		pending[p].Pieces = append(pending[p].Pieces, n)
		return write(p, together)
	})
	for _, p := range s.parts {
		err = errors.Join(err, write(p, 0))
	}
	if err != nil {
		return nil, err
	}
	if err = s.complete(ctx, summed); errors.Is(err, errIncomplete) {
		for _, p := range s.parts {
			if p.of != "" {
				err = errors.Join(err, j.Append(sumRecord{What: wroteDigest, Of: p.of, Sums: &sums{}}))
			}
		}
	}
	return whole, err
}

// sumsOf adds up what params narrow a side to.
func (s *side) sumsOf(ctx context.Context, params digestParams) (*sums, error) {
	whole := &sums{}
	var mu sync.Mutex
	return whole, s.work(ctx, s.together, func(ctx context.Context, p *part, n int) error {
		one, _, err := s.digests(ctx, p, p.pieces[n], params)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		whole.add(one)
		return nil
	})
}

// list gives the documents, without contents, that params narrow a side to.
func (s *side) list(ctx context.Context, params digestParams) ([]digested, error) {
	params.List = true
	var out []digested
	var mu sync.Mutex
	return out, s.work(ctx, s.together, func(ctx context.Context, p *part, n int) error {
		_, list, err := s.digests(ctx, p, p.pieces[n], params)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, list...)
		return nil
	})
}
