package state

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

func TestJournal(t *testing.T) {
	disks(t, func(t *testing.T, fsys FS, path string) {
		a, b := addr(t, "migration.a"), addr(t, `migration.b["k"]`)
		s := mustOpen(t, fsys, path)
		mustAppend(t, s, a, map[string]any{"n": 1, "s": "<\n>"})
		mustAppend(t, s, b, "b")
		mustAppend(t, s, a, []int{2})
		want := []string{`{"n":1,"s":"\u003c\n\u003e"}`, `[2]`}
		if diff := cmp.Diff(want, records(t, s, a)); diff != "" {
			t.Errorf("this process (-want +got):\n%s", diff)
		}
		s = mustOpen(t, fsys, path)
		mustAppend(t, s, a, 3)
		want = append(want, "3")
		if diff := cmp.Diff(want, records(t, s, a)); diff != "" {
			t.Errorf("next process (-want +got):\n%s", diff)
		}
		for range s.Records(a) {
			break // must not hang or panic
		}
		mustUpdate(t, s, put(a, "1"), a)
		for _, s := range []*Store{s, mustOpen(t, fsys, path)} {
			if got := records(t, s, a); got != nil {
				t.Errorf("finished, and still there: %v", got)
			}
			if diff := cmp.Diff([]string{`"b"`}, records(t, s, b)); diff != "" {
				t.Error(diff)
			}
		}
		mustAppend(t, s, a, "again")
		mustUpdate(t, s, nothing, b)
		if s.Get().Folded == nil {
			t.Error("the state does not say that b was folded")
		}
		for _, s := range []*Store{s, mustOpen(t, fsys, path)} {
			if diff := cmp.Diff([]string{`"again"`}, records(t, s, a)); diff != "" {
				t.Error(diff)
			}
		}
		mustUpdate(t, s, nothing, a)
		if _, err := fsys.ReadFile(path + ".journal"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the empty journal is still there: %v", err)
		}
		mustUpdate(t, s, nothing)
		if f := s.Get().Folded; len(f) != 0 {
			t.Errorf("the state never forgets what was folded: %v", f)
		}
		if err := s.Unlock(); err != nil { // closes the file
			t.Error(err)
		}
	})
}

