package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

// powerFS is a disk whose power can be cut: what was not synced may be lost,
// also in part.
type powerFS struct{ *vfs.MemFS }

func (p powerFS) ReadFile(name string) ([]byte, error) {
	f, err := p.MemFS.Open("/" + name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func (p powerFS) ReadDir(name string) ([]string, error) { return p.List("/") }

func (p powerFS) Create(name string) (File, error) {
	f, err := p.MemFS.Create("/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return powerFile{f}, nil
}

func (p powerFS) Append(name string) (File, error) {
	f, err := p.OpenReadWrite("/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return powerFile{f}, nil
}

type powerFile struct{ vfs.File }

// Write appends. Under the race detector vfs spoils the bytes it was given.
func (f powerFile) Write(b []byte) (int, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return f.WriteAt(bytes.Clone(b), i.Size())
}

func (p powerFS) Rename(o, n string) error { return p.MemFS.Rename("/"+o, "/"+n) }

func (p powerFS) Remove(name string) error { return p.MemFS.Remove("/" + name) }

func (p powerFS) SyncDir(string) error {
	d, err := p.OpenDir("/")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (p powerFS) Lock(name string) (io.Closer, error) {
	c, err := p.MemFS.Lock("/" + name)
	if errors.Is(err, syscall.EAGAIN) {
		return nil, ErrLocked
	}
	return c, err
}

// promise is what must be found after a crash: of each object the value before
// or after the operation under way, and of each address's records those that
// were acknowledged, and no others than those that were sent.
type promise struct {
	before, after map[string]string   // address -> declared
	acked, maybe  map[string][]string // records
	folded        map[string]bool     // by the operation under way
}

func (p *promise) check(fsys FS) error {
	s, err := Open(fsys, testPath, "0.1.0")
	if err != nil {
		return err
	}
	got := map[string]string{}
	for _, o := range s.Get().Objects {
		got[o.Addr.String()] = string(o.Declared)
	}
	isBefore, isAfter := cmp.Equal(got, p.before), cmp.Equal(got, p.after)
	if !isBefore && !isAfter {
		return fmt.Errorf("state %v is neither %v nor %v", got, p.before, p.after)
	}
	for name, acked := range p.acked {
		a, _ := providers.ParseAddr(name)
		var found []string
		for r, err := range s.Records(a) {
			if err != nil {
				return err
			}
			found = append(found, string(r))
		}
		if p.folded[name] && isAfter {
			if isBefore {
				continue // it cannot be told which of the two it is
			}
			acked = nil
		}
		if len(found) < len(acked) || !slices.Equal(found[:len(acked)], acked) {
			return fmt.Errorf("records of %s: %v, acknowledged were %v", name, short(found), short(acked))
		}
		for _, r := range found[len(acked):] {
			if !slices.Contains(p.maybe[name], r) {
				return fmt.Errorf("records of %s: %.12s was never sent, or is in the state already", name, r)
			}
		}
	}
	// And from here it goes on.
	a := providers.Addr{Kind: "index", Name: "next"}
	m := providers.Addr{Kind: "migration", Name: "a"}
	n := 0
	for range s.Records(m) {
		n++
	}
	if err := errors.Join(s.Append(m, "on"), s.Update(put(a, "9")), s.Append(m, "on")); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	s, err = Open(fsys, testPath, "0.1.0")
	if err != nil {
		return fmt.Errorf("again: %w", err)
	}
	for range s.Records(m) {
		n--
	}
	if n != -2 || s.Get().Find(a) == nil {
		return fmt.Errorf("going on was lost: %d records, state %v", n, s.Get().Objects)
	}
	return nil
}

func short(rs []string) []string {
	out := slices.Clone(rs)
	for i := range out {
		out[i] = fmt.Sprintf("%.12s(%d)", out[i], len(out[i]))
	}
	return out
}

// life is a Store's life with everything that writes. It keeps the promise in
// step.
func life(s *Store, p *promise, retries int) error {
	ma, mb := providers.Addr{Kind: "migration", Name: "a"}, providers.Addr{Kind: "migration", Name: "b"}
	ix := providers.Addr{Kind: "index", Name: "x"}
	big := `"` + strings.Repeat("r", 9000) + `"` // more than two blocks
	update := func(a providers.Addr, v string, finished ...providers.Addr) error {
		p.after = map[string]string{}
		for k, v := range p.before {
			p.after[k] = v
		}
		p.after[a.String()] = v
		for _, f := range finished {
			p.folded[f.String()] = true
		}
		if err := s.Update(put(a, v), finished...); err != nil {
			return err
		}
		p.before = p.after
		for _, f := range finished {
			p.folded[f.String()], p.acked[f.String()] = false, []string{}
		}
		return nil
	}
	add := func(a providers.Addr, r string) error {
		n := a.String()
		p.maybe[n] = []string{r}
		if err := s.Append(a, providers.JSON(r)); err != nil {
			return err
		}
		p.acked[n], p.maybe[n] = append(p.acked[n], r), nil
		return nil
	}
	steps := []func() error{
		func() error { return add(ma, "1") },
		func() error { return update(ix, "1") },
		func() error { return add(ma, big) },
		func() error { return add(mb, "2") },
		func() error { return update(ma, "1", ma) },
		func() error { return add(ma, "3") },
		func() error { return add(mb, big) },
		func() error { return update(ix, "2") },
		func() error { return update(mb, "2", mb) },
		func() error { return update(ma, "2", ma) },
		func() error { return add(ma, "4") },
		func() error { return update(ix, "3") },
		func() error { return add(ma, "5") },
	}
	for _, step := range steps {
		err := step()
		for range retries {
			if err != nil {
				err = step()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func newPromise() *promise {
	return &promise{before: map[string]string{}, after: map[string]string{},
		acked: map[string][]string{"migration.a": {}, "migration.b": {}}, maybe: map[string][]string{}, folded: map[string]bool{}}
}

// Power is cut before every operation on the disk, with nothing, all or some of
// what was not synced on it.
func TestPowerLossAtEveryPoint(t *testing.T) {
	disk := vfs.NewCrashableMem()
	h := &hookFS{FS: powerFS{disk}}
	p := newPromise()
	points := 0
	h.hook = func(op, name string) error {
		points++
		p.cut(t, disk, 10, fmt.Sprintf("power cut at operation %d, before %s %s", points, op, name))
		return nil
	}
	s := mustOpen(t, h, testPath)
	if err := life(s, p, 0); err != nil {
		t.Fatal(err)
	}
	_ = h.do("end", "")
	if points < 60 {
		t.Errorf("only %d points: the test does not see the operations", points)
	}
}

func (p *promise) cut(t *testing.T, disk *vfs.MemFS, seeds uint64, where string) {
	t.Helper()
	for seed := range seeds {
		percent := []int{0, 100, 50, 20, 80}[seed%5]
		c := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, uint64(crc32.ChecksumIEEE([]byte(where)))))})
		if err := p.check(powerFS{c}); err != nil {
			t.Errorf("%s, seed %d (%d %%): %v", where, seed, percent, err)
		}
	}
}

// A sync fails, the program goes on and tries again, then power is cut.
func TestPowerLossAfterFailedSync(t *testing.T) {
	for n, failed := 1, true; failed; n++ {
		disk := vfs.NewCrashableMem()
		h := &hookFS{FS: powerFS{disk}}
		p := newPromise()
		count := 0
		failed = false
		h.hook = func(op, name string) error {
			if count++; count > n && count < n+9 {
				p.cut(t, disk, 3, fmt.Sprintf("operation %d failed, power cut at %d, before %s %s", n, count, op, name))
			}
			if count == n {
				failed = true
				if strings.HasPrefix(op, "sync") {
					return errFull
				}
			}
			return nil
		}
		s := mustOpen(t, h, testPath)
		if err := life(s, p, 1); err != nil {
			t.Errorf("operation %d failed: %v", n, err)
		}
	}
}

// The program is killed at every point, so that what it wrote is there and
// not synced; the next one goes on, then power is cut.
func TestPowerLossAfterKill(t *testing.T) {
	ma := addr(t, "migration.a")
	for n, killed := 1, true; killed; n++ {
		disk := vfs.NewCrashableMem()
		h := &hookFS{FS: powerFS{disk}}
		p := newPromise()
		count := 0
		killed = false
		h.hook = func(op, name string) error {
			if count++; count >= n {
				killed = true
				return errFull
			}
			return nil
		}
		_ = life(mustOpen(t, h, testPath), p, 0)

		next := mustOpen(t, h, testPath)
		found := append(records(t, next, ma), `"new"`)
		p.maybe[ma.String()] = append(p.maybe[ma.String()], `"new"`)
		h.hook = func(op, name string) error {
			p.cut(t, disk, 3, fmt.Sprintf("killed at operation %d, power cut before %s %s", n, op, name))
			return nil
		}
		mustAppend(t, next, ma, "new")
		p.acked[ma.String()], p.folded[ma.String()] = found, false
		p.cut(t, disk, 5, fmt.Sprintf("killed at operation %d, power cut at the end", n))
	}
}

// The folder's sync after clearing the journal failed, so that the old journal
// may come back while the state after that survives.
func TestFoldedIsNotForgottenTooEarly(t *testing.T) {
	disk := vfs.NewCrashableMem()
	h := &hookFS{FS: powerFS{disk}}
	s := mustOpen(t, h, testPath)
	a := addr(t, "migration.a")
	mustAppend(t, s, a, 1)
	syncs := 0
	h.hook = func(op, name string) error {
		if op != "syncdir" {
			return nil
		}
		if syncs++; syncs == 2 || syncs == 4 { // 1 and 3 are the state's
			return errFull
		}
		if syncs == 3 {
			for seed := range uint64(50) {
				c := powerFS{disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 1))})}
				if got := records(t, mustOpen(t, c, testPath), a); got != nil {
					t.Errorf("seed %d: folded records come back: %v", seed, got)
				}
			}
		}
		return nil
	}
	mustUpdate(t, s, put(a, "1"), a)
	mustUpdate(t, s, nothing)
	if syncs != 4 {
		t.Errorf("%d syncs of the folder: the test does not do what it says", syncs)
	}
}

// Records that were committed together are all there or not at all.
func TestPowerLossInGroupCommit(t *testing.T) {
	disk := vfs.NewCrashableMem()
	h := &hookFS{FS: powerFS{disk}}
	s := mustOpen(t, h, testPath)
	a := addr(t, "migration.a")
	mustAppend(t, s, a, 0)
	var big []entry
	for range 20 {
		big = append(big, entry{a, providers.JSON(`"` + strings.Repeat("x", 1000) + `"`)})
	}
	seen := map[int]int{}
	h.hook = func(op, name string) error {
		if op != "sync" {
			return nil
		}
		for seed := range uint64(300) {
			c := powerFS{disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 80, RNG: rand.New(rand.NewPCG(seed, 1))})}
			seen[len(records(t, mustOpen(t, c, testPath), a))]++
		}
		return nil
	}
	if err := s.commit(big); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[1] == 0 || seen[21] == 0 {
		t.Errorf("records found after power cuts: %v, want 1 or 21, both seen", seen)
	}
}

