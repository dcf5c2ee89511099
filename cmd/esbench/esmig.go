package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const stateFile = "esmig.state.json"

// folder is a configuration of esmig with its state.
type folder struct {
	dir string
	env []string
}

// configure writes a configuration that copies a shape.
func (b *bench) configure(s *shape, method, verify string) (*folder, error) {
	dir, err := os.MkdirTemp(b.temp, "esmig-")
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir, env: os.Environ()}
	var hcl strings.Builder
	for _, e := range []*server{b.source, b.target} {
		fmt.Fprintf(&hcl, "cluster %q {\n", e.name)
		for _, v := range []struct{ name, value string }{
			{"endpoint", e.url}, {"api_key", map[bool]string{true: e.readKey, false: e.key}[e.name == "source"]},
			{"username", e.user}, {"password", e.password}, {"ca_file", e.caFile},
		} {
			if v.value == "" || e.key != "" && (v.name == "username" || v.name == "password") {
				continue
			}
			fmt.Fprintf(&hcl, "  %s = var.%s_%s\n", v.name, e.name, v.name)
			f.env = append(f.env, "ESMIG_VAR_"+e.name+"_"+v.name+"="+v.value)
		}
		hcl.WriteString("}\n")
		for _, v := range []string{"endpoint", "api_key", "username", "password", "ca_file"} {
			fmt.Fprintf(&hcl, "variable \"%s_%s\" {\n  type = string\n  default = null\n  sensitive = %v\n}\n", e.name, v, v == "api_key" || v == "password")
		}
	}
	hcl.WriteString("esmig {\n  source = cluster.source\n  target = cluster.target\n}\n")
	err = os.WriteFile(filepath.Join(dir, "clusters.hcl"), []byte(hcl.String()), 0o600)
	if err == nil {
		err = f.set(s, method, verify)
	}
	return f, err
}

// set writes the part of the configuration that may change between two runs.
func (f *folder) set(s *shape, method, verify string) error {
	text := fmt.Sprintf(`index "bench" {
  name                = %[1]q
  deletion_protection = false
  settings            = jsondecode(%[2]q)
  mappings            = jsondecode(%[3]q)
}

migration "bench" {
  method = %[4]q
  verify = %[5]q
  source { index = %[6]q }
  dest { index = index.bench.name }
}
`, s.dest(), s.settings(""), s.mappings(), method, verify, s.source())
	return os.WriteFile(filepath.Join(f.dir, "main.hcl"), []byte(text), 0o600)
}

// refuses says why esmig does not take a method or a way to verify; empty: it
// takes it.
func (b *bench) refuses(ctx context.Context, method, verify string) (string, error) {
	s := allShapes()[0]
	f, err := b.configure(s, method, verify)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(f.dir) }()
	if _, err := runProcess(ctx, f.dir, f.env, b.esmig, "validate"); err == nil {
		return "", nil
	} else if method == "auto" && verify == "none" { // what every esmig takes
		return "", fmt.Errorf("esmig does not take the benchmark's configuration: %w", err)
	}
	return "this esmig does not have it", nil
}

// esmigRun is what is learned from the events and the files of a run.
type esmigRun struct {
	ranges     int
	copying    float64 // seconds in the migration's step, without planning
	journal    int64   // bytes, at its longest
	stateBytes int64
}

// copyWith is esmig's method of that name.
func (b *bench) copyWith(name string) method {
	return method{name: esmigPrefix + name, makesIndex: true, run: func(ctx context.Context, s *shape) (outcome, error) {
		f, err := b.configure(s, name, "none")
		if err != nil {
			return outcome{}, err
		}
		defer func() { _ = os.RemoveAll(f.dir) }()
		return b.apply(ctx, f, s)
	}}
}

func (b *bench) apply(ctx context.Context, f *folder, s *shape) (outcome, error) {
	watch, stop := context.WithCancel(ctx)
	journal := make(chan int64)
	go func() { journal <- longest(watch, filepath.Join(f.dir, stateFile+".journal")) }()
	p, err := runProcess(ctx, f.dir, f.env, b.esmig, "apply", "-auto-approve", "-json")
	stop()
	o := outcome{seconds: p.seconds, documents: s.documents, peak: p.peak, cpu: work{Client: p.cpu}, esmig: &esmigRun{journal: <-journal}}
	if err != nil {
		return o, err
	}
	if i, err := os.Stat(filepath.Join(f.dir, stateFile)); err == nil {
		o.esmig.stateBytes = i.Size()
	}
	o.setting = readEvents(p.out, o.esmig)
	return o, nil
}

// longest is the largest size that a file has until the context ends.
func longest(ctx context.Context, path string) (most int64) {
	for ctx.Err() == nil {
		if i, err := os.Stat(path); err == nil {
			most = max(most, i.Size())
		}
		pause(ctx, 20*time.Millisecond)
	}
	return most
}

// event is what is read of esmig's lines of JSON.
type event struct {
	Type  string
	Event struct {
		Address  string
		Seconds  float64
		Same     bool
		Estimate struct {
			Method      string
			Concurrency int
		}
		Progress struct{ Ranges int }
	}
}

func eachEvent(out []byte, f func(event)) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			f(e)
		}
	}
}

func readEvents(out []byte, r *esmigRun) (setting string) {
	var way string
	var together int
	eachEvent(out, func(e event) {
		if e.Event.Address != "migration.bench" {
			return
		}
		switch e.Type {
		case "step_started":
			way, together = e.Event.Estimate.Method, e.Event.Estimate.Concurrency
		case "progress":
			r.ranges = max(r.ranges, e.Event.Progress.Ranges)
		case "step_done":
			r.copying = e.Event.Seconds
		}
	})
	switch {
	case way == "":
		return ""
	case r.ranges == 0:
		return way
	}
	if r.ranges == 1 {
		return way + ", 1 range"
	}
	return fmt.Sprintf("%s, %d ranges, %d at a time", way, r.ranges, min(together, r.ranges))
}
