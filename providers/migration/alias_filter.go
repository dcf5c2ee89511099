package migration

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// aliases of one index or data stream, by name.
type aliases struct {
	Aliases map[string]struct {
		Filter  any    `json:"filter"`
		Routing string `json:"search_routing"`
	} `json:"aliases"`
}

// aliasFilters gives, by concrete index, what filtered aliases that were named,
// or that a pattern matches, show of it: reading the index itself would go past
// them. It is as a search under these names finds it. An index that is named
// itself too, or by an alias without a filter, is read as a whole; else what any
// of the aliases shows. hidden are indices whose only aliases the name excludes.
func (t *task) aliasFilters(ctx context.Context, found map[string]settings) (filters map[string]any, hidden map[string]bool, err error) {
	q := url.Values{}
	if strings.Contains(t.index, "*") {
		q.Set("expand_wildcards", "open,closed")
	}
	var all map[string]aliases
	err = get(ctx, t.src, "/"+url.PathEscape(t.index)+"/_alias", q, &all)
	if err != nil && !errors.Is(err, providers.ErrNotFound) { // 6.8 with security says so where it has no alias at all
		return nil, nil, err
	}
	filters, hidden = map[string]any{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s, isIndex := found[name]
		whole := named(t.index, name)
		if isIndex && s.at("index.hidden", "false") == "true" && !slices.Contains(strings.Split(t.index, ","), name) {
			whole = unnamed // no pattern finds it
		}
		filter, gone, err := t.shown(name, whole, all[name])
		if err != nil {
			return nil, nil, err
		}
		indices := []string{name}
		if !isIndex && (filter != nil || gone) {
			if indices, err = t.backing(ctx, name); err != nil {
				return nil, nil, err
			}
		}
		for _, index := range indices {
			if filter != nil {
				filters[index] = filter
			}
			hidden[index] = gone
		}
	}
	return filters, hidden, nil
}

// shown is the filter of the aliases of one index or data stream that were
// named; nil: all of it is shown. gone: none of it is.
func (t *task) shown(index string, whole naming, a aliases) (filter any, gone bool, err error) {
	if whole == byName {
		return nil, false, nil
	}
	var routed string
	var filters []any
	unrouted, unfiltered, some := false, false, false
	for _, alias := range slices.Sorted(maps.Keys(a.Aliases)) {
		def := a.Aliases[alias]
		switch named(t.index, alias) {
		case unnamed:
			continue
		case excluded:
			gone = true
			continue
		}
		some = true
		if def.Routing == "" {
			unrouted = true
		} else {
			routed = alias
		}
		if def.Filter == nil {
			unfiltered = true
		} else {
			filters = append(filters, def.Filter)
		}
	}
	switch {
	case routed != "" && !unrouted:
		return nil, false, providers.NewError("alias_routing", "source.index", "Source alias has a search routing",
			"The alias "+routed+" shows only the shards of routing "+a.Aliases[routed].Routing+
				", which a copy cannot be limited to. Name the index "+index+" instead, with a query.")
	case !some:
		return nil, gone, nil
	case unfiltered:
		return nil, false, nil
	case len(filters) == 1:
		return filters[0], false, nil
	}
	return object{"bool": object{"should": filters, "minimum_should_match": 1}}, false, nil
}

// backing are the concrete indices of a data stream of the source.
func (t *task) backing(ctx context.Context, stream string) ([]string, error) {
	found, err := readSettings(ctx, t.src, stream)
	return slices.Collect(maps.Keys(found)), err
}

// naming says how an expression of names and patterns names something.
type naming int

const (
	unnamed naming = iota
	byName
	excluded
)

func named(expression, name string) (out naming) {
	for i, part := range strings.Split(expression, ",") {
		if rest, ok := strings.CutPrefix(part, "-"); ok && i > 0 {
			if out == byName && matches(rest, name) {
				out = excluded
			}
			continue
		}
		if part == "_all" || matches(part, name) {
			out = byName
		}
	}
	return out
}
