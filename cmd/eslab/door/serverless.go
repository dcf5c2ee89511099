package door

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// most is the largest body that is held, of a request or an answer.
const most = 64 << 20

// check says why Serverless does not carry a request out, or nil.
func (d *Door) check(r *http.Request) *failure {
	if scheme, _, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && !strings.EqualFold(scheme, "ApiKey") {
		return &failure{status: http.StatusUnauthorized, kind: "security_exception", reason: fmt.Sprintf("unable to authenticate with provided credentials for REST request [%s]", r.URL.RequestURI())}
	}
	e, ok := serverless.Find(r.Method, r.URL.EscapedPath())
	if !ok {
		reason, status, plain := serverless.NoAPI(r.Method, r.URL.RequestURI())
		return &failure{status: status, kind: serverless.TypeNoAPI, reason: reason, plain: plain}
	}
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !e.Allows(name) {
			return &failure{status: 400, kind: serverless.TypeParam, reason: serverless.NoParam(r.URL.Path, name, query.Get(name))}
		}
	}
	if !looksInto(e) {
		return nil
	}
	values, f := hold(r)
	for _, v := range values {
		if body, ok := v.(map[string]any); ok && f == nil {
			f = refuse(e, body)
		}
	}
	return f
}

// looksInto names the endpoints whose bodies hold what may be refused.
func looksInto(e serverless.Endpoint) bool {
	last := e.Path[strings.LastIndex(e.Path, "/")+1:]
	return len(e.Without) > 0 || settingsAt(e.Path) != nil || isMapping(e.Path) || slices.Contains([]string{"_search", "_msearch", "_async_search"}, last)
}

// isMapping names the endpoints whose body is a mapping.
func isMapping(path string) bool {
	return strings.HasSuffix(path, "/_mapping") || strings.HasSuffix(path, "/_mappings")
}

// settingsAt is the way to the settings and mappings in the body of a request;
// nil: there are none.
func settingsAt(path string) []string {
	switch path {
	case "/{index}", "/{alias}/_rollover", "/{alias}/_rollover/{new_index}":
		return []string{"settings", "mappings"}
	case "/_settings", "/{index}/_settings", "/_data_stream/{name}/_settings":
		return []string{""}
	case "/_index_template/{name}", "/_component_template/{name}", "/_index_template/_simulate", "/_index_template/_simulate/{name}", "/_index_template/_simulate_index/{name}":
		return []string{"template.settings", "template.mappings"}
	case "/_create_from/{source}/{dest}":
		return []string{"settings_override", "mappings_override"}
	}
	return nil
}

// hold reads a body, and leaves it in its place. A body that is no JSON is for
// the server to refuse.
func hold(r *http.Request) ([]any, *failure) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(raw) > most {
		return nil, &failure{status: http.StatusRequestEntityTooLarge, kind: "content_too_long_exception", reason: "the door of the lab holds no body of more than 64 MB"}
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	var in io.Reader = bytes.NewReader(raw)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(in); err != nil {
			return nil, nil
		}
	}
	dec := json.NewDecoder(in)
	dec.UseNumber()
	var out []any
	for {
		var v any
		if err := dec.Decode(&v); err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, nil
			}
			return out, nil
		}
		out = append(out, v)
	}
}

// refuse looks for what a body may not hold.
func refuse(e serverless.Endpoint, body map[string]any) *failure {
	if at := settingsAt(e.Path); at != nil {
		settings := find(body, at[0])
		if inner, ok := body["settings"].(map[string]any); ok && at[0] == "" {
			settings = inner
		}
		if names := serverless.Missing(settings); len(names) > 0 {
			return &failure{status: 400, kind: serverless.TypeBody, reason: serverless.NoSettings(names)}
		}
		if v, ok := serverless.Flatten(settings)["index.refresh_interval"]; ok && v != nil && !serverless.RefreshInterval(fmt.Sprint(v)) {
			return &failure{status: 400, kind: serverless.TypeBody, reason: serverless.NoRefreshInterval(fmt.Sprint(v))}
		}
		if len(at) > 1 {
			if f := mapping(find(body, at[1])); f != nil {
				return f
			}
		}
	}
	if isMapping(e.Path) {
		return mapping(body)
	}
	for _, key := range e.Without {
		if has(body, strings.Split(key, ".")) {
			return &failure{status: 400, kind: serverless.TypeBody, reason: serverless.NoKey(key)}
		}
	}
	return aggregations(body)
}

// find is the object at a dotted path; "" is the body itself.
func find(body map[string]any, path string) map[string]any {
	if path == "" {
		return body
	}
	for key := range strings.SplitSeq(path, ".") {
		body, _ = body[key].(map[string]any)
	}
	return body
}

// has says whether a path of keys is there, through lists.
func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		inner, ok := v[path[0]]
		return ok && has(inner, path[1:])
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return has(e, path) })
	}
	return false
}

// mapping refuses one with a field of a type that is not there, or with a
// dynamic template that would make such fields. Templates still take a mapping
// under the name of its type, _doc.
func mapping(m map[string]any) *failure {
	if inner, ok := m["_doc"].(map[string]any); ok && len(m) == 1 {
		m = inner
	}
	templates, _ := m["dynamic_templates"].([]any)
	for _, v := range templates {
		named, _ := v.(map[string]any)
		for name, v := range named { // one
			template, _ := v.(map[string]any)
			made := find(template, "mapping")
			if kind, _ := made["type"].(string); !serverless.HasFieldType(kind) {
				return unparsed(fmt.Sprintf("dynamic template [%s] has invalid content", name),
					&failure{kind: serverless.TypeBody, reason: fmt.Sprintf("No mapper found for type [%s]", kind)})
			}
			if f := fieldTypes(made); f != nil {
				return f
			}
		}
	}
	return fieldTypes(m)
}

