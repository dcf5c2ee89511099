package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine describes where it was measured, without names and paths.
type machine struct {
	Cores    int     `json:"cores"`
	CPU      string  `json:"cpu"`
	Memory   float64 `json:"memory"` // bytes, 0: not known
	System   string  `json:"system"`
	Go       string  `json:"go"`
	Esmig    string  `json:"esmig"`
	Source   string  `json:"source"`
	Target   string  `json:"target"`
	Node     string  `json:"node,omitempty"` // of elasticdump
	LoadedBy float64 `json:"load"`           // what was left of the minute's average; below 0: not known
}

func (b *bench) describe(ctx context.Context) (machine, error) {
	m := machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), LoadedBy: -1}
	// Linux tells these; elsewhere they are left out.
	m.CPU = strings.TrimSpace(procField("/proc/cpuinfo", "model name"))
	if kb, _, _ := strings.Cut(strings.TrimSpace(procField("/proc/meminfo", "MemTotal")), " "); kb != "" {
		n, _ := strconv.ParseFloat(kb, 64)
		m.Memory = n * 1024
	}
	m.LoadedBy = quiet(ctx, m.Cores, loadAverage)
	for _, s := range []*server{b.source, b.target} {
		if err := s.introduce(ctx); err != nil {
			return m, err
		}
	}
	m.Source, m.Target = b.source.version+", "+b.source.runtime, b.target.version+", "+b.target.runtime
	out, err := exec.CommandContext(ctx, b.esmig, "version").Output()
	if err != nil {
		return m, err
	}
	m.Esmig, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	if out, err := exec.CommandContext(ctx, "node", "--version").Output(); err == nil && b.dumpMissing == "" {
		m.Node = strings.TrimSpace(string(out))
	}
	return m, nil
}

// mostBoot is how long the load of the servers' own start is waited out: the
// average of a minute is down to a twentieth of it then.
const mostBoot = 3 * time.Minute

// quiet waits until little runs beside the benchmark, and returns the load that
// is left: that of others, if it stays.
func quiet(ctx context.Context, cores int, load func() float64) float64 {
	end := time.Now().Add(mostBoot)
	for {
		l := load()
		if l <= mostLoad(cores)/2 || !time.Now().Before(end) {
			return l
		}
		select {
		case <-ctx.Done():
			return l
		case <-time.After(5 * time.Second):
		}
	}
}

// loadAverage is of the last minute; below 0: not known.
func loadAverage() float64 {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	var l float64
	if _, err := fmt.Sscan(string(raw), &l); err != nil {
		return -1
	}
	return l
}

// mostLoad is above what figures are not to be trusted.
func mostLoad(cores int) float64 { return float64(cores) / 2 }

// procField is the value of the first line that begins with a name.
func procField(path, name string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (m machine) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "- %d cores", m.Cores)
	if m.CPU != "" {
		fmt.Fprintf(&b, " (%s)", m.CPU)
	}
	if m.Memory > 0 {
		fmt.Fprintf(&b, ", %s of memory", bytesText(m.Memory))
	}
	fmt.Fprintf(&b, ", %s; source, destination, esmig and the other clients all run on it\n", m.System)
	fmt.Fprintf(&b, "- source: %s\n- destination: %s\n- %s, %s\n", m.Source, m.Target, m.Esmig, m.Go)
	if m.Node != "" {
		fmt.Fprintf(&b, "- Node.js %s for elasticdump\n", m.Node)
	}
	if m.LoadedBy > mostLoad(m.Cores) {
		fmt.Fprintf(&b, "- **The machine was busy with other things when it began (load %.1f): do not trust these figures.**\n", m.LoadedBy)
	}
	return b.String()
}
