package elasticsearch

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// The settings that name a pipeline, and the value that stands for none.
const (
	defaultPipeline = "index.default_pipeline"
	finalPipeline   = "index.final_pipeline"
	noPipeline      = "_none"
)

const composableSince = "composable templates came with Elasticsearch 7.8"

// template is what component templates and index templates have in common:
// an object `template` whose settings may name pipelines.
type template struct{ rest }

func templateAttr(required bool) providers.Attr {
	return providers.Attr{Name: "template", Type: cty.DynamicPseudoType, Required: required,
		Doc:     "What the indices get: an object with `settings`, `mappings`, `aliases` and, for data streams, `lifecycle`.",
		Example: `jsondecode(file("templates/orders.json"))`}
}

// The arguments of the user's own that templates take.
var (
	versionAttr    = providers.Attr{Name: "version", Type: cty.Number, Doc: "A number of the user's own.", Example: "3"}
	deprecatedAttr = providers.Attr{Name: "deprecated", Type: cty.Bool, Doc: "Marks the object as deprecated.", Example: "true"}
	metaAttr       = providers.Attr{Name: "_meta", Type: cty.DynamicPseudoType, Doc: "An object of the user's own.", Example: `{ team = "search" }`}
)

func (t *template) check() []error {
	errs := checkObjects(t.body, "template", "_meta")
	inner := object(t.body["template"])
	for _, part := range []string{"settings", "mappings", "aliases"} {
		if checkObject(part, inner[part]) != nil {
			errs = append(errs, checkObject("template."+part, inner[part]))
		}
	}
	return append(errs, checkTemplateName("name", t.id))
}

// heldSettings lists the settings that name a pipeline, in canonical settings.
func heldSettings(settings map[string]any) []providers.PipelineSetting {
	var held []providers.PipelineSetting
	for _, name := range []string{defaultPipeline, finalPipeline} {
		if p, ok := settings[name].(string); ok && p != "" && p != noPipeline {
			held = append(held, providers.PipelineSetting{Setting: name, Pipeline: p})
		}
	}
	return held
}

// restoreSettings puts held settings on living indices or data streams; one
// that is gone needs none.
func restoreSettings(ctx context.Context, c providers.Cluster, held []providers.PipelineSetting, names []string) error {
	if len(held) == 0 {
		return nil
	}
	settings := map[string]any{}
	for _, h := range held {
		settings[h.Setting] = h.Pipeline
	}
	for _, name := range names {
		_, err := send(ctx, c, http.MethodPut, "/"+url.PathEscape(name)+"/_settings", nil, settings, "")
		if err != nil && !errors.Is(err, providers.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (t *template) settings() any { return object(t.body["template"])["settings"] }

// Held implements providers.Withholder.
func (t *template) Held() []providers.PipelineSetting {
	return heldSettings(canonicalSettings(t.settings()))
}

func (t *template) Write(ctx context.Context, w providers.Write) error {
	body := object(clone(t.body))
	if inner := object(body["template"]); inner["settings"] != nil {
		if len(w.Keep) > 0 {
			inner["settings"] = canonicalSettings(inner["settings"]) // as the paths are written
			body = decodeObject(providers.KeepPaths(encode(body), w.Now, w.Keep))
			inner = object(body["template"])
		}
		inner["settings"] = withoutSettings(inner["settings"], w.Withhold)
	}
	return t.put(ctx, body)
}

// Restore implements providers.Withholder.
func (t *template) Restore(ctx context.Context, destinations []string) error {
	if err := t.put(ctx, t.body); err != nil {
		return err
	}
	return restoreSettings(ctx, t.cluster, t.Held(), destinations)
}
