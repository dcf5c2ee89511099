package migration

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers/providertest"
)

// A destination that takes each document once keeps one that was written to after
// its range was copied as it was. Where neither versions nor contents tell that,
// the copy says so, and ends well only without such documents; where it cannot be
// told whether there are any, it names those that may be.
func TestTailMeetsStale(t *testing.T) {
	const name, stream = "stale-from", "stale-stream"
	for _, method := range methods {
		for _, c := range []struct {
			name, to string
			at       string   // the record at which the documents are written
			ids      []string // "d 01/ü" among them is stale if there is a code
			one      bool     // range
			code     string
			note     bool
		}{
			{name: "new ones", to: name, at: wroteEnd, ids: ids(40, 42)},
			{name: "changed and new ones", to: name, at: wroteEnd, ids: append(ids(1, 2), ids(40, 42)...), code: "stale_documents"},
			{name: "changed, data stream", to: stream, at: wroteEnd, ids: append(ids(1, 2), ids(40, 42)...), code: "stale_documents"},
			{name: "changed before their range was read", to: name, at: wroteEnd, ids: ids(38, 40)},
			{name: "one range, new ones", to: name, at: wroteBegin, ids: ids(40, 42), one: true},
			{name: "one range, changed", to: name, at: wroteEnd, ids: ids(1, 2), one: true, note: true},
		} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newPair(t, providertest.Options{}).world
					w.fresh(t, name, 1)
					must(t, w.target, "PUT", "/_index_template/stale", object{"index_patterns": []string{stream}, "data_stream": object{}, "priority": 905})
					putDated(t, w.admin, name, ids(0, 40)...)
					b := with(copying(name, c.to), "", "method", cty.StringVal(method))
					b = with(b, "source", "_source", cty.TupleVal([]cty.Value{cty.StringVal("@timestamp"), cty.StringVal("n")}))
					if c.to == name {
						b = with(b, "dest", "op_type", cty.StringVal("create"))
					}
					task := b.task(t, w.clusters())
					if !c.one {
						task.small, task.big = 1, 10
					}
					task.concurrency = 1
					j, once := newJournal(), true
					j.at = func(r record) {
						if r.What == c.at && once {
							once = false
							putDated(t, w.admin, name, c.ids...)
						}
					}
					_, _, err := task.Run(t.Context(), j)
					if code(err) != c.code {
						t.Fatalf("%v, want %q", err, c.code)
					}
					if notes := strings.Join(j.notes, "\n"); c.note != strings.Contains(notes, `1 document of source/stale-from that was written to while it was copied, for example "d 01/ü", may be on target/`+c.to) {
						t.Error(notes)
					}
					if c.code == "" {
						return
					}
					const says = `Of 1 document of source/stale-from that was written to since the copy began and is on target/`
					again := func() error {
						j := &memJournal{left: -1, records: j.records}
						_, _, err := task.Run(t.Context(), j)
						if notes := strings.Join(j.notes, "\n"); strings.Contains(notes, "may be on") {
							t.Error(notes)
						}
						return err
					}
					if !strings.Contains(err.Error(), says+c.to+`, for example "d 01/ü", at least 1 is there as before`) {
						t.Error(err)
					}
					if err := again(); code(err) != c.code || !strings.Contains(err.Error(), says) {
						t.Errorf("again: %v", err)
					}
					// What it says helps.
					found, err := search(t.Context(), w.target, c.to, -1, object{"query": object{"ids": object{"values": ids(1, 2)}}})
					if err != nil || len(found.Hits.Hits) != 1 {
						t.Fatal(found, err)
					}
					remove(t, w.target, found.Hits.Hits[0].Index, ids(1, 2)[0], "")
					if err := again(); err != nil {
						t.Errorf("without it: %v", err)
					}
					there := contents(t, w.target, c.to)
					if len(there) != 42 || !strings.Contains(there[ids(1, 2)[0]], `"n":0`) {
						t.Errorf("%d documents, %s", len(there), there[ids(1, 2)[0]])
					}
				})
			})
		}
	}
}

