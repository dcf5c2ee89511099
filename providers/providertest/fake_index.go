package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

type index struct {
	name, uuid string
	settings   obj // flat, as flatSettings makes them
	mapping    obj
	aliases    map[string]obj
	stream     *stream
	closed     bool
	docs       map[docKey]*doc
	nextSeq    []int64 // of each shard
	view       []*doc  // what a search sees
	// On disk since the last flush, and how often the shards began anew.
	flushed    map[docKey]*doc
	restarts   int64
	dirtySince time.Time
}

// stream is a data stream.
type stream struct {
	name, template string
	indices        []string
	generation     int
	meta           any
	hidden         bool
	customRouting  bool
	failureStore   bool
	lifecycle      any
}

func noIndex(name string) *apiError {
	return &apiError{status: 404, kind: "index_not_found_exception", reason: "no such index [" + name + "]",
		extra: obj{"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}}
}

// members are the indices behind a name: an index, alias or data stream.
func (f *Fake) members(name string) []*index {
	if ix, ok := f.indices[name]; ok {
		return []*index{ix}
	}
	if s, ok := f.streams[name]; ok {
		var out []*index
		for _, n := range s.indices {
			out = append(out, f.indices[n])
		}
		return out
	}
	var out []*index
	for _, n := range sortedKeys(f.indices) {
		if _, ok := f.indices[n].aliases[name]; ok {
			out = append(out, f.indices[n])
		}
	}
	return out
}

// concrete resolves an index expression: names, aliases, data streams, "*"
// and exclusions, in order of names.
func (f *Fake) concrete(c *call, expr string) ([]*index, error) {
	found := map[string]*index{}
	if expr == "" || expr == "_all" {
		expr = "*"
	}
	hidden := strings.Contains(c.query.Get("expand_wildcards"), "all") || strings.Contains(c.query.Get("expand_wildcards"), "hidden")
	for i, part := range strings.Split(expr, ",") {
		if rest, ok := strings.CutPrefix(part, "-"); ok && i > 0 {
			for n := range found {
				if wildcard(rest, n) {
					delete(found, n)
				}
			}
			continue
		}
		if !strings.Contains(part, "*") {
			if strings.HasPrefix(part, "_") {
				return nil, &apiError{status: 400, kind: "invalid_index_name_exception", reason: "Invalid index name [" + part + "], must not start with '_'.",
					extra: obj{"index_uuid": "_na_", "index": part}}
			}
			list := f.members(part)
			if list == nil && !c.flag("ignore_unavailable", false) {
				return nil, noIndex(part)
			}
			for _, ix := range list {
				found[ix.name] = ix
			}
			continue
		}
		before := len(found)
		for n, ix := range f.indices {
			byAlias := slices.ContainsFunc(sortedKeys(ix.aliases), func(a string) bool { return wildcard(part, a) })
			byStream := ix.stream != nil && wildcard(part, ix.stream.name) && (!ix.stream.hidden || hidden)
			plain := wildcard(part, n) && (hidden || ix.settings["index.hidden"] != "true" || strings.HasPrefix(part, ".") && strings.HasPrefix(n, "."))
			if c.query.Get("expand_wildcards") != "none" && (byAlias || byStream || plain) {
				found[n] = ix
			}
		}
		if len(found) == before && !c.flag("allow_no_indices", true) {
			return nil, noIndex(part)
		}
	}
	var out []*index
	for _, n := range sortedKeys(found) {
		out = append(out, found[n])
	}
	return out, nil
}

// createIndex makes an index out of templates and body.
func (f *Fake) createIndex(name string, body obj) (*index, error) {
	if err := checkIndexName(name); err != nil {
		return nil, err
	}
	if ix, ok := f.indices[name]; ok {
		return nil, &apiError{status: 400, kind: "resource_already_exists_exception",
			reason: fmt.Sprintf("index [%s/%s] already exists", name, ix.uuid), extra: obj{"index_uuid": ix.uuid, "index": name}}
	}
	invalid := func(format string, a ...any) error {
		return &apiError{status: 400, kind: "invalid_index_name_exception", extra: obj{"index_uuid": "_na_", "index": name},
			reason: fmt.Sprintf("Invalid index name [%s], ", name) + fmt.Sprintf(format, a...)}
	}
	if f.members(name) != nil {
		if f.streams[name] != nil {
			return nil, &apiError{status: 400, kind: "resource_already_exists_exception", reason: fmt.Sprintf("data_stream [%s] already exists", name)}
		}
		return nil, invalid("already exists as alias")
	}
	settings, mapping, aliases := obj{}, obj{}, obj{}
	if t := f.templateFor(name); t != "" {
		if f.templates[t].body["data_stream"] != nil {
			return nil, illegal("cannot create index with name [%s], because it matches with template [%s] that creates data streams only, use create data stream api instead", name, t)
		}
		settings, mapping, aliases = f.resolved(t)
	}
	return f.buildIndex(name, body, settings, mapping, aliases)
}

func (f *Fake) buildIndex(name string, body, settings, mapping, aliases obj) (*index, error) {
	own, _ := body["settings"].(obj)
	flat := flatSettings(own)
	if err := f.checkSettings(flat); err != nil {
		return nil, err
	}
	maps.Copy(settings, flat)
	maps.DeleteFunc(settings, func(_ string, v any) bool { return v == nil })
	declared, _ := body["mappings"].(obj)
	if inner, ok := declared["_doc"].(obj); ok && len(declared) == 1 {
		declared = inner
	}
	if err := checkMapping(declared); err != nil {
		return nil, err
	}
	merged, err := mergeMapping(mapping, declared, true)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"index.number_of_shards", "index.number_of_replicas"} {
		if settings[k] == nil {
			settings[k] = "1"
		}
	}
	f.counter++
	ix := &index{name: name, uuid: fmt.Sprintf("idx%019d", f.counter), settings: settings, mapping: shownMapping(merged), aliases: map[string]obj{}, docs: map[docKey]*doc{}}
	ix.nextSeq = make([]int64, whole(settings["index.number_of_shards"], 1))
	settings["index.uuid"] = ix.uuid
	settings["index.creation_date"] = fmt.Sprint(time.Now().UnixMilli())
	settings["index.provided_name"] = name
	settings["index.version.created"] = "9094000"
	if f.opt.Flavor != providers.OpenSearch {
		settings["index.routing.allocation.include._tier_preference"] = "data_content"
	}
	extra, _ := body["aliases"].(obj)
	maps.Copy(aliases, extra)
	for a, v := range aliases {
		o, _ := v.(obj)
		shown, err := shownAlias(o)
		if err != nil {
			return nil, err
		}
		if f.indices[a] != nil || f.streams[a] != nil {
			return nil, aliasIsIndex(a)
		}
		ix.aliases[a] = shown
	}
	f.indices[name] = ix
	return ix, nil
}

func checkIndexName(name string) error {
	reason := ""
	switch {
	case name != strings.ToLower(name):
		reason = "must be lowercase"
	case strings.ContainsAny(name, ` "*\<|,>/?`):
		reason = `must not contain the following characters [' ','"','*',',','/','<','>','?','\','|']`
	case strings.HasPrefix(name, "_") || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "+"):
		reason = "must not start with '_', '-', or '+'"
	default:
		return nil
	}
	return &apiError{status: 400, kind: "invalid_index_name_exception", reason: fmt.Sprintf("Invalid index name [%s], %s", name, reason),
		extra: obj{"index_uuid": "_na_", "index": name}}
}

