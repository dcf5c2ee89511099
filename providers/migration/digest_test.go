package migration

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/esmig/esmig/providers"
)

var update = flag.Bool("update", false, "write testdata/digest.json from the Go implementation")

// golden is one document of testdata/digest.json. Source is text, because what
// it is about is how it is written.
type golden struct {
	ID      string `json:"id"`
	Routing string `json:"routing,omitempty"`
	Source  string `json:"source"`
	Digest  string `json:"digest"` // hex
}

func goldens(t testing.TB) []golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/digest.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Both implementations must make these digests (the other is tested on real
// servers): data that is stored in journals depends on it.
func TestGoldenDigests(t *testing.T) {
	docs := goldens(t)
	for i, g := range docs {
		d, err := digestDoc(g.ID, g.Routing, providers.JSON(g.Source))
		if err != nil {
			t.Errorf("%s: %v", g.Source, err)
		}
		if got := fmt.Sprintf("%x", d); got != g.Digest && !*update {
			t.Errorf("%s %s: %s, want %s", g.ID, g.Source, got, g.Digest)
		} else {
			docs[i].Digest = got
		}
	}
	if *update {
		var b strings.Builder
		for i, g := range docs {
			raw, err := json.Marshal(g)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0] + string(raw))
		}
		if err := os.WriteFile("testdata/digest.json", []byte(b.String()+"\n]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What is the same and what is not.
func TestDigestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1e3,"b":1.10}`, `{"b":1.1, "a":1000.0}`, true},
		{`{"a":-0}`, `{"a":0}`, true}, // an integer in Java too
		{`{"a":"\u00fc\/\ud83d\ude00"}`, `{"a":"ü/😀"}`, true},
		{`{"a":0.1}`, `{"a":0.1000000000000000055511151231257827}`, true},
		{`{"a":1e400}`, `{"a":1e401}`, true}, // both are infinite
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"a":-0.0}`, `{"a":0.0}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":true}`, `{"a":"true"}`, false},
		{`{"a":null}`, `{"a":"null"}`, false},
		{`{"a":null}`, `{}`, false},
		{`{"a":{}}`, `{}`, false},
		{`{"a":[]}`, `{"a":{}}`, false},
		{`{"a":[1]}`, `{"a":1}`, false},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":[[1],2]}`, `{"a":[1,[2]]}`, false},
		{`{"a":[null]}`, `{"a":[]}`, false},
		{`{"a":true,"b":false}`, `{"a":false,"b":true}`, false},
		{`{"a":"Aa"}`, `{"a":"BB"}`, false},
		{`{"Aa":1}`, `{"BB":1}`, false},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{`{"a":9223372036854775808}`, `{"a":-9223372036854775808}`, false},
		{`{"a":123456789012345678901234567890}`, `{"a":123456789012345678901234567891}`, false},
		{`{"a.b":1}`, `{"a":{"b":1}}`, false},
		{`{"a":1,"b":2}`, `{"a":2,"b":1}`, false},
		{`{"a":{"b":1},"c":{"b":2}}`, `{"a":{"b":2},"c":{"b":1}}`, false},
		{`{"a":"\ud83d"}`, `{"a":"\ude00"}`, false},
	} {
		a, errA := digestDoc("x", "", providers.JSON(c.a))
		b, errB := digestDoc("x", "", providers.JSON(c.b))
		if errA != nil || errB != nil || (a == b) != c.same {
			t.Errorf("%s and %s: same is %v, %v %v", c.a, c.b, a == b, errA, errB)
		}
	}
	other := map[uint64]string{}
	for _, d := range []struct{ id, routing string }{{"a", ""}, {"a", "b"}, {"b", "a"}, {"ab", ""}, {"b", ""}, {"a", "a"}} {
		v, _ := digestDoc(d.id, d.routing, providers.JSON(`{}`))
		if was := other[v]; was != "" {
			t.Errorf("%v has the digest of %s", d, was)
		}
		other[v] = fmt.Sprint(d)
	}
}

