package providertest

import (
	"fmt"
	"slices"
	"time"
)

func (d *doc) shown() obj {
	o := obj{"_index": d.ix.name, "_id": d.id, "_version": d.version, "found": true, "_source": d.source}
	if seqNo, term := d.shownSeqNo(); seqNo >= 0 {
		o["_seq_no"], o["_primary_term"] = seqNo, term
	}
	if d.routing != "" {
		o["_routing"] = d.routing
	}
	return o
}

func (f *Fake) getOne(name, id, routing string) (obj, error) {
	list := f.members(name)
	if list == nil {
		return nil, noIndex(name)
	}
	if len(list) > 1 {
		return nil, illegal("alias [%s] has more than one index associated with it [%s], can't execute a single index op", name, list[0].name)
	}
	if d := list[0].docs[docKey{id, list[0].shardOf(id, routing)}]; d != nil && !d.deleted {
		return d.shown(), nil
	}
	return obj{"_index": list[0].name, "_id": id, "found": false}, nil
}

func getDoc(f *Fake, c *call) (any, error) {
	o, err := f.getOne(c.parts["index"], c.parts["id"], c.query.Get("routing"))
	if err != nil {
		return nil, err
	}
	if o["found"] == false {
		return answer{404, o}, nil
	}
	if c.query.Get("_source") == "false" {
		delete(o, "_source")
	}
	return o, nil
}

func mget(f *Fake, c *call) (any, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := onlyKeys(body, "unknown key [%s]", "docs", "ids"); err != nil {
		return nil, err
	}
	asked := flatten(body["docs"])
	if body["docs"] == nil {
		asked = nil
		for _, id := range flatten(body["ids"]) {
			asked = append(asked, obj{"_id": id})
		}
	}
	out := []any{}
	for i, a := range asked {
		o := a.(obj)
		if err := onlyKeys(o, "Unexpected field [%s]", "_index", "_id", "routing", "_source"); err != nil {
			return nil, err
		}
		str := func(k, otherwise string) string {
			if o[k] != nil {
				return fmt.Sprint(o[k])
			}
			return otherwise
		}
		name := str("_index", c.parts["index"])
		if name == "" {
			return nil, &apiError{status: 400, kind: "action_request_validation_exception", reason: fmt.Sprintf("Validation Failed: 1: index is missing for doc %d;", i)}
		}
		d, err := f.getOne(name, str("_id", ""), str("routing", c.query.Get("routing")))
		if e, ok := err.(*apiError); ok {
			inner := e.nested()
			inner["root_cause"] = []any{e.inner()}
			d = obj{"_index": name, "_id": o["_id"], "error": inner}
		}
		if filter := cmpOr(fmt.Sprint(o["_source"]), ""); filter == "false" || c.query.Get("_source") == "false" {
			delete(d, "_source")
		}
		out = append(out, d)
	}
	return obj{"docs": out}, nil
}

// refresh makes what was written visible to searches.
func (ix *index) refresh() {
	if ix.dirtySince.IsZero() {
		return
	}
	ix.dirtySince = time.Time{}
	view := make([]*doc, 0, len(ix.docs))
	for _, d := range ix.docs {
		if !d.deleted {
			view = append(view, d)
		}
	}
	slices.SortFunc(view, func(a, b *doc) int {
		if a.shard != b.shard {
			return a.shard - b.shard
		}
		return int(a.seq - b.seq)
	})
	ix.view = view
}

// searchable is what a search sees now. An index refreshes itself after its
// refresh_interval.
func (ix *index) searchable() []*doc {
	if s, _ := ix.settings["index.refresh_interval"].(string); s != "-1" && !ix.dirtySince.IsZero() {
		interval := time.Second
		if d, err := time.ParseDuration(s); err == nil {
			interval = d
		}
		if time.Since(ix.dirtySince) >= interval {
			ix.refresh()
		}
	}
	return ix.view
}
