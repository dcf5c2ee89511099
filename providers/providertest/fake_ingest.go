package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
)

// processorKeys are what the processors take that the fake knows; with run
// true it carries them out, too.
func processorKeys(kind string) (required, optional []string, known, run bool) {
	common := "if tag description on_failure ignore_failure "
	table := map[string][3]string{
		"set":        {"field", "value copy_from override ignore_empty_value media_type", "run"},
		"remove":     {"", "field keep ignore_missing", "run"},
		"rename":     {"field target_field", "ignore_missing override", "run"},
		"lowercase":  {"field", "target_field ignore_missing", "run"},
		"uppercase":  {"field", "target_field ignore_missing", "run"},
		"append":     {"field", "value allow_duplicates media_type copy_from ignore_empty_values", "run"},
		"fail":       {"message", "", "run"},
		"drop":       {"", "", "run"},
		"pipeline":   {"name", "ignore_missing_pipeline", "run"},
		"date":       {"field formats", "target_field timezone locale output_format", ""},
		"convert":    {"field type", "target_field ignore_missing", ""},
		"grok":       {"field patterns", "pattern_definitions trace_match ignore_missing ecs_compatibility", ""},
		"dissect":    {"field pattern", "append_separator ignore_missing", ""},
		"json":       {"field", "target_field add_to_root allow_duplicate_keys add_to_root_conflict_strategy strict_json_parsing", ""},
		"script":     {"", "lang id source params", ""},
		"trim":       {"field", "target_field ignore_missing", ""},
		"split":      {"field separator", "target_field preserve_trailing ignore_missing", ""},
		"gsub":       {"field pattern replacement", "target_field ignore_missing", ""},
		"user_agent": {"field", "target_field regex_file properties ignore_missing extract_device_type", ""},
	}
	row, known := table[kind]
	return strings.Fields(row[0]), strings.Fields(common + row[1]), known, row[2] == "run"
}

func parseError(kind, property, reason string) *apiError {
	extra := obj{}
	if kind != "" {
		extra["processor_type"] = kind
	}
	if property != "" {
		extra["property_name"] = property
	}
	return &apiError{status: 400, kind: "parse_exception", reason: reason, extra: extra}
}

