package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// policy is an ILM policy as it is kept.
type policy struct {
	body     obj
	version  int
	modified time.Time
}

// phaseActions are the actions that a phase may hold.
func phaseActions(phase string) []string {
	return strings.Fields(map[string]string{
		"hot":    "set_priority unfollow rollover readonly downsample shrink forcemerge searchable_snapshot",
		"warm":   "set_priority unfollow readonly downsample allocate migrate shrink forcemerge",
		"cold":   "set_priority unfollow readonly downsample searchable_snapshot allocate migrate freeze",
		"frozen": "unfollow searchable_snapshot",
		"delete": "wait_for_snapshot delete",
	}[phase])
}

// actionKeys are what an action may hold.
func actionKeys(action string) []string {
	return strings.Fields(map[string]string{
		"set_priority": "priority",
		"rollover": `max_age max_docs max_size max_primary_shard_size max_primary_shard_docs min_age min_docs min_size
min_primary_shard_size min_primary_shard_docs`,
		"downsample": "fixed_interval wait_timeout sampling_method", "shrink": "number_of_shards max_primary_shard_size allow_write_after_shrink",
		"forcemerge": "max_num_segments index_codec", "searchable_snapshot": "snapshot_repository force_merge_index total_shards_per_node replicate_for",
		"allocate": "number_of_replicas total_shards_per_node include exclude require", "migrate": "enabled",
		"wait_for_snapshot": "policy", "delete": "delete_searchable_snapshot",
	}[action])
}

// checkPolicy returns the body with what the server fills in.
func checkPolicy(body obj) (obj, error) {
	parse := func(what, key string) error {
		inner := &apiError{kind: "x_content_parse_exception", reason: fmt.Sprintf("[1:2] [%s] unknown field [%s]", what, key)}
		return &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:2] [put_lifecycle_request] failed to parse field [policy]", cause: inner}
	}
	for k := range body {
		if k != "phases" && k != "_meta" && k != "deprecated" {
			return nil, parse("lifecycle_policy", k)
		}
	}
	phases, ok := body["phases"].(obj)
	if !ok {
		return nil, illegal("Required [phases]")
	}
	out := obj{}
	for _, name := range sortedKeys(phases) {
		phase, ok := phases[name].(obj)
		if !ok {
			return nil, parse("phases", name)
		}
		if phaseActions(name) == nil {
			return nil, illegal("Timeseries lifecycle does not support phase [%s]", name)
		}
		for k := range phase {
			if k != "min_age" && k != "actions" {
				return nil, parse("phase", k)
			}
		}
		shown := obj{"min_age": "0ms", "actions": obj{}}
		if a, ok := phase["min_age"]; ok {
			if !isDuration(fmt.Sprint(a)) {
				return nil, illegal("failed to parse setting [min_age] with value [%v] as a time value: unit is missing or unrecognized", a)
			}
			shown["min_age"] = a
		}
		actions, _ := phase["actions"].(obj)
		for _, action := range sortedKeys(actions) {
			given, _ := actions[action].(obj)
			if !slices.Contains(phaseActions(name), action) {
				return nil, illegal("invalid action [%s] defined in phase [%s]", action, name)
			}
			for k := range given {
				if !slices.Contains(actionKeys(action), k) {
					return nil, parse(action, k)
				}
			}
			filled, err := filledAction(action, given)
			if err != nil {
				return nil, err
			}
			shown["actions"].(obj)[action] = filled
		}
		if name == "hot" && actions["rollover"] == nil {
			for _, a := range []string{"readonly", "shrink", "forcemerge", "downsample", "searchable_snapshot"} {
				if actions[a] != nil {
					return nil, illegal("the [%s] action(s) may not be used in the [hot] phase without an accompanying [rollover] action", a)
				}
			}
		}
		out[name] = shown
	}
	checked := maps.Clone(body)
	checked["phases"] = out
	return reparsed(checked).(obj), nil
}

