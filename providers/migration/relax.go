package migration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// Settings of an index that esmig made wait while it is filled: nobody searches
// it, a replica would do all work again, and a translog that is synced once in
// a while is enough, because what a restart of a node takes away is copied
// again (secure).
var relaxed = map[string]string{
	refreshInterval: "-1",
	replicas:        "0",
	durability:      "async",
}

const (
	refreshInterval = "index.refresh_interval"
	replicas        = "index.number_of_replicas"
	autoExpand      = "index.auto_expand_replicas"
	durability      = "index.translog.durability"
)

// flushEvery is how much time's work a restarted node can take away.
const flushEvery = time.Minute

// Own implements providers.Relaxer.
func (t *task) Own() { t.owned = true }

// Declare implements providers.Relaxer.
func (t *task) Declare(index string, declared providers.JSON) {
	v, err := providers.Decode(declared)
	if err != nil {
		return
	}
	if t.declaredLax == nil {
		t.declaredLax = map[string]map[string]bool{}
	}
	t.declaredLax[index] = map[string]bool{}
	for _, l := range providers.Leaves(v) {
		name := strings.TrimPrefix(l.Path, "settings.")
		if value, ok := relaxed[name]; ok && l.Value == value {
			t.declaredLax[index][name] = true
		}
	}
}

