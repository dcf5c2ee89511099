package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// flatSettings is the server's own form: dotted names with "index." in front,
// every scalar a string, lists of strings. Null stays nil.
func flatSettings(in obj) obj {
	out := obj{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case obj:
			for k, e := range v {
				walk(prefix+"."+k, e)
			}
		case []any:
			l := make([]any, len(v))
			for i, e := range v {
				l[i] = text(e)
			}
			out[prefix[1:]] = l
		case nil:
			out[prefix[1:]] = nil
		default:
			out[prefix[1:]] = text(v)
		}
	}
	walk("", in)
	for k, v := range out {
		if k != "index" && !strings.HasPrefix(k, "index.") {
			delete(out, k)
			if _, ok := out["index."+k]; !ok {
				out["index."+k] = v
			}
		}
	}
	return out
}

func text(v any) string {
	if n, ok := reparsed(v).(json.Number); ok {
		return n.String()
	}
	return fmt.Sprint(v)
}

// nestedSettings is how settings are read back: objects.
func nestedSettings(flat obj) obj {
	out := obj{}
	for _, k := range sortedKeys(flat) {
		at := out
		parts := strings.Split(k, ".")
		for i, p := range parts[:len(parts)-1] {
			next, ok := at[p].(obj)
			if !ok {
				if _, taken := at[p]; taken { // a scalar above: the rest stays dotted
					parts = append(parts[:i], strings.Join(parts[i:], "."))
					break
				}
				next = obj{}
				at[p] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = flat[k]
	}
	return out
}

// staticSettings can be set on a new or closed index only; "*" ends a group.
func staticSettings() []string {
	return []string{"index.number_of_shards", "index.codec", "index.mode", "index.analysis.*", "index.similarity.*", "index.sort.*",
		"index.number_of_routing_shards", "index.routing_partition_size", "index.routing_path", "index.store.*", "index.shard.check_on_startup",
		"index.soft_deletes.enabled", "index.load_fixed_bitset_filters_eagerly", "index.mapping.coerce", "index.mapping.ignore_malformed",
		"index.mapping.source.mode", "index.mapping.exclude_source_vectors", "index.mapping.synthetic_source_keep", "index.disable_sequence_numbers", "index.seq_no.index_options",
		"index.queries.cache.enabled", "index.time_series.start_time"}
}

func dynamicSettings() []string {
	return []string{"index.number_of_replicas", "index.refresh_interval", "index.default_pipeline", "index.final_pipeline", "index.hidden",
		"index.priority", "index.gc_deletes", "index.blocks.*", "index.auto_expand_replicas", "index.query.*", "index.translog.*", "index.merge.*",
		"index.routing.*", "index.search.*", "index.indexing.*", "index.max_*", "index.mapping.total_fields.*", "index.mapping.depth.limit",
		"index.mapping.nested_fields.limit", "index.mapping.nested_objects.limit", "index.mapping.field_name_length.limit",
		"index.mapping.ignore_above", "index.mapping.dimension_fields.limit", "index.unassigned.*", "index.requests.cache.enable", "index.highlight.*",
		"index.analyze.*", "index.write.*", "index.soft_deletes.retention*", "index.time_series.end_time", "index.look_*", "index.dense_vector.*",
		"index.lifecycle.*", "index.allocation.*", "index.warmer.enabled", "index.creation_date", "index.flush_after_merge", "index.lifecycle.name"}
}

func oneOf(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return wildcard(p, name) })
}

