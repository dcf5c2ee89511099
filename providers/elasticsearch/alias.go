package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Alias is the kind of aliases.
var Alias = &providers.Kind{
	Name:      "alias",
	Namespace: "index",
	Doc:       "A second name for one or several indices or data streams. The block owns the alias whole: indices that it does not name are taken out of it.",
	Stage:     providers.StageContainers,
	Attrs: []providers.Attr{
		providers.TargetAttr,
		providers.NameAttr,
		{Name: "index", Type: cty.DynamicPseudoType, Required: true, Doc: "The index, or a list of them.", Example: "index.orders.name"},
		{Name: "filter", Type: cty.DynamicPseudoType, Doc: "A query: only documents that fit it are seen through the alias.", Example: `{ term = { country = "de" } }`},
		{Name: "routing", Type: cty.String, Doc: "Routing value for searches and writes.", Example: `"de"`},
		{Name: "index_routing", Type: cty.String, Doc: "Routing value for writes.", Example: `"de"`},
		{Name: "search_routing", Type: cty.String, Doc: "Routing values for searches.", Example: `"de,at"`},
		{Name: "is_write_index", Type: cty.Bool, Doc: "Writes to the alias go to this index. Only for an alias of one index here; give the others in the `aliases` of their `index` blocks.", Example: "true"},
		{Name: "is_hidden", Type: cty.Bool, Doc: "Patterns do not find the alias.", Example: "true"},
	},
	Example: `alias "orders" {
  cluster = cluster.target
  index   = index.orders.name
}
`,
	Resource: newAlias,
}

type alias struct{ rest }

// newAlias: the canonical body is {"indices": {NAME: what GET answers of it}}.
func newAlias(in providers.Instance) (providers.Resource, error) {
	a := &alias{newREST(in, "/_alias/{name}", nil, func(m map[string]any) map[string]any { return m })}
	if in.Stored != nil {
		return a, nil
	}
	errs := append(checkObjects(a.body, "filter"), checkIndexName("name", a.id))
	names, ok := a.body["index"].([]any)
	if !ok {
		names = []any{a.body["index"]}
	}
	each := canonicalAlias(without(a.body, "index"))
	indices := map[string]any{}
	for _, v := range names {
		name, ok := v.(string)
		if !ok {
			errs = append(errs, providers.NewError("bad_index", "index", "Not a name", "index must be the name of an index, or a list of names."))
			continue
		}
		errs = append(errs, checkIndexName("index", name))
		indices[name] = each
	}
	switch {
	case len(names) == 0:
		errs = append(errs, providers.NewError("no_index", "index", "No index", "An alias needs at least one index."))
	case len(indices) > 1 && each["is_write_index"] == true:
		errs = append(errs, providers.NewError("two_write_indices", "is_write_index", "Several write indices",
			"An alias has one write index, so is_write_index = true goes with one index only."))
	}
	a.body = map[string]any{"indices": indices}
	return a, errors.Join(errs...)
}

func (a *alias) Read(ctx context.Context) (providers.JSON, error) {
	answer, err := a.get(ctx, nil)
	if err != nil {
		return nil, err
	}
	indices := map[string]any{}
	for index, v := range answer {
		if of, ok := object(object(v)["aliases"])[a.id]; ok {
			indices[index] = canonicalAlias(object(of))
		}
	}
	if len(indices) == 0 {
		return nil, fmt.Errorf("alias %s is %w on %s", a.id, providers.ErrNotFound, a.cluster.Name())
	}
	return encode(map[string]any{"indices": indices}), nil
}

func (a *alias) Write(ctx context.Context, w providers.Write) error {
	declared := decodeObject(providers.KeepPaths(a.Declared(), w.Now, w.Keep))
	return a.become(ctx, object(decodeObject(w.Now)["indices"]), object(declared["indices"]))
}

// become leads from one set of indices to the other in one request.
func (a *alias) become(ctx context.Context, have, want map[string]any) error {
	var actions []any
	for _, index := range slices.Sorted(maps.Keys(want)) {
		if !same(have[index], want[index]) {
			actions = append(actions, aliasAction("add", index, a.id, object(want[index])))
		}
	}
	for _, index := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[index]; !ok {
			actions = append(actions, aliasAction("remove", index, a.id, nil))
		}
	}
	return doAliases(ctx, a.cluster, actions)
}

func (a *alias) Delete(ctx context.Context) error {
	now, err := a.Read(ctx)
	if err == nil {
		err = a.become(ctx, object(decodeObject(now)["indices"]), nil)
	}
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// Settle implements providers.Volatile: a rollover adds an index and moves
// is_write_index to it.
func (a *alias) Settle(ctx context.Context, last, now providers.JSON) (providers.JSON, []string, error) {
	if providers.Equal(last, now) {
		return now, nil, nil
	}
	for _, index := range slices.Sorted(maps.Keys(object(decodeObject(now)["indices"]))) {
		policy, err := managedBy(ctx, a.cluster, index)
		if err != nil {
			return nil, nil, err
		}
		if policy != "" {
			return last, []string{fmt.Sprintf("policy %q rolled the alias over", policy)}, nil
		}
	}
	return now, nil, nil
}