// Relaxed implements providers.Relaxer.
func (t *task) Relaxed(j providers.Journal) ([]string, error) {
	l, err := salvage(j)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, before := range l.relaxed {
		for setting := range before {
			names[setting] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Release implements providers.Relaxer.
func (t *task) Release(ctx context.Context, j providers.Journal) error {
	if _, err := t.Cancel(ctx, j); err != nil {
		return err
	}
	l, err := salvage(j)
	if err != nil {
		return err
	}
	return t.restore(ctx, j, l)
}

// relax makes the settings of the destination's indices those of an index that
// is only filled. What they were before is recorded first. It may be called at
// any time: what is relaxed already stays so.
//
// Not where other migrations write into the same index: the first to end would
// put back what the others need. And a data stream keeps its translog: a range
// that runs again after a rollover could double documents there.
func (r *run) relax(ctx context.Context) error {
	r.relaxing.Lock()
	defer r.relaxing.Unlock()
	if !r.owned && !r.l.fresh || len(r.peers) > 0 || r.relaxes {
		return nil
	}
	found, err := readSettings(ctx, r.dst, r.destIndex)
	if errors.Is(err, providers.ErrNotFound) {
		return nil // the first document makes it
	}
	if errors.Is(err, providers.ErrDenied) {
		r.relaxes = true // nothing more to be tried
		return nil
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	known := r.l.terms
	r.mu.Unlock()
	terms := known
	if len(terms) == 0 && !r.dest.Stream {
		if terms, err = r.primaryTerms(ctx); err != nil {
			return err
		}
	}
	lax := false
	before, change := map[string]map[string]*string{}, map[string]object{}
	for index, s := range found {
		before[index], change[index] = maps.Clone(r.l.relaxed[index]), object{}
		if before[index] == nil {
			before[index] = map[string]*string{}
		}
		for setting, value := range relaxed {
			now, set := s.Settings[setting].(string)
			// Relaxed by the user, or by a copy whose records are gone.
			lax = lax || set && now == value && setting == durability && len(terms) > 0
			switch {
			case set && now == value,
				setting != refreshInterval && r.info.Flavor == providers.Serverless,
				setting == replicas && s.at(autoExpand, "false") != "false",
				setting == durability && len(terms) == 0:
				continue
			}
			lax = lax || setting == durability
			change[index][setting] = value
			before[index][setting] = nil
			if set {
				before[index][setting] = &now
			}
		}
	}
	if !lax {
		terms = known
	}
	if err := r.j.Append(record{What: wroteRelax, Relaxed: before, Terms: terms}); err != nil {
		return err
	}
	r.mu.Lock()
	r.l.relaxed, r.l.terms = before, terms
	r.mu.Unlock()
	r.relaxes = true
	for _, index := range slices.Sorted(maps.Keys(change)) {
		err := r.putSettings(ctx, index, change[index])
		if errors.Is(err, providers.ErrDenied) {
			r.j.Note(fmt.Sprintf("The credentials of %s may not change settings of %s (privilege manage), so it is refreshed and replicated while it is filled.", r.dstName, index))
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restore puts back what was relaxed and still is: an index that was made anew
// since, or a setting that somebody changed, stays as it is. So does one that the
// files have so by now, whatever it was before.
func (t *task) restore(ctx context.Context, j providers.Journal, l *ledger) error {
	if len(l.relaxed) == 0 {
		return nil
	}
	for _, index := range slices.Sorted(maps.Keys(l.relaxed)) {
		if len(l.relaxed[index]) == 0 {
			continue
		}
		found, err := readSettings(ctx, t.dst, index)
		if errors.Is(err, providers.ErrNotFound) {
			continue // with the index went its settings
		}
		if err != nil {
			return t.notRestored(index, l.relaxed[index], err)
		}
		body := object{}
		for setting, value := range l.relaxed[index] {
			if now, _ := found[index].Settings[setting].(string); now != relaxed[setting] || t.declaredLax[index][setting] {
				continue
			}
			if body[setting] = nil; value != nil {
				body[setting] = *value
			}
		}
		if err := t.putSettings(ctx, index, body); err != nil && !errors.Is(err, providers.ErrNotFound) {
			return t.notRestored(index, l.relaxed[index], err)
		}
	}
	l.relaxed = nil
	return j.Append(record{What: wroteRestore})
}

// notRestored: another key may do less than the one that relaxed the settings.
func (t *task) notRestored(index string, before map[string]*string, err error) error {
	if !errors.Is(err, providers.ErrDenied) {
		return err
	}
	f := providers.NewError("settings_relaxed", "dest.cluster", "Settings of the destination could not be put back",
		fmt.Sprintf("%s/%s still has settings that it got to be filled faster, and the credentials may no longer change them (privilege manage). Give them that privilege, or put the settings back by hand:\n\n    PUT /%s/_settings %s\n\nThen run \"esmig apply\" again.",
			t.dstName, index, index, providers.Encode(before)))
	f.Err = providers.ErrDenied
	return f
}

func (t *task) putSettings(ctx context.Context, index string, body object) error {
	if len(body) == 0 {
		return nil
	}
	_, err := t.dst.Do(ctx, providers.Request{Method: http.MethodPut, Path: "/" + url.PathEscape(index) + "/_settings", Body: providers.Encode(body)})
	return err
}

// primaryTerms are, by concrete index, those of its shards: each time that a
// shard begins anew, after a restart of its node or on another one, its term
// goes up. Nil: the cluster does not tell.
func (t *task) primaryTerms(ctx context.Context) (map[string][]int64, error) {
	var a struct {
		Metadata struct {
			Indices map[string]struct {
				Terms map[string]int64 `json:"primary_terms"`
			} `json:"indices"`
		} `json:"metadata"`
	}
	info, err := t.dst.Info(ctx)
	if err != nil || info.Flavor == providers.Serverless {
		return nil, err
	}
	err = get(ctx, t.dst, "/_cluster/state/metadata/"+url.PathEscape(t.destIndex), url.Values{"filter_path": {"metadata.indices.*.primary_terms"}}, &a)
	if errors.Is(err, providers.ErrUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, nil // it may not be asked
	}
	out := map[string][]int64{}
	for index, m := range a.Metadata.Indices {
		out[index] = make([]int64, len(m.Terms))
		for shard, term := range m.Terms {
			if n, err := strconv.Atoi(shard); err == nil && n >= 0 && n < len(m.Terms) {
				out[index][n] = term
			}
		}
	}
	return out, nil
}

// secure brings what is copied to the destination's disks. Where the translog
// is relaxed and a shard has begun anew since it was done last, what came after
// that may be lost: those ranges are open again.
func (r *run) secure(ctx context.Context) error {
	var ended []string
	r.mu.Lock()
	known := r.l.terms
	r.l.each(func(u *unit) {
		if u.counts != nil && !u.safe {
			ended = append(ended, u.id)
		}
	})
	r.mu.Unlock()
	flushed, err := r.flush(ctx)
	if err != nil || len(known) == 0 {
		return err
	}
	if !flushed {
		ended = nil
	}
	// All shards are there: one that is still to begin anew was not flushed,
	// and has its old term.
	if _, err := count(ctx, r.dst, r.destIndex, -1, nil); err != nil {
		return err
	}
	terms, err := r.primaryTerms(ctx)
	if err == nil && len(terms) == 0 {
		err = fmt.Errorf("%s no longer tells whether its nodes restarted (privilege monitor): %w", r.dstName, providers.ErrUnavailable)
	}
	if err != nil {
		return err
	}
	what := record{What: wroteFlush, Units: ended}
	restarted := false
	for index, of := range known { // one that an alias has got since is no restart
		restarted = restarted || !slices.Equal(of, terms[index])
	}
	if restarted {
		what = record{What: wroteLost, Terms: terms}
	} else if len(ended) == 0 {
		return nil
	}
	if err := r.j.Append(what); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !restarted {
		r.l.flushed(ended)
		return nil
	}
	if n, documents := r.l.lost(terms); n > 0 {
		r.j.Note(fmt.Sprintf("A node of %s restarted: %d %s (%s documents) since the last flush may have lost documents, and %s copied again.",
			r.dstName, n, plural(n, "range", "ranges"), humanize.Comma(documents), plural(n, "is", "are")))
	}
	return nil
}

// lax: what is acknowledged may not be on a disk.
func (r *run) lax() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.l.terms) > 0
}

// flush waits for one that is under way. Who may not do it is not the worse for
// it, unless the translog is asynchronous; then nothing is safe.
func (r *run) flush(ctx context.Context) (done bool, err error) {
	raw, err := r.dst.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(r.destIndex) + "/_flush", Repeatable: true})
	if errors.Is(err, providers.ErrUnavailable) {
		return false, err
	}
	var a struct {
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err == nil && decode(raw, &a) == nil && a.Shards.Failed > 0 {
		return false, fmt.Errorf("%s could not flush %d shards of %s: %w", r.dstName, a.Shards.Failed, r.destIndex, providers.ErrUnavailable)
	}
	return err == nil, nil
}

// keepSafe flushes from time to time while ranges are copied.
func (r *run) keepSafe(ctx context.Context) error {
	for {
		if err := sleep(ctx, flushEvery); err != nil {
			return nil
		}
		if !r.lax() {
			continue
		}
		// Not there for now: the next time tells what was lost.
		if err := r.secure(ctx); err != nil && !errors.Is(err, providers.ErrUnavailable) && ctx.Err() == nil {
			return err
		}
	}
}
