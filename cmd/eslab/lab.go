package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// lab is a set of running servers and what they live on.
type lab struct {
	dir         string
	guard       *guard
	who         account
	authorities map[string]*authority
	dists       map[string]string // folders of distributions, readable for the account

	mu       sync.Mutex
	nodes    []*boot
	doors    []*openDoor
	stopping bool
}

// boot is one server on its way up, and afterwards.
type boot struct {
	*spec
	*lab
	ctx      context.Context
	dir      string // its own folder: config, data, logs, tmp
	java     java
	password string
	// first is the node whose cluster it joins; nil: it is that node, or the
	// only one.
	first     *boot
	transport int // port

	vars    environment
	task    task // that its process came of
	process *process
	pid     int // of the server itself
}

// bootLimit is generous: a boot takes 10 to 40 seconds on two cores, and more
// where they are shared.
const bootLimit = 8 * time.Minute

func newLab(ctx context.Context, cache string, names []string, heap string) (l *lab, err error) {
	javas := installedJavas()
	for _, name := range names { // before anything big is fetched
		s := catalogue[name]
		if s.before != "" {
			continue
		}
		if _, ok := chooseJava(javas, s.java); !ok && s.java.max == 0 && officialHome(s) == "" {
			return nil, noJava(s.product, s.java, javas)
		}
	}
	if err := fetchAll(ctx, cache, missingArtifacts(names, javas), progress); err != nil {
		return nil, err
	}
	l = &lab{who: serverAccount(), authorities: map[string]*authority{}, dists: map[string]string{}}
	defer func() {
		if err != nil {
			l.stop()
		}
	}()
	if l.dir, err = newLabDir(l.who); err != nil {
		return l, err
	}
	if l.guard, err = startGuard(l.dir); err != nil {
		return l, err
	}
	for _, name := range []string{"source", "target"} {
		if l.authorities[name], err = newAuthority(name); err != nil {
			return l, err
		}
		if err = os.WriteFile(l.caFile(name), l.authorities[name].pem, 0o600); err != nil {
			return l, err
		}
	}
	var boots []*boot
	var doors []string
	for _, name := range names {
		s := catalogue[name]
		if s.before != "" {
			doors = append(doors, name)
			continue
		}
		if name == "source" || name == "target" {
			s.heap = heap
		}
		b := &boot{spec: &s, lab: l, dir: filepath.Join(l.dir, name), password: rand.Text()}
		if b.java, err = l.javaFor(cache, s, javas); err != nil {
			return l, err
		}
		if err = l.openDist(cache, s.artifact); err != nil {
			return l, err
		}
		if b.transport, err = usualPorts.free(); err != nil {
			return l, err
		}
		boots = append(boots, b)
		for n := 2; n <= s.members; n++ {
			next, err := b.another(n)
			if err != nil {
				return l, err
			}
			boots = append(boots, next)
		}
	}
	if err = l.bootAll(ctx, boots); err != nil {
		return l, err
	}
	return l, l.openDoors(ctx, doors)
}

// bootAll boots all servers side by side. The first that fails ends the others.
func (l *lab) bootAll(ctx context.Context, boots []*boot) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limited, done := context.WithTimeout(ctx, bootLimit)
	defer done()
	var wg sync.WaitGroup
	for _, b := range boots {
		b.ctx = limited
		wg.Go(func() {
			start := time.Now()
			if err := l.bootOne(b); err != nil {
				cancel(fmt.Errorf("%s (%s) did not start: %w", b.name, b.product, err))
				return
			}
			progress("%s is up: %s at %s (%.0f s)", b.name, b.product, b.vars["URL"], time.Since(start).Seconds())
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (l *lab) bootOne(b *boot) error {
	if err := makeOwned(l.who, b.dir, b.config(), b.sub("data"), b.sub("logs"), b.sub("tmp")); err != nil {
		return err
	}
	if err := b.spec.boot(b); err != nil {
		return err
	}
	go b.revive()
	return nil
}

func (l *lab) caFile(name string) string { return filepath.Join(l.dir, name+"-ca.pem") }

// openDist makes a distribution readable for the account, once for all servers
// that use it.
func (l *lab) openDist(cache, name string) (err error) {
	if l.dists[name] == "" {
		l.dists[name], err = openTo(l.who, filepath.Join(cache, name), l.dir)
	}
	return err
}

// launch starts the server's process and hands it to the guard.
func (b *boot) launch(t task) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	t.log = b.sub("console.log")
	p, err := startProcess(t, b.who)
	if err != nil {
		return err
	}
	b.guard.watch(p.cmd.Process.Pid)
	b.mu.Lock()
	b.task, b.process = t, p
	b.nodes = append(b.nodes, b)
	b.mu.Unlock()
	return nil
}

func (b *boot) sub(name string) string { return filepath.Join(b.dir, name) }
func (b *boot) config() string         { return b.sub("config") }
func (b *boot) dist() string           { return b.dists[b.artifact] }

// env is what a command needs to know of all servers.
func (l *lab) env() environment {
	env := environment{}
	var names []string
	for _, b := range l.nodes {
		if b.first != nil {
			continue // a cluster has one address, and tells those of its nodes
		}
		env.add(b.name, b.vars)
		names = append(names, b.name)
	}
	for _, d := range l.doors {
		env.add(d.name, d.vars)
		names = append(names, d.name)
	}
	env.setServers(names)
	return env
}

func (l *lab) stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	for _, d := range l.doors {
		d.http.Close()
	}
	var wg sync.WaitGroup
	for _, b := range l.nodes {
		wg.Go(func() {
			b.process.stop(b.pid)
			l.guard.forget(b.process.cmd.Process.Pid)
		})
	}
	wg.Wait()
	if l.guard != nil {
		l.guard.finish() // removes the folder
	} else if l.dir != "" {
		os.RemoveAll(l.dir)
	}
}

// missingArtifacts is what a boot of these servers needs from the cache.
func missingArtifacts(names []string, javas []java) []string {
	var list []string
	add := func(a string) {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for _, name := range names {
		s := catalogue[name]
		if s.before != "" {
			continue
		}
		if officialHome(s) == "" {
			add(s.artifact)
		}
		if _, ok := chooseJava(javas, s.java); !ok && s.java.max > 0 {
			add(runtimeArtifact)
		}
	}
	return list
}
