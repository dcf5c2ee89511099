package elasticsearch

import (
	"errors"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// When a pipeline is made.
const (
	afterData  = "after_data"
	beforeData = "before_data"
)

// IngestPipeline is the kind of ingest pipelines.
var IngestPipeline = &providers.Kind{
	Name: "ingest_pipeline",
	Doc: "A pipeline of processors that documents run through when they are indexed. " +
		"It is made after the data, so that no document is transformed twice.",
	Stage: providers.StagePipelines,
	StageOf: func(args cty.Value) providers.Stage {
		if when := args.GetAttr("when"); !when.IsNull() && when.AsString() == beforeData {
			return providers.StageLifecycle // templates and indices may name it
		}
		return providers.StagePipelines
	},
	Attrs: []providers.Attr{
		providers.TargetAttr,
		providers.NameAttr,
		{Name: "when", Type: cty.String, Default: cty.StringVal(afterData), OneOf: []string{afterData, beforeData},
			Doc: "`before_data` makes the pipeline before the documents are copied and leaves settings that name it in place, for live writers that use the target already. The copy itself bypasses it.", Example: `"before_data"`},
		{Name: "description", Type: cty.String, Doc: "What the pipeline is for.", Example: `"marks what was migrated"`},
		{Name: "processors", Type: cty.DynamicPseudoType, Required: true, Doc: "List of processors, each an object with one key.", Example: `[{ set = { field = "migrated", value = true } }]`},
		{Name: "on_failure", Type: cty.DynamicPseudoType, Doc: "List of processors that run when one of `processors` fails.", Example: `[{ set = { field = "error", value = "{{ _ingest.on_failure_message }}" } }]`},
		{Name: "version", Type: cty.Number, Doc: "A number of the user's own.", Example: "3"},
		{Name: "deprecated", Type: cty.Bool, Doc: "Marks the pipeline as deprecated.", Example: "true"},
		{Name: "field_access_pattern", Type: cty.String, Doc: "How processors read field names with dots: `classic` or `flexible` (Elasticsearch 9.2).", Example: `"flexible"`},
		{Name: "_meta", Type: cty.DynamicPseudoType, Doc: "An object of the user's own.", Example: `{ team = "search" }`},
	},
	Example: `ingest_pipeline "orders" {
  cluster     = cluster.target
  description = "marks what was migrated"
  processors  = [{ set = { field = "migrated", value = true } }]
}
`,
	Resource: ingestPipelineResource,
}

func ingestPipelineResource(in providers.Instance) (providers.Resource, error) {
	r := newREST(in, "/_ingest/pipeline/{name}", []string{"{name}"}, func(m map[string]any) map[string]any {
		return without(m, madeByServer...)
	}, "when")
	if in.Stored != nil {
		return &r, nil
	}
	errs := append(checkObjects(r.body, "_meta"),
		checkName("name", r.id), checkList("processors", r.body["processors"]), checkList("on_failure", r.body["on_failure"]))
	return &r, errors.Join(errs...)
}