// Whatever is written to a source while it is copied: no document is said to be
// stale that is not, and where nothing is said none is.
func TestTailOfBusySource(t *testing.T) {
	const name = "stale-busy"
	value := regexp.MustCompile(`"n":\d+`)
	atLeast := regexp.MustCompile(`at least (\d+)`)
	said := map[string]int{}
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			w := newPair(t, providertest.Options{}).world
			w.fresh(t, name, 1+int(seed)%3)
			put(t, w.admin, name, 0, ids(0, 60)...)
			b := with(with(copying(name, name), "", "method", cty.StringVal(methods[seed%2])), "dest", "op_type", cty.StringVal("create"))
			task := with(b, "source", "_source", cty.TupleVal([]cty.Value{cty.StringVal("n")})).task(t, w.clusters())
			if seed%4 > 1 {
				task.small, task.big = 1, 10
			}
			task.concurrency = 1
			j, round, tail := newJournal(), 0, false
			newer := map[string]bool{} // written to after the tail was decided
			j.at = func(r record) {
				tail = tail || r.What == wroteTail
				if r.What == wroteDoubt || r.What == wroteEnd && r.Unit == "0.tail" || random.IntN(3) > 0 {
					return
				}
				for range 1 + random.IntN(3) {
					round++
					n := random.IntN(60)
					id := ids(n, n+1)[0]
					switch random.IntN(6) {
					case 0, 1:
						id = fmt.Sprint("new ", round)
						put(t, w.admin, name, round, id)
					case 2:
						drop(t, w.admin, name+"/_doc/"+url.PathEscape(id)+"?refresh=true")
					default:
						put(t, w.admin, name, round, id)
					}
					newer[id] = newer[id] || tail
				}
			}
			_, _, err := task.Run(t.Context(), j)
			var old, oldest int64
			there := contents(t, w.target, name)
			for id, from := range contents(t, w.admin, name) {
				if to := there[id]; to != "" && value.FindString(to) != value.FindString(from) {
					if old++; !newer[id] {
						oldest++
					}
				}
			}
			noted := strings.Contains(strings.Join(j.notes, "\n"), "may be on target/"+name+" as before")
			switch {
			case err == nil && noted:
				said["note"]++
			case err == nil:
				if said["nothing"]++; oldest > 0 {
					t.Errorf("%d: nothing is said of %d documents that are old", seed, oldest)
				}
			case code(err) == "stale_documents":
				said["error"]++
				if n, _ := strconv.ParseInt(atLeast.FindStringSubmatch(err.Error())[1], 10, 64); n > old || n == 0 {
					t.Errorf("%d: %d are old, not %v", seed, old, err)
				}
			case code(err) != "conflicts_unexplained": // a range may meet them, too
				t.Errorf("%d: %v", seed, err)
			}
		})
	}
	if said["note"] == 0 || said["nothing"] == 0 || said["error"] == 0 {
		t.Errorf("said %v", said)
	}
	t.Log(said)
}

// A document that is deleted on the source after the tail has met it is no stale one.
func TestStaleDeleted(t *testing.T) {
	x := &sourceIndex{Shards: 1, Ranges: []span{{To: 19}, {From: 20, To: 39}}}
	met := counts{Total: 41, Created: 1, Conflicts: 40}
	for _, c := range []struct {
		s    stale
		want int64
	}{
		{stale{there: 41, before: 40, since: examples{n: 1}, late: 1}, 0},
		{stale{there: 40, before: 39, since: examples{n: 1}, late: 1}, 0}, // one that the ranges have brought is gone
		{stale{there: 41, before: 39, since: examples{n: 2}, late: 2}, 1},
		{stale{there: 40, before: 38, since: examples{n: 2}, late: 2}, 1},
	} {
		if n := c.s.surely(x, &unit{tail: true, begun: 1}, met); n != c.want {
			t.Errorf("%+v: %d, want %d", c.s, n, c.want)
		}
	}
}
