package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	es "github.com/elastic/go-elasticsearch/v8"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// DefaultTimeout bounds one request where neither the cluster block nor the
// request says anything.
const DefaultTimeout = 60 * time.Second

// client is a providers.Cluster. The path of a request is
// Do -> retry -> once -> elastictransport -> http.RoundTripper.
type client struct {
	cfg     providers.ClusterConfig
	base    *url.URL // with the path prefix
	header  http.Header
	conn    *es.BaseClient
	rt      http.RoundTripper
	redact  func(string) string
	retries retries
	info    infoCache
	// serverless: Info has found out that it is one.
	serverless atomic.Bool
}

// Connect makes a connection without any traffic. rt is the only way to the
// network; nil: made from what cfg says about certificates and proxies. What
// is wrong with cfg is a *providers.Finding that names the argument.
func Connect(cfg providers.ClusterConfig, rt http.RoundTripper) (providers.Cluster, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	header, err := headers(cfg)
	if err != nil {
		return nil, err
	}
	seed := fixedSeed(cfg.Name)
	if rt == nil {
		seed = randomSeed()
		if rt, err = transport(cfg, base.Hostname()); err != nil {
			return nil, err
		}
	}
	conn, err := es.NewBaseClient(es.Config{
		// Without the prefix: the library loses the escapes of a path when it
		// adds one, so the prefix is part of each request's path instead.
		Addresses:           []string{base.Scheme + "://" + base.Host},
		Transport:           rt,
		CompressRequestBody: cfg.Compression,
		DisableRetry:        true, // its own retries send POST _reindex four times
		DisableMetaHeader:   true,
	})
	if err != nil {
		return nil, providers.NewError("bad_cluster", "endpoint", "Unusable endpoint", err.Error())
	}
	return &client{
		cfg: cfg, base: base, header: header, conn: conn, rt: rt, redact: redactor(cfg),
		retries: newRetries(seed), info: newInfoCache(),
	}, nil
}

// At is the same cluster, by the same way, at another host and port: one of its
// nodes.
func (c *client) At(address string) (providers.Cluster, error) {
	cfg := c.cfg
	cfg.Endpoint, cfg.CloudID = c.base.Scheme+"://"+address, ""
	return Connect(cfg, c.rt)
}

func (c *client) Name() string                    { return c.cfg.Name }
func (c *client) Config() providers.ClusterConfig { return c.cfg }

// Do sends a request and returns the body of a 2xx answer, nil if it is empty.
// Everything else is an *Error, or a *providers.Finding when no answer came.
// What Serverless does not have is not sent to a cluster that is known to be
// one: the error is what the server would answer.
func (c *client) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	if c.serverless.Load() {
		if _, there := serverless.Find(r.Method, r.Path); !there {
			reason, status, plain := serverless.NoAPI(r.Method, r.Path)
			e := &Error{Method: r.Method, Path: clean(r.Path, 200), OpaqueID: r.OpaqueID, Status: status, Reason: clean(reason, 300)}
			if !plain {
				e.Type = serverless.TypeNoAPI
			}
			return nil, e
		}
	}
	return c.retries.do(ctx, r, func() (providers.JSON, error) { return c.once(ctx, r) })
}

// once sends the request a single time.
func (c *client) once(ctx context.Context, r providers.Request) (providers.JSON, error) {
	timeout := DefaultTimeout
	if c.cfg.Timeout > 0 {
		timeout = c.cfg.Timeout
	}
	if r.Timeout > 0 {
		timeout = r.Timeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	req, err := c.request(limited, r)
	if err != nil {
		return nil, err
	}
	// Transport.Perform, not Perform: the latter refuses servers that do not
	// send X-Elastic-Product (OpenSearch, Elasticsearch before 7.14).
	res, err := c.conn.Transport.Perform(req)
	if err != nil {
		return nil, c.noAnswer(ctx, r, timeout, err)
	}
	defer res.Body.Close()
	body, err := readAnswer(res, r.Limit)
	if errors.Is(err, providers.ErrTooLarge) {
		return nil, fmt.Errorf("%s %s: %w", r.Method, clean(r.Path, 200), err)
	}
	if err != nil {
		return nil, c.noAnswer(ctx, r, timeout, err)
	}
	html := strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")
	if res.StatusCode >= 200 && res.StatusCode < 300 && !html {
		return body, nil
	}
	e := newError(r, res.StatusCode, body, c.redact)
	e.challenges, e.kibana = res.Header.Values("WWW-Authenticate"), e.kibana || kibanaHeaders(res.Header)
	e.retryAfter = retryAfter(res.Header.Get("Retry-After"))
	if l := res.Header.Get("Location"); l != "" && res.StatusCode/100 == 3 {
		e.Reason = "redirects to " + clean(c.redact(l), 200)
	}
	return nil, e
}

func (c *client) request(ctx context.Context, r providers.Request) (*http.Request, error) {
	u, err := url.Parse(c.base.String() + r.Path)
	if err != nil || !strings.HasPrefix(r.Path, "/") {
		return nil, fmt.Errorf("elasticsearch: %q is no path", r.Path) // a bug of the caller
	}
	u.RawQuery = r.Query.Encode()
	compress := r.Compress && !c.cfg.Compression // which does it for every request
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
		if compress {
			body = bytes.NewReader(gzipped(r.Body))
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	for k, v := range c.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	if r.Body != nil {
		req.Header.Set("Content-Type", contentType(r.Path))
	}
	if compress {
		req.Header.Set("Accept-Encoding", "gzip")
		if r.Body != nil {
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	if r.OpaqueID != "" {
		req.Header.Set("X-Opaque-Id", r.OpaqueID)
	}
	return req, nil
}

func contentType(path string) string {
	if path == "/_bulk" || strings.HasSuffix(path, "/_bulk") || strings.HasSuffix(path, "/_msearch") {
		return "application/x-ndjson"
	}
	return "application/json"
}

// noAnswer tells the caller's own cancelling from everything else.
func (c *client) noAnswer(ctx context.Context, r providers.Request, timeout time.Duration, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", r.Method, clean(r.Path, 200), context.Cause(ctx))
	}
	return networkFinding(c.cfg, c.base, timeout, c.redact, err)
}
