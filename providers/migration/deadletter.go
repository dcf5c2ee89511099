package migration

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

var (
	atSource    = regexp.MustCompile(`\s+at \[Source: .*`) // repeats the document
	position    = regexp.MustCompile(`^\[\d+:\d+\] `)
	ofDocument  = regexp.MustCompile(` (in|of) document with id '.*`)
	fieldType   = regexp.MustCompile(`field \[([^\]]+)\] of type \[([^\]]+)\]`)
	failedField = regexp.MustCompile(`failed to parse field \[([^\]]+)\]`)
	introduced  = regexp.MustCompile(`introduction of \[([^\]]+)\]`)
	noPipeline  = regexp.MustCompile(`pipeline with id \[([^\]]+)\] does not exist`)
)

// plainReason leaves out of a reason what is another for each document.
func plainReason(s string) string {
	return atSource.ReplaceAllString(ofDocument.ReplaceAllString(position.ReplaceAllString(s, ""), ""), "")
}

// letter is what is kept of a refused document.
func (t *task) letter(x *sourceIndex, f failure) providers.DeadLetter {
	e := parseFailure(f)
	d := providers.DeadLetter{Index: x.Name, Dest: t.destIndex, ID: f.ID, Status: f.Status,
		Type: e.Type, Reason: plainReason(e.Reason), CausedBy: plainReason(e.RootCause)}
	for _, find := range []*regexp.Regexp{fieldType, failedField, introduced} {
		if m := find.FindStringSubmatch(e.Reason); m != nil {
			d.Field = m[1]
			break
		}
	}
	d.Advice = advice(t, d.Type+": "+d.Reason+" "+d.CausedBy)
	return d
}

// streamed are the letters of a bulk request.
func (s *streamer) streamed(x *sourceIndex, refused []refusal) []providers.DeadLetter {
	var out []providers.DeadLetter
	for _, r := range refused {
		d := s.letter(x, r.failure)
		d.Version, d.Source = wholeNumber(r.doc.version), r.doc.source
		if r.doc.routing != nil {
			d.Routing = unquote(r.doc.routing)
		}
		out = append(out, d)
	}
	return out
}

// bury hands refused documents to the journal, if it keeps them. A range that
// starts again, and the tail pass, meet them again. What is left in memory has
// no contents, and a letter beyond so many bytes in a run has none either.
func (r *run) bury(ds []providers.DeadLetter) error {
	letters, ok := r.j.(providers.DeadLetters)
	if ok && len(ds) > 0 {
		r.boundContents(ds)
		if err := letters.Refused(ds); err != nil {
			return err
		}
	}
	for i := range ds {
		ds[i].Source = nil
	}
	return nil
}

// boundContents leaves out contents once a run has kept enough of them.
func (r *run) boundContents(ds []providers.DeadLetter) {
	r.mu.Lock()
	less := false
	for i := range ds {
		if n := int64(len(ds[i].Source)); r.kept+n <= r.sizes.kept {
			r.kept += n
		} else {
			ds[i].Source, less = nil, true
		}
	}
	tell := less && !r.toldKept
	r.toldKept = r.toldKept || less
	r.mu.Unlock()
	if tell { // not under the lock: the journal asks what to keep under its own
		r.j.Note(fmt.Sprintf("Refused documents are large or many: contents are kept of no more than %s in a run. Of the others id and reason are kept, and \"esmig retry\" reads all of them from %s again.",
			humanize.IBytes(uint64(r.sizes.kept)), r.srcName))
	}
}

// byStream copies a range in which documents are refused: a reindex ends with
// the first batch in which one is, and tells of that batch only. Or one of which
// too much is there already (mixed).
func (r *run) byStream(ctx context.Context, u *unit, why string) error {
	r.mu.Lock()
	first := r.second == nil
	if first {
		r.second = newStreamer(r)
	}
	s := r.second
	r.mu.Unlock()
	if first {
		r.j.Note(why)
	}
	return s.copyUnit(ctx, u)
}

// leaveOut is for a range with refused documents that cannot be copied by
// stream, because a script runs in _reindex only: those that are known, of the
// first bad batch, are left out of the next attempt. An error: the range is
// given up.
func (r *run) leaveOut(ctx context.Context, u *unit, x *sourceIndex, t *trouble) error {
	t.unit, t.index = u, x.Name
	for _, f := range t.failures {
		t.letters = append(t.letters, r.letter(x, f))
	}
	known, err := r.sources(ctx, x, t.letters)
	if err != nil {
		return err
	}
	if err := r.bury(t.letters); err != nil {
		return err
	}
	var more refusedDocs
	more.add(t.letters...)
	if t.letters = append(u.leftOut.letters(r.task), t.letters...); !known || !r.fits(t.letters) {
		return t
	}
	if err := r.j.Append(record{What: wroteLeftOut, Unit: u.id, Refused: more}); err != nil {
		return err
	}
	u.leftOut.add(t.letters...)
	return nil
}

