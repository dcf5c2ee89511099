package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

// disks are the file systems on which everything must hold.
func disks(t *testing.T, f func(t *testing.T, fsys FS, path string)) {
	t.Run("memory", func(t *testing.T) { f(t, NewMemFS(), testPath) })
	t.Run("disk", func(t *testing.T) { f(t, OS(), filepath.Join(t.TempDir(), testPath)) })
}

func TestUpdate(t *testing.T) {
	disks(t, func(t *testing.T, fsys FS, path string) {
		s := mustOpen(t, fsys, path)
		fresh := s.Get()
		if fresh.Serial != 0 || fresh.Lineage == "" || fresh.Salt == "" || fresh.Lineage == fresh.Salt {
			t.Errorf("new state: %+v", fresh)
		}
		if _, err := fsys.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opening wrote something: %v", err)
		}
		mustUpdate(t, s, put(addr(t, "index.b"), `{"z":1.0,"a":"<&>"}`))
		first := mustRead(t, fsys, path)
		mustUpdate(t, s, put(addr(t, `index.a["x\"y"]`), `{}`))
		if got := mustRead(t, fsys, path+".backup"); got != first {
			t.Errorf("the backup is not the former state:\n%s", cmp.Diff(first, got))
		}
		again := mustOpen(t, fsys, path).Get()
		if diff := cmp.Diff(s.Get(), again); diff != "" {
			t.Errorf("read again (-in memory +read):\n%s", diff)
		}
		if again.Serial != 2 || again.Lineage != fresh.Lineage || again.Writer != "esmig 0.1.0" {
			t.Errorf("head: %+v", again)
		}
		if string(s.Emergency()) != mustRead(t, fsys, path) {
			t.Error("Emergency is not what was written")
		}
		names, err := fsys.ReadDir(filepath.Dir(path))
		if diff := cmp.Diff([]string{testPath, testPath + ".backup"}, names); diff != "" || err != nil {
			t.Errorf("files: %v %s", err, diff)
		}
	})
}