func putIndex(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	for _, k := range sortedKeys(body) {
		if k != "settings" && k != "mappings" && k != "aliases" {
			return nil, &apiError{status: 400, kind: "parse_exception", reason: "unknown key [" + k + "] for create index"}
		}
	}
	if _, err := f.createIndex(c.parts["index"], body); err != nil {
		return nil, err
	}
	return obj{"acknowledged": true, "shards_acknowledged": true, "index": c.parts["index"]}, nil
}

func getIndex(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	if c.Method == "HEAD" {
		if len(list) == 0 {
			return answer{404, nil}, nil
		}
		return nil, nil
	}
	out := obj{}
	for _, ix := range list {
		o := f.shownSettings(ix, c, c.flag("flat_settings", false))
		o["aliases"] = ix.shownAliases()
		o["mappings"] = ix.mapping
		if ix.stream != nil {
			o["data_stream"] = ix.stream.name
		}
		out[ix.name] = o
	}
	return out, nil
}

func deleteIndex(f *Fake, c *call) (any, error) {
	for _, n := range strings.Split(c.parts["index"], ",") {
		if strings.Contains(n, "*") || n == "_all" {
			return nil, illegal("Wildcard expressions or all indices are not allowed")
		}
		ix := f.indices[n]
		if ix == nil && len(f.members(n)) > 0 && f.streams[n] == nil {
			return nil, illegal("The provided expression [%s] matches an alias, specify the corresponding concrete indices instead.", n)
		}
		if ix == nil && !c.flag("ignore_unavailable", false) {
			return nil, noIndex(n)
		}
		if ix != nil && ix.stream != nil {
			if last := ix.stream.indices[len(ix.stream.indices)-1]; last == n {
				return nil, illegal("index [%s] is the write index for data stream [%s] and cannot be deleted", n, ix.stream.name)
			}
			ix.stream.indices = slices.DeleteFunc(ix.stream.indices, func(s string) bool { return s == n })
		}
		delete(f.indices, n)
	}
	return acknowledged(), nil
}

