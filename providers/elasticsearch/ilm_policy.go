package elasticsearch

import (
	"errors"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// ILMPolicy is the kind of index lifecycle policies.
var ILMPolicy = &providers.Kind{
	Name:  "ilm_policy",
	Doc:   "An index lifecycle policy: when indices roll over, move, shrink and are deleted. Not on Serverless, where data streams have a `lifecycle` of their own.",
	Stage: providers.StageLifecycle,
	Attrs: []providers.Attr{
		providers.TargetAttr,
		providers.NameAttr,
		{Name: "policy", Type: cty.DynamicPseudoType, Required: true, Doc: "An object with `phases`, each with `min_age` and `actions`.",
			Example: `{ phases = { delete = { min_age = "30d", actions = { delete = {} } } } }`},
	},
	Example: `ilm_policy "logs" {
  cluster = cluster.target
  policy  = {
    phases = {
      hot    = { actions = { rollover = { max_age = "7d", max_primary_shard_size = "50gb" } } }
      delete = { min_age = "30d", actions = { delete = {} } }
    }
  }
}
`,
	Resource: newILMPolicy,
}

type ilmPolicy struct{ rest }

func newILMPolicy(in providers.Instance) (providers.Resource, error) {
	r := &ilmPolicy{newREST(in, "/_ilm/policy/{name}", []string{"{name}"}, canonicalPolicy)}
	r.since = "index lifecycle management is part of Elasticsearch since 6.6; Serverless and OpenSearch have other ways"
	if in.Stored != nil {
		return r, nil
	}
	errs := []error{checkPolicyName("name", r.id)}
	if err := checkObject("policy", r.body["policy"]); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, checkPolicy(object(r.body["policy"]))...)
	}
	return r, errors.Join(errs...)
}

// actionDefaults are what servers answer where a policy does not say it:
// measured on 6.8.23 and with the policy class of 9.4.3.
var actionDefaults = map[string]map[string]any{
	"allocate":            {"include": map[string]any{}, "exclude": map[string]any{}, "require": map[string]any{}},
	"searchable_snapshot": {"force_merge_index": true},
	"downsample":          {"wait_timeout": "1d"},
	"delete":              {"delete_searchable_snapshot": true},
	"shrink":              {"allow_write_after_shrink": false},
	"migrate":             {"enabled": true},
}

// canonicalPolicy fills the server's defaults in on both sides, because older
// servers do not answer all of them, and leaves out version, modified_date and
// in_use_by, which only the server writes.
func canonicalPolicy(m map[string]any) map[string]any {
	policy := maps.Clone(object(m["policy"]))
	phases := map[string]any{}
	for name, v := range object(policy["phases"]) {
		phase := maps.Clone(object(v))
		if phase["min_age"] == nil {
			phase["min_age"] = "0ms"
		}
		actions := map[string]any{}
		for action, v := range object(phase["actions"]) {
			if v == nil {
				v = map[string]any{}
			}
			if defaults, ok := actionDefaults[action]; ok {
				v = overlay(defaults, v)
			}
			actions[action] = v
		}
		phase["actions"] = actions
		phases[name] = phase
	}
	policy["phases"] = phases
	return map[string]any{"policy": policy}
}
