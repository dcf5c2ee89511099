package elasticsearch

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// Lacks implements providers.Selective for kinds that are no more than an
// object behind a path of the API.
func (r *rest) Lacks(f providers.Flavor, _ []providers.Resource) []*providers.Lack {
	return apiLacks(f, http.MethodPut, r.path)
}

// Lacks implements providers.Selective: aliases are changed by actions.
func (a *alias) Lacks(f providers.Flavor, _ []providers.Resource) []*providers.Lack {
	return apiLacks(f, http.MethodPost, "/_aliases")
}

// Lacks implements providers.Selective.
func (x *index) Lacks(f providers.Flavor, peers []providers.Resource) []*providers.Lack {
	if f != providers.Serverless {
		return nil
	}
	out := apiLacks(f, http.MethodPut, x.path)
	out = append(out, settingLacks("settings", nil, object(x.body["settings"]))...)
	if ref, ok := policyOf(x.body["settings"]); ok && ref.policy == "" {
		out = append(out, noPolicy(lackAt("settings", ref.path...), nil, x.origin("settings", ref.path)))
	} else if ok {
		out = append(out, plainReference(peers, ref, lackAt("settings", ref.path...), "index "+x.id, x.origin("settings", ref.path)))
	}
	return append(out, mappingLacks("mappings", nil, object(x.body["mappings"]), false)...)
}

func (t *template) lacks(f providers.Flavor) []*providers.Lack {
	inner := object(t.body["template"])
	out := append(apiLacks(f, http.MethodPut, t.path), legacyKeys(t.body)...)
	out = append(out, settingLacks("template", []string{"settings"}, object(inner["settings"]))...)
	return append(out, mappingLacks("template", []string{"mappings"}, object(inner["mappings"]), true)...)
}

// lackAt is a Lack without words.
func lackAt(arg string, path ...string) *providers.Lack {
	return &providers.Lack{Finding: providers.NewError("not_on_serverless", arg, "Not available on Serverless", ""), Path: path}
}

// apiLacks is the lack of a whole block whose API is not there.
func apiLacks(f providers.Flavor, method, path string) []*providers.Lack {
	if _, ok := serverless.Find(method, path); ok || f != providers.Serverless {
		return nil
	}
	reason, _, _ := serverless.NoAPI(method, path)
	l := lackAt("")
	l.Summary = "Not an API of Serverless"
	l.Detail = "Serverless answers: " + reason + ". Remove the block, or give it another cluster."
	return []*providers.Lack{l}
}

// setting is a leaf of settings as they are written.
type setting struct {
	name  string   // in full
	path  []string // keys
	value any
}

// eachSetting lists the leaves, in the order of their names.
func eachSetting(settings map[string]any) []setting {
	var out []setting
	var walk func(path []string, m map[string]any)
	walk = func(path []string, m map[string]any) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			at := append(slices.Clone(path), k)
			if inner, ok := m[k].(map[string]any); ok {
				walk(at, inner)
				continue
			}
			out = append(out, setting{settingName(strings.Join(at, ".")), at, m[k]})
		}
	}
	walk(nil, settings)
	slices.SortStableFunc(out, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	return out
}

// instead says what to write in the place of a setting; the longest prefix
// counts.
var instead = map[string]string{
	"index.number_of_":                       "Serverless decides about shards and replicas by itself: leave it out.",
	"index.auto_expand_replicas":             "Serverless decides about replicas by itself: leave it out.",
	"index.routing_partition_size":           "Serverless decides about shards by itself: leave it out.",
	"index.routing.":                         "There are no nodes and no data tiers to choose: leave it out.",
	"index.lifecycle.rollover_alias":         "Data streams roll over by themselves: leave it out, and let a data stream take the alias' place where an index shall roll over.",
	"index.lifecycle.parse_origination_date": "Write index.lifecycle.origination_date, which is there: a time in milliseconds.",
	"index.lifecycle.":                       "There are no lifecycle policies: leave it out.",
	"index.max_result_window":                "It stays at 10,000: leave it out, and page deeper with search_after and a point in time.",
	"index.mapping.nested_":                  "The limit stays at the server's own: leave it out, and have fewer nested fields.",
	"index.mapping.":                         "The limit stays at the server's own: leave it out.",
	"index.search.slowlog":                   "There are no slow logs: leave it out, and use the query profiler.",
	"index.indexing.slowlog":                 "There are no slow logs: leave it out.",
	"index.translog":                         "Serverless keeps what is written in its object store: leave it out.",
	"index.store":                            "Serverless keeps what is written in its object store: leave it out.",
	"index.merge":                            "Serverless merges by itself: leave it out.",
	"index.blocks.read_only_allow_delete":    "Write index.blocks.write, which is there.",
	"index.sort.":                            "Only field, order, mode and missing are there: leave it out.",
	"index.uuid":                             "It says which index it was, and cannot be given: leave it out.",
	"index.creation_date":                    "It says when the index was made, and cannot be given: leave it out. What ages by it takes index.lifecycle.origination_date.",
	"index.provided_name":                    "It says which index it was, and cannot be given: leave it out.",
	"index.version.":                         "It says who made the index, and cannot be given: leave it out.",
}

