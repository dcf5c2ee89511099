package migration

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// nothingMatches warns of a migration that copies nothing although the indices
// have documents. mappings is the answer of _mapping.
func (t *task) nothingMatches(ctx context.Context, indices []*sourceIndex, mappings object) (*providers.Finding, error) {
	var matching, all int64
	filtered := false
	for _, x := range indices {
		matching += x.Documents
		filtered = filtered || x.Filter != nil
	}
	if matching > 0 || t.query == nil && !filtered {
		return nil, nil
	}
	for _, x := range indices {
		n, err := count(ctx, t.src, x.Name, -1, nil)
		if err != nil {
			return nil, err
		}
		all += n
	}
	if all == 0 {
		return nil, nil
	}
	f := &providers.Finding{Severity: providers.SeverityWarning, Code: "nothing_matches", Arg: "source.query", Summary: "No document matches",
		Detail: fmt.Sprintf("0 of %s %s in %s/%s match, so nothing would be copied.", humanize.Comma(all), plural(int(min(all, 2)), "document", "documents"), t.srcName, t.index)}
	if filtered {
		f.Detail += " The alias has a filter, which counts too."
	}
	if t.query == nil {
		f.Arg = "source.index"
		return f, nil
	}
	known := map[string]bool{}
	for _, x := range indices {
		body, _ := mappings[x.Name].(object)
		mapped(known, "", mappingOf(body))
	}
	var asked []string
	queried(t.query, &asked)
	slices.Sort(asked)
	for _, field := range slices.Compact(asked) {
		if known[field] || strings.HasPrefix(field, "_") || strings.Contains(field, "*") {
			continue
		}
		f.Detail += fmt.Sprintf(" The mapping has no field %s.", field)
		if near := nearestOf(field, slices.Sorted(maps.Keys(known))); near != "" {
			f.Detail += fmt.Sprintf(" Did you mean %s?", near)
		}
	}
	return f, nil
}

// mapped adds the names of all fields of a mapping, objects and multi-fields
// too.
func mapped(into map[string]bool, prefix string, mapping object) {
	for _, list := range []string{"properties", "fields", "runtime"} {
		fields, _ := mapping[list].(object)
		for name, f := range fields {
			into[prefix+name] = true
			if inner, ok := f.(object); ok {
				mapped(into, prefix+name+".", inner)
			}
		}
	}
}

// byField are the queries whose keys are names of fields.
var byField = []string{"term", "terms", "range", "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix", "prefix", "wildcard",
	"regexp", "fuzzy", "intervals", "terms_set", "geo_distance", "geo_bounding_box", "geo_shape", "geo_polygon", "shape"}

// ofQuery are keys in those that are none.
var ofQuery = []string{"boost", "_name", "distance", "distance_type", "validation_method", "ignore_unmapped", "type"}

// queried collects the names of fields in a query.
func queried(query any, out *[]string) {
	switch q := query.(type) {
	case []any:
		for _, v := range q {
			queried(v, out)
		}
	case object:
		for kind, v := range q {
			inner, _ := v.(object)
			switch {
			case kind == "exists":
				if name, ok := inner["field"].(string); ok {
					*out = append(*out, name)
				}
			case slices.Contains(byField, kind) && inner != nil:
				for name := range inner {
					if !slices.Contains(ofQuery, name) {
						*out = append(*out, name)
					}
				}
			default:
				queried(v, out)
			}
		}
	}
}

// nearestOf is the name that looks like the wanted one, or empty.
func nearestOf(name string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	far := func(s string) int { return levenshtein.Distance(s, name, nil) }
	best := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(far(a), far(b)) })
	if far(best) > max(2, len(name)/3) {
		return ""
	}
	return best
}

// unseen says, in a sentence for each, which indices have documents that no
// search sees, or may have: those that are refreshed by hand only. They are
// neither counted nor copied.
func (t *task) unseen(ctx context.Context, indices []*sourceIndex) ([]string, error) {
	var out []string
	for _, x := range indices {
		if !x.ByHand {
			continue
		}
		top, err := highest(ctx, t.src, x.Name)
		if err != nil && serverError(err) == nil {
			return nil, err
		}
		name := t.srcName + "/" + x.Name
		if err != nil || !x.SeqNo { // a key that may only read sees no more
			out = append(out, name+" has refresh_interval = -1: what was written since its last refresh is not visible (whether there is any, only the index privilege monitor tells)")
			continue
		}
		visible, _, err := measure(ctx, t.src, x)
		if err != nil {
			return nil, err
		}
		if len(top) != len(visible) {
			continue
		}
		var hidden int64
		for i := range top {
			hidden += max(0, top[i]-visible[i])
		}
		if hidden > 0 {
			out = append(out, fmt.Sprintf("%s has refresh_interval = -1, and up to %s %s (or deletions) since its last refresh are not visible",
				name, humanize.Comma(hidden), plural(int(min(hidden, 2)), "document", "documents")))
		}
	}
	return out, nil
}

func (t *task) unseenFinding(ctx context.Context, indices []*sourceIndex) (*providers.Finding, error) {
	what, err := t.unseen(ctx, indices)
	if err != nil || len(what) == 0 {
		return nil, err
	}
	return &providers.Finding{Severity: providers.SeverityWarning, Code: "source_unrefreshed", Arg: "source.index", Summary: "Documents of the source may be invisible",
		Detail: strings.Join(what, "; ") + ". Such documents are neither counted nor copied, and esmig only reads the source: send POST /" + t.index + "/_refresh to it first."}, nil
}

// highest is the highest _seq_no of each shard, visible or not.
func highest(ctx context.Context, c providers.Cluster, index string) ([]int64, error) {
	var s struct {
		Indices map[string]struct {
			Shards map[string][]struct {
				Routing struct {
					Primary bool `json:"primary"`
				} `json:"routing"`
				SeqNo struct {
					Max int64 `json:"max_seq_no"`
				} `json:"seq_no"`
			} `json:"shards"`
		} `json:"indices"`
	}
	err := get(ctx, c, "/"+url.PathEscape(index)+"/_stats/docs", url.Values{"level": {"shards"}}, &s)
	if err != nil {
		return nil, err
	}
	shards := s.Indices[index].Shards
	out := make([]int64, len(shards))
	for i := range out {
		out[i] = -1
		for _, copy := range shards[itoa(i)] {
			if copy.Routing.Primary {
				out[i] = copy.SeqNo.Max
			}
		}
	}
	return out, nil
}
