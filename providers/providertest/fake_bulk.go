package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

func bulk(f *Fake, c *call) (any, error) {
	if len(c.raw) > 100<<20 {
		return nil, &apiError{status: 413, plain: true, withStatus: true, reason: "Request Entity Too Large"}
	}
	if !bytes.HasSuffix(c.raw, []byte("\n")) {
		return nil, illegal("The bulk request must be terminated by a newline [\\n]")
	}
	lines := bytes.Split(bytes.TrimSuffix(c.raw, []byte("\n")), []byte("\n"))
	var writes []write
	var updates []obj
	for i := 0; i < len(lines); i++ {
		if len(bytes.TrimSpace(lines[i])) == 0 {
			continue
		}
		v, err := providers.Decode(lines[i])
		head, ok := v.(obj)
		if err != nil || !ok || len(head) != 1 {
			return nil, illegal("Malformed action/metadata line [%d], expected START_OBJECT", i+1)
		}
		op := sortedKeys(head)[0]
		if !slices.Contains([]string{"index", "create", "delete", "update"}, op) {
			return nil, illegal("Malformed action/metadata line [%d], expected field [create], [delete], [index] or [update] but found [%s]", i+1, op)
		}
		meta, _ := head[op].(obj)
		for _, k := range sortedKeys(meta) {
			if !slices.Contains(strings.Fields("_index _id routing version version_type if_seq_no if_primary_term pipeline require_alias op_type dynamic_templates retry_on_conflict"), k) {
				return nil, illegal("Action/metadata line [%d] contains an unknown parameter [%s]", i+1, k)
			}
		}
		q := func(k string) string {
			if v, ok := meta[k]; ok {
				return fmt.Sprint(v)
			}
			if k == "pipeline" || k == "routing" || k == "require_alias" {
				return c.query.Get(k)
			}
			return ""
		}
		w, err := writeFrom(q, write{index: cmpOr(q("_index"), c.parts["index"]), id: q("_id"), op: op})
		if err != nil {
			return nil, err
		}
		if w.index == "" {
			return nil, &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: index is missing;"}
		}
		var update obj
		if op != "delete" {
			if i++; i >= len(lines) {
				return nil, illegal("The bulk request must be terminated by a newline [\\n]")
			}
			w.source = bytes.TrimSpace(lines[i])
			if op == "update" {
				u, err := providers.Decode(w.source)
				if err != nil {
					return nil, err
				}
				update = u.(obj)
			}
		}
		writes, updates = append(writes, w), append(updates, update)
	}
	items, bad, touched := []any{}, false, map[string]bool{}
	for i, w := range writes {
		op := w.op
		item, err := obj(nil), error(nil)
		if op == "update" {
			item, err = f.update(w, updates[i])
		} else {
			item, err = f.apply(w)
		}
		if e, ok := err.(*apiError); ok {
			if e.status == 501 {
				return nil, e
			}
			item = obj{"_index": w.index, "_id": w.id, "status": e.status, "error": e.nested()}
			bad = true
		}
		touched[fmt.Sprint(item["_index"])] = true
		items = append(items, obj{op: item})
	}
	if c.query.Has("refresh") && c.query.Get("refresh") != "false" {
		for n := range touched {
			if ix := f.indices[n]; ix != nil {
				ix.refresh()
			}
		}
	}
	return obj{"errors": bad, "took": 1, "items": items}, nil
}

// update merges a partial document; scripts are refused.
func (f *Fake) update(w write, u obj) (obj, error) {
	part, ok := u["doc"].(obj)
	if !ok {
		return nil, unsupported("an update without doc")
	}
	old, err := f.getOne(w.index, w.id, w.routing)
	if err != nil {
		return nil, err
	}
	merged := obj{}
	if old["found"] == true {
		v, err := providers.Decode(old["_source"].(json.RawMessage))
		if err != nil {
			return nil, err
		}
		merged = v.(obj)
	} else if u["doc_as_upsert"] != true {
		return nil, &apiError{status: 404, kind: "document_missing_exception", reason: "[" + w.id + "]: document missing"}
	}
	for k, v := range part {
		merged[k] = v
	}
	w.op, w.source = "index", providers.Encode(merged)
	return f.apply(w)
}