// settingLacks finds the settings that are not there. The policy is another
// matter: see lifecycle in ready_lifecycle.go.
func settingLacks(arg string, base []string, settings map[string]any) []*providers.Lack {
	var out []*providers.Lack
	for _, s := range eachSetting(settings) {
		path := append(slices.Clone(base), s.path...)
		l := lackAt(arg, path...)
		switch {
		case s.name == policySetting:
			continue
		case !serverless.Setting(s.name):
			do, longest := "Leave it out.", 0
			for prefix, text := range instead {
				if strings.HasPrefix(s.name, prefix) && len(prefix) > longest {
					do, longest = text, len(prefix)
				}
			}
			l.Summary = "Not a setting of Serverless"
			l.Detail = "Serverless answers: " + serverless.NoSettings([]string{s.name}) + ". " + do
			l.Fixes = []providers.Fix{{Do: providers.Remove, Arg: arg, Path: path}}
			if ref, ok := policyOf(settings); s.name == preferSetting && ok {
				l.Groups = groups(ref.policy) // as long as the policy is there, it says which of the two holds
			} else if s.name == preferSetting && text(s.value) == "false" {
				l.Loss = "Where a policy is named beside a lifecycle, the lifecycle held, and not the policy."
			}
		case s.name == "index.refresh_interval" && s.value != nil && !serverless.RefreshInterval(text(s.value)):
			l.Summary = "Refreshed too often for Serverless"
			l.Detail = "Serverless answers: " + serverless.NoRefreshInterval(text(s.value)) + ". Write \"5s\", or leave it out."
			l.Fixes = []providers.Fix{{Do: providers.Set, Arg: arg, Path: path, Value: "5s"}}
			l.Loss = "Documents are found up to 5 s after they were written. It was " + text(s.value) + "."
		case strings.HasPrefix(s.name, "index.analysis.") && slices.Contains([]string{"synonyms_path", "stopwords_path", "keywords_path", "rules_path"}, s.path[len(s.path)-1]):
			l.Summary = "Serverless reads no files"
			l.Detail = fmt.Sprintf("There is no way to bring the file %s to a Serverless project. Write its contents into the filter itself, or make a synonyms set and name it with synonyms_set.", text(s.value))
			l.Stuck = "the contents of the file are not here"
		default:
			continue
		}
		out = append(out, l)
	}
	return out
}

