package migration

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Old and foreign servers have their own aggregations.
func TestRealRangeField(t *testing.T) {
	for _, c := range []struct{ server, field, by string }{
		{"es6", "n", "n"}, {"es6", "day", "day"}, {"es6", "share", "share"}, {"es7", "n", "n"}, {"es7", "nanos", "nanos"},
		{"opensearch", "n", "n"}, {"opensearch", "day", "day"},
		{"opensearch", "nanos", "_seq_no"}, // its range aggregation counts them wrong
	} {
		t.Run(c.server+" "+c.field, func(t *testing.T) {
			source, target, write := connect(t, labConfig(t, c.server)), connect(t, labConfig(t, "target")), admin(t, c.server)
			name := "rng-way-" + c.server
			path, kind := "/"+name, ""
			properties := object{"day": object{"type": "date"}, "n": object{"type": "long"}, "share": object{"type": "float"}, "nanos": object{"type": "date_nanos"}}
			if c.server == "es6" {
				path, kind = path+"?"+url.Values{"include_type_name": {"false"}}.Encode(), `,"_type":"_doc"`
				delete(properties, "nanos")
			}
			drop(t, write, name)
			drop(t, target, name)
			t.Cleanup(func() { drop(t, write, name); drop(t, target, name) })
			must(t, write, "PUT", path, object{"settings": object{"number_of_shards": 2, "number_of_replicas": 0}, "mappings": object{"properties": properties}})
			var b strings.Builder
			for i := range 5000 {
				source := `{}`
				if i%100 > 0 {
					source = fmt.Sprintf(`{"day":"2026-01-%02dT%02d:00:00+02:00","nanos":"2026-01-%02dT00:00:00.%09dZ","n":%d,"share":0.%d5}`, i%28+1, i%24, i%28+1, i*7919, i*i, i)
				}
				fmt.Fprintf(&b, "{\"index\":{\"_id\":\"n %d\"%s}}\n%s\n", i, kind, source)
			}
			must(t, write, "POST", "/"+name+"/_bulk?refresh=true", b.String())
			for _, how := range []block{full(copying(name, name)), full(streaming(name, name))} {
				task := cutBy(how, c.field).task(t, map[string]providers.Cluster{"source": source, "target": target})
				task.small = 100
				e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
				if err != nil || e.RangeBy != c.by || e.Ranges < 8 {
					t.Errorf("%+v, %v", e, err)
				}
				result, sum, err := task.Run(t.Context(), newJournal())
				if err != nil || result.Created != 5000 {
					t.Fatalf("%+v, %v", result, err)
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 5000 {
					t.Errorf("%+v, %v", v, err)
				}
				drop(t, target, name)
			}
		})
	}
}

// Time series: ids are of the server's making, _source is made up from the
// fields, and _seq_no is not indexed or off.
func TestRealTimeSeries(t *testing.T) {
	const name = "rng-series"
	w := world{"real", connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target")), admin(t, "source")}
	for _, c := range []struct {
		off bool
		why string
	}{{false, "sequence numbers are not indexed (index.seq_no.index_options)"}, {true, "sequence numbers are off (index.disable_sequence_numbers)"}} {
		for method, b := range map[string]block{"reindex": with(full(copying(name, name)), "dest", "op_type", cty.StringVal("create")), "stream": full(streaming(name, name))} {
			t.Run(fmt.Sprint(method, " ", c.off), func(t *testing.T) {
				for _, s := range []providers.Cluster{w.admin, w.target} {
					drop(t, s, name)
					t.Cleanup(func() { drop(t, s, name) })
					must(t, s, "PUT", "/"+name, object{"settings": object{"index.disable_sequence_numbers": c.off, "index.mode": "time_series", "index.routing_path": "host",
						"index.number_of_shards": 2, "index.number_of_replicas": 0, "index.time_series.start_time": "2026-01-01T00:00:00Z", "index.time_series.end_time": "2026-02-01T00:00:00Z"},
						"mappings": object{"properties": object{"@timestamp": object{"type": "date"}, "host": object{"type": "keyword", "time_series_dimension": true},
							"cpu": object{"type": "double", "time_series_metric": "gauge"}}}})
				}
				var docs strings.Builder
				for i := range 200 {
					fmt.Fprintf(&docs, "{\"create\":{}}\n{\"@timestamp\":\"2026-01-%02dT%02d:00:00Z\",\"host\":\"h%d\",\"cpu\":%d.5}\n", i/24+1, i%24, i%3, i)
				}
				must(t, w.admin, "POST", "/"+name+"/_bulk?refresh=true", docs.String())
				task := fineTask(t, w, b)
				e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
				if err != nil || e.RangeBy != "@timestamp" || !slices.Contains(e.Notes, name+": ranges by @timestamp, because "+c.why) {
					t.Errorf("%+v, %v", e, err)
				}
				result, sum, err := task.Run(t.Context(), newJournal())
				if err != nil || result.Created != 200 {
					t.Fatalf("%+v, %v", result, err)
				}
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 200 {
					t.Errorf("%+v, %v", v, err)
				}
			})
		}
	}
}