func openClose(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	for _, ix := range list {
		ix.closed = strings.HasSuffix(c.URL.Path, "_close")
	}
	return obj{"acknowledged": true, "shards_acknowledged": true}, nil
}

func resolveIndex(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["name"])
	if err != nil {
		return nil, err
	}
	indices, aliases, streams := []any{}, map[string][]any{}, map[string]bool{}
	asked := func(name string) bool {
		return slices.ContainsFunc(strings.Split(c.parts["name"], ","), func(p string) bool { return wildcard(p, name) })
	}
	for _, ix := range list {
		attrs := []any{"open"}
		if ix.closed {
			attrs = []any{"closed"}
		}
		if ix.settings["index.hidden"] == "true" {
			attrs = append(attrs, "hidden")
		}
		o := obj{"name": ix.name, "attributes": attrs, "mode": "standard"}
		if len(ix.aliases) > 0 {
			o["aliases"] = sortedKeys(ix.aliases)
		}
		if ix.stream != nil {
			o["data_stream"] = ix.stream.name
			if asked(ix.stream.name) {
				streams[ix.stream.name] = true
			}
		}
		for a := range ix.aliases {
			if asked(a) {
				aliases[a] = append(aliases[a], ix.name)
			}
		}
		if asked(ix.name) {
			indices = append(indices, o)
		}
	}
	as, ss := []any{}, []any{}
	for _, a := range sortedKeys(aliases) {
		as = append(as, obj{"name": a, "indices": aliases[a]})
	}
	for _, s := range sortedKeys(streams) {
		ss = append(ss, obj{"name": s, "backing_indices": f.streams[s].indices, "timestamp_field": "@timestamp"})
	}
	return obj{"indices": indices, "aliases": as, "data_streams": ss}, nil
}

func indexStats(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	out, shards := obj{}, 0
	var sum, bytes int
	for _, ix := range list {
		per, docs, size := obj{}, 0, 0
		for s := range ix.nextSeq {
			n := 0
			for _, d := range ix.searchable() {
				if d.shard == s {
					n++
					size += len(d.source)
				}
			}
			docs += n
			per[fmt.Sprint(s)] = []any{obj{"docs": obj{"count": n, "deleted": 0}, "routing": obj{"state": "STARTED", "primary": true},
				"seq_no": obj{"max_seq_no": ix.nextSeq[s] - 1, "local_checkpoint": ix.nextSeq[s] - 1, "global_checkpoint": ix.nextSeq[s] - 1}}}
		}
		shards += len(ix.nextSeq)
		sum, bytes = sum+docs, bytes+size
		part := obj{"docs": obj{"count": docs, "deleted": 0}, "store": obj{"size_in_bytes": size, "total_data_set_size_in_bytes": size, "reserved_in_bytes": 0}}
		o := obj{"uuid": ix.uuid, "health": "green", "status": "open", "primaries": part, "total": part}
		if c.query.Get("level") == "shards" {
			o["shards"] = per
		}
		out[ix.name] = o
	}
	all := obj{"docs": obj{"count": sum, "deleted": 0}, "store": obj{"size_in_bytes": bytes, "total_data_set_size_in_bytes": bytes}}
	return obj{"_shards": okShards(shards), "_all": obj{"primaries": all, "total": all}, "indices": out}, nil
}

func okShards(n int) obj { return obj{"total": n, "successful": n, "skipped": 0, "failed": 0} }

// flush brings everything to the disk, where a restart leaves it.
func flush(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	n := 0
	for _, ix := range list {
		ix.flushed = maps.Clone(ix.docs)
		n += len(ix.nextSeq)
	}
	return obj{"_shards": obj{"total": n, "successful": n, "failed": 0}}, nil
}

func refresh(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	n := 0
	for _, ix := range list {
		ix.refresh()
		n += len(ix.nextSeq)
	}
	return obj{"_shards": obj{"total": n, "successful": n, "failed": 0}}, nil
}