func TestDigestRefuses(t *testing.T) {
	for _, s := range []string{``, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1}}`, `{"a":1} 2`, `{a:1}`, `{"a":nul}`, `{"a":tru`, `{"a":1-2}`, `{"a":1.2.3}`,
		`{"a":"\q"}`, `{"a":"\u12"}`, `{"a":"\u12xx"}`, `{"a":"`, `{"a":"\`, `[1`, `[1,`, `[,`, `{"a":-}`} {
		if _, err := digestDoc("x", "", providers.JSON(s)); err == nil {
			t.Errorf("%s is taken", s)
		}
	}
}

// Text is hashed by its units of UTF-16, however it is written.
func TestTextHash(t *testing.T) {
	seen := map[uint64]string{}
	for _, c := range []struct {
		json  string // without its quotes
		units []uint16
	}{
		{"", nil}, {"a", []uint16{'a'}}, {`\u0000`, []uint16{0}}, {`\u0000\u0000`, []uint16{0, 0}}, {`\u0000a`, []uint16{0, 'a'}}, {`a\u0000`, []uint16{'a', 0}},
		{"Aa", []uint16{'A', 'a'}}, {"BB", []uint16{'B', 'B'}}, {"AaBB", []uint16{'A', 'a', 'B', 'B'}}, {"BBAa", []uint16{'B', 'B', 'A', 'a'}},
		{"Hello w\u00f6rld 😀x", utf16.Encode([]rune("Hello wörld 😀x"))}, {`\ud83d`, []uint16{0xd83d}}, {`\ude00\ud83d`, []uint16{0xde00, 0xd83d}},
		{`\ud83d\ud83d\ude00`, []uint16{0xd83d, 0xd83d, 0xde00}}, {strings.Repeat("x", 40) + "ü", append(utf16.Encode([]rune(strings.Repeat("x", 40))), 0xfc)},
	} {
		want := uint64(1)
		for _, u := range c.units {
			want = want*0x9e3779b97f4a7c15 + uint64(u)
		}
		want = mix(want + saltText)
		got, err := digestSource(providers.JSON(`"` + c.json + `"`))
		if err != nil || got != want {
			t.Errorf("%s: %x, %v, want %x", c.json, got, err, want)
		}
		if was, ok := seen[got]; ok {
			t.Errorf("%s has the hash of %s", c.json, was)
		}
		seen[got] = c.json
		if s := string(utf16.Decode(c.units)); !strings.Contains(s, "\ufffd") && plainText(s) != want {
			t.Errorf("%s: as an id it is another", c.json)
		}
	}
}

func TestSums(t *testing.T) {
	var a, b, both sums
	for i := range 5000 {
		v, _ := digestDoc(fmt.Sprint(i), "", nil)
		into := bucketOf(digestID(fmt.Sprint(i)), 0)
		s := &a
		if i%3 == 0 {
			s = &b
		}
		s.Sum[into], s.Count[into] = s.Sum[into]+v, s.Count[into]+1
		both.Sum[into], both.Count[into] = both.Sum[into]+v, both.Count[into]+1
	}
	text, _ := a.MarshalText()
	var back sums
	if err := back.UnmarshalText(text); err != nil || back != a {
		t.Errorf("%v: not what was written", err)
	}
	if back.add(&b); back != both || back.documents() != 5000 {
		t.Error("parts do not add up to the whole")
	}
	empty := 0
	for _, n := range both.Count {
		if n == 0 {
			empty++
		}
	}
	if empty > 30 { // 1024·e^-5 is 7
		t.Errorf("%d empty buckets: ids are not spread", empty)
	}
	for _, s := range []string{"1:2", "1:2:3:4", "1024:1:a", "-1:1:a", "1:x:a", "1:1:g"} {
		if new(sums).UnmarshalText([]byte(s)) == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzDigest(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u00e9",null,true,{"b":{}}]}`, `{"a":-0}`, `[]`, `"\ud83d\ude00"`, `{"a":1e400,"b":123456789012345678901}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := digestDoc("x", "", providers.JSON(s))
		if !json.Valid([]byte(s)) || err != nil {
			return // what a server hands out is JSON; digestDoc need not refuse everything that is not
		}
		var again strings.Builder
		e := json.NewEncoder(&again)
		e.SetEscapeHTML(false)
		v, errV := providers.Decode(providers.JSON(s))
		if errV != nil || strings.Contains(s, `\ud`) || strings.Contains(s, `\uD`) {
			return
		}
		if m, ok := v.(map[string]any); ok && strings.Count(s, `"`) != 2*len(m) {
			return // keys that are there twice
		}
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if b, err := digestDoc("x", "", providers.JSON(again.String())); b != d || err != nil {
			t.Errorf("%q and %q differ: %v", s, again.String(), err)
		}
	})
}

func BenchmarkDigest(b *testing.B) {
	flat := `{"year":2013,"month":1,"day":1,"dep_time":517,"sched_dep_time":515,"dep_delay":2.0,"arr_time":830,"carrier":"UA","flight":1545,"tailnum":"N14228","origin":"EWR","dest":"IAH","air_time":227.5,"distance":1400,"time_hour":"2013-01-01T05:00:00Z"}`
	for name, s := range map[string]string{"flat": flat, "text": `{"t":"` + strings.Repeat("lorem ipsum ", 350) + `"}`} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := digestDoc("123456", "", providers.JSON(s)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What is left of an object whose fields were left out is nothing.
func TestDigestRest(t *testing.T) {
	digest := func(f func(providers.JSON) (uint64, error), source string) uint64 {
		d, err := f(providers.JSON(source))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := digest(digestSource, `{"n":1}`)
	for _, rest := range []string{`{"n":1,"o":{}}`, `{"o":{"p":{},"q":{}},"n":1}`, `{"n":1}`} {
		if digest(digestRest, rest) != want {
			t.Errorf("%s is not %s", rest, `{"n":1}`)
		}
	}
	for _, other := range []string{`{"n":1,"o":[]}`, `{"n":1,"o":null}`, `{"n":1,"o":{"p":1}}`, `{}`} {
		if digest(digestRest, other) == want {
			t.Errorf("%s is %s", other, `{"n":1}`)
		}
	}
	if digest(digestSource, `{"n":1,"o":{}}`) == want {
		t.Error("where nothing is left out, an empty object is one")
	}
}
