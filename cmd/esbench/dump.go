package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// elasticdump, from npm, of this version.
const dumpPackage = "elasticdump@6.125.1"

// findDump installs elasticdump into the lab's cache if it is not there, and
// returns its script, or why there is none.
func (b *bench) findDump(ctx context.Context) (script, missing string) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", "no npm"
	}
	if _, err := exec.LookPath("node"); err != nil {
		return "", "no Node.js"
	}
	dir, err := cacheFolder(strings.ReplaceAll(dumpPackage, "@", "-"))
	if err != nil {
		return "", err.Error()
	}
	script = filepath.Join(dir, "node_modules", "elasticdump", "bin", "elasticdump")
	if _, err := os.Stat(script); err == nil {
		return script, ""
	}
	b.say("fetching %s from npm, once", dumpPackage)
	_, err = runProcess(ctx, dir, os.Environ(), npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", dumpPackage)
	if err != nil {
		_ = os.RemoveAll(dir) // half of it is of no use
		return "", "npm could not fetch " + dumpPackage
	}
	return script, ""
}

// cacheFolder makes a folder in the cache of eslab.
func cacheFolder(name string) (string, error) {
	dir := os.Getenv("ESLAB_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(base, "esmig-lab")
	}
	dir = filepath.Join(dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// dumping is how elasticdump is called.
type dumping struct {
	limit   int // documents that it reads at a time
	writers int // at once
}

// dump copies with elasticdump and no refresh. Part 0 takes all documents; else
// it is that many, rounded up to whole batches, as elasticdump does it.
func (b *bench) dump(d dumping, part int) method {
	m := method{name: dumpName, quick: part > 0, setting: fmt.Sprintf("%s, limit %s, concurrency %d", strings.Replace(dumpPackage, "@", " ", 1), commas(float64(d.limit)), d.writers)}
	m.run = func(ctx context.Context, s *shape) (outcome, error) {
		authorities := filepath.Join(b.temp, "authorities.pem")
		if err := b.writeAuthorities(authorities); err != nil {
			return outcome{}, err
		}
		documents, size := s.documents, -1
		if part > 0 {
			documents = min((part+d.limit-1)/d.limit*d.limit, s.documents)
			size = documents
		}
		header := func(auth string) string { return fmt.Sprintf(`{"Authorization":%q}`, auth) }
		start := time.Now()
		f, err := runProcess(ctx, b.temp, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+authorities), "node", b.dumpScript,
			"--input="+b.source.url+"/"+s.source(), "--output="+b.target.url+"/"+s.dest(), "--type=data",
			"--input-headers="+header(b.source.readAuth), "--output-headers="+header(b.target.auth),
			fmt.Sprint("--limit=", d.limit), fmt.Sprint("--concurrency=", d.writers), fmt.Sprint("--size=", size), "--noRefresh", "--quiet")
		if err != nil {
			return outcome{}, err
		}
		err = b.target.settle(ctx, s.dest())
		return outcome{seconds: time.Since(start).Seconds(), documents: documents, peak: f.peak, cpu: work{Client: f.cpu}}, err
	}
	return m
}

// hide takes secrets, addresses and folders out of an error that a server or
// another program has made: it is printed and kept.
func (b *bench) hide(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	text := err.Error()
	for _, s := range []*server{b.source, b.target} {
		_, host, _ := strings.Cut(s.url, "://")
		for _, v := range []string{s.key, s.readKey, s.password, strings.TrimPrefix(s.auth, "Basic "), s.caFile} {
			if v != "" {
				text = strings.ReplaceAll(text, v, "…")
			}
		}
		text = strings.ReplaceAll(text, host, s.name)
	}
	for _, dir := range []string{b.temp, filepath.Dir(b.esmig), filepath.Dir(filepath.Dir(b.dumpScript))} {
		if len(dir) > 1 {
			text = strings.ReplaceAll(text, dir, "…")
		}
	}
	return errors.New(text)
}

func (b *bench) writeAuthorities(path string) error {
	var all []byte
	for _, s := range []*server{b.source, b.target} {
		if s.caFile == "" {
			continue
		}
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return err
		}
		all = append(append(all, pem...), '\n')
	}
	return os.WriteFile(path, all, 0o600)
}
