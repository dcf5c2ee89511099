package elasticsearch

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
)

// A request that asks for it travels compressed both ways, whatever the cluster
// block says, and only once.
func TestCompress(t *testing.T) {
	const text = `{"query":{"match_all":{}}}`
	for _, block := range []bool{false, true} {
		for _, request := range []bool{false, true} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				want := ""
				if block || request {
					want = "gzip"
				}
				if r.Header.Get("Content-Encoding") != want || r.Header.Get("Accept-Encoding") != want {
					t.Errorf("block %v, request %v: headers %v", block, request, r.Header)
				}
				in := io.Reader(r.Body)
				if want != "" {
					z, err := gzip.NewReader(in)
					if err != nil {
						t.Error(err)
						return
					}
					in = z
					w.Header().Set("Content-Encoding", "gzip")
				}
				b, err := io.ReadAll(in)
				if err != nil || string(b) != text {
					t.Errorf("block %v, request %v: %q %v", block, request, b, err)
				}
				if want != "" {
					b = gzipped(b)
				}
				_, _ = w.Write(b)
			}))
			c, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: s.URL, Compression: block}, nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := c.Do(t.Context(), providers.Request{Method: "POST", Path: "/i/_search", Body: []byte(text), Compress: request})
			if err != nil || string(raw) != text {
				t.Errorf("block %v, request %v: %q %v", block, request, raw, err)
			}
			s.Close()
		}
	}
}

// An answer of more than the limit is not read to its end, and not asked for
// again.
func TestLimit(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}))
	defer s.Close()
	c, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: s.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]error{0: nil, 1000: nil, 999: providers.ErrTooLarge} {
		asked = 0
		raw, err := c.Do(t.Context(), providers.Request{Method: "GET", Path: "/x", Limit: limit})
		if !errors.Is(err, want) || err == nil && len(raw) != 1000 || asked != 1 {
			t.Errorf("limit %d: %d bytes, %v, asked %d times", limit, len(raw), err, asked)
		}
	}
}