// Every operation on the disk fails once, or it and all after it, and then the
// program dies, or goes on when there is room again.
func TestDiskFullAtEveryPoint(t *testing.T) {
	for _, forever := range []bool{false, true} {
		for n := 1; ; n++ {
			mem := NewMemFS()
			h := &hookFS{FS: mem}
			count := 0
			h.hook = func(string, string) error {
				if count++; count == n || forever && count > n {
					return errFull
				}
				return nil
			}
			p := newPromise()
			s := mustOpen(t, h, testPath)
			err := life(s, p, 0)
			if count < n {
				if n < 60 {
					t.Errorf("only %d points: the test does not see the operations", n)
				}
				break
			}
			name := fmt.Sprintf("operation %d, forever %v", n, forever)
			if err == nil {
				// Only clearing the journal may fail unseen.
				if err := p.check(mem.Clone()); err != nil {
					t.Errorf("%s: unseen: %v", name, err)
				}
				continue
			}
			var w *WriteError
			if !errors.As(err, &w) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("%s: %v is no WriteError that tells of the full disk", name, err)
			}
			if err := p.check(mem.Clone()); err != nil {
				t.Errorf("%s: after a restart: %v", name, err)
			}
			// Room again: the same Store goes on and takes the failed write along.
			h.hook = nil
			if strings.HasSuffix(w.Path, ".journal") {
				p.after = p.before // the failed operation was no update
			}
			if err := s.Update(nothing); err != nil {
				t.Errorf("%s: with room again: %v", name, err)
			}
			p.before = p.after
			if err := p.check(mem.Clone()); err != nil {
				t.Errorf("%s: with room again: %v", name, err)
			}
		}
	}
}

func TestStateIsNeverMissing(t *testing.T) {
	mem := NewMemFS()
	h := &hookFS{FS: mem}
	s := mustOpen(t, h, testPath)
	mustUpdate(t, s, nothing)
	h.hook = func(op, name string) error {
		if _, err := mem.ReadFile(testPath); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("before %s %s: no state", op, name)
		}
		return nil
	}
	mustUpdate(t, s, nothing)
}