func filledAction(action string, given obj) (obj, error) {
	out := maps.Clone(given)
	if out == nil {
		out = obj{}
	}
	fill := func(k string, v any) {
		if _, ok := out[k]; !ok {
			out[k] = v
		}
	}
	switch action {
	case "rollover":
		if !slices.ContainsFunc(sortedKeys(out), func(k string) bool { return strings.HasPrefix(k, "max_") }) {
			return nil, illegal("At least one max_* rollover condition must be set.")
		}
	case "shrink":
		if len(out) == 0 {
			return nil, illegal("Either [number_of_shards] or [max_primary_shard_size] must be set")
		}
		fill("allow_write_after_shrink", false)
	case "allocate":
		if len(out) == 0 {
			return nil, illegal("At least one of include, exclude or require must contain attributes for action allocate. Otherwise the [number_of_replicas] or the [total_shards_per_node] options must be specified.")
		}
		fill("include", obj{})
		fill("exclude", obj{})
		fill("require", obj{})
	case "searchable_snapshot":
		fill("force_merge_index", true)
	case "downsample":
		fill("wait_timeout", "1d")
	case "delete":
		fill("delete_searchable_snapshot", true)
	case "migrate":
		fill("enabled", true)
	}
	return out, nil
}

func isDuration(s string) bool {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	return s == "0" || i > 0 && slices.Contains([]string{"nanos", "micros", "ms", "s", "m", "h", "d"}, s[i:])
}

func putPolicy(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "[put_lifecycle_request] unknown field [%s]", "policy"); err != nil {
		return nil, err
	}
	inner, ok := body["policy"].(obj)
	if !ok {
		return nil, illegal("Required [policy]")
	}
	name := c.parts["policy"]
	if strings.ContainsAny(name, ", ") || strings.HasPrefix(name, "_") || len(name) > 255 {
		return nil, illegal("invalid policy name [%s]: must not contain ',' or ' ' or start with '_'", name)
	}
	checked, err := checkPolicy(inner)
	if err != nil {
		return nil, err
	}
	p := &policy{body: checked, version: 1, modified: time.Now()}
	if old := f.policies[name]; old != nil {
		p.version = old.version + 1
	}
	f.policies[name] = p
	return acknowledged(), nil
}

// usersOf are the indices, data streams and templates that name a policy.
func (f *Fake) usersOf(name string) (indices, streams, templates []string) {
	indices, streams, templates = []string{}, []string{}, []string{}
	for _, n := range sortedKeys(f.indices) {
		if ix := f.indices[n]; ix.settings["index.lifecycle.name"] == name {
			indices = append(indices, n)
			if s := ix.stream; s != nil && !slices.Contains(streams, s.name) {
				streams = append(streams, s.name)
			}
		}
	}
	for _, n := range sortedKeys(f.templates) {
		if settings, _, _ := f.resolved(n); settings["index.lifecycle.name"] == name {
			templates = append(templates, n)
		}
	}
	return indices, streams, templates
}

func policyMissing(name string) *apiError {
	return &apiError{status: 404, kind: "resource_not_found_exception", reason: "Lifecycle policy not found: " + name}
}

func getPolicy(f *Fake, c *call) (any, error) {
	out := obj{}
	for _, n := range sortedKeys(f.policies) {
		if name := c.parts["policy"]; name == "" || wildcard(name, n) {
			p := f.policies[n]
			indices, streams, templates := f.usersOf(n)
			out[n] = obj{"version": p.version, "modified_date": p.modified.UTC().Format("2006-01-02T15:04:05.000Z"), "policy": p.body,
				"in_use_by": obj{"indices": indices, "data_streams": streams, "composable_templates": templates}}
		}
	}
	if name := c.parts["policy"]; len(out) == 0 && name != "" && !strings.Contains(name, "*") {
		return nil, policyMissing(name)
	}
	return out, nil
}

func deletePolicy(f *Fake, c *call) (any, error) {
	name := c.parts["policy"]
	if f.policies[name] == nil {
		return nil, policyMissing(name)
	}
	if indices, _, _ := f.usersOf(name); len(indices) > 0 {
		return nil, illegal("Cannot delete policy [%s]. It is in use by one or more indices: [%s]", name, strings.Join(indices, ", "))
	}
	delete(f.policies, name)
	return acknowledged(), nil
}

func explainILM(f *Fake, c *call) (any, error) {
	list, err := f.concrete(c, c.parts["index"])
	if err != nil {
		return nil, err
	}
	out := obj{}
	for _, ix := range list {
		p, managed := ix.settings["index.lifecycle.name"]
		o := obj{"index": ix.name, "managed": managed}
		if managed {
			o["policy"], o["phase"], o["action"], o["step"] = p, "hot", "complete", "complete"
		}
		out[ix.name] = o
	}
	return obj{"indices": out}, nil
}
