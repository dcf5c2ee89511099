package door

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Server is the real server behind one or more doors, which share what they
// know of its data streams.
type Server struct {
	url           *url.URL
	transport     http.RoundTripper
	authorization string
	streams       *streams // nil: the server has the API itself
}

// Connect looks at a server that runs: at is its address, without a path, and
// authorization the header of an administrator. What a face answers by itself
// it asks with that, after the client's own was found good.
func Connect(ctx context.Context, at string, transport http.RoundTripper, authorization string) (*Server, error) {
	to, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	s := &Server{url: to, transport: transport, authorization: authorization}
	body, status, err := s.ask(ctx, http.MethodGet, "/_data_stream", nil)
	if err != nil {
		return nil, fmt.Errorf("the server behind the door: %w", err)
	}
	switch status {
	case http.StatusOK:
	case http.StatusBadRequest: // no handler found
		s.streams = &streams{server: s, dropped: map[string]bool{}, lifecycles: map[string]any{}}
		if f := s.streams.remember(ctx); f != nil {
			return nil, fmt.Errorf("the server behind the door: %s", f.reason)
		}
	default:
		return nil, fmt.Errorf("the server behind the door answers GET /_data_stream with %d: %.300s", status, encode(body))
	}
	return s, nil
}

// ask sends a request of the door's own to the server.
func (s *Server) ask(ctx context.Context, method, path string, body any) (any, int, error) {
	return s.send(ctx, method, path, body, s.authorization)
}

func (s *Server) send(ctx context.Context, method, path string, body any, authorization string) (any, int, error) {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(encode(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url.String()+path, in)
	if err != nil {
		return nil, 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, 0, err
	}
	out, err := decode(raw)
	return out, resp.StatusCode, err
}

// failure is an answer that is an error.
type failure struct {
	status       int
	kind, reason string
	plain        bool // the error is the reason itself
	cause        *failure
}

func (f *failure) body() any {
	if f.plain {
		return map[string]any{"error": f.reason}
	}
	e := f.inner()
	e["root_cause"] = []any{f.root().inner()}
	return map[string]any{"error": e, "status": f.status}
}

func (f *failure) root() *failure {
	for f.cause != nil {
		f = f.cause
	}
	return f
}

func (f *failure) inner() map[string]any {
	e := map[string]any{"type": f.kind, "reason": f.reason}
	if f.cause != nil {
		e["caused_by"] = f.cause.inner()
	}
	return e
}

// failed is the server's own refusal of a request of the door, or nil.
func failed(body any, status int, err error) *failure {
	if err != nil {
		panic(http.ErrAbortHandler) // as a server that went away
	}
	answer, ok := body.(map[string]any)
	if ok && status/100 == 2 {
		return nil
	}
	if s, ok := answer["error"].(string); ok {
		return &failure{status: status, reason: s, plain: true}
	}
	e := find(answer, "error")
	return &failure{status: status, kind: text(e["type"]), reason: text(e["reason"])}
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it was decoded, or made here
	}
	return b.Bytes()
}

// decode keeps numbers as they are written. Of an empty body it makes nil.
func decode(raw []byte) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
