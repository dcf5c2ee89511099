package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// Put indexes a document and makes it visible. source is JSON text, or a value
// to encode. It goes past faults, authentication and the list of requests.
func (f *Fake) Put(index, id string, source any, routing string) {
	text, ok := source.(string)
	if !ok {
		text = string(providers.Encode(source))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := write{index: index, id: id, routing: routing, op: "index", versionType: "internal", ifSeq: -1, source: []byte(text)}
	item, err := f.apply(w)
	if err != nil && strings.Contains(err.Error(), "op_type of create") {
		w.op = "create"
		item, err = f.apply(w)
	}
	if err != nil {
		panic(fmt.Sprintf("providertest: Put %s/%s: %v", index, id, err))
	}
	f.indices[item["_index"].(string)].refresh()
}

// ForgetSeqNo makes documents such as an index holds that was made before 6.0:
// without a sequence number.
func (f *Fake) ForgetSeqNo(index string, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ix := range f.members(index) {
		for key, d := range ix.docs {
			if slices.Contains(ids, key.id) {
				d.seq = -1
			}
		}
	}
}

// Docs returns what an index, alias or data stream holds, refreshed or not, by
// id; where two shards hold the same id, "id/routing".
func (f *Fake) Docs(index string) map[string]Doc {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]Doc{}
	for _, ix := range f.members(index) {
		for _, d := range ix.docs {
			if d.deleted {
				continue
			}
			key := d.id
			if _, taken := out[key]; taken {
				key += "/" + d.routing
			}
			out[key] = d.public()
		}
	}
	return out
}

// Indices lists the names of all indices.
func (f *Fake) Indices() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sortedKeys(f.indices)
}

// Do sends a request past faults, authentication and the list of requests.
// body is JSON text, or a value to encode; nil: none.
func (f *Fake) Do(method, path string, body any) (int, providers.JSON) {
	text, ok := body.(string)
	if !ok && body != nil {
		text = string(providers.Encode(body))
	}
	r := httptest.NewRequest(method, path, nil)
	var out any
	out, err := f.dispatch(r, []byte(text))
	rec := httptest.NewRecorder()
	f.answer(rec, r, out, err)
	return rec.Code, json.RawMessage(rec.Body.Bytes())
}

// Must is Do for what has to succeed; it panics with the server's answer.
func (f *Fake) Must(method, path string, body any) providers.JSON {
	status, raw := f.Do(method, path, body)
	if status >= http.StatusMultipleChoices {
		panic(fmt.Sprintf("providertest: %s %s: %d %s", method, path, status, raw))
	}
	return raw
}