func checkProcessors(list []any) error {
	for _, p := range list {
		for kind, v := range p.(obj) {
			required, optional, known, _ := processorKeys(kind)
			if !known {
				return parseError(kind, "", "No processor type exists with name ["+kind+"]")
			}
			o, _ := v.(obj)
			for _, k := range required {
				if o[k] == nil {
					return parseError(kind, k, "["+k+"] required property is missing")
				}
			}
			for _, k := range sortedKeys(o) {
				if !slices.Contains(required, k) && !slices.Contains(optional, k) {
					return parseError(kind, "", fmt.Sprintf("processor [%s] doesn't support one or more provided configuration parameters [%s]", kind, k))
				}
			}
			if inner, ok := o["on_failure"].([]any); ok {
				if err := checkProcessors(inner); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func putPipeline(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	name := c.parts["id"]
	for _, k := range sortedKeys(body) {
		if !slices.Contains(strings.Fields("description processors on_failure version _meta deprecated field_access_pattern"), k) {
			return nil, parseError("", "", fmt.Sprintf("pipeline [%s] doesn't support one or more provided configuration parameters [%s]", name, k))
		}
	}
	for _, k := range []string{"processors", "on_failure"} {
		list, ok := body[k].([]any)
		if !ok && k == "processors" {
			return nil, parseError("", "processors", "[processors] required property is missing")
		}
		if err := checkProcessors(list); err != nil {
			return nil, err
		}
	}
	putStored(f.pipelines, name, body)
	return acknowledged(), nil
}

func getPipeline(f *Fake, c *call) (any, error) {
	out, id := obj{}, c.parts["id"]
	for _, n := range sortedKeys(f.pipelines) {
		for _, p := range strings.Split(id, ",") {
			if p == "" || wildcard(p, n) {
				out[n] = f.shownStored(f.pipelines[n])
			}
		}
	}
	if len(out) == 0 && id != "" && !strings.Contains(id, "*") {
		return answer{404, obj{}}, nil
	}
	return out, nil
}

func deletePipeline(f *Fake, c *call) (any, error) {
	name := c.parts["id"]
	if f.pipelines[name] == nil {
		return nil, &apiError{status: 404, kind: "resource_not_found_exception", reason: "pipeline [" + name + "] is missing"}
	}
	for _, n := range sortedKeys(f.indices) {
		for _, kind := range []string{"default", "final"} {
			if f.atLeast(8, 14) && f.indices[n].settings["index."+kind+"_pipeline"] == name {
				return nil, illegal("pipeline [%s] cannot be deleted because it is the %s pipeline for 1 index(es) including [%s]", name, kind, n)
			}
		}
	}
	delete(f.pipelines, name)
	return acknowledged(), nil
}

// ingest sends a document through the pipelines that apply: the requested or
// the index's default, then its final one. dropped: nothing is indexed.
func (f *Fake) ingest(settings obj, asked string, source []byte) (out []byte, dropped bool, err error) {
	pipeline := asked
	if pipeline == "" {
		pipeline, _ = settings["index.default_pipeline"].(string)
	}
	final, _ := settings["index.final_pipeline"].(string)
	out = source
	for _, p := range []string{pipeline, final} {
		if p == "" || p == "_none" {
			continue
		}
		v, err := providers.Decode(out)
		if err != nil {
			return nil, false, err
		}
		doc := reparsed(v).(obj)
		drop, e := f.runPipeline(p, doc, 0)
		if e != nil {
			return nil, false, e
		}
		if drop {
			return nil, true, nil
		}
		out = providers.Encode(doc)
	}
	return out, false, nil
}

func (f *Fake) runPipeline(name string, doc obj, depth int) (bool, error) {
	p := f.pipelines[name]
	if p == nil {
		return false, illegal("pipeline with id [%s] does not exist", name)
	}
	if depth > 10 {
		return false, illegal("Cycle detected for pipeline: %s", name)
	}
	for _, step := range p.body["processors"].([]any) {
		for kind, v := range step.(obj) {
			o, _ := v.(obj)
			if run, err := condition(o["if"], doc); err != nil || !run {
				if err != nil {
					return false, err
				}
				continue
			}
			drop, err := f.runProcessor(kind, o, doc, depth)
			if err != nil && o["ignore_failure"] != true {
				if o["on_failure"] != nil || p.body["on_failure"] != nil {
					return false, unsupported("on_failure")
				}
				return false, err
			}
			if drop {
				return true, nil
			}
		}
	}
	return false, nil
}

// condition knows ctx.FIELD == NUMBER and no other.
func condition(script any, doc obj) (bool, error) {
	if script == nil {
		return true, nil
	}
	field, number, ok := strings.Cut(strings.TrimPrefix(fmt.Sprint(script), "ctx."), " == ")
	if _, err := strconv.ParseInt(number, 10, 64); !ok || err != nil || !strings.HasPrefix(fmt.Sprint(script), "ctx.") {
		return false, unsupported("this condition of a processor")
	}
	v, _ := getPath(doc, field)
	n, _ := v.(json.Number)
	return n.String() == number, nil
}

func (f *Fake) runProcessor(kind string, o, doc obj, depth int) (bool, error) {
	if _, _, _, run := processorKeys(kind); !run {
		return false, unsupported("running the processor %s", kind)
	}
	field, _ := o["field"].(string)
	target, _ := o["target_field"].(string)
	if target == "" {
		target = field
	}
	value, there := getPath(doc, field)
	if !there && slices.Contains([]string{"rename", "lowercase", "uppercase"}, kind) {
		if o["ignore_missing"] == true {
			return false, nil
		}
		if kind == "rename" {
			return false, illegal("field [%s] doesn't exist", field)
		}
		return false, illegal("field [%s] not present as part of path [%s]", field, field)
	}
	switch kind {
	case "set":
		if there && o["override"] == false {
			return false, nil
		}
		v := o["value"]
		if from, ok := o["copy_from"].(string); ok {
			v, _ = getPath(doc, from)
		}
		if s, ok := v.(string); ok && strings.Contains(s, "{{") {
			return false, unsupported("a template in set")
		}
		setPath(doc, field, v)
	case "remove":
		for _, n := range flatten(o["field"]) {
			if _, ok := getPath(doc, n.(string)); !ok && o["ignore_missing"] != true {
				return false, illegal("field [%s] not present as part of path [%s]", n, n)
			}
			removePath(doc, n.(string))
		}
	case "rename":
		if _, taken := getPath(doc, target); taken && o["override"] != true {
			return false, illegal("field [%s] already exists", target)
		}
		removePath(doc, field)
		setPath(doc, target, value)
	case "lowercase":
		setPath(doc, target, strings.ToLower(fmt.Sprint(value)))
	case "uppercase":
		setPath(doc, target, strings.ToUpper(fmt.Sprint(value)))
	case "append":
		var l []any
		if there {
			l = flatten(value)
		}
		setPath(doc, field, append(l, flatten(o["value"])...))
	case "fail":
		return false, &apiError{status: 500, kind: "fail_processor_exception", reason: fmt.Sprint(o["message"])}
	case "drop":
		return true, nil
	case "pipeline":
		return f.runPipeline(fmt.Sprint(o["name"]), doc, depth+1)
	}
	return false, nil
}

// getPath finds a field by its dotted name.
func getPath(doc obj, path string) (any, bool) {
	if v, ok := doc[path]; ok {
		return v, true
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil, false
	}
	inner, ok := doc[head].(obj)
	if !ok {
		return nil, false
	}
	return getPath(inner, rest)
}

func setPath(doc obj, path string, v any) {
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		doc[path] = v
		return
	}
	inner, ok := doc[head].(obj)
	if !ok {
		inner = obj{}
		doc[head] = inner
	}
	setPath(inner, rest, v)
}

func removePath(doc obj, path string) {
	if _, ok := doc[path]; ok {
		delete(doc, path)
		return
	}
	head, rest, _ := strings.Cut(path, ".")
	if inner, ok := doc[head].(obj); ok {
		removePath(inner, rest)
	}
}

func simulatePipeline(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	p := &stored{body: obj{"processors": []any{}}}
	if id := c.parts["id"]; id != "" {
		if p = f.pipelines[id]; p == nil {
			return nil, illegal("pipeline [%s] does not exist", id)
		}
	} else if inner, ok := body["pipeline"].(obj); ok {
		p.body = inner
	}
	list, _ := p.body["processors"].([]any)
	if err := checkProcessors(list); err != nil {
		return nil, err
	}
	f.pipelines["_simulate_pipeline"] = p
	defer delete(f.pipelines, "_simulate_pipeline")
	docs := []any{}
	for _, d := range flatten(body["docs"]) {
		src := maps.Clone(d.(obj)["_source"].(obj))
		if drop, err := f.runPipeline("_simulate_pipeline", src, 0); err != nil || drop {
			return nil, unsupported("a failing document in _simulate: %v", err)
		}
		docs = append(docs, obj{"doc": obj{"_index": "_index", "_id": "_id", "_version": "-3", "_source": src, "_ingest": obj{"timestamp": "2026-01-01T00:00:00Z"}}})
	}
	return obj{"docs": docs}, nil
}
