package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// rest is a providers.Resource that one PUT makes, one GET reads and one
// DELETE removes. Most kinds are a rest with a canonical form.
type rest struct {
	addr    providers.Addr
	cluster providers.Cluster
	id      string
	path    string // "/_ingest/pipeline/orders"
	// answer is the way to the object in what GET answers: keys and numbers.
	answer []string
	body   map[string]any // as the user wrote it
	// canonical makes both the body and the answer comparable.
	canonical func(map[string]any) map[string]any
	since     string // "composable templates came with Elasticsearch 7.8"
}

// newREST is the rest of a block that has the arguments cluster and name. In
// path and answer, {name} is the object's name.
func newREST(in providers.Instance, path string, answer []string, canonical func(map[string]any) map[string]any, notInBody ...string) rest {
	r := rest{
		addr:      in.Addr,
		cluster:   in.Cluster(in.Args.GetAttr("cluster")),
		id:        str(in, "name"),
		canonical: canonical,
		body:      arguments(in, notInBody...),
	}
	if in.Stored != nil { // the block is gone
		r.body = decodeObject(in.Stored)
	}
	r.path = strings.ReplaceAll(path, "{name}", url.PathEscape(r.id))
	for _, a := range answer {
		if a == "{name}" {
			a = r.id
		}
		r.answer = append(r.answer, a)
	}
	return r
}

func (r *rest) Cluster() providers.Cluster { return r.cluster }
func (r *rest) ID() string                 { return r.id }
func (r *rest) Declared() providers.JSON   { return encode(r.canonical(r.body)) }

func (r *rest) Read(ctx context.Context) (providers.JSON, error) {
	m, err := r.get(ctx, nil)
	if err != nil {
		return nil, err
	}
	return encode(r.canonical(m)), nil
}

// get is the object as the server answers it.
func (r *rest) get(ctx context.Context, query url.Values) (map[string]any, error) {
	raw, err := send(ctx, r.cluster, http.MethodGet, r.path, query, nil, r.since)
	if err != nil {
		return nil, err
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("GET %s: the answer is no JSON: %w", r.path, err)
	}
	for _, key := range r.answer {
		switch inner := v.(type) {
		case map[string]any:
			v = inner[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(inner) {
				v = nil
				break
			}
			v = inner[i]
		default:
			v = nil
		}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is %w on %s", r.id, providers.ErrNotFound, r.cluster.Name())
	}
	return m, nil
}

func (r *rest) Write(ctx context.Context, w providers.Write) error {
	return r.put(ctx, decodeObject(providers.KeepPaths(encode(r.body), w.Now, w.Keep)))
}

func (r *rest) put(ctx context.Context, body map[string]any) error {
	_, err := r.do(ctx, http.MethodPut, r.path, body)
	return err
}

func (r *rest) Delete(ctx context.Context) error {
	_, err := r.do(ctx, http.MethodDelete, r.path, nil)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// do sends body, nil for none. An API that the server does not have becomes a
// finding that says so.
func (r *rest) do(ctx context.Context, method, path string, body map[string]any) (providers.JSON, error) {
	return send(ctx, r.cluster, method, path, nil, body, r.since)
}

func send(ctx context.Context, c providers.Cluster, method, path string, query url.Values, body map[string]any, since string) (providers.JSON, error) {
	req := providers.Request{Method: method, Path: path, Query: query}
	if body != nil {
		req.Body = encode(body)
	}
	if _, there := serverless.Find(method, path); !there {
		// So that Do knows whether this is Serverless. If it cannot be told, the
		// request itself will say why.
		_, _ = c.Info(ctx)
	}
	raw, err := c.Do(ctx, req)
	if !noAPI(err) {
		return raw, err
	}
	title := "This server"
	if i, infoErr := c.Info(ctx); infoErr == nil {
		title = i.Title()
	}
	api, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if since != "" {
		since = " (" + since + ")"
	}
	f := providers.NewError("not_supported", "", "Not available on this server",
		fmt.Sprintf("%s, which %q is, does not have the API %s that this block needs%s. Remove the block, or give it another cluster.",
			title, c.Name(), api, since))
	f.Err = err
	return nil, f
}
