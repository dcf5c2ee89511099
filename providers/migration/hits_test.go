package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

const twoHits = `{"pit_id":"abc==","took":3,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},
 "hits":{"total":{"value":2,"relation":"eq"},"max_score":null,"hits":[
  {"_index":"i","_id":"a\"}","_version":3,"_score":null,"_routing":"r\\","_source":{ "x" : [ "]", {"y":"\\\""} ] , "_id":"inner"},"sort":[0]},
  {"_index":"i","_id":"ü","_version":12,"_score":null,"_ignored":["t"],"_source":{},"sort":[4294967296]}]}}`

func TestReadPage(t *testing.T) {
	got, err := readPage([]byte(twoHits))
	if err != nil {
		t.Fatal(err)
	}
	want := page{total: 2, from: "abc==", after: []byte("[4294967296]"), hits: []rawHit{
		{id: []byte(`"a\"}"`), routing: []byte(`"r\\"`), version: []byte("3"), source: []byte(`{ "x" : [ "]", {"y":"\\\""} ] , "_id":"inner"}`)},
		{id: []byte(`"ü"`), version: []byte("12"), source: []byte(`{}`)},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(page{}, rawHit{})); diff != "" {
		t.Error(diff)
	}
	old, err := readPage([]byte(`{"_scroll_id":"s","hits":{"total":7,"hits":[]}}`))
	if err != nil || old.total != 7 || old.from != "s" {
		t.Errorf("%+v %v", old, err)
	}
	for _, bad := range []string{
		``, `[]`, `null`, `{"hits":{"hits":[{"_id":"a"}]}}`, // no _source
		`{"_shards":{"failed":1},"hits":{"hits":[]}}`, `{"timed_out":true,"hits":{"hits":[]}}`,
	} {
		if p, err := readPage([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, p)
		}
	}
	for n := range len(twoHits) - 1 { // a torn answer is never a shorter page
		if _, err := readPage([]byte(twoHits[:n])); err == nil {
			t.Errorf("cut off at %d: no error", n)
		}
	}
}

// A cutter finds in any object what encoding/json finds.
func FuzzCutter(f *testing.F) {
	for _, s := range []string{twoHits, `{}`, `{"a":1e3,"b":[[],{}],"":null,"\\\"":true}`, "{ \"a\" :\t\"\\\\\" ,\n\"b\": -0.5 }", `{"a":"\"","b":"\\","c":"\\\""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(bytes.TrimSpace(b)) == 0 || bytes.TrimSpace(b)[0] != '{' || !json.Valid(b) {
			c := &cutter{b: b} // must end, and not panic
			_ = c.object(func([]byte) error { _, err := c.value(); return err })
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		if _, err := d.Token(); err != nil {
			t.Skip()
		}
		c := &cutter{b: b}
		err := c.object(func(key []byte) error {
			v, err := c.value()
			if err != nil {
				return err
			}
			k, err := d.Token()
			var want json.RawMessage
			if err := errors.Join(err, d.Decode(&want)); err != nil {
				return err
			}
			if got := unquote([]byte(`"` + string(key) + `"`)); got != k || !bytes.Equal(v, want) {
				t.Errorf("%q %s, want %q %s", got, v, k, want)
			}
			return nil
		})
		if err != nil || d.More() {
			t.Errorf("%v, more %v: %s", err, d.More(), b)
		}
	})
}

func TestBatch(t *testing.T) {
	p, err := readPage([]byte(twoHits))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		create, external bool
		want             string
	}{
		{false, true, `{"index":{"_id":"a\"}","routing":"r\\","version":3,"version_type":"external"}}`},
		{false, false, `{"index":{"_id":"a\"}","routing":"r\\"}}`},
		{true, false, `{"create":{"_id":"a\"}","routing":"r\\"}}`},
	} {
		b := newBatch(0, 2)
		for _, h := range p.hits {
			b.add(h, c.create, c.external)
		}
		if line, _, _ := strings.Cut(string(b.body), "\n"); line != c.want {
			t.Errorf("%s, want %s", line, c.want)
		}
		halves, one := b.halves(), b.only([]int{1})
		if string(halves[0].body)+string(halves[1].body) != string(b.body) || !bytes.Equal(one.body, halves[1].body) || one.len() != 1 || halves[1].len() != 1 {
			t.Errorf("%q and %q of %q; %q", halves[0].body, halves[1].body, b.body, one.body)
		}
		for i, h := range p.hits {
			if !c.external {
				h.version = nil
			}
			if diff := cmp.Diff(h, b.document(i), cmp.AllowUnexported(rawHit{})); diff != "" {
				t.Error(diff)
			}
		}
	}
	h := p.hits[0]
	h.index = []byte(`"b-000001"`)
	b := newBatch(0, 1)
	b.add(h, false, true)
	if line, _, _ := strings.Cut(string(b.body), "\n"); line != `{"index":{"_index":"b-000001","_id":"a\"}","routing":"r\\","version":3,"version_type":"external"}}` {
		t.Error(line)
	}
	if diff := cmp.Diff(h, b.document(0), cmp.AllowUnexported(rawHit{})); diff != "" {
		t.Error(diff)
	}
}

// A document that was sent with line breaks comes back with them.
func TestBatchLines(t *testing.T) {
	b := newBatch(0, 1)
	b.add(rawHit{id: []byte(`"a"`), source: []byte("{\n  \"a\": [1,\r\n2],\n  \"t\": \"x\\ny\"\n}")}, true, false)
	if want := "{\"create\":{\"_id\":\"a\"}}\n{   \"a\": [1,  2],   \"t\": \"x\\ny\" }\n"; string(b.body) != want {
		t.Errorf("%q, want %q", b.body, want)
	}
}

func TestReadBulk(t *testing.T) {
	b := newBatch(0, 6)
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		b.add(rawHit{id: []byte(`"` + id + `"`), source: []byte(`{}`)}, false, false)
	}
	got, again, reason, err := readBulk(b, providers.JSON(`{"errors":true,"items":[
		{"index":{"result":"created","status":201}}, {"index":{"result":"updated","status":200}}, {"index":{"result":"noop","status":200}},
		{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}},
		{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
		{"index":{"status":400,"error":{"type":"document_parsing_exception","reason":"no"}}}]}`))
	if err != nil || got.Created != 1 || got.Updated != 1 || got.Noops != 1 || got.Conflicts != 1 || got.rejections != 1 ||
		len(got.refused) != 1 || got.refused[0].ID != "f" || !cmp.Equal(again, []int{4}) || reason == nil {
		t.Errorf("%+v again %v because of %v, %v", got, again, reason, err)
	}
	for _, short := range []string{`{"errors":false,"items":[{"index":{"status":201}}]}`, `{}`, `{"errors":false,"items":[`} {
		if _, _, _, err := readBulk(b, providers.JSON(short)); err == nil {
			t.Errorf("%s is an answer for six documents", short)
		}
	}
}

func TestGate(t *testing.T) {
	g := newGate(8, 8)
	under := 0
	enter := func() bool {
		select {
		case <-g.pass:
			under++
			return true
		default:
			return false
		}
	}
	for range 5 {
		enter()
	}
	sent := g.shrunk
	g.rejected(sent.Add(1))
	if g.open != 4 || enter() {
		t.Errorf("open %d with %d under way", g.open, under)
	}
	g.rejected(sent) // was on the way when the first was rejected
	if g.open != 4 {
		t.Errorf("shrunk twice: %d", g.open)
	}
	for ; under > 3; under-- {
		g.leave()
	}
	if !enter() || enter() {
		t.Errorf("%d under way, want 4", under)
	}
	for range 8 * (4 + 5 + 6 + 7) {
		g.taken()
	}
	for enter() {
	}
	if g.open != 8 || under != 8 {
		t.Errorf("open %d, %d under way, want 8", g.open, under)
	}
}

func BenchmarkReadPage(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`{"pit_id":"x","hits":{"total":{"value":10000},"hits":[`)
	for i := range 10_000 {
		if i > 0 {
			page.WriteByte(',')
		}
		page.WriteString(`{"_index":"flights","_id":"QwErTyUiOp12345678","_version":1,"_score":null,"_source":{"year":2013,"month":1,"day":1,"dep_time":517,"sched_dep_time":515,"dep_delay":2,"arr_time":830,"sched_arr_time":819,"arr_delay":11,"carrier":"UA","flight":1545,"tailnum":"N14228","origin":"EWR","dest":"IAH","air_time":227,"distance":1400,"hour":5,"minute":15,"time_hour":"2013-01-01T10:00:00Z"},"sort":[123456]}`)
	}
	page.WriteString(`]}}`)
	b.Run("cutter", func(b *testing.B) {
		b.SetBytes(int64(page.Len()))
		for b.Loop() {
			if p, err := readPage(page.Bytes()); err != nil || len(p.hits) != 10_000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(page.Len()))
		for b.Loop() {
			var a searchAnswer
			if err := json.Unmarshal(page.Bytes(), &a); err != nil || len(a.Hits.Hits) != 10_000 {
				b.Fatal(err)
			}
		}
	})
}

// A digest of an answer that lacks a shard would call missing documents equal.
func TestDigestsOfAPart(t *testing.T) {
	for _, raw := range []string{`{"_shards":{"failed":1},"hits":{"hits":[]}}`, `{"timed_out":true,"hits":{"hits":[]}}`} {
		if _, err := readDigests([]byte(raw), true, false, digestSource); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}
