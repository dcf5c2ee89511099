package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someFlights = `{"title":"flights","made_up":false}
{"carrier":"UA","flight":1545}
{"carrier":"AA","flight":1141}
`

const someSpeeches = `{"title":"speeches","made_up":true}
{"title":"(1)","date":"2004-03-30","body":"Señor Presidente, \"hoy\" 漢字 𝒳"}
{"title":"(2)","date":"2004-03-31","body":"Frågestund"}
{"title":"(3)","date":"2004-04-01","body":"Madam President"}
`

func TestDocuments(t *testing.T) {
	for _, c := range []struct {
		text  string
		shape shape
	}{
		{someFlights, shape{data: "flights"}},
		{someSpeeches, shape{data: "speeches", length: 97}},
		{someSpeeches, shape{data: "speeches", length: 100}},
	} {
		d, err := parseDataset(strings.NewReader(c.text), c.shape.data)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for i := range 20 {
			doc := d.appendDocument(nil, &c.shape, i)
			if again := d.appendDocument(nil, &c.shape, i); !bytes.Equal(doc, again) {
				t.Errorf("document %d is another one the second time", i)
			}
			var v map[string]any
			if err := json.Unmarshal(doc, &v); err != nil {
				t.Fatalf("document %d: %v: %s", i, err, doc)
			}
			if before, twice := seen[string(doc)]; twice {
				t.Errorf("documents %d and %d are the same", before, i)
			}
			seen[string(doc)] = i
			body, _ := v["body"].(string)
			if n := len(body); c.shape.length > 0 && (n > c.shape.length || n < c.shape.length-3 || strings.ContainsRune(body, '\uFFFD')) {
				t.Errorf("document %d has a text of %d bytes: %q", i, n, body)
			}
		}
	}
	if _, err := parseDataset(strings.NewReader(`{"title":"x"}`), "flights"); err == nil {
		t.Error("an empty data set is taken")
	}
}

func TestBodies(t *testing.T) {
	d, err := parseDataset(strings.NewReader(someFlights), "flights")
	if err != nil {
		t.Fatal(err)
	}
	documents, lines, requests := 0, 0, 0
	d.bodies(&shape{data: "flights"}, 3, 103, 1000, func(b body) bool {
		documents, lines, requests = documents+b.documents, lines+bytes.Count(b.ndjson, []byte("\n")), requests+1
		return true
	})
	if documents != 100 || lines != 200 || requests < 5 || requests > 50 {
		t.Errorf("%d documents in %d lines and %d requests", documents, lines, requests)
	}
}

func TestFlags(t *testing.T) {
	o, err := parseFlags([]string{"-scale", "0.01", "-rounds", "2"})
	if err != nil || o.scale != 0.01 || o.rounds != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"-rounds=0", "-scale=0", "now"} {
		if _, err := parseFlags([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	shapes, err := chooseShapes("flat,huge", 0.01)
	if err != nil || len(shapes) != 2 || shapes[0].documents != 10_000 || shapes[1].documents != 400 {
		t.Errorf("%+v, %v", shapes, err)
	}
	if _, err := chooseShapes("flat,round", 1); err == nil {
		t.Error("an unknown shape is taken")
	}
	if n, err := sizes("5000000,100000", 0.01); err != nil || len(n) != 2 || n[0] != 1000 || n[1] != 50_000 {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := sizes("many", 1); err == nil {
		t.Error("sizes that are no numbers are taken")
	}
}

// TestReadOneSide: a client that was not given every document reads no side.
func TestReadOneSide(t *testing.T) {
	const page = `{"_scroll_id":"FGlu==","took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":%d},` +
		`"hits":{"total":{"value":%d,"relation":"eq"},"max_score":null,"hits":[%s]}}`
	hit := `{"_index":"bench-flat","_id":"n-1","_source":{"hits":[]},"sort":[0]}`
	for name, c := range map[string]struct {
		pages []string
		want  string
	}{
		"all of it":               {[]string{fmt.Sprintf(page, 0, 3, hit+","+hit), fmt.Sprintf(page, 0, 3, hit), fmt.Sprintf(page, 0, 3, "")}, ""},
		"a shard fails":           {[]string{fmt.Sprintf(page, 0, 3, hit+","+hit), fmt.Sprintf(page, 1, 3, hit)}, "1 shards failed"},
		"fewer documents":         {[]string{fmt.Sprintf(page, 0, 2, hit+","+hit), fmt.Sprintf(page, 0, 2, "")}, "2 documents"},
		"it ends too early":       {[]string{fmt.Sprintf(page, 0, 3, hit+","+hit), fmt.Sprintf(page, 0, 3, "")}, "page 2 is empty: true"},
		"it goes on":              {[]string{fmt.Sprintf(page, 0, 3, hit), fmt.Sprintf(page, 0, 3, hit), fmt.Sprintf(page, 0, 3, hit)}, "page 3 is empty: false"},
		"something else is in it": {[]string{`{"took":1}`}, "no page of a scroll"},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				_, _ = io.WriteString(w, "{}")
				return
			}
			_, _ = io.WriteString(w, c.pages[min(asked, len(c.pages)-1)])
			asked++
		}))
		b := bench{source: serverAt(server.URL)}
		_, err := b.readOneSide(t.Context(), &shape{name: "flat", documents: 3, page: 2}, readPlain)
		server.Close()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestClone: a smaller source of the series is a clone, and the growing one
// takes documents again afterwards.
func TestClone(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(text))
		_, _ = io.WriteString(w, `{"count":5}`)
	}))
	defer server.Close()
	b := bench{source: serverAt(server.URL)}
	if err := b.clone(t.Context(), linearShape(0), linearShape(5)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"DELETE /bench-linear-5 ",
		`PUT /bench-linear/_settings {"index.blocks.write":true}`,
		`PUT /bench-linear/_clone/bench-linear-5 {"settings":{"index.blocks.write":null}}`,
		`PUT /bench-linear/_settings {"index.blocks.write":null}`,
		"POST /bench-linear-5/_refresh ", "GET /bench-linear-5/_count ",
	}
	if d := cmp.Diff(want, asked); d != "" {
		t.Error(d)
	}
	if err := b.clone(t.Context(), linearShape(0), linearShape(6)); err == nil {
		t.Error("a clone that lacks a document is taken")
	}
}

func serverAt(url string) *server {
	return &server{name: "source", url: url, client: http.DefaultClient}
}

func TestEvents(t *testing.T) {
	var r esmigRun
	got := readEvents([]byte(`{"type":"version"}
{"type":"step_started","event":{"address":"index.bench"}}
{"type":"step_started","event":{"address":"migration.bench","estimate":{"method":"reindex","concurrency":4}}}
{"type":"progress","event":{"address":"migration.bench","progress":{"ranges":8}}}
{"type":"step_done","event":{"address":"migration.bench","seconds":12.5}}
`), &r)
	if got != "reindex, 8 ranges, 4 at a time" || r.copying != 12.5 || r.ranges != 8 {
		t.Errorf("%q, %+v", got, r)
	}
}
