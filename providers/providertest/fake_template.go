package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// putStored keeps a body under a name, with its dates.
func putStored(m map[string]*stored, name string, body obj) {
	s := &stored{body: reparsed(body).(obj), created: time.Now(), modified: time.Now()}
	if old := m[name]; old != nil {
		s.created = old.created
	}
	m[name] = s
}

func (f *Fake) shownStored(s *stored) obj {
	o := maps.Clone(s.body)
	if f.atLeast(9, 2) {
		o["created_date_millis"], o["modified_date_millis"] = s.created.UnixMilli(), s.modified.UnixMilli()
	}
	return o
}

// shownTemplate is the template part as it is read back.
func (f *Fake) shownTemplate(body obj, kind, name string) (obj, error) {
	t, ok := body["template"].(obj)
	if !ok {
		return nil, nil
	}
	if err := onlyKeys(t, "[template] unknown field [%s]", "settings", "mappings", "aliases", "lifecycle", "data_stream_options"); err != nil {
		inner := err.(*apiError)
		return nil, &apiError{status: 400, kind: inner.kind, reason: "[1:20] [" + kind + "] failed to parse field [template]", cause: inner}
	}
	out := obj{}
	if s, ok := t["settings"].(obj); ok {
		flat := flatSettings(s)
		if err := f.checkSettings(flat); err != nil {
			if kind == "index_template" && strings.HasPrefix(err.reason, "unknown setting") {
				return nil, &apiError{status: 400, kind: "invalid_index_template_exception",
					reason: fmt.Sprintf("index_template [%s] invalid, cause [Validation Failed: 1: %s;]", name, err.reason)}
			}
			return nil, err
		}
		out["settings"] = nestedSettings(flat)
	}
	if m, ok := t["mappings"].(obj); ok {
		if inner, ok := m["_doc"].(obj); ok && len(m) == 1 {
			m = inner
		}
		if err := checkMapping(m); err != nil {
			return nil, err
		}
		if len(m) > 0 {
			out["mappings"] = m
		}
	}
	if as, ok := t["aliases"].(obj); ok {
		shown := obj{}
		for a, v := range as {
			o, _ := v.(obj)
			s, err := shownAlias(o)
			if err != nil {
				return nil, err
			}
			shown[a] = s
		}
		out["aliases"] = shown
	}
	if l, ok := t["lifecycle"].(obj); ok {
		l = maps.Clone(l)
		if _, ok := l["enabled"]; !ok {
			l["enabled"] = true
		}
		out["lifecycle"] = l
	}
	if o, ok := t["data_stream_options"]; ok {
		out["data_stream_options"] = o
	}
	return out, nil
}

func putComponent(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "[component_template] unknown field [%s]", "template", "version", "_meta", "deprecated"); err != nil {
		return nil, err
	}
	name := c.parts["name"]
	t, err := f.shownTemplate(body, "component_template", name)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, illegal("Required [template]")
	}
	if c.flag("create", false) && f.components[name] != nil {
		return nil, illegal("component template [%s] already exists", name)
	}
	body = maps.Clone(body)
	body["template"] = t
	putStored(f.components, name, body)
	return acknowledged(), nil
}

func putTemplate(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "[index_template] unknown field [%s]", "index_patterns", "template", "composed_of", "priority", "version", "_meta",
		"data_stream", "allow_auto_create", "ignore_missing_component_templates", "deprecated"); err != nil {
		return nil, err
	}
	name := c.parts["name"]
	if body["index_patterns"] == nil {
		return nil, illegal("Required [index_patterns]")
	}
	body = maps.Clone(body)
	patterns := flatten(body["index_patterns"])
	body["index_patterns"] = patterns
	if len(patterns) == 0 {
		return nil, illegal("There must be at least one pattern, zero given")
	}
	if body["composed_of"] == nil {
		body["composed_of"] = []any{}
	}
	var missing []string
	for _, n := range flatten(body["composed_of"]) {
		if f.components[n.(string)] == nil && !slices.Contains(flatten(body["ignore_missing_component_templates"]), n) {
			missing = append(missing, n.(string))
		}
	}
	if missing != nil {
		return nil, &apiError{status: 400, kind: "invalid_index_template_exception", reason: fmt.Sprintf(
			"index_template [%s] invalid, cause [index template [%s] specifies component templates [%s] that do not exist]", name, name, strings.Join(missing, ", "))}
	}
	t, err := f.shownTemplate(body, "index_template", name)
	if err != nil {
		return nil, err
	}
	if len(t) > 0 {
		body["template"] = t
	} else if t != nil {
		body["template"] = obj{}
	}
	if ds, ok := body["data_stream"].(obj); ok {
		if err := onlyKeys(ds, "[data_stream_template] unknown field [%s]", "hidden", "allow_custom_routing", "failure_store"); err != nil {
			return nil, err
		}
		body["data_stream"] = obj{"hidden": ds["hidden"] == true, "allow_custom_routing": ds["allow_custom_routing"] == true}
		if f.opt.Flavor == providers.OpenSearch { // takes the others and forgets them
			body["data_stream"] = obj{"timestamp_field": obj{"name": "@timestamp"}}
		}
	}
	for _, n := range sortedKeys(f.templates) {
		other := f.templates[n].body
		if n == name || whole(other["priority"], 0) != whole(body["priority"], 0) {
			continue
		}
		for _, p := range patterns {
			for _, q := range flatten(other["index_patterns"]) {
				if overlap(p.(string), q.(string)) {
					return nil, illegal("index template [%s] has index patterns [%s] matching patterns from existing templates [%s] with patterns (%s => [%s]) that have the same priority [%d], multiple index templates may not match during index creation, please use a different priority",
						name, list(patterns), n, n, list(flatten(other["index_patterns"])), whole(body["priority"], 0))
				}
			}
		}
	}
	if c.flag("create", false) && f.templates[name] != nil {
		return nil, illegal("index template [%s] already exists", name)
	}
	putStored(f.templates, name, body)
	return acknowledged(), nil
}

