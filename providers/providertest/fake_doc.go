package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// docKey: an id is unique in a shard, which its routing chooses.
type docKey struct {
	id    string
	shard int
}

// doc is one document; never changed once made.
type doc struct {
	id, routing string
	source      json.RawMessage
	parsed      obj
	version     int64
	seq         int64
	shard       int
	ix          *index
	deleted     bool
	at          time.Time // of a delete: it is remembered for index.gc_deletes
}

// write is one operation on a document.
type write struct {
	index, id, routing string
	op                 string // index, create, delete
	version            int64
	versionType        string // internal, external, external_gte
	ifSeq, ifTerm      int64  // -1: unset
	pipeline           string
	source             []byte
	requireAlias       bool
}

func (ix *index) shardOf(id, routing string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cmpOr(routing, id))) // never fails
	return int(h.Sum32() % uint32(len(ix.nextSeq)))
}

// writeIndex is where a write to a name goes; a missing index is made.
func (f *Fake) writeIndex(w write) (*index, error) {
	if s := f.streams[w.index]; s != nil {
		if w.op != "create" {
			return nil, illegal("only write ops with an op_type of create are allowed in data streams")
		}
		return f.indices[s.indices[len(s.indices)-1]], nil
	}
	if ix := f.indices[w.index]; ix != nil {
		if w.requireAlias {
			return nil, &apiError{status: 404, kind: "index_not_found_exception", reason: "no such index [" + w.index + "] and [require_alias] request flag is [true] and [" + w.index + "] is not an alias",
				extra: obj{"index_uuid": "_na_", "index": w.index}}
		}
		if ix.stream != nil && w.op != "delete" && w.ifSeq < 0 {
			return nil, illegal("index request with op_type=%s and no if_primary_term and if_seq_no set targeting backing indices is disallowed, target corresponding data stream [%s] instead", w.op, ix.stream.name)
		}
		return ix, nil
	}
	members := f.members(w.index)
	for _, ix := range members {
		if len(members) == 1 && ix.aliases[w.index]["is_write_index"] != false || ix.aliases[w.index]["is_write_index"] == true {
			return ix, nil
		}
	}
	if members != nil {
		return nil, illegal("no write index is defined for alias [%s]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index", w.index)
	}
	if w.op == "delete" && w.versionType == "internal" || w.requireAlias {
		return nil, noIndex(w.index)
	}
	if t := f.templateFor(w.index); t != "" && f.templates[t].body["data_stream"] != nil {
		if w.op != "create" {
			return nil, illegal("only write ops with an op_type of create are allowed in data streams")
		}
		s, err := f.createStream(w.index)
		if err != nil {
			return nil, err
		}
		return f.indices[s.indices[0]], nil
	}
	return f.createIndex(w.index, obj{})
}

// settingsFor are those of the index that a write would go to, before it is
// made: its pipelines run first.
func (f *Fake) settingsFor(name string) obj {
	if l := f.members(name); len(l) > 0 {
		return l[len(l)-1].settings
	}
	if t := f.templateFor(name); t != "" {
		s, _, _ := f.resolved(t)
		return s
	}
	return obj{}
}

// apply carries out one write and returns the item that _bulk shows.
func (f *Fake) apply(w write) (obj, error) {
	if w.op == "create" && w.versionType != "internal" {
		return nil, &apiError{status: 400, kind: "action_request_validation_exception",
			reason: "Validation Failed: 1: create operations only support internal versioning. use index instead;"}
	}
	if w.op != "delete" {
		var dropped bool
		var err error
		if w.source, dropped, err = f.ingest(f.settingsFor(w.index), w.pipeline, w.source); err != nil {
			return nil, err
		}
		if dropped {
			return obj{"_index": w.index, "_id": w.id, "_version": -3, "result": "noop", "_shards": obj{"total": 0, "successful": 0, "failed": 0}, "status": 200}, nil
		}
	}
	ix, err := f.writeIndex(w)
	if err != nil {
		return nil, err
	}
	if ix.closed {
		return nil, &apiError{status: 400, kind: "index_closed_exception", reason: "closed", extra: obj{"index_uuid": ix.uuid, "index": ix.name}}
	}
	for _, b := range [][3]string{{"write", "8", "index write (api)"}, {"read_only", "5", "index read-only (api)"}} {
		if ix.settings["index.blocks."+b[0]] == "true" {
			return nil, &apiError{status: 403, kind: "cluster_block_exception", reason: fmt.Sprintf("index [%s] blocked by: [FORBIDDEN/%s/%s];", ix.name, b[1], b[2])}
		}
	}
	if m, _ := ix.mapping["_routing"].(obj); m["required"] == true && w.routing == "" {
		return nil, &apiError{status: 400, kind: "routing_missing_exception", reason: fmt.Sprintf("routing is required for [%s]/[%s]", ix.name, w.id),
			extra: obj{"index_uuid": "_na_", "index": ix.name}}
	}
	if w.id == "" {
		w.id = f.next("auto")
		w.op = "create"
	}
	key := docKey{w.id, ix.shardOf(w.id, w.routing)}
	old := ix.docs[key]
	if old != nil && old.deleted && time.Since(old.at) > ix.gcDeletes() {
		old = nil
	}
	if err := ix.conflict(w, key, old); err != nil {
		return nil, err
	}
	n := &doc{id: w.id, routing: w.routing, source: w.source, shard: key.shard, ix: ix, version: 1, seq: ix.nextSeq[key.shard], deleted: w.op == "delete", at: time.Now()}
	if old != nil {
		n.version = old.version + 1
	}
	if w.versionType != "internal" {
		n.version = w.version
	}
	if !n.deleted {
		v, err := providers.Decode(w.source)
		parsed, ok := v.(obj)
		if err != nil || !ok {
			return nil, &apiError{status: 400, kind: "document_parsing_exception", reason: "[1:2] failed to parse: not an object"}
		}
		if ix.stream != nil {
			if _, ok := parsed["@timestamp"]; !ok {
				reason := "data stream timestamp field [@timestamp] is missing"
				return nil, &apiError{status: 400, kind: "document_parsing_exception", reason: "[1:2] failed to parse: " + reason, cause: illegal("%s", reason)}
			}
		}
		if err := ix.learn(w.id, parsed); err != nil {
			return nil, err
		}
		n.parsed = parsed
	}
	there := old != nil && !old.deleted
	ix.docs[key] = n
	ix.nextSeq[key.shard]++
	if ix.dirtySince.IsZero() {
		ix.dirtySince = time.Now()
	}
	result, status := "created", 201
	switch {
	case n.deleted && there:
		result, status = "deleted", 200
	case n.deleted:
		result, status = "not_found", 404
	case there:
		result, status = "updated", 200
	}
	seqNo, term := n.shownSeqNo()
	return obj{"_index": ix.name, "_id": w.id, "_version": n.version, "result": result, "_seq_no": seqNo, "_primary_term": term,
		"_shards": obj{"total": 2, "successful": 1, "failed": 0}, "status": status}, nil
}

