package migration

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// A stream between real servers of every kind: ids, routing, versions, numbers
// as they were written, line breaks, vectors.
func TestRealStream(t *testing.T) {
	for _, way := range [][2]string{{"source", "target"}, {"es6", "target"}, {"es7", "target"}, {"opensearch", "target"}, {"source", "opensearch"}, {"source", "serverless"}, {"serverless", "target"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			source, target, write := connect(t, labConfig(t, way[0])), connect(t, labConfig(t, way[1])), admin(t, way[0])
			from, to := "str-way-"+way[0], "str-way-from-"+way[0]
			drop(t, write, from)
			drop(t, target, to)
			t.Cleanup(func() { drop(t, write, from); drop(t, target, to) })
			kind := ""
			if way[0] == "es6" {
				kind = `,"_type":"_doc"`
			}
			vectors := way[0] == "source" && way[1] == "target"
			for _, c := range []struct {
				at   providers.Cluster
				name string
			}{{write, from}, {target, to}} {
				body := sized(t, c.at, 3)
				if vectors {
					body["mappings"] = object{"properties": object{"v": object{"type": "dense_vector", "dims": 3}}}
				}
				must(t, c.at, "PUT", "/"+c.name, body)
			}
			var b strings.Builder
			for i := range 5000 {
				fmt.Fprintf(&b, "{\"index\":{\"_id\":\"n %d/ü\\\"\",\"routing\":\"r%d\"%s}}\n{\"n\":%d,\"price\":1e3,\"f\":1.10,\"big\":9007199254740993,\"list\":[1,2],\"o\":{\"a\":null},\"v\":[0.5,0.25,%d.5]}\n", i, i%7, kind, i, i%3+1)
			}
			must(t, write, "POST", "/"+from+"/_bulk?refresh=true", b.String())
			must(t, write, "PUT", "/"+from+"/_doc/pretty", "{\n  \"n\": -1,\r\n  \"t\": \"x\\ny\"\n}")
			must(t, write, "PUT", "/"+from+"/_doc/pretty?refresh=true", "{\n  \"n\": -1,\r\n  \"t\": \"x\\ny\"\n}")
			task := streaming(from, to).task(t, map[string]providers.Cluster{"source": source, "target": target})
			task.small, task.size = 100, 333
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil || e.Method != "stream" || len(e.Findings) > 0 || e.Ranges < 8 {
				t.Errorf("%+v %v", e, err)
			}
			j := newJournal()
			result, sum, err := task.Run(t.Context(), j)
			if err != nil || result.Created != 5001 || result.Read != 5001 {
				t.Fatalf("%+v %v", result, err)
			}
			if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Identical < 1000 || v.Identical != v.Compared {
				t.Errorf("%+v %v", v, err)
			}
			// Again: everything is there, with its version.
			if result, _, err = task.Run(t.Context(), newJournal()); err != nil || result.Conflicts != 5001 {
				t.Errorf("%+v %v", result, err)
			}
			if vectors {
				a, err := search(t.Context(), target, to, -1, object{"size": 1, "_source": object{"exclude_vectors": false}, "query": object{"term": object{"n": 7}}})
				if err != nil || !strings.Contains(string(a.Hits.Hits[0].Source), `"v":[0.5,0.25,2`) {
					t.Errorf("%+v %v", a, err)
				}
				return
			}
			same := rawContents(t, write, from)
			if diff := cmp.Diff(same, rawContents(t, target, to)); diff != "" {
				t.Errorf("%.2000s", diff)
			}
		})
	}
}

// rawContents are the documents' bytes, but for line breaks.
func rawContents(t testing.TB, c providers.Cluster, index string) map[string]string {
	a, err := search(t.Context(), c, index, -1, object{"size": 10_000, "version": true})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, h := range a.Hits.Hits {
		out[h.key()] = fmt.Sprint(h.Version, " ", strings.NewReplacer("\n", " ", "\r", " ").Replace(string(h.Source)))
	}
	return out
}

// A source that the destination may not read from is streamed, and the plan
// says why.
func TestRealStreamNotWhitelisted(t *testing.T) {
	cfg := labConfig(t, "source")
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Endpoint = "https://localhost:" + u.Port()
	source, target, write := connect(t, cfg), connect(t, labConfig(t, "target")), admin(t, "source")
	const from, to = "str-unlisted", "str-unlisted-to"
	fill(t, write, from, 1, 3000)
	drop(t, target, to)
	t.Cleanup(func() { drop(t, target, to) })
	clusters := map[string]providers.Cluster{"source": source, "target": target}
	e, err := copying(from, to).task(t, clusters).Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
	if err != nil || e.Method != "stream" || e.Why != "target may not read from source: not whitelisted" {
		t.Errorf("%+v %v", e, err)
	}
	for _, f := range e.Findings {
		if f.Severity != providers.SeverityNote || f.Code != "not_whitelisted" {
			t.Error(f)
		}
	}
	if e, err = with(copying(from, to), "", "method", cty.StringVal("reindex")).task(t, clusters).
		Estimate(t.Context(), providers.Prospect{DestinationDeclared: true}); err != nil || len(e.Findings) != 1 || e.Findings[0].Severity != providers.SeverityError {
		t.Errorf("%+v %v", e, err)
	}
	task := sampled(from, to).task(t, clusters)
	result, sum, err := task.Run(t.Context(), newJournal())
	if err != nil || result.Created != 3000 {
		t.Fatalf("%+v %v", result, err)
	}
	if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != v.Compared || v.Compared < 1000 {
		t.Errorf("%+v %v", v, err)
	}
}

// A document that a real server refuses, among others.
func TestRealStreamRefused(t *testing.T) {
	source, target, write := connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target")), admin(t, "source")
	const name = "str-refused"
	fill(t, write, name, 1, 100)
	must(t, write, "PUT", "/"+name+"/_doc/late?refresh=true", object{"extra": 1})
	drop(t, target, name)
	t.Cleanup(func() { drop(t, target, name) })
	must(t, target, "PUT", "/"+name, object{"mappings": object{"dynamic": "strict", "properties": object{"n": object{"type": "long"},
		"name": object{"type": "text"}, "price": object{"type": "double"}, "big": object{"type": "long"}, "day": object{"type": "date"}}}})
	j := &hand{memJournal: newJournal()}
	result, _, err := streaming(name, name).task(t, map[string]providers.Cluster{"source": source, "target": target}).Run(t.Context(), j)
	if code(err) != "documents_refused" || result.Failed != 1 || result.Created != 100 || len(j.letters) != 1 ||
		j.letters[0].ID != "late" || j.letters[0].Field != "extra" || !strings.Contains(j.letters[0].Advice, "Declare extra") {
		t.Errorf("%+v %+v %v", result, j.letters, err)
	}
}
