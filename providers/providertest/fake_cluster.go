package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
)

func root(f *Fake, c *call) (any, error) {
	version := obj{"number": f.opt.Version, "build_flavor": "default", "build_type": "zip", "build_hash": "0", "build_date": "2026-06-25T14:04:34.316306228Z",
		"build_snapshot": false, "lucene_version": "10.4.0", "minimum_wire_compatibility_version": "8.19.0", "minimum_index_compatibility_version": "8.0.0"}
	tagline := "You Know, for Search"
	switch f.opt.Flavor {
	case providers.Serverless:
		version["build_flavor"] = "serverless"
	case providers.OpenSearch:
		delete(version, "build_flavor")
		version["distribution"] = "opensearch"
		tagline = "The OpenSearch Project: https://opensearch.org/"
	}
	return obj{"name": "fake", "cluster_name": f.opt.Name, "cluster_uuid": f.opt.UUID, "version": version, "tagline": tagline}, nil
}

// remoteSetting is what the server may reindex from.
func (f *Fake) remoteSetting() obj {
	hosts := []any{}
	for _, h := range f.opt.Whitelist {
		hosts = append(hosts, h)
	}
	if f.opt.Flavor == providers.OpenSearch {
		return obj{"remote": obj{"allowlist": hosts}}
	}
	return obj{"remote": obj{"whitelist": hosts}}
}

func getClusterSettings(f *Fake, c *call) (any, error) {
	shape := nestedSettings
	if c.flag("flat_settings", false) {
		shape = func(o obj) obj { return o }
	}
	out := obj{"persistent": shape(f.persistent), "transient": obj{}}
	if c.flag("include_defaults", false) {
		remote := f.remoteSetting()
		if f.opt.Flavor != providers.OpenSearch {
			remote["remote"].(obj)["blocklist"] = []any{}
		}
		defaults := obj{"reindex": remote}
		if c.flag("flat_settings", false) {
			defaults = flatSettings(obj{"index": defaults})
			for k, v := range defaults {
				delete(defaults, k)
				defaults[strings.TrimPrefix(k, "index.")] = v
			}
		}
		out["defaults"] = defaults
	}
	return out, nil
}

func putClusterSettings(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "[cluster_update_settings_request] unknown field [%s]", "persistent", "transient"); err != nil {
		return nil, err
	}
	given, _ := body["persistent"].(obj)
	for k, v := range flatSettings(obj{"index": given}) {
		if k = strings.TrimPrefix(k, "index."); v == nil {
			delete(f.persistent, k)
		} else {
			f.persistent[k] = v
		}
	}
	return obj{"acknowledged": true, "persistent": nestedSettings(f.persistent), "transient": obj{}}, nil
}

func health(f *Fake, c *call) (any, error) {
	if _, err := f.concrete(c, c.parts["index"]); err != nil {
		return nil, err
	}
	return obj{"cluster_name": f.opt.Name, "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
		"active_primary_shards": len(f.indices), "active_shards": len(f.indices), "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
		"delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
		"active_shards_percent_as_number": json.RawMessage("100.0")}, nil
}

// clusterState is the part of the metadata that speaks of shards.
func clusterState(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	out := obj{}
	for _, ix := range list {
		terms := obj{}
		for s := range ix.nextSeq {
			terms[strconv.Itoa(s)] = 1 + ix.restarts
		}
		out[ix.name] = obj{"primary_terms": terms}
	}
	return obj{"metadata": obj{"indices": out}}, nil
}

func nodes(f *Fake, c *call) (any, error) {
	total := 100 << 30
	n := obj{"name": "fake", "transport_address": "127.0.0.1:9300", "host": "127.0.0.1", "ip": "127.0.0.1", "version": f.opt.Version,
		"roles": []any{"data", "data_content", "data_hot", "ingest", "master"}, "attributes": obj{},
		"settings": obj{"reindex": f.remoteSetting()}, "jvm": obj{"start_time_in_millis": 1767225600000, "uptime_in_millis": 1000},
		"fs":          obj{"total": obj{"total_in_bytes": total, "free_in_bytes": total, "available_in_bytes": total}},
		"os":          obj{"available_processors": 2, "allocated_processors": 2},
		"thread_pool": obj{"write": obj{"threads": 2, "queue": 0, "active": 0, "rejected": 0, "largest": 2, "completed": 0}}}
	all := obj{node: n}
	if len(f.opt.Nodes) > 0 {
		all = obj{}
	}
	for i, address := range f.opt.Nodes {
		n := maps.Clone(n)
		n["http"] = obj{"publish_address": address, "bound_address": []any{address}}
		all[node[:len(node)-1]+strconv.Itoa(i)] = n
	}
	return obj{"_nodes": obj{"total": len(all), "successful": len(all), "failed": 0}, "cluster_name": f.opt.Name, "nodes": all}, nil
}

func whoAmI(f *Fake, c *call) (any, error) {
	return obj{"username": "elastic", "roles": []any{}, "full_name": nil, "email": nil, "metadata": obj{"_reserved": true}, "enabled": true,
		"authentication_realm": obj{"name": "_es_api_key", "type": "_es_api_key"}, "lookup_realm": obj{"name": "_es_api_key", "type": "_es_api_key"},
		"authentication_type": "api_key"}, nil
}

// readOnlyKey says whether a request's key may only read.
func (f *Fake) readOnlyKey(c *call) bool {
	for _, k := range f.opt.APIKeys {
		if c.Header.Get("Authorization") == "ApiKey "+k.Encoded {
			return k.ReadOnly
		}
	}
	return false
}

func hasPrivileges(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	has := func(p any) bool {
		switch p {
		case "read", "view_index_metadata", "monitor", "read_pipeline":
			return true
		}
		return !f.readOnlyKey(c)
	}
	all, cluster, index := true, obj{}, obj{}
	grant := func(into obj, list any) {
		for _, p := range flatten(list) {
			if p != nil {
				into[fmt.Sprint(p)] = has(p)
				all = all && has(p)
			}
		}
	}
	grant(cluster, body["cluster"])
	for _, e := range flatten(body["index"]) {
		o, _ := e.(obj)
		for _, n := range flatten(o["names"]) {
			granted := obj{}
			grant(granted, o["privileges"])
			if old, ok := index[fmt.Sprint(n)].(obj); ok {
				maps.Copy(granted, old)
			}
			index[fmt.Sprint(n)] = granted
		}
	}
	return obj{"username": "elastic", "has_all_requested": all, "cluster": cluster, "index": index, "application": obj{}}, nil
}

func fieldCaps(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	names, fields := []any{}, obj{}
	for _, ix := range list {
		names = append(names, ix.name)
		for n, p := range ix.fields() {
			for _, pat := range strings.Split(cmpOr(c.query.Get("fields"), "*"), ",") {
				if kind := fieldType(p); wildcard(pat, n) {
					caps, _ := fields[n].(obj)
					if caps == nil {
						caps = obj{}
					}
					caps[kind] = obj{"type": kind, "metadata_field": false, "searchable": true, "aggregatable": kind != "text"}
					fields[n] = caps
				}
			}
		}
	}
	return obj{"indices": names, "fields": fields}, nil
}
