package elasticsearch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// staticSettings cannot be changed on an open index; a name that ends in a dot
// stands for all below it. Measured on 9.4.3 with PUT _settings ("Can't update
// non dynamic setting"), the time series ones from the server's source.
var staticSettings = []string{
	"index.analysis.", "index.similarity.", "index.sort.", "index.store.", "index.number_of_shards",
	"index.number_of_routing_shards", "index.codec", "index.mode", "index.format", "index.routing_partition_size",
	"index.routing_path", "index.soft_deletes.enabled", "index.load_fixed_bitset_filters_eagerly",
	"index.shard.check_on_startup", "index.mapping.source.mode", "index.mapping.coerce",
	"index.mapping.ignore_malformed", "index.mapping.ignore_above", "index.mapping.synthetic_source_keep",
	"index.time_series.start_time", "index.disable_sequence_numbers", "index.seq_no.index_options",
	"index.queries.cache.enabled", "index.fielddata.cache", "index.fast_refresh", "index.knn",
}

func static(setting string) bool { return listed(setting, staticSettings) }

// updatable are the parameters of a field that PUT _mapping changes on a
// living index, measured on 9.4.3. norms can only be switched off; that
// relations and index_options only grow is left to the server.
var updatable = []string{
	"coerce", "copy_to", "depth_limit", "dynamic", "eager_global_ordinals", "fielddata", "fielddata_frequency_filter",
	"ignore_above", "ignore_malformed", "ignore_z_value", "max_input_length", "meta", "path", "relations",
	"search_analyzer", "search_quote_analyzer", "split_queries_on_whitespace", "synthetic_source_keep",
}

// fixed is a change that cannot be made on the living index.
type fixed struct{ path, old, new string }

func (f fixed) String() string {
	if f.new == "" {
		return f.path + " removed"
	}
	return fmt.Sprintf("%s %s → %s", f.path, f.old, f.new)
}

// InPlace implements providers.Container. before may also be what Read
// answered: what only stands there is then none of its business. A change that
// makes the declaration what the index is already is none either.
func (x *index) InPlace(before, after providers.JSON) []string {
	observed := x.seen != nil && providers.Equal(before, x.seen)
	changes := frozen(before, after, observed)
	if x.seen != nil && !observed {
		real := frozen(x.seen, after, false)
		changes = slices.DeleteFunc(changes, func(c fixed) bool {
			return !slices.ContainsFunc(real, func(r fixed) bool { return r.path == c.path })
		})
	}
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

func frozen(before, after providers.JSON, observed bool) []fixed {
	b, a := decodeObject(before), decodeObject(after)
	changes := frozenSettings(object(b["settings"]), object(a["settings"]))
	b, a = object(b["mappings"]), object(a["mappings"])
	for _, name := range []string{"_source", "_routing", "enabled", "subobjects"} {
		if _, there := a[name]; !same(b[name], a[name]) && (there || !observed) {
			changes = append(changes, fixed{dots("mappings", name), shown(b[name]), shown(a[name])})
		}
	}
	return append(changes, frozenFields("mappings", b, a, observed)...)
}

// frozenSettings: a static setting that is declared no more stays as it is,
// and that is nothing that anybody could see as a difference.
func frozenSettings(before, after map[string]any) []fixed {
	var changes []fixed
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, there := before[name]
		hidden := !there && name == "index.number_of_routing_shards" // no index shows it
		if static(name) && !hidden && !contains(map[string]any{name: after[name]}, any(before)) {
			changes = append(changes, fixed{strings.TrimPrefix(name, "index."), shown(old), shown(after[name])})
		}
	}
	return changes
}

func frozenFields(path string, before, after map[string]any, observed bool) []fixed {
	var changes []fixed
	for _, below := range []string{"properties", "fields"} {
		old, now := object(before[below]), object(after[below])
		for _, name := range slices.Sorted(maps.Keys(old)) {
			at := dots(path, below, name)
			if now[name] != nil {
				changes = append(changes, frozenField(at, object(old[name]), object(now[name]), observed)...)
			} else if !observed {
				changes = append(changes, fixed{path: at})
			}
		}
	}
	return changes
}

func frozenField(at string, before, after map[string]any, observed bool) []fixed {
	oldType, newType := fieldType(before), fieldType(after)
	if oldType != newType {
		return []fixed{{at + ".type", oldType, newType}}
	}
	var changes []fixed
	for _, param := range slices.Sorted(maps.Keys(overlay(before, after).(map[string]any))) {
		v, there := after[param]
		old, was := before[param]
		switch {
		case param == "type" || param == "properties" || param == "fields",
			there && contains(map[string]any{param: v}, any(before)),
			!there && (observed || old == nil):
			continue
		case param == "dynamic" && !there: // absent keeps what is there
		case slices.Contains(updatable, param),
			param == "norms" && text(v) == "false",
			param == "index_options" && was && newType == "dense_vector": // some ways, the server knows which
			continue
		}
		changes = append(changes, fixed{dots(at, param), shown(old), shown(v)})
	}
	return append(changes, frozenFields(at, before, after, observed)...)
}

// shown is a value as a short text.
func shown(v any) string {
	if v == nil {
		return "(default)"
	}
	return clean(text(v), 60)
}
