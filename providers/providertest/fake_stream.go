package providertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// createStream makes a data stream out of the template that matches.
func (f *Fake) createStream(name string) (*stream, error) {
	t := f.templateFor(name)
	if t == "" {
		return nil, illegal("no matching index template found for data stream [%s]", name)
	}
	body := f.templates[t].body
	ds, ok := body["data_stream"].(obj)
	if !ok {
		return nil, illegal("matching index template [%s] for data stream [%s] has no data stream template", t, name)
	}
	if f.streams[name] != nil {
		return nil, &apiError{status: 400, kind: "resource_already_exists_exception", reason: "data_stream [" + name + "] already exists"}
	}
	if err := checkIndexName(name); err != nil {
		return nil, err
	}
	s := &stream{name: name, template: t, hidden: ds["hidden"] == true, customRouting: ds["allow_custom_routing"] == true, meta: body["_meta"]}
	if inner, ok := body["template"].(obj); ok {
		s.lifecycle = inner["lifecycle"]
		options, _ := inner["data_stream_options"].(obj)
		store, _ := options["failure_store"].(obj)
		s.failureStore = store["enabled"] == true
	}
	if err := f.rollover(s); err != nil {
		return nil, err
	}
	f.streams[name] = s
	return s, nil
}

// rollover adds the next backing index.
func (f *Fake) rollover(s *stream) error {
	settings, mapping, aliases := f.resolved(s.template)
	base := obj{"_data_stream_timestamp": obj{"enabled": true}, "properties": obj{"@timestamp": obj{"type": "date"}}}
	mapping, err := mergeMapping(base, mapping, true)
	if err != nil {
		return err
	}
	settings["index.hidden"] = "true"
	name := fmt.Sprintf(".ds-%s-%s-%06d", s.name, time.Now().UTC().Format("2006.01.02"), s.generation+1)
	ix, err := f.buildIndex(name, obj{}, settings, mapping, aliases)
	if err != nil {
		return err
	}
	if ix.settings["index.routing.allocation.include._tier_preference"] != nil {
		ix.settings["index.routing.allocation.include._tier_preference"] = "data_hot"
	}
	ix.stream = s
	s.generation++
	s.indices = append(s.indices, name)
	return nil
}

func putStream(f *Fake, c *call) (any, error) {
	if _, err := f.createStream(c.parts["name"]); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

// matchStreams resolves an expression of streams.
func (f *Fake) matchStreams(expr string) ([]*stream, error) {
	var out []*stream
	for _, p := range strings.Split(expr, ",") {
		n := len(out)
		for _, k := range sortedKeys(f.streams) {
			if p == "" || p == "_all" || wildcard(p, k) {
				out = append(out, f.streams[k])
			}
		}
		if len(out) == n && p != "" && !strings.Contains(p, "*") {
			e := noIndex(p)
			return nil, e
		}
	}
	return out, nil
}

func getStream(f *Fake, c *call) (any, error) {
	list, err := f.matchStreams(c.parts["name"])
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, s := range list {
		var indices []any
		for _, n := range s.indices {
			indices = append(indices, obj{"index_name": n, "index_uuid": f.indices[n].uuid, "prefer_ilm": true, "managed_by": "Unmanaged", "index_mode": "standard"})
		}
		o := obj{"name": s.name, "timestamp_field": obj{"name": "@timestamp"}, "indices": indices, "generation": s.generation, "status": "GREEN",
			"template": s.template, "next_generation_managed_by": "Unmanaged", "prefer_ilm": true, "hidden": s.hidden, "system": false,
			"allow_custom_routing": s.customRouting, "replicated": false, "rollover_on_write": false, "index_mode": "standard",
			"settings": obj{}, "mappings": obj{}, "failure_store": obj{"enabled": s.failureStore, "rollover_on_write": true, "indices": []any{}}}
		if s.meta != nil {
			o["_meta"] = s.meta
		}
		if s.lifecycle != nil {
			o["lifecycle"] = s.lifecycle
			o["next_generation_managed_by"] = "Data stream lifecycle"
		}
		if ix := f.indices[s.indices[len(s.indices)-1]]; ix.settings["index.lifecycle.name"] != nil {
			o["ilm_policy"] = ix.settings["index.lifecycle.name"]
			o["next_generation_managed_by"] = "Index Lifecycle Management"
		}
		out = append(out, o)
	}
	return obj{"data_streams": out}, nil
}

func deleteStream(f *Fake, c *call) (any, error) {
	list, err := f.matchStreams(c.parts["name"])
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		for _, n := range s.indices {
			delete(f.indices, n)
		}
		delete(f.streams, s.name)
	}
	return acknowledged(), nil
}

func rolloverStream(f *Fake, c *call) (any, error) {
	s := f.streams[c.parts["index"]]
	if s == nil {
		if f.members(c.parts["index"]) == nil {
			return nil, noIndex(c.parts["index"])
		}
		return nil, unsupported("rollover of an alias")
	}
	old := s.indices[len(s.indices)-1]
	if err := f.rollover(s); err != nil {
		return nil, err
	}
	return obj{"acknowledged": true, "shards_acknowledged": true, "old_index": old, "new_index": s.indices[len(s.indices)-1],
		"rolled_over": true, "dry_run": false, "lazy": false, "conditions": obj{}}, nil
}

func modifyStreams(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	actions, _ := body["actions"].([]any)
	for _, a := range actions {
		for do, v := range a.(obj) {
			o := v.(obj)
			s, ix := f.streams[fmt.Sprint(o["data_stream"])], f.indices[fmt.Sprint(o["index"])]
			switch {
			case s == nil:
				return nil, illegal("data stream [%v] not found", o["data_stream"])
			case ix == nil:
				return nil, noIndex(fmt.Sprint(o["index"]))
			case do == "add_backing_index" && ix.fields()["@timestamp"] == nil:
				return nil, illegal("mapping for index [%s] does not contain data stream timestamp field [@timestamp]", ix.name)
			case do == "add_backing_index" && ix.stream == nil:
				s.indices = append([]string{ix.name}, s.indices...)
				s.generation++
				ix.stream = s
				ix.settings["index.hidden"] = "true"
			case do == "remove_backing_index" && s.indices[len(s.indices)-1] == ix.name:
				return nil, illegal("cannot remove backing index [%s] of data stream [%s] because it is the write index of the data stream", ix.name, s.name)
			case do == "remove_backing_index":
				s.indices = slices.DeleteFunc(s.indices, func(n string) bool { return n == ix.name })
				ix.stream = nil
			default:
				return nil, unsupported("_data_stream/_modify %s of %s", do, ix.name)
			}
		}
	}
	return acknowledged(), nil
}

func lifecycleOf(f *Fake, c *call) (any, error) {
	list, err := f.matchStreams(c.parts["name"])
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, s := range list {
		switch c.Method {
		case "PUT":
			body, err := c.object()
			if err != nil {
				return nil, err
			}
			if err := onlyKeys(body, "[lifecycle] unknown field [%s]", "data_retention", "enabled", "downsampling", "downsampling_method", "frozen_after"); err != nil {
				return nil, err
			}
			if body["enabled"] == nil {
				body["enabled"] = true
			}
			s.lifecycle = body
		case "DELETE":
			s.lifecycle = nil
		default:
			o := obj{"name": s.name}
			if s.lifecycle != nil {
				o["lifecycle"] = s.lifecycle
			}
			shown = append(shown, o)
		}
	}
	if c.Method == "GET" {
		return obj{"data_streams": shown, "global_retention": obj{}}, nil
	}
	return acknowledged(), nil
}
