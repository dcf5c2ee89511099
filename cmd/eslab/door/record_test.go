package door

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

func TestRecord(t *testing.T) {
	s, _ := open(t, nil)
	d := s.Serverless()
	request(d, "GET", "/_nodes", "")
	if body := refused(d); !strings.Contains(body, `"method":"GET","uri":"/_nodes","status":410,"reason":"Request for uri [/_nodes]`) {
		t.Error(body)
	}
	// Clearing tells what is cleared, so that nothing vanishes between the two,
	// and the total stays.
	if _, body := request(d, "DELETE", "/_door/refused", ""); !strings.Contains(body, `"uri":"/_nodes"`) {
		t.Error(body)
	}
	if _, body := request(d, "DELETE", "/_door/refused", ""); body != `{"refused":[]}` || refused(d) != body {
		t.Error(body)
	}
	c, err := elasticsearch.Connect(providers.ClusterConfig{Name: "c", Endpoint: "http://door.test:9200"}, through{d})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), providers.Request{Method: "GET", Path: "/_stats"}); err == nil {
		t.Error("esmig was not refused")
	}
	request(d, "DELETE", "/_door/refused", "")
	if _, body := request(d, "GET", "/_door/total", ""); !strings.HasPrefix(body, `{"count":2,"by_esmig":1,`) || !strings.Contains(body, `"uri":"/_nodes"`) || !strings.Contains(body, `"uri":"/_stats"`) {
		t.Error(body)
	}
	if status, body := request(d, "POST", "/_door/delay?ms=-1", ""); status != 400 {
		t.Error(body)
	}
	// The ordinary face refuses nothing.
	if status, body := request(s.Streams(), "GET", "/_nodes", ""); status != 200 {
		t.Error(body)
	}
}

// through is the way of a client to a door.
type through struct{ http.Handler }

func (h through) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// What is refused while one test ends is told by the next, whatever happened in
// between: packages run side by side before one door.
func TestNothingRefusedLosesNothing(t *testing.T) {
	s, _ := open(t, nil)
	d := s.Serverless()
	asked := 0
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ServeHTTP(w, r)
		if asked++; asked == 1 {
			request(d, "GET", "/_nodes", "")
		}
	}))
	defer front.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	told := 0
	for range 3 {
		c := &caught{TB: t}
		providertest.NothingRefused(c, front.URL+"/_door", ca)
		c.end()
		told += c.errors
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// caught is a test whose failures are counted.
type caught struct {
	testing.TB
	end    func()
	errors int
}

func (c *caught) Cleanup(f func())      { c.end = f }
func (c *caught) Errorf(string, ...any) { c.errors++ }
