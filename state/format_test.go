package state

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const minimal = `{
  "format": 1,
  "lineage": "L",
  "serial": 3,
  "writer": "esmig 0.1.0",
  "salt": "S",
  "clusters": {},
  "objects": []
}
`

func TestDecodeErrors(t *testing.T) {
	object := func(s string) string { return strings.Replace(minimal, "[]", "["+s+"]", 1) }
	a := `{"address":"index.a","cluster":"","id":"","owned":false,"declared":null}`
	tests := []struct {
		name, text string
		want       []string
	}{
		{"newer", strings.Replace(strings.Replace(minimal, `"format": 1`, `"format": 7, "new": 1`, 1), "0.1.0", "3.0.0", 1),
			[]string{"esmig 3.0.0", "format 7", "esmig 0.2.0", "up to 1"}},
		{"older than any", strings.Replace(minimal, `"format": 1`, `"format": 0`, 1), []string{"format 0 is unknown"}},
		{"no format", `{}`, []string{"no state of esmig"}},
		{"cut in half", minimal[:len(minimal)/2], []string{"line 5", "byte 64", "ends too early"}},
		{"empty", "", []string{"line 1, byte 0", "ends too early"}},
		{"zeros", "\x00\x00\x00", []string{"line 1, byte 1", "invalid character"}},
		{"no JSON", "{\n  oops", []string{"line 2, byte 5"}},
		{"more after it", minimal + "{}", []string{"line 10", "follows the end"}},
		{"a list", "[]", []string{"array"}},
		{"text as serial", strings.Replace(minimal, "3", `"3"`, 1), []string{"line 4", `string does not belong in "serial"`}},
		{"unknown field", strings.Replace(minimal, "salt", "slat", 1), []string{`unknown field "slat"`}},
		{"unknown field of an object", object(`{"address":"index.a","x":1}`), []string{`unknown field "x"`}},
		{"no lineage", strings.Replace(minimal, `"L"`, `""`, 1), []string{"lineage"}},
		{"twice", object(a + "," + a), []string{"index.a twice"}},
		{"no address", object(`{"id":"x"}`), []string{"no \"address\""}},
		{"bad address", object(`{"address":"index"}`), []string{`"index" is no address`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.text), "0.2.0")
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not tell %q", err, w)
				}
			}
		})
	}
}

func TestDecodeSortsAndRoundTrips(t *testing.T) {
	text := strings.Replace(minimal, "[]", `[{"address":"index.b","declared":null},{"address":"index.a","declared":{"n":12345678901234567890.10}}]`, 1)
	s, err := Decode([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Objects[0].Addr.Name != "a" || s.Objects[1].Declared != nil {
		t.Errorf("objects: %+v", s.Objects)
	}
	one, err := Encode(s)
	if err != nil || !bytes.Contains(one, []byte("12345678901234567890.10")) {
		t.Fatalf("%v: %s", err, one)
	}
	again, err := Decode(one, "")
	if diff := cmp.Diff(s, again); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestUpgrade(t *testing.T) {
	old := []byte(`{"format":-1,"line":"L","big":12345678901234567890}`)
	up := map[int]upgrade{
		-1: func(m map[string]any) error { m["lineage"] = m["line"]; delete(m, "line"); return nil },
		0:  func(m map[string]any) error { m["serial"] = m["big"]; delete(m, "big"); return nil },
	}
	s, err := decode(old, "0.1.0", up)
	if err != nil || s.Format != 1 || s.Lineage != "L" || s.Serial != 12345678901234567890 {
		t.Errorf("%v: %+v", err, s)
	}
	up[0] = func(map[string]any) error { return errors.New("cannot") }
	if _, err := decode(old, "0.1.0", up); err == nil || !strings.Contains(err.Error(), "from format 0: cannot") {
		t.Errorf("error %v", err)
	}
}

func TestOpenDamagedTellsTheWayBack(t *testing.T) {
	fsys := NewMemFS()
	s := mustOpen(t, fsys, testPath)
	mustUpdate(t, s, nothing)
	mustUpdate(t, s, nothing)
	whole := mustRead(t, fsys, testPath)
	writeFile(t, fsys, testPath, whole[:40])
	_, err := Open(fsys, testPath, "0.1.0")
	var r *ReadError
	if !errors.As(err, &r) || r.Path != testPath {
		t.Fatalf("error %v", err)
	}
	for _, w := range []string{testPath + " cannot be used", "line 3, byte 40", testPath + ".backup", "serial 1", "esmig plan"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not tell %q", err, w)
		}
	}
	writeFile(t, fsys, testPath+".backup", "also damaged")
	if _, err := Open(fsys, testPath, "0.1.0"); err == nil || strings.Contains(err.Error(), "backup") {
		t.Errorf("error %q sends to a backup that cannot be used", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(minimal[:60]))
	f.Add([]byte(strings.Replace(minimal, "[]", `[{"address":"migration.a[\"k\"]","declared":{"a":[1,null]},"phase":"running","pending":{}}]`, 1)))
	f.Add([]byte(strings.Replace(minimal, "[]", `[], "folded": {"index.a": 3}`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b, "0.1.0")
		if err != nil {
			return
		}
		one, err := Encode(s)
		if err != nil {
			t.Fatalf("read but not to be written: %v", err)
		}
		again, err := Decode(one, "0.1.0")
		if err != nil {
			t.Fatalf("written but not to be read: %v\n%s", err, one)
		}
		two, err := Encode(again)
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("not stable: %v\n%s", err, cmp.Diff(string(one), string(two)))
		}
	})
}