func TestUpdateText(t *testing.T) {
	s := mustOpen(t, NewMemFS(), testPath)
	mustUpdate(t, s, func(st *State) error {
		st.Lineage, st.Salt = "L", "S"
		st.Clusters["target"] = Cluster{UUID: "u", Endpoint: "https://t:9200", Version: "9.4.3"}
		st.Put(Object{Addr: addr(t, "index.b"), Cluster: "target", ID: "b", Declared: providers.JSON(` {"z": 1.0, "a": "<&>"} `)})
		st.Put(Object{Addr: addr(t, "index.a"), Cluster: "target", ID: "a", Declared: providers.JSON(`[]`), Phase: PhaseCopied,
			DependsOn: []providers.Addr{addr(t, "index.b")}})
		return nil
	})
	want := `{
  "format": 1,
  "lineage": "L",
  "serial": 1,
  "writer": "esmig 0.1.0",
  "salt": "S",
  "clusters": {
    "target": {
      "uuid": "u",
      "endpoint": "https://t:9200",
      "version": "9.4.3"
    }
  },
  "objects": [
    {
      "address": "index.a",
      "cluster": "target",
      "id": "a",
      "owned": false,
      "declared": [],
      "depends_on": [
        "index.b"
      ],
      "phase": "copied"
    },
    {
      "address": "index.b",
      "cluster": "target",
      "id": "b",
      "owned": false,
      "declared": {
        "a": "<&>",
        "z": 1.0
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, string(s.Emergency())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestModeOfFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), testPath)
	for _, name := range []string{path + ".tmp", path + ".journal.tmp"} {
		if err := os.WriteFile(name, []byte("left by a crash"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, OS(), path)
	if err := s.Lock(t.Context(), LockInfo{}, 0); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, s, nothing)
	mustUpdate(t, s, nothing)
	mustAppend(t, s, addr(t, "migration.a"), 1)
	for _, suffix := range []string{"", ".backup", ".journal", ".lock", ".lock.info"} {
		i, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", testPath+suffix, i.Mode())
		}
	}
	if err := s.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	own := errors.New("own")
	tests := []struct {
		name    string
		between func(fsys FS)
		f       func(*State) error
		want    error
		text    []string
	}{
		{"the function's own error", nil, func(*State) error { return own }, own, nil},
		{"another serial", func(fsys FS) {
			other := mustOpen(t, fsys, testPath)
			mustUpdate(t, other, nothing)
		}, nothing, ErrChanged, []string{"serial 1", "serial 2", testPath}},
		{"edited by hand", func(fsys FS) {
			b, _ := fsys.ReadFile(testPath)
			writeFile(t, fsys, testPath, strings.Replace(string(b), "salt", "slat", 1))
		}, nothing, ErrChanged, []string{"cannot be read"}},
		{"removed", func(fsys FS) { _ = fsys.Remove(testPath) }, nothing, ErrChanged, []string{"gone"}},
		{"another lineage", nil, func(s *State) error { s.Lineage = "other"; return nil }, nil, []string{"lineage other"}},
		{"a body that is no JSON", nil, put(providers.Addr{Kind: "index", Name: "a"}, "{"), nil, []string{"index.a", "bug"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := NewMemFS()
			s := mustOpen(t, fsys, testPath)
			mustUpdate(t, s, nothing)
			if tt.between != nil {
				tt.between(fsys)
			}
			before, _ := fsys.ReadFile(testPath)
			err := s.Update(tt.f)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not tell of %q", err, text)
				}
			}
			var w *WriteError
			if errors.As(err, &w) != (tt.want == ErrChanged) {
				t.Errorf("%v: a *WriteError, or none", err)
			}
			if after, _ := fsys.ReadFile(testPath); string(after) != string(before) {
				t.Error("the file was changed")
			}
			if s.Get().Serial != 1 {
				t.Error("the state in memory was advanced")
			}
		})
	}
}

// A new state may become the one that an emergency copy holds.
func TestUpdatePushesIntoNewState(t *testing.T) {
	s := mustOpen(t, NewMemFS(), testPath)
	push := func(st *State) error {
		*st = State{Format: Format, Lineage: "other", Serial: 40, Salt: "s"}
		return nil
	}
	mustUpdate(t, s, push)
	if got := s.Get(); got.Lineage != "other" || got.Serial != 41 {
		t.Errorf("got %+v", got)
	}
}

func TestFailedUpdateIsTakenAlong(t *testing.T) {
	h := &hookFS{FS: NewMemFS()}
	s := mustOpen(t, h, testPath)
	a, b := addr(t, "migration.a"), addr(t, "index.b")
	mustAppend(t, s, a, 1)
	h.hook = func(string, string) error { return errFull }
	if err := s.Update(put(a, "1"), a); err == nil {
		t.Fatal("no error")
	}
	if err := s.Update(put(b, "2")); err == nil {
		t.Fatal("no error")
	}
	if n := len(s.Get().Objects); n != 0 {
		t.Errorf("%d objects in the state that is not on disk", n)
	}
	em, err := Decode(s.Emergency(), "0.1.0")
	if err != nil || em.Find(a) == nil || em.Find(b) == nil {
		t.Errorf("emergency copy: %v, %v", em, err)
	}
	if got := records(t, s, a); len(got) != 1 {
		t.Errorf("records %v, want the one that is not in the state on disk", got)
	}
	h.hook = nil
	mustUpdate(t, s, nothing)
	if got := mustOpen(t, h, testPath); got.Get().Find(a) == nil || got.Get().Find(b) == nil || len(records(t, got, a)) != 0 {
		t.Errorf("got %+v", got.Get())
	}
}

func TestGetIsACopy(t *testing.T) {
	s := mustOpen(t, NewMemFS(), testPath)
	a := addr(t, "index.a")
	mustUpdate(t, s, func(st *State) error {
		st.Clusters["c"] = Cluster{UUID: "1"}
		st.Put(Object{Addr: a, Declared: providers.JSON(`"d"`), Observed: providers.JSON(`"o"`), Withheld: []string{"w"},
			DependsOn: []providers.Addr{a}, Task: providers.JSON(`"t"`), Verified: providers.JSON(`"v"`), Pending: &Pending{Action: "p"}})
		return nil
	})
	want := s.Get()
	got := s.Get()
	got.Clusters["c"] = Cluster{}
	o := got.Find(a)
	o.Declared[1], o.Observed[1], o.Task[1], o.Verified[1] = 'x', 'x', 'x', 'x'
	o.Withheld[0], o.DependsOn[0], o.Pending.Action = "x", providers.Addr{}, "x"
	if diff := cmp.Diff(want, s.Get()); diff != "" {
		t.Errorf("the Store's state was changed:\n%s", diff)
	}
}

func TestMove(t *testing.T) {
	start := func() *State {
		s := &State{}
		s.Put(Object{Addr: addr(t, "index.a"), ID: "a"})
		s.Put(Object{Addr: addr(t, "index.b"), ID: "b"})
		s.Put(Object{Addr: addr(t, "alias.c"), DependsOn: []providers.Addr{addr(t, "index.b"), addr(t, "index.a")}})
		s.Put(Object{Addr: addr(t, "migration.run"), Phase: PhaseRunning})
		s.Put(Object{Addr: addr(t, "index.begun"), Pending: &Pending{}})
		return s
	}
	tests := []struct{ from, to, err string }{
		{"index.a", "index.z", ""},
		{"index.a", `index.a["k"]`, ""},
		{"index.a", "index.b", "already"},
		{"index.a", "alias.a", "another kind"},
		{"index.a", "index.a", "itself"},
		{"index.none", "index.z", "no index.none"},
		{"migration.run", "migration.z", "begun"},
		{"index.begun", "index.z", "begun"},
	}
	for _, tt := range tests {
		t.Run(tt.from+" "+tt.to, func(t *testing.T) {
			s := start()
			err := s.Move(addr(t, tt.from), addr(t, tt.to))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if diff := cmp.Diff(start(), s); diff != "" {
					t.Errorf("changed nevertheless:\n%s", diff)
				}
				return
			}
			to := addr(t, tt.to)
			if err != nil || s.Find(addr(t, tt.from)) != nil || s.Find(to) == nil || s.Find(to).ID != "a" {
				t.Errorf("%v: %+v", err, s.Objects)
			}
			want := []providers.Addr{addr(t, "index.b"), to}
			if diff := cmp.Diff(want, s.Find(addr(t, "alias.c")).DependsOn); diff != "" {
				t.Error(diff)
			}
		})
	}
}