// sources gets the refused documents from the source. False: some were not
// found there under the id that the destination knows.
func (t *task) sources(ctx context.Context, x *sourceIndex, letters []providers.DeadLetter) (all bool, err error) {
	if t.changesID {
		return false, nil
	}
	all = true
	for some := range slices.Chunk(letters, max(1, min(x.Size, 1000))) {
		docs := make([]hit, len(some))
		for i, d := range some {
			docs[i].ID = d.ID
		}
		found, err := t.fetch(ctx, t.src, x.Name, docs, true)
		if err != nil {
			return false, err
		}
		under := map[string]int{}
		for key, h := range found {
			if key == h.key() {
				under[h.ID]++
			}
		}
		for i, d := range some {
			all = all && under[d.ID] == 1 // with custom routing, which of them it is is not known
			h := found[d.ID+"\x00"]
			if h == nil {
				h = found[d.ID] // with a routing
			}
			if h == nil {
				continue
			}
			some[i].Routing, some[i].Version, some[i].Source = h.Routing, h.Version, h.Source
		}
	}
	return all, nil
}

// refusedGroup are documents of one source index that the destination refused
// for one reason, as journal and state keep them.
type refusedGroup struct {
	Index     string       `json:"index"`
	Type      string       `json:"type"`
	Reason    string       `json:"reason"`
	Field     string       `json:"field,omitempty"`
	CausedBy  string       `json:"caused_by,omitempty"` // of the first
	Documents []refusedDoc `json:"documents"`
}

type refusedDoc struct {
	ID      string `json:"id"`
	Routing string `json:"routing,omitempty"`
}

// refusedDocs are the documents that a copy leaves behind.
type refusedDocs []refusedGroup

// add takes up documents; one that is in it already stays as it is.
func (g *refusedDocs) add(letters ...providers.DeadLetter) {
	have := g.keys()
	for _, d := range letters {
		if have[d.Key()] {
			continue
		}
		have[d.Key()] = true
		i := slices.IndexFunc(*g, func(o refusedGroup) bool {
			return o.Index == d.Index && o.Type == d.Type && o.Reason == d.Reason && o.Field == d.Field
		})
		if i < 0 {
			i = len(*g)
			*g = append(*g, refusedGroup{Index: d.Index, Type: d.Type, Reason: d.Reason, Field: d.Field, CausedBy: d.CausedBy})
		}
		(*g)[i].Documents = append((*g)[i].Documents, refusedDoc{d.ID, d.Routing})
	}
}

// letters are the documents again, without contents.
func (g refusedDocs) letters(t *task) (out []providers.DeadLetter) {
	for _, o := range g {
		for _, d := range o.Documents {
			l := providers.DeadLetter{Index: o.Index, Dest: t.destIndex, ID: d.ID, Routing: d.Routing, Type: o.Type, Reason: o.Reason, Field: o.Field, CausedBy: o.CausedBy}
			l.Advice = advice(t, l.Type+": "+l.Reason+" "+l.CausedBy)
			out = append(out, l)
		}
	}
	return out
}

func (g refusedDocs) keys() map[string]bool {
	out := map[string]bool{}
	for _, o := range g {
		for _, d := range o.Documents {
			out[providers.DeadLetter{Index: o.Index, ID: d.ID, Routing: d.Routing}.Key()] = true
		}
	}
	return out
}

func (g refusedDocs) len() (n int) {
	for _, o := range g {
		n += len(o.Documents)
	}
	return n
}

// admit begins a run with what ranges that are done leave behind. If that is
// more than is allowed now, these ranges are copied again.
func (r *run) admit() {
	refused := r.l.refused(r.task)
	if n := refused.len(); n > r.maxRefused {
		r.j.Note(fmt.Sprintf("%s documents were refused, and max_refused allows %s: their ranges start again.", humanize.Comma(int64(n)), humanize.Comma(int64(r.maxRefused))))
		r.l.each(func(u *unit) {
			if len(u.refused) > 0 {
				u.counts, u.refused, u.task = nil, nil, "" // its task ended well, without them
			}
		})
		refused = nil
	}
	r.admitted = refused.keys()
	r.retain()
}

// retain tells the journal which dead letters of earlier runs to keep: of what
// is left behind, and of what is left out of attempts that may end well.
func (r *run) retain() {
	leftOut := map[string]bool{}
	if r.l != nil {
		r.l.each(func(u *unit) { maps.Copy(leftOut, u.leftOut.keys()) })
	}
	if letters, ok := r.j.(providers.DeadLetters); ok {
		letters.Retain(func(d providers.DeadLetter) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.admitted[d.Key()] || leftOut[d.Key()]
		})
	}
}

// fits says whether these documents may be left behind, too.
func (r *run) fits(letters []providers.DeadLetter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.withThem(letters) <= r.maxRefused || r.retries
}

func (r *run) withThem(letters []providers.DeadLetter) int {
	n, seen := len(r.admitted), map[string]bool{}
	for _, d := range letters {
		if k := d.Key(); !r.admitted[k] && !seen[k] {
			n, seen[k] = n+1, true
		}
	}
	return n
}

// leave counts the refused documents of a range against the limit. False: that
// would be too many.
func (r *run) leave(letters []providers.DeadLetter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.withThem(letters) > r.maxRefused && !r.retries {
		return false
	}
	for _, d := range letters {
		r.admitted[d.Key()] = true
	}
	return true
}
