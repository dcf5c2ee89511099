package migration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/esmig/esmig/providers"
)

// Repair implements providers.Repairer. It writes nothing that it did not
// compare: a missing document is created, and one that differs or is too much
// is written only if it is still the one that was compared. (The source's
// version would be refused where the destination holds a tombstone of it.)
//
// Where versions are kept, one with a higher version than the source's was
// written on the destination since: it is newer, and stays. One with the
// source's version keeps that, so that a later copy finds it equal.
func (t *task) Repair(ctx context.Context, j providers.Journal, raw providers.JSON, deleteExtra bool) (providers.Repaired, providers.Verification, error) {
	var done providers.Repaired
	v := providers.Verification{Method: "full"}
	d, err := readDone(raw)
	if err != nil {
		return done, v, err
	}
	if t.script != nil {
		return done, v, providers.NewError("not_repairable", "script", "A migration with a script cannot be repaired",
			"The script runs in _reindex only. Begin again with \"esmig apply -restart ADDR\".")
	}
	there, err := t.lookAtDestination(ctx)
	if err != nil {
		return done, v, err
	}
	plain := !there.Exists && !there.Stream || slices.Equal(there.Names, []string{t.destIndex})
	found, seen, err := t.compareAll(ctx, j, d, &v)
	if err != nil {
		return done, v, err
	}
	if !seen && !plain && slices.ContainsFunc(found, func(m *mismatch) bool { return m.what == missing }) {
		return done, v, providers.NewError("not_repairable", "dest.index", "The destination cannot be repaired without the privilege to refresh it",
			fmt.Sprintf("%s. In a data stream or behind an alias a document that was written and is not seen yet would be created again after a rollover. "+
				"Give the credentials the privilege maintenance for %s.", "The "+t.mayNotRefresh(), t.destIndex))
	}
	if len(found) == 0 {
		return done, v, t.verdict(v)
	}
	if err := t.passesThrough(ctx); err != nil {
		return done, v, err
	}
	r := &repair{task: t, deleteExtra: deleteExtra, plain: plain, versions: t.external(destination{Stream: d.Stream})}
	for some := range slices.Chunk(found, r.size(d)) {
		err := inSteps(some, tooManyBytes, func(some []*mismatch) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.mend(ctx, some)
		})
		if err != nil {
			return r.Repaired, v, err
		}
	}
	if r.reason != "" {
		j.Note(fmt.Sprintf("%d documents were not repaired: %s", r.Failed, r.reason))
	}
	v = providers.Verification{Method: "full"}
	if _, _, err = t.compareAll(ctx, j, d, &v); err != nil {
		return r.Repaired, v, err
	}
	return r.Repaired, v, t.verdict(v)
}

// passesThrough is an error where what is written would not arrive as it is.
func (t *task) passesThrough(ctx context.Context) error {
	final, err := t.finalPipeline(ctx, providers.Prospect{})
	switch {
	case errors.Is(err, providers.ErrNotFound): // it will be made
		return nil
	case err != nil || final == nil:
		return err
	}
	return providers.NewError("not_repairable", "dest.index", "A final pipeline would change what is repaired",
		fmt.Sprintf("index.final_pipeline of %s/%s names a pipeline, which runs over every document that is written and cannot be bypassed. "+
			"Set it to \"_none\" (PUT /%s/_settings), run \"esmig repair\" again, and \"esmig apply\" puts it back where the files declare it.", t.dstName, t.destIndex, t.destIndex))
}

// compareAll is a full verification from the beginning. seen: no document is
// called missing that is only not visible yet.
func (t *task) compareAll(ctx context.Context, j providers.Journal, d done, v *providers.Verification) (found []*mismatch, seen bool, err error) {
	if seen, err = t.refreshDestination(ctx); err != nil {
		return nil, false, err
	}
	if d.left, err = t.lookBehind(ctx, d); err != nil {
		return nil, false, err
	}
	if err := t.counts(ctx, d, v); err != nil {
		return nil, false, err
	}
	found, err = t.full(ctx, j, d, v)
	t.allowDropped(d, v)
	return found, seen, err
}

// repair is one run of Repair.
type repair struct {
	*task
	providers.Repaired
	deleteExtra bool
	plain       bool   // an index, in which an id is unique; no data stream or alias
	versions    bool   // the destination has the source's
	reason      string // of the first that failed
}

// size is how many documents go into one request.
func (r *repair) size(d done) int {
	n := 1000
	for _, x := range d.Indices {
		n = min(n, max(1, x.Size))
	}
	return n
}