// checkSettings refuses unknown names and bad values. kind is the type of the
// error, which differs between an index and a template.
func (f *Fake) checkSettings(flat obj) *apiError {
	if f.opt.Flavor == providers.Serverless {
		if names := serverless.Missing(flat); len(names) > 0 {
			return illegal("%s", serverless.NoSettings(names))
		}
		if v := flat["index.refresh_interval"]; v != nil && !serverless.RefreshInterval(fmt.Sprint(v)) {
			return illegal("%s", serverless.NoRefreshInterval(fmt.Sprint(v)))
		}
	}
	var unknown []string
	for _, k := range sortedKeys(flat) {
		known := oneOf(k, staticSettings()) || oneOf(k, dynamicSettings())
		if strings.HasPrefix(k, "index.lifecycle.") && f.lacks("_ilm") {
			known = k == "index.lifecycle.origination_date" && !slices.Contains(f.opt.Lacks, "_ilm")
		}
		if strings.HasPrefix(k, "index.version") || k == "index.uuid" || k == "index.provided_name" {
			return &apiError{status: 400, kind: "validation_exception", reason: "Validation Failed: 1: private index setting [" + k + "] can not be set explicitly;"}
		}
		if !known {
			unknown = append(unknown, k)
		}
		n, isNumber := number(flat[k])
		switch k {
		case "index.number_of_shards":
			if isNumber && n < 1 {
				return illegal("Failed to parse value [%v] for setting [%s] must be >= 1", flat[k], k)
			}
		case "index.number_of_replicas":
			if isNumber && n < 0 {
				return illegal("Failed to parse value [%v] for setting [%s] must be >= 0", flat[k], k)
			}
		default:
			continue
		}
		if !isNumber && flat[k] != nil {
			e := illegal("Failed to parse value [%v] for setting [%s]", flat[k], k)
			e.cause = &apiError{kind: "number_format_exception", reason: fmt.Sprintf("For input string: %q", flat[k])}
			return e
		}
	}
	if unknown != nil {
		return illegal("unknown setting [%s] please check that any required plugins are installed, or check the breaking changes documentation for removed settings", unknown[0])
	}
	return nil
}

// defaultSettings are what include_defaults adds.
func defaultSettings() obj {
	return obj{"index.refresh_interval": "1s", "index.gc_deletes": "60s", "index.codec": "default", "index.mode": "standard",
		"index.disable_sequence_numbers": "false", "index.seq_no.index_options": "POINTS_AND_DOC_VALUES",
		"index.translog.durability": "REQUEST", "index.max_result_window": "10000", "index.max_slices_per_scroll": "1024",
		"index.mapping.source.mode": "STORED", "index.default_pipeline": "_none", "index.final_pipeline": "_none",
		"index.mapping.total_fields.limit": "1000", "index.hidden": "false", "index.blocks.write": "false", "index.blocks.read_only": "false"}
}

func (f *Fake) shownSettings(ix *index, c *call, flat bool) obj {
	out := obj{}
	shape := func(o obj) obj {
		if f.opt.Flavor == providers.Serverless {
			o = maps.Clone(o)
			maps.DeleteFunc(o, func(k string, _ any) bool { return !serverless.Setting(k) && !serverless.Shown(k) })
		}
		if flat {
			return o
		}
		return nestedSettings(o)
	}
	out["settings"] = shape(ix.settings)
	if c.flag("include_defaults", false) {
		d := defaultSettings()
		for k := range ix.settings {
			delete(d, k)
		}
		out["defaults"] = shape(d)
	}
	return out
}

func getSettings(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	out := obj{}
	for _, ix := range list {
		out[ix.name] = f.shownSettings(ix, c, c.flag("flat_settings", false))
	}
	return out, nil
}

func putSettings(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if inner, ok := body["settings"].(obj); ok && len(body) == 1 {
		body = inner
	}
	flat := flatSettings(body)
	if err := f.checkSettings(flat); err != nil {
		return nil, err
	}
	var fixed []string
	for _, k := range sortedKeys(flat) {
		if oneOf(k, staticSettings()) {
			fixed = append(fixed, k)
		}
	}
	var open []string
	for _, ix := range list {
		if !ix.closed {
			open = append(open, "["+ix.name+"/"+ix.uuid+"]")
		}
	}
	if fixed != nil && open != nil {
		names := strings.Join(fixed, ", ")
		advice := "You can either resubmit the update with `?reopen=true`, or create a new index"
		if oneOf(fixed[0], []string{"index.number_of_shards", "index.number_of_routing_shards", "index.routing_partition_size", "index.sort.*", "index.mode", "index.soft_deletes.enabled"}) {
			advice = "The setting(s) [[" + names + "]] cannot be modified on an index once it is created. You will need to create a new index"
		}
		return nil, illegal("Can't update non dynamic setting(s) [[%s]] for open indices [%s]. %s with the desired setting(s) and reindex your data. See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-reindex",
			names, strings.Join(open, ", "), advice)
	}
	for _, ix := range list {
		for k, v := range flat {
			if v == nil {
				delete(ix.settings, k)
				continue
			}
			if _, ok := ix.settings[k]; !ok || !c.flag("preserve_existing", false) {
				ix.settings[k] = v
			}
		}
		if ix.settings["index.number_of_replicas"] == nil {
			ix.settings["index.number_of_replicas"] = "1"
		}
	}
	return acknowledged(), nil
}
