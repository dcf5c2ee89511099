package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

func aliasIsIndex(name string) *apiError {
	return &apiError{status: 400, kind: "invalid_alias_name_exception", reason: fmt.Sprintf(
		"Invalid alias name [%s]: an index, data stream, or ESQL view exists with the same name as the alias", name)}
}

// shownAlias is an alias as it is read back: routing is split.
func shownAlias(o obj) (obj, error) {
	known := []string{"filter", "routing", "index_routing", "search_routing", "is_write_index", "is_hidden"}
	out := obj{}
	for _, k := range sortedKeys(o) {
		if !slices.Contains(known, k) {
			return nil, illegal("Unsupported field [%s]", k)
		}
		if k != "routing" {
			out[k] = o[k]
		}
	}
	if r, ok := o["routing"]; ok {
		for _, k := range []string{"index_routing", "search_routing"} {
			if out[k] == nil {
				out[k] = r
			}
		}
	}
	for _, k := range []string{"index_routing", "search_routing"} {
		if out[k] != nil {
			out[k] = text(out[k])
		}
	}
	return out, nil
}

func (ix *index) shownAliases() obj {
	out := obj{}
	for a, v := range ix.aliases {
		out[a] = v
	}
	return out
}

func aliasMissing(name string) *apiError {
	return &apiError{status: 404, kind: "aliases_not_found_exception", reason: "aliases [" + name + "] missing",
		extra: obj{"resource.type": "aliases", "resource.id": name}}
}

func (f *Fake) noAlias() bool {
	for _, ix := range f.indices {
		if len(ix.aliases) > 0 {
			return false
		}
	}
	return true
}

func getAlias(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	name, named := c.parts["name"]
	if f.opt.Flavor == providers.Elasticsearch && !f.atLeast(7, 0) && !named && c.parts["index"] != "" && f.noAlias() { // with security
		return nil, &apiError{status: 404, kind: "index_not_found_exception", reason: "no such index", extra: obj{"index_uuid": "_na_", "index": "_all"}}
	}
	out, missing := obj{}, map[string]bool{}
	for _, n := range strings.Split(name, ",") {
		missing[n] = named && !strings.Contains(n, "*")
	}
	for _, ix := range list {
		shown := obj{}
		for a, v := range ix.aliases {
			for n := range missing {
				if !named || n == "_all" || wildcard(n, a) {
					shown[a] = v
					missing[n] = false
				}
			}
		}
		if len(shown) > 0 || !named {
			out[ix.name] = obj{"aliases": shown}
		}
	}
	for _, n := range sortedKeys(missing) {
		if missing[n] {
			out["error"], out["status"] = "alias ["+n+"] missing", 404
			return answer{404, out}, nil
		}
	}
	return out, nil
}

// aliasAction is one add or remove.
func (f *Fake) aliasAction(c *call, do string, o obj) error {
	names := func(one, many string) []string {
		var out []string
		for _, v := range append(flatten(o[many]), o[one]) {
			if v != nil {
				out = append(out, fmt.Sprint(v))
			}
		}
		return out
	}
	list, err := f.concrete(c, strings.Join(names("index", "indices"), ","))
	if err != nil {
		return err
	}
	if do == "remove_index" {
		for _, ix := range list {
			delete(f.indices, ix.name)
		}
		return nil
	}
	body := maps.Clone(o)
	for _, k := range []string{"index", "indices", "alias", "aliases", "must_exist"} {
		delete(body, k)
	}
	shown, err := shownAlias(body)
	if err != nil {
		return err
	}
	for _, a := range names("alias", "aliases") {
		if f.indices[a] != nil || f.streams[a] != nil {
			return aliasIsIndex(a)
		}
		found := false
		for _, ix := range list {
			if do == "remove" {
				_, there := ix.aliases[a]
				found = found || there
				delete(ix.aliases, a)
			} else {
				ix.aliases[a] = shown
			}
		}
		if do == "remove" && !found && o["must_exist"] != false {
			return aliasMissing(a)
		}
	}
	return nil
}

func postAliases(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "[aliases] unknown field [%s]", "actions"); err != nil {
		return nil, err
	}
	actions, _ := body["actions"].([]any)
	// All or nothing: on an error the aliases go back to what they were.
	before := map[*index]map[string]obj{}
	for _, ix := range f.indices {
		before[ix] = maps.Clone(ix.aliases)
	}
	undo := func(err error) (any, error) {
		for ix, a := range before {
			ix.aliases = a
		}
		return nil, err
	}
	for _, a := range actions {
		o, _ := a.(obj)
		for do, v := range o {
			inner, ok := v.(obj)
			if !ok || !slices.Contains([]string{"add", "remove", "remove_index"}, do) {
				return undo(&apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:20] [aliases] failed to parse field [actions]",
					cause: &apiError{kind: "x_content_parse_exception", reason: "[1:14] [alias_action] unknown field [" + do + "]"}})
			}
			if err := f.aliasAction(c, do, inner); err != nil {
				return undo(err)
			}
		}
	}
	writers := map[string][]string{}
	for _, n := range sortedKeys(f.indices) {
		for a, v := range f.indices[n].aliases {
			if v["is_write_index"] == true {
				writers[a] = append(writers[a], n)
			}
		}
	}
	for _, a := range sortedKeys(writers) {
		if len(writers[a]) > 1 {
			return undo(&apiError{status: 500, kind: "illegal_state_exception",
				reason: fmt.Sprintf("alias [%s] has more than one write index [%s]", a, strings.Join(writers[a], ","))})
		}
	}
	return obj{"acknowledged": true, "errors": false}, nil
}

func putAlias(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	body = maps.Clone(body)
	body["index"], body["alias"] = c.parts["index"], c.parts["name"]
	if err := f.aliasAction(c, "add", body); err != nil {
		return nil, err
	}
	return obj{"acknowledged": true, "errors": false}, nil
}

func deleteAlias(f *Fake, c *call) (any, error) {
	if err := f.aliasAction(c, "remove", obj{"index": c.parts["index"], "alias": c.parts["name"]}); err != nil {
		return nil, err
	}
	return obj{"acknowledged": true, "errors": false}, nil
}
