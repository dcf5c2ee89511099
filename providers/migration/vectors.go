package migration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
)

// vectors are the fields of the destination whose numbers it keeps in _source
// no more as they were sent, each with the relative error that they may have.
type vectors map[string]float64

// A vector is kept as float32, and where it is normalized made anew out of its
// direction and its length; some are kept in a few bits.
const (
	exactVector  = 1e-5
	coarseVector = 1e-2
)

// remadeVectors finds them. From 9.2 on an index takes vectors out of _source
// by default, and makes them anew of what it has indexed: 10 comes back as 10.0,
// and more digits than a float32 has are gone. Other fields come back as sent.
func (t *task) remadeVectors(ctx context.Context) (vectors, error) {
	info, err := t.dst.Info(ctx)
	if err != nil || info.Flavor == providers.OpenSearch || info.Flavor == providers.Elasticsearch && !atLeast(info.Version, 9, 2) {
		return nil, err
	}
	raw, err := t.dst.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/" + url.PathEscape(t.destIndex) + "/_mapping"})
	if serverError(err) != nil && !errors.Is(err, providers.ErrUnavailable) {
		return nil, nil // it may not be asked
	}
	if err != nil {
		return nil, err
	}
	answer, err := providers.Decode(raw)
	if err != nil {
		return nil, err
	}
	indices, _ := answer.(object)
	byIndex := map[string]vectors{}
	for name, v := range indices {
		body, _ := v.(object)
		found := vectors{}
		if found.add("", mappingOf(body)); len(found) > 0 {
			byIndex[name] = found
		}
	}
	if len(byIndex) == 0 {
		return nil, nil
	}
	shown, err := readSettings(ctx, t.dst, t.destIndex)
	if err != nil && (serverError(err) == nil || errors.Is(err, providers.ErrUnavailable)) {
		return nil, err
	}
	byDefault := map[bool]string{true: "true", false: "false"}[info.Flavor == providers.Serverless] // which does not show it
	out := vectors{}
	for name, found := range byIndex {
		if shown[name].at("index.mapping.exclude_source_vectors", byDefault) == "true" {
			maps.Copy(out, found)
		}
	}
	return out, nil
}

func (f vectors) add(prefix string, mapping object) {
	fields, _ := mapping["properties"].(object)
	for name, v := range fields {
		field, _ := v.(object)
		switch field["type"] {
		case "dense_vector", "rank_vectors":
			if f[prefix+name] = exactVector; field["element_type"] == "bfloat16" {
				f[prefix+name] = coarseVector
			}
		case "sparse_vector":
			f[prefix+name] = coarseVector
		default:
			f.add(prefix+name+".", field)
		}
	}
}

// names are the fields in order.
func (f vectors) names() []string { return slices.Sorted(maps.Keys(f)) }

// at is the vector that a leaf is part of.
func (f vectors) at(path string) (tolerance float64, ok bool) {
	for {
		var parts []string
		for p := range strings.SplitSeq(path, ".") {
			if _, err := strconv.Atoi(p); err != nil { // not a place in a list
				parts = append(parts, p)
			}
		}
		if tolerance, ok = f[strings.Join(parts, ".")]; ok {
			return tolerance, true
		}
		up := strings.LastIndexByte(path, '.')
		if up < 0 {
			return 0, false
		}
		path = path[:up] // the tokens of a sparse vector are keys
	}
}

// rounded leaves out of what differs the numbers of vectors that are the same
// but for how they are kept.
func (f vectors) rounded(diff []providers.Difference) []providers.Difference {
	return slices.DeleteFunc(diff, func(d providers.Difference) bool {
		tolerance, ok := f.at(d.Path)
		a, errA := strconv.ParseFloat(d.From, 64)
		b, errB := strconv.ParseFloat(d.To, 64)
		return ok && errA == nil && errB == nil && math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b), 1e-30)
	})
}

// compareVectors compares in a sample what a full verification has left out.
func (c *comparison) compareVectors(ctx context.Context, f vectors) error {
	v := providers.Verification{}
	if err := c.sample(ctx, c.j, c.d, &v); err != nil {
		return err
	}
	if c.v.Different == 0 {
		c.v.Examples = append(c.v.Examples, slices.DeleteFunc(v.Examples, func(e providers.Difference) bool { return e.What != different })...)
		c.v.Identical = max(0, c.v.Identical-v.Different)
	}
	c.v.Different = max(c.v.Different, v.Different)
	names := f.names()
	c.v.Notes = append(c.v.Notes, fmt.Sprintf("%s %s compared, as rounded numbers, in a sample of %d documents only: %s/%s keeps vectors not as they were sent (index.mapping.exclude_source_vectors)",
		enumerate(names), plural(len(names), "was", "were"), v.Compared, c.dstName, c.destIndex))
	return nil
}