// gcDeletes is how long the version of a deleted document is remembered.
func (ix *index) gcDeletes() time.Duration {
	s, _ := ix.settings["index.gc_deletes"].(string)
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	return time.Minute
}

func (ix *index) conflict(w write, key docKey, old *doc) error {
	refuse := func(format string, a ...any) error {
		return &apiError{status: 409, kind: "version_conflict_engine_exception", reason: "[" + w.id + "]: version conflict, " + fmt.Sprintf(format, a...),
			extra: obj{"index_uuid": ix.uuid, "shard": strconv.Itoa(key.shard), "index": ix.name}}
	}
	there := old != nil && !old.deleted
	switch {
	case w.op == "create" && there:
		return refuse("document already exists (current version [%d])", old.version)
	case w.ifSeq >= 0 && !there:
		return refuse("required seqNo [%d], primary term [%d]. but no document was found", w.ifSeq, w.ifTerm)
	case w.ifSeq >= 0 && (old.seq != w.ifSeq || w.ifTerm != 1):
		return refuse("required seqNo [%d], primary term [%d]. current document has seqNo [%d] and primary term [1]", w.ifSeq, w.ifTerm, old.seq)
	case w.versionType == "external" && old != nil && old.version >= w.version:
		return refuse("current version [%d] is higher or equal to the one provided [%d]", old.version, w.version)
	case w.versionType == "external_gte" && old != nil && old.version > w.version:
		return refuse("current version [%d] is higher than the one provided [%d]", old.version, w.version)
	}
	return nil
}

// writeFrom reads what the parameters say of a write.
func writeFrom(q func(string) string, w write) (write, error) {
	w.routing, w.pipeline, w.versionType, w.ifSeq = q("routing"), q("pipeline"), "internal", -1
	w.requireAlias = q("require_alias") == "true"
	switch t := q("version_type"); t {
	case "":
	case "internal", "external", "external_gte":
		w.versionType = t
	case "external_gt":
		w.versionType = "external"
	default:
		return w, illegal("No version type match [%s]", t)
	}
	if v := q("version"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return w, illegal("Failed to parse long parameter [version] with value [%s]", v)
		}
		if w.version = n; w.versionType == "internal" {
			return w, &apiError{status: 400, kind: "action_request_validation_exception", reason: "Validation Failed: 1: internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead;"}
		}
	}
	if v := q("if_seq_no"); v != "" {
		seq, err := strconv.ParseInt(v, 10, 64)
		term, err2 := strconv.ParseInt(q("if_primary_term"), 10, 64)
		if err != nil || err2 != nil {
			return w, illegal("ifSeqNo is set, but primary term is [0]")
		}
		w.ifSeq, w.ifTerm = seq, term
	}
	switch t := q("op_type"); {
	case t == "create":
		w.op = "create"
	case t != "" && t != "index":
		return w, illegal("opType must be 'create' or 'index', found: [%s]", t)
	}
	return w, nil
}

func putDoc(f *Fake, c *call) (any, error) {
	w, err := writeFrom(c.query.Get, write{index: c.parts["index"], id: c.parts["id"], op: "index", source: bytes.TrimSpace(c.raw)})
	if err != nil {
		return nil, err
	}
	if strings.Contains(c.URL.Path, "/_create/") {
		w.op = "create"
	}
	if c.Method == "DELETE" {
		w.op = "delete"
	}
	item, err := f.apply(w)
	if err != nil {
		return nil, err
	}
	status := item["status"].(int)
	delete(item, "status")
	if r := c.query.Get("refresh"); c.query.Has("refresh") && r != "false" {
		f.indices[item["_index"].(string)].refresh()
		if r != "wait_for" {
			item["forced_refresh"] = true
		}
	}
	return answer{status, item}, nil
}
