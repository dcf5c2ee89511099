package migration

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// privileges names what the credentials lack. Where the server cannot be asked
// it lacks nothing: the copy itself will tell.
func (t *task) privileges(ctx context.Context, c providers.Cluster, cluster []string, index string, on []string) []string {
	names := slices.DeleteFunc(strings.Split(index, ","), func(s string) bool { return strings.HasPrefix(s, "-") }) // left out
	raw, err := c.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/_security/user/_has_privileges", Repeatable: true,
		Body: providers.Encode(object{"cluster": cluster, "index": []any{object{"names": names, "privileges": on}}})})
	var a struct {
		Cluster map[string]bool            `json:"cluster"`
		Index   map[string]map[string]bool `json:"index"`
	}
	if err != nil || decode(raw, &a) != nil {
		return nil
	}
	var out []string
	for _, p := range cluster {
		if has, known := a.Cluster[p]; known && !has {
			out = append(out, "the cluster privilege "+p)
		}
	}
	for _, p := range on {
		for _, name := range names {
			if has, known := a.Index[name][p]; known && !has && !slices.Contains(out, "the index privilege "+p) {
				out = append(out, "the index privilege "+p)
			}
		}
	}
	return out
}
