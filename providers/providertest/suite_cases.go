package providertest

import "strings"

// Cases are the objects that the suite makes: one or more of each kind. All
// their names begin with prefix.
func Cases(prefix string) []Case {
	cases := []Case{
		{
			Kind: "ilm_policy", Name: "P-policy",
			Create: `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_age":"1d","max_size":"50gb"},"set_priority":{"priority":100}}},"warm":{"min_age":"24h","actions":{"allocate":{"number_of_replicas":0},"readonly":{}}},"delete":{"min_age":"30d","actions":{"delete":{}}}}}}`,
			Change: `{"policy":{"phases":{"delete":{"min_age":"60d","actions":{"delete":{}}}}}}`,
			Drift:  []Step{{"PUT", "/_ilm/policy/P-policy", `{"policy":{"phases":{"delete":{"min_age":"1d","actions":{"delete":{}}}}}}`}},
			Future: `{"policy":{"phases":{},"_meta":{"new_in_12":{"x":1}}}}`, Field: `"new_in_12":{"x":1}`,
		},
		{
			Kind: "component_template", Name: "P-part",
			Create: `{"template":{"settings":{"number_of_shards":1,"index.refresh_interval":"5s","index":{"number_of_replicas":0}},"mappings":{"dynamic":false,"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true}}}}},"aliases":{"P-al":{"routing":"1"}}},"_meta":{"a":1},"version":3}`,
			Change: `{"template":{"settings":{"number_of_shards":2},"mappings":{"properties":{"t":{"type":"text"}}}}}`,
			Drift:  []Step{{"PUT", "/_component_template/P-part", `{"template":{"settings":{"number_of_shards":2,"refresh_interval":"7s"},"mappings":{"properties":{"t":{"type":"text"}}}}}`}},
			Future: `{"template":{"mappings":{},"new_in_12":{"x":1.5}}}`, Field: `"new_in_12":{"x":1.5}`,
		},
		{
			Kind: "index_template", Name: "P-template",
			Create: `{"index_patterns":"P-t*","composed_of":["P-base"],"priority":907,"template":{"settings":{"number_of_shards":1,"refresh_interval":null,"analysis":{"analyzer":{"x":{"type":"custom","tokenizer":"standard","filter":["lowercase"]}}}},"mappings":{"properties":{"a":{"type":"text","analyzer":"x"}}}}}`,
			Change: `{"index_patterns":["P-t*","P-u*"],"priority":908,"_meta":{"by":"x"},"template":{"mappings":{"dynamic":"strict","properties":{"@timestamp":{"type":"date"}}}}}`,
			Before: []Step{{"PUT", "/_component_template/P-base", `{"template":{"settings":{"number_of_replicas":0}}}`}},
			After:  []Step{{"DELETE", "/_component_template/P-base", ""}},
			Drift:  []Step{{"PUT", "/_index_template/P-template", `{"index_patterns":["P-t*"],"priority":909,"template":{"settings":{"number_of_shards":3}}}`}},
			Future: `{"index_patterns":["a"],"template":{"new_in_12":[1,{"x":null}]}}`, Field: `"new_in_12":[1,{"x":null}]`,
		},
		{
			Kind: "index_template", Name: "P-streams", Refused: "unknown field [data_stream]",
			Create: `{"index_patterns":["P-v*"],"data_stream":{},"priority":907}`,
			Change: `{"index_patterns":["P-v*"],"data_stream":{},"priority":908,"version":2}`,
			Drift:  []Step{{"PUT", "/_index_template/P-streams", `{"index_patterns":["P-v*"],"priority":907}`}},
			Future: `{"index_patterns":["a"],"data_stream":{"new_in_12":true}}`, Field: `"new_in_12":true`,
		},
		{
			Kind: "data_stream", Name: "P-stream", Create: `{}`, Change: `{}`,
			Before: []Step{{"PUT", "/_index_template/P-stream", `{"index_patterns":["P-stream"],"data_stream":{},"priority":910}`}},
			After:  []Step{{"DELETE", "/_index_template/P-stream", ""}},
		},
		{
			Kind: "index", Name: "P-index",
			Create: `{"mappings":{"dynamic":false,"properties":{"a":{"type":"object","properties":{"b":{"type":"keyword","index":true,"doc_values":true}}},"t":{"type":"text","fields":{"k":{"type":"keyword","ignore_above":256}}}}},"settings":{"number_of_shards":2,"number_of_replicas":0,"refresh_interval":"5s","index.max_result_window":100,"query.default_field":["a","t"]}}`,
			Change: `{"mappings":{"properties":{"a":{"properties":{"b":{"type":"keyword","ignore_above":7},"c":{"type":"date"}}},"t":{"type":"text","fields":{"k":{"type":"keyword"}}}}},"settings":{"number_of_shards":2,"number_of_replicas":1,"refresh_interval":null},"aliases":{"P-z":{"is_write_index":true,"routing":"3","filter":{"term":{"a.b":"x"}}}}}`,
			Drift:  []Step{{"PUT", "/P-index/_settings", `{"number_of_replicas":0,"max_result_window":77,"max_rescore_window":78}`}, {"PUT", "/P-index/_alias/P-y", `{}`}},
			Future: `{"mappings":{"properties":{"v":{"type":"new_in_12","x":{"y":[true]}}}}}`, Field: `{"type":"new_in_12","x":{"y":[true]}}`,
		},
		{
			Kind: "alias", Name: "P-alias",
			Create: `{"index":["P-one","P-two"],"routing":"1"}`,
			Change: `{"index":"P-one","filter":{"term":{"a":"b"}},"is_write_index":true}`,
			Before: []Step{{"PUT", "/P-one", `{}`}, {"PUT", "/P-two", `{}`}},
			After:  []Step{{"DELETE", "/P-one", ""}, {"DELETE", "/P-two", ""}},
			Drift:  []Step{{"PUT", "/P-two/_alias/P-alias", `{}`}, {"PUT", "/P-one/_alias/P-alias", `{"search_routing":"4"}`}},
			Future: `{"index":"P-one","filter":{"new_in_12":{"x":1}}}`, Field: `"new_in_12":{"x":1}`,
		},
		{
			Kind: "ingest_pipeline", Name: "P-pipeline", Refused: "No processor type exists with name [set]",
			Create: `{"description":"x","processors":[{"set":{"field":"a","value":1.5}},{"rename":{"field":"b","target_field":"c","ignore_missing":true}}],"version":3}`,
			Change: `{"processors":[{"set":{"field":"a","value":"s","if":"ctx.b == 1"}}],"on_failure":[{"set":{"field":"error","value":"yes"}}]}`,
			Drift:  []Step{{"PUT", "/_ingest/pipeline/P-pipeline", `{"processors":[],"description":"by hand"}`}},
			Future: `{"processors":[{"new_in_12":{"x":[1,2]}}]}`, Field: `{"new_in_12":{"x":[1,2]}}`,
		},
	}
	for i, c := range cases {
		for _, s := range []*string{&c.Name, &c.Create, &c.Change, &c.Future, &c.Field} {
			*s = strings.ReplaceAll(*s, "P-", prefix+"-")
		}
		for _, list := range [][]Step{c.Before, c.After, c.Drift} {
			for j := range list {
				list[j].Path = strings.ReplaceAll(list[j].Path, "P-", prefix+"-")
				list[j].Body = strings.ReplaceAll(list[j].Body, "P-", prefix+"-")
			}
		}
		cases[i] = c
	}
	return cases
}
