package elasticsearch

import (
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// The canonical form is what Declared and Read both answer, so that a body as
// it was written and the same body as the server gives it back compare as
// equal. It is never sent as a whole.
//
//   - settings: one flat object, names in full with "index." in front, scalars
//     as strings, null and lists kept
//   - mappings: parameters that only repeat the server's default left out,
//     because an index gives back a mapping without them
//   - aliases: routing split into index_routing and search_routing
//   - lifecycle and data_stream of a template: the server's defaults filled in
//   - leaves that only the server writes left out

// madeByServer are the dates that templates and pipelines carry since 9.2.
var madeByServer = []string{"created_date", "created_date_millis", "modified_date", "modified_date_millis"}

// canonicalSettings flattens. A nested spelling wins over a flat one of the
// same setting, as on the server.
func canonicalSettings(settings any) map[string]any {
	out, flat := map[string]any{}, map[string]bool{}
	var walk func(prefix string, dotted bool, m map[string]any)
	walk = func(prefix string, dotted bool, m map[string]any) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			path, dotted := prefix+k, dotted || strings.Contains(k, ".")
			if inner, ok := m[k].(map[string]any); ok {
				walk(path+".", dotted, inner)
				continue
			}
			name := settingName(path)
			if _, there := out[name]; there && dotted && !flat[name] {
				continue
			}
			out[name], flat[name] = settingValue(m[k]), dotted
		}
	}
	walk("", false, object(settings))
	return out
}

func settingValue(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = settingValue(e)
		}
		return out
	}
	return text(v)
}

// canonicalAliases splits routing as the server does.
func canonicalAliases(aliases any) map[string]any {
	out := map[string]any{}
	for name, v := range object(aliases) {
		out[name] = canonicalAlias(object(v))
	}
	return out
}

func canonicalAlias(a map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range a {
		switch {
		case v == nil:
		case k == "routing":
			for _, split := range []string{"index_routing", "search_routing"} {
				if a[split] == nil {
					out[split] = text(v)
				}
			}
		case strings.HasSuffix(k, "_routing"):
			out[k] = text(v)
		default:
			out[k] = v
		}
	}
	return out
}

// canonicalTemplate is the part that index templates and component templates
// share: the object `template`.
func canonicalTemplate(template any) map[string]any {
	out := map[string]any{}
	for k, v := range object(template) {
		switch k {
		case "settings":
			v = canonicalSettings(v)
		case "mappings":
			v = canonicalMappings(object(v))
		case "aliases":
			v = canonicalAliases(v)
		case "lifecycle":
			if v != nil {
				v = canonicalLifecycle(object(v))
			}
		}
		if m, ok := v.(map[string]any); v == nil || (ok && len(m) == 0) {
			continue // an empty object may vanish on the server
		}
		out[k] = v
	}
	return out
}

// canonicalLifecycle: the server answers enabled where nothing was said, and
// adds what it derives from its own limits.
func canonicalLifecycle(l map[string]any) map[string]any {
	out := maps.Clone(l)
	for _, k := range []string{"effective_retention", "retention_determined_by"} {
		delete(out, k)
	}
	if out["enabled"] == nil {
		out["enabled"] = true
	}
	return out
}

// without leaves out the named leaves at the top of a body.
func without(m map[string]any, names ...string) map[string]any {
	out := maps.Clone(m)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// contains is providers.Contains as a yes or no.
func contains(declared, observed any) bool { return len(providers.Contains(declared, observed)) == 0 }
