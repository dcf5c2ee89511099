package elasticsearch

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/esmig/esmig/providers"
)

func (x *index) Write(ctx context.Context, w providers.Write) error {
	query, err := x.typeless(ctx)
	if err != nil {
		return err
	}
	if w.Now == nil {
		return x.create(ctx, query, w.Withhold)
	}
	return x.update(ctx, query, w)
}

func (x *index) create(ctx context.Context, query url.Values, withhold []string) error {
	body := object(clone(x.body))
	if body["settings"] != nil {
		body["settings"] = withoutSettings(body["settings"], withhold)
	}
	_, err := send(ctx, x.cluster, http.MethodPut, x.path, query, body, "")
	if !errors.Is(err, providers.ErrConflict) {
		return err
	}
	// It is there: because an answer was lost and the request repeated, or
	// because somebody else was faster. Only the former is fine.
	now, readErr := x.Read(ctx)
	if readErr == nil && contains(map[string]any(canonicalIndex(body)), any(decodeObject(now))) {
		return nil
	}
	return err
}

// update changes what can be changed on a living index, and of that only what
// differs: settings first, because a mapping may need a higher limit.
func (x *index) update(ctx context.Context, query url.Values, w providers.Write) error {
	declared := decodeObject(providers.KeepPaths(x.Declared(), w.Now, w.Keep))
	now := w.Now
	if w.Last != nil {
		var err error
		if now, _, err = x.Settle(ctx, w.Last, w.Now); err != nil {
			return err
		}
	}
	c := change{declared: declared, before: decodeObject(w.Before), last: decodeObject(w.Last), now: decodeObject(now), first: w.Last == nil}
	if settings := c.settings(w.Withhold); len(settings) > 0 {
		if _, err := send(ctx, x.cluster, http.MethodPut, x.path+"/_settings", nil, settings, ""); err != nil {
			return err
		}
	}
	if mappings := c.mappings(); len(mappings) > 0 {
		if _, err := send(ctx, x.cluster, http.MethodPut, x.path+"/_mapping", query, mappings, ""); err != nil {
			return err
		}
	}
	if x.body["aliases"] == nil {
		return nil
	}
	var actions []any
	want, have := object(declared["aliases"]), object(c.now["aliases"])
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !same(want[name], have[name]) {
			actions = append(actions, aliasAction("add", x.id, name, object(want[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			actions = append(actions, aliasAction("remove", x.id, name, nil))
		}
	}
	return doAliases(ctx, x.cluster, actions)
}

func aliasAction(verb, index, alias string, body map[string]any) map[string]any {
	a := maps.Clone(body)
	if a == nil {
		a = map[string]any{}
	}
	a["index"], a["alias"] = index, alias
	return map[string]any{verb: a}
}

// doAliases carries all actions out at once: nobody sees a state in between.
func doAliases(ctx context.Context, c providers.Cluster, actions []any) error {
	if len(actions) == 0 {
		return nil
	}
	_, err := c.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/_aliases", Repeatable: true,
		Body: encode(map[string]any{"actions": actions})})
	return err
}

// change holds the four canonical bodies that decide what is sent to a living
// index. now is settled: what the server may change by itself is as in last.
type change struct {
	declared, before, last, now map[string]any
	first                       bool // there was no last apply
}

// settings are those to send: declared ones that differ, null for what was
// declared and is not any more, the former value for what was changed by hand.
func (c change) settings(withhold []string) map[string]any {
	declared, before := object(c.declared["settings"]), object(c.before["settings"])
	last, now := object(c.last["settings"]), object(c.now["settings"])
	put := map[string]any{}
	send := func(name string, v any) {
		if !static(name) {
			put[name] = v
		}
	}
	if !c.first {
		for name := range overlay(last, now).(map[string]any) {
			if _, ok := declared[name]; !ok && !same(last[name], now[name]) {
				send(name, last[name])
			}
		}
	}
	for name := range before {
		if _, ok := declared[name]; !ok && now[name] != nil {
			send(name, nil)
		}
	}
	for name, v := range declared {
		if !contains(map[string]any{name: v}, any(now)) {
			send(name, v)
		}
	}
	for _, name := range withhold {
		delete(put, name)
		if now[name] != nil {
			put[name] = nil
		}
	}
	return put
}

// mappingResets is what takes a parameter of a whole mapping back; the server
// knows no null for them.
var mappingResets = map[string]any{
	"dynamic": "true", "date_detection": true, "numeric_detection": false,
	"dynamic_templates": []any{}, "_meta": map[string]any{},
}

// mappings is what to send, nil for nothing. The server adds it to what is
// there.
func (c change) mappings() map[string]any {
	declared, before := object(c.declared["mappings"]), object(c.before["mappings"])
	last, now := object(c.last["mappings"]), object(c.now["mappings"])
	byHand := !c.first && !same(last, now)
	undeclared := c.before["mappings"] != nil && !same(before, declared)
	if contains(any(declared), any(now)) && !byHand && !undeclared {
		return nil
	}
	body := object(clone(declared))
	if byHand { // also fields that nobody declared get back what they had
		body = overlay(last, declared).(map[string]any)
	}
	for name, reset := range mappingResets {
		_, was := before[name]
		_, had := last[name]
		_, is := now[name]
		if _, ok := declared[name]; !ok && (was || byHand && is && !had) {
			body[name] = reset
		}
	}
	for name := range object(before["runtime"]) {
		if _, ok := object(declared["runtime"])[name]; !ok {
			runtime := maps.Clone(object(body["runtime"]))
			runtime[name] = nil
			body["runtime"] = runtime
		}
	}
	return body
}
