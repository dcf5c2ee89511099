package elasticsearch

import (
	"errors"

	"github.com/esmig/esmig/providers"
)

// ComponentTemplate is the kind of component templates.
var ComponentTemplate = &providers.Kind{
	Name:  "component_template",
	Doc:   "A part of index templates: settings, mappings and aliases that several of them share.",
	Stage: providers.StageTemplates,
	Attrs: []providers.Attr{
		providers.TargetAttr, providers.NameAttr, templateAttr(true), versionAttr, deprecatedAttr, metaAttr,
	},
	Example: `component_template "base" {
  cluster  = cluster.target
  template = {
    settings = { number_of_shards = 1 }
    mappings = { properties = { "@timestamp" = { type = "date" } } }
  }
}
`,
	Resource: newComponentTemplate,
}

type componentTemplate struct{ template }

func newComponentTemplate(in providers.Instance) (providers.Resource, error) {
	t := &componentTemplate{template{newREST(in, "/_component_template/{name}",
		[]string{"component_templates", "0", "component_template"}, canonicalComponentTemplate)}}
	t.since = composableSince
	if in.Stored != nil {
		return t, nil
	}
	return t, errors.Join(t.check()...)
}

func canonicalComponentTemplate(m map[string]any) map[string]any {
	out := without(m, madeByServer...)
	// Not left out when it is empty: the server demands and answers it.
	out["template"] = canonicalTemplate(m["template"])
	return out
}

// Covers is always false: which indices a component template reaches is known
// only by the index templates that are composed of it, see
// [indexTemplate.ComposedOf].
func (*componentTemplate) Covers(string) bool { return false }
