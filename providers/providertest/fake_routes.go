package providertest

import (
	"github.com/esmig/esmig/providers"
)

// routes are the APIs of the fake, with the parameters that the official
// specification lists for them.
func routes() []route {
	const (
		wait     = "master_timeout timeout"
		expr     = "allow_no_indices expand_wildcards ignore_unavailable"
		settings = expr + " flat_settings include_defaults local master_timeout"
		docWrite = "if_primary_term if_seq_no include_source_on_error op_type pipeline refresh require_alias require_data_stream routing timeout version version_type wait_for_active_shards"
		docRead  = "_source _source_excludes _source_includes preference realtime refresh routing stored_fields version version_type"
		search   = expr + " _source allow_partial_search_results batched_reduce_size ccs_minimize_roundtrips from max_concurrent_shard_requests pre_filter_shard_size preference request_cache rest_total_hits_as_int routing scroll search_type seq_no_primary_term size sort timeout track_scores track_total_hits version"
		bulked   = "_source include_source_on_error list_executed_pipelines pipeline refresh require_alias require_data_stream routing timeout wait_for_active_shards"
		pit      = "allow_partial_search_results expand_wildcards ignore_unavailable keep_alive max_concurrent_shard_requests preference routing"
		reindex  = "max_docs refresh requests_per_second require_alias scroll slices timeout wait_for_active_shards wait_for_completion pipeline"
		stats    = "expand_wildcards forbid_closed_indices groups include_segment_file_sizes include_unloaded_segments level metric"
	)
	components := getStored(func(f *Fake) map[string]*stored { return f.components }, "component_templates", "component_template", "component template")
	templates := getStored(func(f *Fake) map[string]*stored { return f.templates }, "index_templates", "index_template", "index template")
	put, get, post, del := "PUT", "GET", "POST", "DELETE"
	list := []route{
		{methods: "GET HEAD", path: "/", run: root},
		{methods: get, path: "/_cluster/health", params: "level local wait_for_status wait_for_no_initializing_shards wait_for_no_relocating_shards wait_for_active_shards wait_for_events wait_for_nodes " + wait, run: health},
		{methods: get, path: "/_cluster/health/{index}", params: "level local wait_for_status wait_for_no_initializing_shards wait_for_no_relocating_shards wait_for_active_shards wait_for_events wait_for_nodes expand_wildcards " + wait, run: health},
		{methods: get, path: "/_cluster/state/{metric}/{index}", params: "local flat_settings expand_wildcards ignore_unavailable allow_no_indices " + wait, run: clusterState},
		{methods: get, path: "/_cluster/settings", params: "flat_settings include_defaults " + wait, run: getClusterSettings},
		{methods: put, path: "/_cluster/settings", params: "flat_settings " + wait, run: putClusterSettings},
		{methods: get, path: "/_nodes", params: "flat_settings timeout", run: nodes},
		{methods: get, path: "/_nodes/{metric}", params: "flat_settings timeout", run: nodes},
		{methods: get, path: "/_nodes/stats/{metric}", params: "level timeout", run: nodes},
		{methods: get, path: "/_security/_authenticate", run: whoAmI},
		{methods: "GET POST", path: "/_security/user/_has_privileges", run: hasPrivileges},

		{methods: put + " POST", path: "/_component_template/{name}", params: "cause create master_timeout", run: putComponent},
		{methods: "GET HEAD", path: "/_component_template/{name}", params: "flat_settings include_defaults local master_timeout", run: components},
		{methods: get, path: "/_component_template", params: "flat_settings include_defaults local master_timeout", run: components},
		{methods: del, path: "/_component_template/{name}", params: wait, run: deleteComponent},
		{methods: put + " POST", path: "/_index_template/{name}", params: "cause create master_timeout", run: putTemplate},
		{methods: "GET HEAD", path: "/_index_template/{name}", params: "flat_settings include_defaults local master_timeout", run: templates},
		{methods: get, path: "/_index_template", params: "flat_settings include_defaults local master_timeout", run: templates},
		{methods: del, path: "/_index_template/{name}", params: wait, run: deleteTemplate},
		{methods: post, path: "/_index_template/_simulate_index/{name}", params: "cause create include_defaults master_timeout", run: simulateIndex},

		{methods: put, path: "/_ilm/policy/{policy}", params: wait, run: putPolicy},
		{methods: get, path: "/_ilm/policy/{policy}", params: wait, run: getPolicy},
		{methods: get, path: "/_ilm/policy", params: wait, run: getPolicy},
		{methods: del, path: "/_ilm/policy/{policy}", params: wait, run: deletePolicy},
		{methods: get, path: "/{index}/_ilm/explain", params: "master_timeout only_errors only_managed", run: explainILM},

		{methods: put, path: "/_ingest/pipeline/{id}", params: "if_version " + wait, run: putPipeline},
		{methods: get, path: "/_ingest/pipeline/{id}", params: "master_timeout summary", run: getPipeline},
		{methods: get, path: "/_ingest/pipeline", params: "master_timeout summary", run: getPipeline},
		{methods: del, path: "/_ingest/pipeline/{id}", params: wait, run: deletePipeline},
		{methods: "GET POST", path: "/_ingest/pipeline/_simulate", params: "verbose", run: simulatePipeline},
		{methods: "GET POST", path: "/_ingest/pipeline/{id}/_simulate", params: "verbose", run: simulatePipeline},

		{methods: put, path: "/_data_stream/{name}", params: wait, run: putStream},
		{methods: get, path: "/_data_stream/{name}", params: "expand_wildcards include_defaults master_timeout verbose", run: getStream},
		{methods: get, path: "/_data_stream", params: "expand_wildcards include_defaults master_timeout verbose", run: getStream},
		{methods: del, path: "/_data_stream/{name}", params: "expand_wildcards master_timeout", run: deleteStream},
		{methods: post, path: "/_data_stream/_modify", run: modifyStreams},
		{methods: "GET PUT DELETE", path: "/_data_stream/{name}/_lifecycle", params: "expand_wildcards include_defaults " + wait, run: lifecycleOf},
		{methods: post, path: "/{index}/_rollover", params: "dry_run lazy wait_for_active_shards " + wait, run: rolloverStream},

		{methods: "GET POST", path: "/_resolve/index/{name}", params: expr + " mode", run: resolveIndex},
		{methods: get, path: "/_alias", params: expr + " local master_timeout", run: getAlias},
		{methods: "GET HEAD", path: "/_alias/{name}", params: expr + " local master_timeout", run: getAlias},
		{methods: get, path: "/{index}/_alias", params: expr + " local master_timeout", run: getAlias},
		{methods: "GET HEAD", path: "/{index}/_alias/{name}", params: expr + " local master_timeout", run: getAlias},
		{methods: put + " POST", path: "/{index}/_alias/{name}", params: wait, run: putAlias},
		{methods: del, path: "/{index}/_alias/{name}", params: wait, run: deleteAlias},
		{methods: post, path: "/_aliases", params: wait, run: postAliases},

		{methods: post, path: "/_bulk", params: bulked, run: bulk},
		{methods: put, path: "/_bulk", params: bulked, run: bulk},
		{methods: "GET POST", path: "/_mget", params: docRead, run: mget},
		{methods: "GET POST", path: "/_count", params: expr + " routing preference ignore_throttled", run: count},
		{methods: "GET POST", path: "/_search", params: search, run: postSearch},
		{methods: "GET POST", path: "/_search/scroll", params: "rest_total_hits_as_int scroll scroll_id", run: nextScroll},
		{methods: del, path: "/_search/scroll", run: closeReader("scroll_id")},
		{methods: del, path: "/_search/scroll/{scroll_id}", run: closeReader("scroll_id")},
		{methods: del, path: "/_pit", run: closeReader("id")},
		{methods: get, path: "/_stats", params: stats, run: indexStats},
		{methods: get, path: "/_stats/{metric}", params: stats, run: indexStats},
		{methods: get, path: "/_mapping", params: expr + " local master_timeout", run: getMapping},
		{methods: get, path: "/_settings", params: settings, run: getSettings},
		{methods: "GET POST", path: "/_refresh", params: expr, run: refresh},
		{methods: "GET POST", path: "/_flush", params: expr + " force wait_if_ongoing", run: flush},

		{methods: post, path: "/_reindex", params: reindex, run: postReindex, free: true},
		{methods: get, path: "/_reindex", params: "detailed", run: listReindex, free: true, since: [2]int{9, 5}},
		{methods: get, path: "/_reindex/{task_id}", params: "timeout wait_for_completion", run: getTask, free: true, since: [2]int{9, 5}},
		{methods: post, path: "/_reindex/{task_id}/_cancel", params: "wait_for_completion", run: cancelTask, since: [2]int{9, 5}},
		{methods: post, path: "/_reindex/{task_id}/_rethrottle", params: "group_by requests_per_second", run: rethrottle},
		{methods: get, path: "/_tasks", params: "actions detailed group_by nodes parent_task_id timeout wait_for_completion", run: listTasks, free: true},
		{methods: get, path: "/_tasks/{task_id}", params: "timeout wait_for_completion", run: getTask, free: true},
		{methods: post, path: "/_tasks/{task_id}/_cancel", params: "actions nodes parent_task_id wait_for_completion", run: cancelTask},

		{methods: put, path: "/{index}", params: "wait_for_active_shards " + wait, run: putIndex},
		{methods: "GET HEAD", path: "/{index}", params: settings + " features", run: getIndex},
		{methods: del, path: "/{index}", params: expr + " " + wait, run: deleteIndex},
		{methods: get, path: "/{index}/_settings", params: settings, run: getSettings},
		{methods: get, path: "/{index}/_settings/{name}", params: settings, run: getSettings},
		{methods: put, path: "/{index}/_settings", params: expr + " flat_settings preserve_existing reopen " + wait, run: putSettings},
		{methods: get, path: "/{index}/_mapping", params: expr + " local master_timeout", run: getMapping},
		{methods: put + " POST", path: "/{index}/_mapping", params: expr + " write_index_only " + wait, run: putMapping},
		{methods: post, path: "/{index}/_open", params: expr + " wait_for_active_shards " + wait, run: openClose},
		{methods: post, path: "/{index}/_close", params: expr + " wait_for_active_shards " + wait, run: openClose},
		{methods: "GET POST", path: "/{index}/_refresh", params: expr, run: refresh},
		{methods: "GET POST", path: "/{index}/_flush", params: expr + " force wait_if_ongoing", run: flush},
		{methods: get, path: "/{index}/_stats", params: stats, run: indexStats},
		{methods: get, path: "/{index}/_stats/{metric}", params: stats, run: indexStats},
		{methods: "GET POST", path: "/{index}/_field_caps", params: expr + " fields filters include_unmapped types", run: fieldCaps},
		{methods: "GET POST", path: "/{index}/_count", params: expr + " routing preference ignore_throttled", run: count},
		{methods: "GET POST", path: "/{index}/_search", params: search, run: postSearch},
		{methods: "GET POST", path: "/{index}/_mget", params: docRead, run: mget},
		{methods: put + " POST", path: "/{index}/_bulk", params: bulked, run: bulk},
		{methods: post, path: "/{index}/_pit", params: pit, run: openPIT},
		{methods: post, path: "/{index}/_doc", params: docWrite, run: putDoc},
		{methods: put + " POST DELETE", path: "/{index}/_doc/{id}", params: docWrite, run: putDoc},
		{methods: put + " POST", path: "/{index}/_create/{id}", params: docWrite, run: putDoc},
		{methods: "GET HEAD", path: "/{index}/_doc/{id}", params: docRead, run: getDoc},
	}
	opensearch := []route{
		{methods: post, path: "/{index}/_search/point_in_time", params: "keep_alive allow_partial_pit_creation preference routing expand_wildcards", run: openPIT},
		{methods: del, path: "/_search/point_in_time", run: closeReader("pit_id")},
	}
	return append(list, opensearch...)
}

// onlyOpenSearch names paths that no other server has.
func (f *Fake) onlyOpenSearch(segs []string) bool {
	return f.opt.Flavor != providers.OpenSearch && len(segs) > 1 && segs[len(segs)-1] == "point_in_time"
}