// mend writes some documents, or nothing where they are more than one request
// may have.
func (r *repair) mend(ctx context.Context, found []*mismatch) error {
	sources, err := r.contents(ctx, found)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	var counters []*int64 // per action
	var failures []string // which are told when the others are written
	action := func(name string, meta object, source providers.JSON, counter *int64) {
		body.Write(providers.Encode(object{name: meta}))
		body.WriteByte('\n')
		if name != "delete" {
			// Line breaks are outside of strings only, and here they would end it.
			body.Write(bytes.ReplaceAll(bytes.ReplaceAll(source, []byte("\n"), []byte(" ")), []byte("\r"), []byte(" ")))
			body.WriteByte('\n')
		}
		counters = append(counters, counter)
	}
	compared := func(h *hit) object {
		return meta(h.Index, h.ID, h.Routing, object{"if_seq_no": h.SeqNo, "if_primary_term": h.Term})
	}
	none := new(int64)
	for _, m := range found {
		var from *hit
		if m.from != nil {
			if from = sources[m]; from == nil {
				continue // gone from the source meanwhile
			}
		}
		switch {
		case m.what == missing:
			action("create", meta(r.destIndex, from.ID, from.Routing, nil), from.Source, &r.Created)
		case m.what == different && r.versions && m.to.Version > from.Version:
			failures = append(failures, fmt.Sprintf("the destination has version %d of document %s and the source version %d, so that it was written on the destination since "+
				"(delete it there to have the source's)", m.to.Version, quoteID(from.ID), from.Version))
		case m.what == different && m.from.Routing != m.to.Routing:
			// First, because on one shard they are the same document.
			action("delete", compared(m.to), nil, none)
			action("create", meta(r.destIndex, from.ID, from.Routing, nil), from.Source, &r.Updated)
		case m.what == different && r.versions && m.to.Version == from.Version:
			// Whoever writes it meanwhile raises its version, and this is refused.
			action("index", meta(m.to.Index, m.to.ID, m.to.Routing, object{"version": from.Version, "version_type": "external_gte"}), from.Source, &r.Updated)
		case m.what == different:
			action("index", compared(m.to), from.Source, &r.Updated)
		case r.deleteExtra:
			action("delete", compared(m.to), nil, &r.Deleted)
		}
	}
	told := func() {
		for _, reason := range failures {
			r.fail(reason)
		}
	}
	if len(counters) == 0 {
		told()
		return nil
	}
	// Sent twice it answers conflicts, and the verification tells what is so; but
	// a data stream that rolls over in between takes what is created again. Who
	// stops esmig is told what was written, so the answer is waited for.
	raw, err := r.dst.Do(context.WithoutCancel(ctx), providers.Request{Method: http.MethodPost, Path: "/_bulk", Query: url.Values{"pipeline": {cmp.Or(r.pipeline, "_none")}},
		Body: body.Bytes(), Repeatable: r.plain})
	switch {
	case err == nil:
	case tooManyBytes(err):
		if len(found) > 1 {
			return err
		}
		r.fail("the document is larger than the destination takes in one request")
		return nil
	case errors.Is(err, providers.ErrUnavailable) && !r.plain:
		return fmt.Errorf("whether %s has carried out a request is not known, and nothing is sent again: run \"esmig repair\" again, which looks first: %w", r.dstName, err)
	default:
		return err
	}
	told()
	return r.account(raw, counters)
}

func (r *repair) account(raw providers.JSON, counters []*int64) error {
	var answer struct {
		Items []map[string]struct {
			Status int    `json:"status"`
			Result string `json:"result"`
			Store  string `json:"failure_store"`
			Error  struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
			} `json:"error"`
		} `json:"items"`
	}
	if err := decode(raw, &answer); err != nil {
		return err
	}
	if len(answer.Items) != len(counters) {
		return errors.New("the answer to a bulk request has not as many items as that had actions")
	}
	for i, item := range answer.Items {
		for _, a := range item {
			switch {
			case a.Status >= 300:
				r.fail(a.Error.Type + ": " + a.Error.Reason)
			case a.Store == "used":
				r.fail("the data stream does not take it: it was put into the failure store (" + r.failures() + " tells why)")
			case a.Result == "noop":
				r.fail("the pipeline drops it")
			default:
				*counters[i]++
			}
		}
	}
	return nil
}

func (r *repair) fail(reason string) {
	r.Failed++
	r.reason = cmp.Or(r.reason, reason)
}

func meta(index, id, routing string, more object) object {
	m := object{"_index": index, "_id": id}
	if routing != "" {
		m["routing"] = routing
	}
	for k, v := range more {
		m[k] = v
	}
	return m
}

// contents reads what the sources hold now.
func (r *repair) contents(ctx context.Context, found []*mismatch) (map[*mismatch]*hit, error) {
	bySide := map[*side][]*mismatch{}
	for _, m := range found {
		if m.from != nil {
			bySide[m.side] = append(bySide[m.side], m)
		}
	}
	out := map[*mismatch]*hit{}
	for s, ms := range bySide {
		var ids []string
		for _, m := range ms {
			ids = append(ids, m.from.ID)
		}
		hits, err := s.withContents().lookup(ctx, ids, s.query)
		if err != nil {
			return nil, err
		}
		for _, m := range ms {
			i := slices.IndexFunc(hits, func(h hit) bool { return h.key() == m.from.key() && h.Index == m.from.Index })
			if i >= 0 {
				out[m] = &hits[i]
			}
		}
	}
	return out, nil
}
