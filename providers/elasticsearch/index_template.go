package elasticsearch

import (
	"errors"
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// IndexTemplate is the kind of composable index templates.
var IndexTemplate = &providers.Kind{
	Name:  "index_template",
	Doc:   "Settings, mappings and aliases for the indices and data streams whose names fit its patterns, applied when they are made.",
	Stage: providers.StageTemplates,
	Attrs: []providers.Attr{
		providers.TargetAttr,
		providers.NameAttr,
		{Name: "index_patterns", Type: cty.DynamicPseudoType, Required: true, Doc: "Patterns of names, a list or one text; `*` stands for anything.", Example: `["orders-*"]`},
		{Name: "composed_of", Type: cty.List(cty.String), Doc: "Names of component templates, later ones win.", Example: "[component_template.base.name]"},
		{Name: "priority", Type: cty.Number, Doc: "Of several templates that fit, the one with the highest number is taken. The server's own for `logs-*-*` and the like have 100.", Example: "200"},
		templateAttr(false),
		{Name: "data_stream", Type: cty.DynamicPseudoType, Doc: "If set, also to `{}`, names that fit become data streams.", Example: "{}"},
		{Name: "ignore_missing_component_templates", Type: cty.List(cty.String), Doc: "Members of `composed_of` that need not exist.", Example: `["orders@custom"]`},
		{Name: "allow_auto_create", Type: cty.Bool, Doc: "Overrides the cluster's `action.auto_create_index`.", Example: "true"},
		versionAttr, deprecatedAttr, metaAttr,
	},
	Example: `index_template "orders" {
  cluster        = cluster.target
  index_patterns = ["orders-*"]
  priority       = 200
  template       = { settings = { number_of_shards = 1 } }
}
`,
	Resource: newIndexTemplate,
}

type indexTemplate struct{ template }

func newIndexTemplate(in providers.Instance) (providers.Resource, error) {
	t := &indexTemplate{template{newREST(in, "/_index_template/{name}",
		[]string{"index_templates", "0", "index_template"}, canonicalIndexTemplate)}}
	t.since = composableSince
	if in.Stored != nil {
		return t, nil
	}
	errs := append(t.check(), checkObjects(t.body, "data_stream")...)
	return t, errors.Join(append(errs, t.checkPatterns())...)
}

func (t *indexTemplate) checkPatterns() error {
	patterns := t.patterns()
	if len(patterns) == 0 {
		return providers.NewError("no_patterns", "index_patterns", "No index patterns",
			`An index template needs at least one pattern, such as ["orders-*"]: without one it fits no index.`)
	}
	for _, p := range patterns {
		s, ok := p.(string)
		if !ok || s == "" {
			return providers.NewError("bad_pattern", "index_patterns", "Invalid index pattern", "Each pattern must be a text such as \"orders-*\".")
		}
		if badPattern(s) {
			return providers.NewError("bad_pattern", "index_patterns", "Invalid index pattern",
				fmt.Sprintf("The server refuses the pattern %q: a pattern holds no spaces, commas, colons or # and does not begin with an underscore.", s))
		}
	}
	return nil
}

func (t *indexTemplate) patterns() []any {
	switch p := t.body["index_patterns"].(type) {
	case []any:
		return p
	case string:
		return []any{p}
	}
	return nil
}

// canonicalIndexTemplate: one pattern becomes a list, an empty composed_of is
// none, and data_stream is answered with its defaults.
func canonicalIndexTemplate(m map[string]any) map[string]any {
	out := without(m, madeByServer...)
	if p, ok := out["index_patterns"].(string); ok {
		out["index_patterns"] = []any{p}
	}
	for _, name := range []string{"composed_of", "ignore_missing_component_templates"} {
		if l, ok := out[name].([]any); ok && len(l) == 0 {
			delete(out, name)
		}
	}
	if d, ok := out["data_stream"].(map[string]any); ok {
		d = maps.Clone(d)
		for _, name := range []string{"hidden", "allow_custom_routing"} {
			if d[name] == nil {
				d[name] = false
			}
		}
		dropDefault(d, "failure_store", "false")
		out["data_stream"] = d
	}
	if t := canonicalTemplate(out["template"]); len(t) > 0 {
		out["template"] = t
	} else {
		delete(out, "template")
	}
	return out
}

// Covers implements providers.Withholder.
func (t *indexTemplate) Covers(index string) bool {
	for _, p := range t.patterns() {
		if s, ok := p.(string); ok && matches(s, index) {
			return true
		}
	}
	return false
}

// ComposedOf lists the component templates whose settings reach the indices
// that this template covers.
func (t *indexTemplate) ComposedOf() []string {
	var names []string
	l, _ := t.body["composed_of"].([]any)
	for _, n := range l {
		if s, ok := n.(string); ok {
			names = append(names, s)
		}
	}
	return names
}
