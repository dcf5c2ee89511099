package view

import (
	"testing"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers"
)

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		source, target   string
		requests, writes int64
		want             string
	}{
		{"hosted/orders", "target", 113, 127, "about 110 requests to hosted, 130 to target"},
		{"hosted/orders", "target", 9, 99, "about 9 requests to hosted, 99 to target"},
		{"hosted/orders", "target", 995, 1_234_567, "about 1,000 requests to hosted, 1,200,000 to target"},
		{"target/orders", "target", 60, 63, "about 120 requests to target"},
		{"hosted/orders", "target", 0, 0, ""},
	} {
		s := &engine.Step{Source: c.source, Cluster: c.target}
		if got := requests(s, &providers.Estimate{SourceRequests: c.requests, DestRequests: c.writes}); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