func unparsed(reason string, cause *failure) *failure {
	return &failure{status: 400, kind: "mapper_parsing_exception", reason: "Failed to parse mapping: " + reason, cause: cause}
}

// fieldTypes refuses fields of a type that is not there.
func fieldTypes(mapping map[string]any) *failure {
	for _, list := range []string{"properties", "fields"} {
		fields, _ := mapping[list].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			field, _ := fields[name].(map[string]any)
			if kind, _ := field["type"].(string); !serverless.HasFieldType(kind) {
				cause := &failure{kind: "mapper_parsing_exception", reason: serverless.NoFieldType(kind, name)}
				return unparsed(cause.reason, cause)
			}
			if f := fieldTypes(field); f != nil {
				return f
			}
		}
	}
	return nil
}

// aggregations refuses a search with one that is not there.
func aggregations(search map[string]any) *failure {
	for _, key := range []string{"aggs", "aggregations"} {
		aggs, _ := search[key].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(aggs)) {
			agg, _ := aggs[name].(map[string]any)
			for kind, v := range agg {
				if !serverless.HasAggregation(kind) {
					body, _ := v.(map[string]any)
					return &failure{status: 400, kind: "search_phase_execution_exception", reason: "all shards failed",
						cause: &failure{kind: serverless.TypeBody, reason: serverless.NoAggregation(name, body)}}
				}
			}
			if f := aggregations(agg); f != nil {
				return f
			}
		}
	}
	return nil
}

// changes says whether the face shows another answer than the server's.
func (d *Door) changes(r *http.Request) bool {
	segs := segments(r)
	if r.Method == http.MethodHead {
		return false
	}
	if d.streams != nil && (hasSegs(segs, "_resolve", "index") || hasSegs(segs, "_index_template")) {
		return true
	}
	if !d.serverless {
		return false
	}
	e, _ := serverless.Find(r.Method, r.URL.EscapedPath())
	switch e.Path {
	case "/":
		return true
	case "/{index}", "/_settings", "/_settings/{name}", "/{index}/_settings", "/{index}/_settings/{name}",
		"/_index_template", "/_index_template/{name}", "/_component_template", "/_component_template/{name}":
		return r.Method == http.MethodGet
	}
	return strings.HasPrefix(e.Path, "/_index_template/_simulate")
}

func hasSegs(segs []string, first ...string) bool {
	return len(segs) >= len(first) && slices.Equal(segs[:len(first)], first)
}

// reface changes an answer of the server.
func (d *Door) reface(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	r := resp.Request
	if most, ok := r.Context().Value(speed{}).(float64); ok {
		return d.keepSpeed(resp, most)
	}
	if segs := segments(r); d.streams != nil && (r.Method == http.MethodPut || r.Method == http.MethodPost) && len(segs) == 2 && segs[0] == "_index_template" {
		d.streams.templateChanged(r.Context(), segs[1])
	}
	if !d.changes(resp.Request) {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil || len(raw) > most {
		return fmt.Errorf("an answer that is changed on its way may have 64 MB: %w", err)
	}
	_ = resp.Body.Close() // it was read to its end
	v, err := decode(raw)
	body, ok := v.(map[string]any)
	if err == nil && ok {
		if d.streams != nil {
			d.streams.hide(body)
		}
		if d.serverless && body["tagline"] != nil {
			face(body)
		} else if d.serverless {
			onlySettings(body)
		}
		raw = encode(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	resp.ContentLength = int64(len(raw))
	resp.Header.Set("Content-Length", fmt.Sprint(len(raw)))
	return nil
}

// face is what a project says of itself. Its id differs from the server's, so
// that the two are not taken for one cluster.
func face(root map[string]any) {
	sum := sha256.Sum256([]byte(fmt.Sprint("serverless ", root["cluster_uuid"])))
	root["name"], root["cluster_name"] = "serverless", "lab-project"
	root["cluster_uuid"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	if version, ok := root["version"].(map[string]any); ok {
		version["build_flavor"], version["build_type"] = "serverless", "docker"
		version["number"] = "9.5.0" // the next minor; it says nothing
	}
}

// onlySettings leaves out of an answer the settings that are not there: those
// of shards, replicas, tiers. It looks nowhere else, because fields and aliases
// may have any name.
func onlySettings(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			onlySettings(e)
		}
	case map[string]any:
		for key, inner := range v {
			m, ok := inner.(map[string]any)
			switch {
			case ok && (key == "settings" || key == "defaults"):
				prune("", m)
			case key == "mappings" || key == "aliases" || key == "_meta":
			default:
				onlySettings(inner)
			}
		}
	}
}

func prune(prefix string, settings map[string]any) {
	for key, v := range settings {
		name := prefix + key
		if inner, ok := v.(map[string]any); ok {
			prune(name+".", inner)
			if len(inner) == 0 && name != "index" {
				delete(settings, key)
			}
			continue
		}
		if !serverless.Setting(name) && !serverless.Shown(name) {
			delete(settings, key)
		}
	}
}

// escaped is a name as it stands in a path.
func escaped(name string) string { return url.PathEscape(name) }
