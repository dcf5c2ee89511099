package door

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Only writes of documents are slow, and only where that was asked for.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, nil)
		d := s.Serverless()
		for _, tt := range []struct {
			delay, method, uri string
			want               time.Duration
		}{
			{"0", "POST", "/_bulk", 0}, {"200", "POST", "/_bulk", 200 * time.Millisecond}, {"200", "PUT", "/a/_doc/1", 200 * time.Millisecond},
			{"200", "GET", "/a/_doc/1", 0}, {"200", "POST", "/a/_search", 0}, {"200", "PUT", "/a", 0}, {"0", "POST", "/_bulk", 0},
			{"200", "POST", "/_reindex", 200 * time.Millisecond}, {"200", "GET", "/_reindex", 0}, {"200", "POST", "/_reindex/n:7/_rethrottle?requests_per_second=1", 0}, {"0", "POST", "/_reindex", 0},
		} {
			request(d, "POST", "/_door/delay?ms="+tt.delay, "")
			start := time.Now()
			if status, body := request(d, tt.method, tt.uri, ""); status != 200 {
				t.Error(body)
			}
			if got := time.Since(start); got != tt.want {
				t.Errorf("%s %s with %s ms took %s", tt.method, tt.uri, tt.delay, got)
			}
		}
	})
}

// Nor is a reindex faster, which writes inside the server: not when it begins,
// and not when its client wants the speed back that it asked for.
func TestDelayReindex(t *testing.T) { synctest.Test(t, delayReindex) }

func delayReindex(t *testing.T) {
	for _, tt := range []struct {
		delay, uri, body string
		want             string // requests_per_second that reached the server
	}{
		{"0", "", `{}`, ""}, {"0", "?requests_per_second=9", `{}`, "9"},
		{"200", "", `{"source":{"index":"a"}}`, "5000"}, {"200", "", `{"source":{"size":100}}`, "500"}, {"500", "", `{"source":{"size":1}}`, "2"},
		{"200", "?requests_per_second=-1", `{}`, "5000"}, {"200", "?requests_per_second=9000", `{}`, "5000"}, {"200", "?requests_per_second=70.5", `{}`, "70.5"},
		{"200", "?requests_per_second=0", `{}`, "0"}, {"200", "?requests_per_second=x", `{}`, "x"}, {"200", "?requests_per_second=-2", `{}`, "-2"}, // for the server to refuse
		{"200", "", `{"source":`, "5000"},
	} {
		uri := "POST /_reindex" + tt.uri
		if tt.want != "" {
			uri = "POST /_reindex?requests_per_second=" + tt.want
		}
		s, b := open(t, map[string]string{uri: `{"task":"n:7"}`})
		d := s.Serverless()
		request(d, "POST", "/_door/delay?ms="+tt.delay, "")
		if status, body := request(d, "POST", "/_reindex"+tt.uri, tt.body); status != 200 || body != `{"task":"n:7"}` {
			t.Errorf("%d %s", status, body)
		}
		if diff := cmp.Diff([]string{uri + " " + tt.body}, b.got); diff != "" {
			t.Errorf("%s ms, %s: %s", tt.delay, tt.uri, diff)
		}
	}

	s, b := open(t, map[string]string{"POST /_reindex?requests_per_second=500&wait_for_completion=false": `{"task":"n:7"}`})
	d := s.Serverless()
	request(d, "POST", "/_door/delay?ms=200", "")
	request(d, "POST", "/_reindex?wait_for_completion=false", `{"source":{"size":100}}`)
	b.got = nil
	for _, task := range []string{"n:7", "n%3A7", "n:8"} { // the last began without a delay
		request(d, "POST", "/_reindex/"+task+"/_rethrottle?requests_per_second=-1", "")
	}
	request(d, "POST", "/_reindex/n:7/_rethrottle?requests_per_second=20", "")
	request(d, "POST", "/_door/delay?ms=0", "")
	request(d, "POST", "/_reindex/n:7/_rethrottle?requests_per_second=-1", "")
	if diff := cmp.Diff([]string{
		"POST /_reindex/n:7/_rethrottle?requests_per_second=500",
		"POST /_reindex/n%3A7/_rethrottle?requests_per_second=500",
		"POST /_reindex/n:8/_rethrottle?requests_per_second=-1",
		"POST /_reindex/n:7/_rethrottle?requests_per_second=20",
		"POST /_reindex/n:7/_rethrottle?requests_per_second=-1",
	}, b.got); diff != "" {
		t.Error(diff)
	}
}