// Lines as a person meets them.
func TestJournalText(t *testing.T) {
	fsys := NewMemFS()
	s := mustOpen(t, fsys, testPath)
	mustUpdate(t, s, func(st *State) error { st.Lineage = "L"; return nil })
	mustAppend(t, s, addr(t, "migration.a"), providers.JSON(`{"range": 1}`))
	want := `{"journal":1,"lineage":"L"}
{"serial":1,"records":[{"address":"migration.a","record":{"range":1}}],"sum":"58e0eb71"}
`
	if diff := cmp.Diff(want, mustRead(t, fsys, testPath+".journal")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJournalDamage(t *testing.T) {
	mem := NewMemFS()
	s := mustOpen(t, mem, testPath)
	mustUpdate(t, s, func(st *State) error { st.Lineage = "L"; return nil })
	a := addr(t, "migration.a")
	for i := range 3 {
		mustAppend(t, s, a, i)
	}
	whole := mustRead(t, mem, testPath+".journal")
	lines := strings.SplitAfter(whole, "\n")
	tests := []struct {
		name, text string
		records    int      // that are found
		err        []string // or why not
	}{
		{"whole", whole, 3, nil},
		{"only a header", lines[0], 0, nil},
		{"empty", "", 0, nil},
		{"no last newline", strings.TrimSuffix(whole, "\n"), 2, nil},
		{"torn last line", whole[:len(whole)-20], 2, nil},
		{"zeros follow", whole + strings.Repeat("\x00", 100), 3, nil},
		{"last sum wrong", strings.Join(lines[:3], "") + strings.Replace(lines[3], `"record":2`, `"record":7`, 1), 2, nil},
		{"damaged in the middle", lines[0] + lines[1] + strings.Replace(lines[2], `"record":1`, `"record":7`, 1) + lines[3], 0,
			[]string{testPath + ".journal", "line 3", "sum", "-restart"}},
		{"empty line in the middle", lines[0] + lines[1] + "\n" + lines[2], 0, []string{"line 3"}},
		{"another lineage", strings.Replace(whole, `"L"`, `"M\u001b"`, 1), 0, []string{"lineage M,", "lineage L"}},
		{"no header", lines[1] + lines[2], 0, []string{"line 1", "header"}},
		{"some other file", "hello", 0, []string{"line 1", "header"}},
		{"newer", strings.Replace(whole, `"journal":1`, `"journal":2`, 1), 0, []string{"version 2", "newer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := mem.Clone()
			writeFile(t, fsys, testPath+".journal", tt.text)
			s, err := Open(fsys, testPath, "0.1.0")
			if tt.err != nil {
				var r *ReadError
				if !errors.As(err, &r) {
					t.Fatalf("error %v", err)
				}
				for _, w := range tt.err {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %q does not tell %q", err, w)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if mustRead(t, fsys, testPath+".journal") != tt.text {
				t.Error("opening changed the journal")
			}
			mustAppend(t, s, a, "new")
			want := append([]string{"0", "1", "2"}[:tt.records:tt.records], `"new"`)
			for _, s := range []*Store{s, mustOpen(t, fsys, testPath)} {
				if diff := cmp.Diff(want, records(t, s, a)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	t.Run("no state", func(t *testing.T) {
		fsys := mem.Clone()
		_ = fsys.Remove(testPath)
		if _, err := Open(fsys, testPath, "0.1.0"); err == nil || !strings.Contains(err.Error(), "not there") {
			t.Errorf("error %v", err)
		}
	})
}

// Somebody removes or cuts the journal of a Store that is open.
func TestJournalTakenAway(t *testing.T) {
	a := addr(t, "migration.a")
	for _, text := range []string{"", "{}"} {
		mem := NewMemFS()
		mustAppend(t, mustOpen(t, mem, testPath), a, 1)
		s := mustOpen(t, mem, testPath)
		if text == "" {
			_ = mem.Remove(testPath + ".journal")
		} else {
			writeFile(t, mem, testPath+".journal", text)
		}
		var w *WriteError
		if err := s.Append(a, 2); !errors.As(err, &w) {
			t.Errorf("append: %v", err)
		}
		for _, err := range s.Records(a) {
			var r *ReadError
			if !errors.As(err, &r) {
				t.Errorf("records: %v", err)
			}
		}
	}
}

// A crash came between writing the state and clearing the journal, at a disk
// that fails; then the task runs again.
func TestFoldedRecordsStayAway(t *testing.T) {
	mem := NewMemFS()
	h := &hookFS{FS: mem}
	a := addr(t, "migration.a")
	s := mustOpen(t, h, testPath)
	mustAppend(t, s, a, "old")
	h.hook = func(op, name string) error {
		if strings.Contains(name, ".journal") {
			return errFull
		}
		return nil
	}
	mustUpdate(t, s, put(a, "1"), a)
	if !strings.Contains(mustRead(t, mem, testPath+".journal"), "old") {
		t.Fatal("the journal was cleared: this tests nothing")
	}
	mustUpdate(t, s, nothing) // must not forget what was folded
	for _, s := range []*Store{s, mustOpen(t, mem.Clone(), testPath)} {
		if got := records(t, s, a); got != nil {
			t.Errorf("folded records come back: %v", got)
		}
	}
	s = mustOpen(t, mem, testPath)
	mustAppend(t, s, a, "new")
	mustUpdate(t, s, nothing)
	mustUpdate(t, s, nothing)
	for _, s := range []*Store{s, mustOpen(t, mem, testPath)} {
		if diff := cmp.Diff([]string{`"new"`}, records(t, s, a)); diff != "" {
			t.Error(diff)
		}
	}
	if strings.Contains(mustRead(t, mem, testPath+".journal"), "old") || len(s.Get().Folded) > 0 {
		t.Error("the journal was never cleared")
	}
}

// An older copy of the state is put beside a newer journal. What was begun
// after it is no part of what it tells of, and must not be taken for that.
func TestJournalNewerThanState(t *testing.T) {
	a, b := addr(t, "migration.a"), addr(t, "migration.b")
	mem := NewMemFS()
	s := mustOpen(t, mem, testPath)
	mustUpdate(t, s, put(b, "{}"), b)
	mustAppend(t, s, b, "of b")
	early := mustRead(t, mem, testPath)
	for range 3 {
		mustUpdate(t, s, nothing)
	}
	mustAppend(t, s, b, "of b, later")
	writeFile(t, mem, testPath, early)

	t.Run("begun before", func(t *testing.T) {
		mem := mem.Clone()
		s := mustOpen(t, mem, testPath)
		if diff := cmp.Diff([]string{`"of b"`, `"of b, later"`}, records(t, s, b)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		mustUpdate(t, s, put(b, "{}"), b) // it begins again
		for _, s := range []*Store{s, mustOpen(t, mem, testPath)} {
			if got := records(t, s, b); got != nil {
				t.Errorf("dropped, and still there: %v", got)
			}
		}
	})
	t.Run("begun after", func(t *testing.T) {
		mem := mem.Clone()
		writeFile(t, mem, testPath, early)
		s := mustOpen(t, mem, testPath)
		for range 3 {
			mustUpdate(t, s, nothing)
		}
		mustAppend(t, s, a, "old")
		newer := mustRead(t, mem, testPath)
		writeFile(t, mem, testPath, early)
		_, err := Open(mem, testPath, "0.1.0")
		var r *ReadError
		if !errors.As(err, &r) {
			t.Fatalf("error %v", err)
		}
		for _, w := range []string{testPath + ".journal", "serial 1,", "-restart migration.a", "older"} {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not tell %q", err, w)
			}
		}
		// Another process writes the state while it is read.
		h := &swapFS{MemFS: mem, name: testPath + ".journal", swap: func() { writeFile(t, mem, testPath, newer) }}
		if diff := cmp.Diff([]string{`"old"`}, records(t, mustOpen(t, h, testPath), a)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// swapFS runs swap before a file is read.
type swapFS struct {
	*MemFS
	name string
	swap func()
}

func (s *swapFS) ReadFile(name string) ([]byte, error) {
	if name == s.name {
		s.swap()
	}
	return s.MemFS.ReadFile(name)
}

// While one sync is under way all others wait for the next one, and get it
// together.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hookFS{FS: NewMemFS()}
		s := mustOpen(t, h, testPath)
		a := addr(t, "migration.a")
		mustAppend(t, s, a, -1)
		syncs, gate := 0, make(chan struct{})
		h.hook = func(op, _ string) error {
			if op == "sync" {
				syncs++
				<-gate
			}
			return nil
		}
		const n = 1000
		var wg sync.WaitGroup
		errs := make([]error, n)
		add := func(i int) { wg.Go(func() { errs[i] = s.Append(a, i) }) }
		add(0)
		synctest.Wait() // the first is in its sync
		for i := 1; i < n; i++ {
			add(i)
		}
		synctest.Wait() // all others wait
		close(gate)
		wg.Wait()
		if syncs != 2 {
			t.Errorf("%d syncs for %d records, want 2", syncs, n)
		}
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		for _, s := range []*Store{s, mustOpen(t, h.FS, testPath)} {
			if got := records(t, s, a); len(got) != n+1 {
				t.Errorf("%d records, want %d", len(got), n+1)
			}
		}
	})
}

// A sync that fails fails all that it was for, and none of the next.
func TestGroupCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hookFS{FS: NewMemFS()}
		s := mustOpen(t, h, testPath)
		a := addr(t, "migration.a")
		mustAppend(t, s, a, 0)
		gate := make(chan struct{})
		h.hook = func(op, _ string) error {
			if op == "sync" {
				<-gate
				h.hook = nil
				return errFull
			}
			return nil
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if s.Append(a, 1) == nil {
				t.Error("no error")
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if err := s.Append(a, 2); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if got := records(t, mustOpen(t, h, testPath), a); fmt.Sprint(got) != "[0 2 2 2 2 2 2 2 2 2 2]" {
			t.Errorf("records %v", got)
		}
	})
}

// Everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	disks(t, func(t *testing.T, fsys FS, path string) {
		s := mustOpen(t, fsys, path)
		var wg sync.WaitGroup
		for i := range 4 {
			a := providers.Addr{Kind: "migration", Name: fmt.Sprint("m", i)}
			wg.Go(func() {
				for n := range 10 {
					if err := s.Append(a, n); err != nil {
						t.Error(err)
					}
					s.Get()
					s.Emergency()
				}
				n := 0
				for _, err := range s.Records(a) {
					if err != nil {
						t.Error(err)
					}
					n++
				}
				if n != 10 {
					t.Errorf("%s: %d records", a, n)
				}
				if err := s.Update(put(a, "1"), a); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(mustOpen(t, fsys, path).Get().Objects); n != 4 {
			t.Errorf("%d objects", n)
		}
	})
}

func FuzzScan(f *testing.F) {
	st := &State{Lineage: "L", Serial: 4, Folded: map[providers.Addr]uint64{{Kind: "m", Name: "b"}: 4}}
	head := string(providers.Encode(header{1, "L"})) + "\n"
	a, b := entry{providers.Addr{Kind: "m", Name: "a"}, providers.JSON("1")}, entry{providers.Addr{Kind: "m", Name: "b"}, providers.JSON("{}")}
	whole := head + string(commit{3, []entry{a, b}}.line()) + string(commit{4, []entry{b}}.line())
	f.Add([]byte(whole))
	f.Add([]byte(whole[:len(whole)-5]))
	f.Add([]byte(head + "\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := scan(data, st, true)
		if err != nil {
			return
		}
		if j.size > int64(len(data)) || !j.torn && j.size != int64(len(data)) {
			t.Errorf("size %d of %d, torn %v", j.size, len(data), j.torn)
		}
		for _, at := range j.live {
			for _, o := range at {
				line, _, _ := strings.Cut(string(data[o:j.size]), "\n")
				if _, err := parseLine([]byte(line)); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
