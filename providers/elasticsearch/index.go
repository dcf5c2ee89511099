package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Index is the kind of indices.
var Index = &providers.Kind{
	Name:      "index",
	Namespace: "index",
	Doc: "An index with its mappings and settings. It is made before the data; what the server cannot change on a living index is said in the plan. " +
		"Fields that documents add and settings that the server or a lifecycle policy changes are left alone.",
	Stage: providers.StageContainers,
	Attrs: []providers.Attr{
		providers.TargetAttr,
		providers.NameAttr,
		{Name: "mappings", Type: cty.DynamicPseudoType, Doc: "The fields and their types.", Example: `{ properties = { total = { type = "double" } } }`},
		{Name: "settings", Type: cty.DynamicPseudoType, Doc: "Settings, nested or with dots, with or without `index.` in front.", Example: "{ number_of_shards = 1 }"},
		{Name: "aliases", Type: cty.DynamicPseudoType, Doc: "Aliases that belong to this index; others are removed. Without this argument aliases are left to `alias` blocks and to others.", Example: "{ orders = {} }"},
		protectionAttr,
	},
	Example: `index "orders" {
  cluster  = cluster.target
  name     = "orders-2026"
  mappings = { properties = { total = { type = "double" } } }
  settings = { number_of_shards = 1 }
}
`,
	Resource: newIndex,
}

var protectionAttr = providers.Attr{Name: "deletion_protection", Type: cty.Bool, Default: cty.True,
	Doc: "While true, it is not deleted as long as it holds documents. It must have been applied as false before.", Example: "false"}

type index struct {
	rest
	// seen is what Read or Settle answered last: so that InPlace can tell an
	// observed body, which may hold more than is declared, from a declared one.
	seen providers.JSON
}

func newIndex(in providers.Instance) (providers.Resource, error) {
	x := &index{rest: newREST(in, "/{name}", []string{"{name}"}, canonicalIndex, "deletion_protection")}
	if in.Stored != nil {
		return x, nil
	}
	errs := checkObjects(x.body, "mappings", "settings", "aliases")
	for alias := range object(x.body["aliases"]) {
		errs = append(errs, checkIndexName("aliases", alias))
	}
	return x, errors.Join(append(errs, checkIndexName("name", x.id))...)
}

// identity are settings that only say which index it is and who made it.
func identity(setting string) bool {
	switch setting {
	case "index.uuid", "index.creation_date", "index.creation_date_string", "index.provided_name",
		"index.history.uuid", "index.history_uuid":
		return true
	}
	return strings.HasPrefix(setting, "index.version.")
}

func canonicalIndex(m map[string]any) map[string]any {
	settings := canonicalSettings(m["settings"])
	maps.DeleteFunc(settings, func(k string, _ any) bool { return identity(k) })
	out := map[string]any{}
	for name, part := range map[string]map[string]any{
		"settings": settings,
		"mappings": canonicalMappings(object(m["mappings"])),
		"aliases":  canonicalAliases(m["aliases"]),
	} {
		if len(part) > 0 {
			out[name] = part
		}
	}
	return out
}

// typeless asks Elasticsearch 6 for mappings without the level of the type.
func (x *index) typeless(ctx context.Context) (url.Values, error) {
	i, err := x.cluster.Info(ctx)
	if err != nil {
		return nil, err
	}
	if i.Flavor == providers.Elasticsearch && major(i) == 6 {
		return url.Values{"include_type_name": {"false"}}, nil
	}
	return nil, nil
}

func (x *index) Read(ctx context.Context) (providers.JSON, error) {
	query, err := x.typeless(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := send(ctx, x.cluster, http.MethodGet, x.path, query, nil, "")
	if err != nil {
		return nil, err
	}
	all := decodeObject(raw)
	m, ok := all[x.id].(map[string]any)
	if !ok {
		return nil, providers.NewError("not_an_index", "name", "Not an index",
			fmt.Sprintf("%q is an alias or a data stream on %s, over %s. Take another name, or declare an alias or data_stream block.",
				x.id, x.cluster.Name(), strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
	}
	x.seen = encode(canonicalIndex(m))
	return x.seen, nil
}

// Documents implements providers.Container.
func (x *index) Documents(ctx context.Context) (int64, error) {
	return documents(ctx, x.cluster, x.id)
}

// documents counts exactly: after a refresh, and only if all shards answer.
func documents(ctx context.Context, c providers.Cluster, name string) (int64, error) {
	path := "/" + url.PathEscape(name)
	_, err := c.Do(ctx, providers.Request{Method: http.MethodPost, Path: path + "/_refresh", Repeatable: true})
	// Without the privilege to refresh the count may be a second old.
	if err != nil && !errors.Is(err, providers.ErrNotFound) && !errors.Is(err, providers.ErrDenied) {
		return 0, err
	}
	raw, err := c.Do(ctx, providers.Request{Method: http.MethodGet, Path: path + "/_count"})
	if errors.Is(err, providers.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var a struct {
		Count  int64
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return 0, fmt.Errorf("GET %s/_count: %w", path, err)
	}
	if a.Shards.Failed > 0 {
		return 0, fmt.Errorf("%s cannot be counted: %d of its shards did not answer: %w", name, a.Shards.Failed, providers.ErrUnavailable)
	}
	return a.Count, nil
}

// Held implements providers.Withholder.
func (x *index) Held() []providers.PipelineSetting {
	return heldSettings(canonicalSettings(x.body["settings"]))
}

// Covers implements providers.Withholder: the index by its name, or by an
// alias that its block declares.
func (x *index) Covers(name string) bool {
	_, alias := object(x.body["aliases"])[name]
	return alias || name == x.id
}

// Restore implements providers.Withholder.
func (x *index) Restore(ctx context.Context, destinations []string) error {
	names := []string{x.id}
	for _, d := range destinations {
		if !x.Covers(d) {
			names = append(names, d)
		}
	}
	return restoreSettings(ctx, x.cluster, x.Held(), names)
}
