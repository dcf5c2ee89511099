package elasticsearch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esmig/esmig/providers"
)

func status(code int) func() (*http.Response, error) {
	return func() (*http.Response, error) { return reply(code, `{"error":"x"}`), nil }
}

func broken(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func asksToWait(after string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		r := reply(429, `{"error":"busy"}`)
		r.Header.Set("Retry-After", after)
		return r, nil
	}
}

func cutBody() (*http.Response, error) {
	r := reply(200, "")
	r.Body = io.NopCloser(io.MultiReader(&oneByte{}, errReader{}))
	return r, nil
}

type oneByte struct{ done bool }

func (o *oneByte) Read(p []byte) (int, error) {
	if o.done {
		return 0, io.EOF
	}
	o.done = true
	p[0] = '{'
	return 1, nil
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRetry(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	get := providers.Request{Method: "GET", Path: "/x"}
	post := providers.Request{Method: "POST", Path: "/_reindex", Body: []byte(`{"a":1}`)}
	search := providers.Request{Method: "POST", Path: "/_search", Body: []byte(`{"a":1}`), Repeatable: true}
	for name, tt := range map[string]struct {
		r       providers.Request
		answers []func() (*http.Response, error) // the last one repeats
		sent    int
		ok      bool
		atLeast time.Duration
		never   bool // the cluster has never answered before
	}{
		"GET after 503":                        {r: get, answers: []func() (*http.Response, error){status(503), status(200)}, sent: 2, ok: true},
		"GET after a broken connection":        {r: get, answers: []func() (*http.Response, error){broken(io.EOF), broken(reset), status(200)}, sent: 3, ok: true},
		"GET after half an answer":             {r: get, answers: []func() (*http.Response, error){cutBody, status(200)}, sent: 2, ok: true},
		"GET gives up":                         {r: get, answers: []func() (*http.Response, error){status(502)}, sent: maxTries},
		"GET not after 500":                    {r: get, answers: []func() (*http.Response, error){status(500)}, sent: 1},
		"GET not after 404":                    {r: get, answers: []func() (*http.Response, error){status(404)}, sent: 1},
		"POST not after 504":                   {r: post, answers: []func() (*http.Response, error){status(504)}, sent: 1},
		"POST not after 503":                   {r: post, answers: []func() (*http.Response, error){status(503)}, sent: 1},
		"POST not after a hang-up":             {r: post, answers: []func() (*http.Response, error){broken(io.EOF)}, sent: 1},
		"POST not after a reset":               {r: post, answers: []func() (*http.Response, error){broken(reset)}, sent: 1},
		"POST not after half an answer":        {r: post, answers: []func() (*http.Response, error){cutBody}, sent: 1},
		"POST when nothing listens":            {r: post, answers: []func() (*http.Response, error){broken(refused), status(200)}, sent: 2, ok: true},
		"POST when refused as too many":        {r: post, answers: []func() (*http.Response, error){status(429), status(200)}, sent: 2, ok: true},
		"repeatable POST after 504":            {r: search, answers: []func() (*http.Response, error){status(504), status(200)}, sent: 2, ok: true},
		"repeatable POST after a hang-up":      {r: search, answers: []func() (*http.Response, error){broken(io.EOF), status(200)}, sent: 2, ok: true},
		"Retry-After in seconds":               {r: get, answers: []func() (*http.Response, error){asksToWait("9"), status(200)}, sent: 2, ok: true, atLeast: 9 * time.Second},
		"Retry-After as a date":                {r: get, answers: []func() (*http.Response, error){asksToWait("Sat, 01 Jan 2000 00:00:12 GMT"), status(200)}, sent: 2, ok: true, atLeast: 11 * time.Second},
		"Retry-After longer than anyone waits": {r: get, answers: []func() (*http.Response, error){asksToWait("3600"), status(200)}, sent: 1},
		"a wrong address is told soon":         {r: get, answers: []func() (*http.Response, error){broken(refused)}, sent: maxFirstTries, never: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := connect(t, roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Body != nil {
						if b, _ := io.ReadAll(r.Body); string(b) != string(tt.r.Body) {
							t.Errorf("try %d sent %q", sent+1, b)
						}
					}
					sent++
					return tt.answers[min(sent, len(tt.answers))-1]()
				}))
				c.(*client).retries.answered.Store(!tt.never)
				start := time.Now()
				_, err := c.Do(t.Context(), tt.r)
				if sent != tt.sent || (err == nil) != tt.ok {
					t.Errorf("sent %d times, want %d; error %v", sent, tt.sent, err)
				}
				if d := time.Since(start); d < tt.atLeast || d > maxElapsed {
					t.Errorf("took %s", d)
				}
			})
		})
	}
}

// A request has its own time limit; a longer one of the cluster does not count.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		start := time.Now()
		_, err := c.Do(t.Context(), providers.Request{Method: "POST", Path: "/x", Timeout: 3 * time.Second})
		var f *providers.Finding
		if !errors.As(err, &f) || f.Code != codeTimeout || !errors.Is(err, providers.ErrUnavailable) {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("gave up after %s", d)
		}
	})
}

// Two clients of the same name wait equally long in a simulation.
func TestJitterIsRepeatable(t *testing.T) {
	a, b := newRetries(fixedSeed("x")), newRetries(fixedSeed("x"))
	for range 10 {
		if x, y := a.random(), b.random(); x != y {
			t.Fatalf("%v and %v", x, y)
		}
	}
}