// seconds reads a duration as servers write it: "500ms".
func seconds(s string) (float64, bool) {
	units := map[string]float64{"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
	unit := strings.TrimLeft(s, "0123456789.")
	var n float64
	if _, err := fmt.Sscanf(strings.TrimSuffix(s, unit), "%g", &n); err != nil || unit != "" && units[unit] == 0 {
		return 0, false
	}
	if unit == "" {
		unit = "ms"
	}
	return n * units[unit], true
}

// inTemplate are the keys of a template's body.
var inTemplate = []string{"settings", "mappings", "aliases", "lifecycle", "data_stream_options"}

// legacyKeys finds what a template's body has beside these: what a legacy
// template (_template) has, and what nobody knows, which is left to a person.
func legacyKeys(body map[string]any) []*providers.Lack {
	const legacy = "Legacy templates (_template) are not available on Serverless"
	template := object(body["template"])
	_, whole := template["template"] // the answer to GET _index_template/NAME, or what is sent there
	var out []*providers.Lack
	for _, k := range slices.Sorted(maps.Keys(template)) {
		if slices.Contains(inTemplate, k) {
			continue
		}
		l := lackAt("template", k)
		l.Summary = "Not a part of a template's body"
		do, was := "", string(providers.Encode(template[k]))
		switch {
		case whole:
			do = "This is a whole template and not its body: write jsondecode(…).template, and what stands beside it as arguments of the block."
			l.Stuck = "it is a whole template and not its body, and only you can say whether the block has all of it; write jsondecode(…).template"
		case k == "order":
			do = legacy + ": of templates that fit, the one with the highest priority counts. Write the argument priority of the index template, and leave order out."
			l.Loss = fmt.Sprintf("The order %s of the legacy template is gone: see that the argument priority makes this template win where it shall.", was)
		case k == "index_patterns" || k == "version":
			do = legacy + ". It is an argument of the index template's block: leave it out here."
			if !same(list(template[k]), list(body[k])) {
				l.Loss = fmt.Sprintf("The %s %s of the legacy template is gone: see that an index template has what it needs of it as its argument %s.", k, was, k)
			}
		default:
			do = fmt.Sprintf("A body has %s, and no other keys.", strings.Join(inTemplate, ", "))
			l.Stuck = "only you know where it belongs"
		}
		l.Detail = fmt.Sprintf("Serverless answers: [template] unknown field [%s]. %s", k, do)
		if l.Stuck == "" {
			l.Fixes = []providers.Fix{{Do: providers.Remove, Arg: "template", Path: []string{k}}}
		}
		out = append(out, l)
	}
	return out
}

// list is a value that may stand alone as a list.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// atRoot are the keys of a mapping itself, besides its metadata fields.
var atRoot = []string{"properties", "dynamic", "dynamic_templates", "dynamic_date_formats", "date_detection", "numeric_detection", "runtime", "enabled", "subobjects"}

// mappingLacks finds field types that are not there, and the level of the type
// that mappings had before Elasticsearch 7. Templates take it by its name _doc.
func mappingLacks(arg string, base []string, m map[string]any, template bool) []*providers.Lack {
	var out []*providers.Lack
	if typ, inner := typeLevel(m); typ != "" {
		base = append(slices.Clone(base), typ)
		if l := lackAt(arg, base...); typ != "_doc" || !template {
			reason := "The mapping definition cannot be nested under a type [_doc]."
			if typ != "_doc" {
				reason = fmt.Sprintf("Root mapping definition has unsupported parameters: [%s : …].", typ)
			}
			l.Summary = "Mapping with a type"
			l.Detail = fmt.Sprintf("Serverless answers: %s Mappings have no types any more: write what stands under %q one level up.", reason, typ)
			l.Fixes = []providers.Fix{{Do: providers.Unwrap, Arg: arg, Path: base}}
			out = append(out, l)
		}
		m = inner
	}
	var walk func(path []string, v any)
	walk = func(path []string, v any) {
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				walk(append(slices.Clone(path), fmt.Sprint(i)), e)
			}
		case map[string]any:
			t, isField := v["type"].(string)
			if isField && !serverless.HasFieldType(t) {
				l, field := lackAt(arg, append(slices.Clone(path), "type")...), path[len(path)-1]
				if field == "mapping" { // of a dynamic template
					field = path[len(path)-2]
				}
				l.Summary = "Not a field type of Serverless"
				l.Detail = fmt.Sprintf("Serverless answers: %s Write the parent's fields into each child, keep children inside the parent as nested documents, or keep them in an index of their own with mode = \"lookup\", which LOOKUP JOIN of ES|QL reads.", serverless.NoFieldType(t, field))
				l.Stuck = "only you know which of these fits the queries"
				out = append(out, l)
			}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if k != "type" || !isField {
					walk(append(slices.Clone(path), k), v[k])
				}
			}
		}
	}
	for _, k := range []string{"properties", "dynamic_templates", "runtime"} {
		walk(append(slices.Clone(base), k), m[k])
	}
	return out
}

// typeLevel is the name of a mapping's type and what stands under it, where
// that is all the mapping has.
func typeLevel(m map[string]any) (string, map[string]any) {
	for k, v := range m {
		inner, ok := v.(map[string]any)
		if len(m) != 1 || !ok || slices.Contains(atRoot, k) || strings.HasPrefix(k, "_") && k != "_doc" {
			break
		}
		for _, root := range atRoot {
			if _, ok := inner[root]; ok {
				return k, inner
			}
		}
	}
	return "", nil
}