func list(v []any) string {
	var s []string
	for _, e := range v {
		s = append(s, fmt.Sprint(e))
	}
	return strings.Join(s, ", ")
}

// overlap says whether one name can match both patterns.
func overlap(a, b string) bool {
	if a == "" || b == "" {
		return strings.Trim(a+b, "*") == ""
	}
	switch {
	case a[0] == '*':
		return overlap(a[1:], b) || overlap(a, b[1:])
	case b[0] == '*':
		return overlap(a, b[1:]) || overlap(a[1:], b)
	}
	return a[0] == b[0] && overlap(a[1:], b[1:])
}

// getStored answers GET, HEAD for component and index templates.
func getStored(m func(*Fake) map[string]*stored, outer, inner, what string) func(*Fake, *call) (any, error) {
	return func(f *Fake, c *call) (any, error) {
		name := c.parts["name"]
		found := []any{}
		for _, n := range sortedKeys(m(f)) {
			if name == "" || wildcard(name, n) {
				found = append(found, obj{"name": n, inner: f.shownStored(m(f)[n])})
			}
		}
		if len(found) == 0 && name != "" && !strings.Contains(name, "*") {
			return nil, &apiError{status: 404, kind: "resource_not_found_exception", reason: what + " matching [" + name + "] not found"}
		}
		if len(found) == 0 && name != "" {
			return answer{404, obj{outer: found}}, nil
		}
		return obj{outer: found}, nil
	}
}

func deleteComponent(f *Fake, c *call) (any, error) {
	name := c.parts["name"]
	if f.components[name] == nil {
		return nil, &apiError{status: 404, kind: "resource_not_found_exception", reason: name}
	}
	var users []string
	for _, n := range sortedKeys(f.templates) {
		if slices.Contains(flatten(f.templates[n].body["composed_of"]), any(name)) {
			users = append(users, n)
		}
	}
	if users != nil {
		return nil, illegal("component templates [%s] cannot be removed as they are still in use by index templates [%s]", name, strings.Join(users, ", "))
	}
	delete(f.components, name)
	return acknowledged(), nil
}

func deleteTemplate(f *Fake, c *call) (any, error) {
	name := c.parts["name"]
	if f.templates[name] == nil {
		return nil, &apiError{status: 404, kind: "index_template_missing_exception", reason: "index_template [" + name + "] missing"}
	}
	var users []string
	for _, n := range sortedKeys(f.streams) {
		if f.templateFor(n) == name {
			users = append(users, n)
		}
	}
	if users != nil {
		return nil, illegal("unable to remove composable templates [%s] as they are in use by a data streams [%s]", name, strings.Join(users, ", "))
	}
	delete(f.templates, name)
	return acknowledged(), nil
}

// templateFor is the template with the highest priority that matches a name.
func (f *Fake) templateFor(name string) string {
	best, priority := "", -1
	for _, n := range sortedKeys(f.templates) {
		b := f.templates[n].body
		for _, p := range flatten(b["index_patterns"]) {
			if wildcard(p.(string), name) && whole(b["priority"], 0) > priority {
				best, priority = n, whole(b["priority"], 0)
			}
		}
	}
	return best
}

// resolved composes a template: settings (flat), mapping, aliases.
func (f *Fake) resolved(name string) (settings, mapping, aliases obj) {
	settings, mapping, aliases = obj{}, obj{}, obj{}
	body := f.templates[name].body
	layers := []obj{}
	for _, c := range flatten(body["composed_of"]) {
		if s := f.components[c.(string)]; s != nil {
			layers = append(layers, s.body)
		}
	}
	for _, layer := range append(layers, body) {
		t, _ := layer["template"].(obj)
		if s, ok := t["settings"].(obj); ok {
			maps.Copy(settings, flatSettings(s))
		}
		if m, ok := t["mappings"].(obj); ok {
			merged, err := mergeMapping(mapping, m, true)
			if err == nil { // each was checked when it was put
				mapping = merged
			}
		}
		if a, ok := t["aliases"].(obj); ok {
			maps.Copy(aliases, a)
		}
	}
	return settings, mapping, aliases
}

func simulateIndex(f *Fake, c *call) (any, error) {
	t := f.templateFor(c.parts["name"])
	if t == "" {
		return obj{}, nil
	}
	settings, mapping, aliases := f.resolved(t)
	var over []any
	for _, n := range sortedKeys(f.templates) {
		b := f.templates[n].body
		if n != t && slices.ContainsFunc(flatten(b["index_patterns"]), func(p any) bool { return wildcard(p.(string), c.parts["name"]) }) {
			over = append(over, obj{"name": n, "index_patterns": b["index_patterns"]})
		}
	}
	return obj{"template": obj{"settings": nestedSettings(settings), "mappings": shownMapping(mapping), "aliases": aliases},
		"overlapping": append([]any{}, over...)}, nil
}
