package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// fetch gets documents by id from an index or data stream, by hit.key. It asks
// by search, which needs no routing and takes data streams; the destination
// must have been refreshed.
func (t *task) fetch(ctx context.Context, c providers.Cluster, index string, wanted []hit, contents bool) (map[string]*hit, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	out := make(map[string]*hit, len(wanted))
	return out, inSteps(wanted, func(err error) bool { return tooManyHits(err) || tooManyBytes(err) }, func(some []hit) error { return t.fetchSome(ctx, c, index, some, contents, out) })
}

func (t *task) fetchSome(ctx context.Context, c providers.Cluster, index string, wanted []hit, contents bool, out map[string]*hit) error {
	ids := make([]string, len(wanted))
	for i, h := range wanted {
		ids[i] = h.ID
	}
	body := object{"query": object{"ids": object{"values": ids}}, "size": min(10_000, 2*len(ids)+10), "version": true,
		"seq_no_primary_term": true, "track_total_hits": true, "_source": contents}
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if info.Flavor == providers.Elasticsearch && !atLeast(info.Version, 6, 7) {
		delete(body, "seq_no_primary_term")
	}
	if contents && (info.Flavor == providers.Serverless || info.Flavor == providers.Elasticsearch && atLeast(info.Version, 9, 2)) {
		body["_source"] = object{"exclude_vectors": false} // left out of _source otherwise
	}
	limit := int64(0)
	if contents && len(ids) > 1 {
		limit = cmp.Or(t.sizes.limit, pageLimit)
	}
	a, err := searchUpTo(ctx, c, index, -1, body, limit)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	for i := range a.Hits.Hits {
		h := &a.Hits.Hits[i]
		out[h.key()] = h
		if _, ok := out[h.ID]; !ok && h.Routing != "" {
			out[h.ID] = h // to tell another routing from a missing document
		}
	}
	return err
}

// compareContents fetches the documents from both sides, in batches of the
// size that the copy used, and gives the leaves that differ. to is nil where
// the destination lacks it; a document that is gone from the source meanwhile
// is left out.
func (t *task) compareContents(ctx context.Context, x *sourceIndex, docs []hit, f func(from hit, to *hit, diff []providers.Difference)) error {
	var remade vectors
	asked := false
	for len(docs) > 0 {
		n := min(len(docs), max(1, x.Size), 1000)
		from, err := t.fetch(ctx, t.src, x.Name, docs[:n], true)
		if err != nil {
			return err
		}
		to, err := t.fetch(ctx, t.dst, t.destIndex, docs[:n], true)
		if err != nil {
			return err
		}
		for _, d := range docs[:n] {
			a := from[d.key()]
			if a == nil {
				continue
			}
			b := to[d.key()]
			var diff []providers.Difference
			switch other := to[d.ID]; {
			case b != nil:
				if diff, err = differences(a.ID, a.Source, b.Source); err != nil {
					return err
				}
				if len(diff) > 0 && !asked {
					if remade, err = t.remadeVectors(ctx); err != nil {
						return err
					}
					asked = true
				}
				diff = remade.rounded(diff)
			case other != nil || to[d.ID+"\x00"] != nil:
				b = cmp.Or(other, to[d.ID+"\x00"])
				diff = []providers.Difference{{What: "different", ID: a.ID, Path: "_routing", From: a.Routing, To: b.Routing}}
			}
			f(*a, b, diff)
		}
		docs = docs[n:]
	}
	return nil
}

// differences lists the leaves that are not the same in two documents. Numbers
// are compared by value, integers of any size exactly: a reindex from remote
// writes 1e3 as 1000.0.
func differences(id string, a, b providers.JSON) ([]providers.Difference, error) {
	return differing(id, a, b, sameLeaf)
}

// differing lists the leaves that same does not find the same.
func differing(id string, a, b providers.JSON, same func(a, b any) bool) ([]providers.Difference, error) {
	va, err := providers.Decode(a)
	if err != nil {
		return nil, err
	}
	vb, err := providers.Decode(b)
	if err != nil {
		return nil, err
	}
	la, lb := leaves(va), leaves(vb)
	var out []providers.Difference
	add := func(path, from, to string) {
		out = append(out, providers.Difference{What: "different", ID: id, Path: path, From: from, To: to})
	}
	for len(la)+len(lb) > 0 {
		switch {
		case len(lb) == 0 || len(la) > 0 && la[0].Path < lb[0].Path:
			add(la[0].Path, show(la[0].Value), "absent")
			la = la[1:]
		case len(la) == 0 || lb[0].Path < la[0].Path:
			add(lb[0].Path, "absent", show(lb[0].Value))
			lb = lb[1:]
		default:
			if !same(la[0].Value, lb[0].Value) {
				add(la[0].Path, show(la[0].Value), show(lb[0].Value))
			}
			la, lb = la[1:], lb[1:]
		}
	}
	return out, nil
}

// leaves are in an order that does not depend on how {"a.b": 1} and
// {"a": {"b": 2}} happen to meet.
func leaves(v any) []providers.Leaf {
	out := providers.Leaves(v)
	slices.SortStableFunc(out, func(a, b providers.Leaf) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(show(a.Value), show(b.Value)))
	})
	return out
}

func sameLeaf(a, b any) bool {
	x, okA := a.(json.Number)
	y, okB := b.(json.Number)
	if okA && okB {
		return sameNumber(x, y)
	}
	return string(providers.Encode(a)) == string(providers.Encode(b))
}

// sameNumber compares as the servers see numbers: integers as integers of any
// size, anything else as doubles.
func sameNumber(x, y json.Number) bool {
	whole := func(n json.Number) bool { return !strings.ContainsAny(n.String(), ".eE") }
	if x == y {
		return true
	}
	if whole(x) && whole(y) {
		return false
	}
	a, errA := x.Float64()
	b, errB := y.Float64()
	if errA != nil || errB != nil || a != b {
		return false
	}
	for _, n := range []json.Number{x, y} {
		if i, ok := new(big.Int).SetString(n.String(), 10); ok { // more digits than a double holds
			if f, _ := new(big.Float).SetFloat64(a).Int(nil); f.Cmp(i) != 0 {
				return false
			}
		}
	}
	return true
}

// show is a value as a message has it, short.
func show(v any) string {
	r := []rune(string(providers.Encode(v)))
	if len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return string(r)
}
