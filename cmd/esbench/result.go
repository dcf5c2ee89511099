package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"
)

// results is everything that one go measured. It is kept as JSON beside the
// binaries, so that the pages can be written again without measuring.
type results struct {
	Date     string         `json:"date"`
	Machine  machine        `json:"machine"`
	Scale    float64        `json:"scale"`
	Goes     int            `json:"goes"` // that the shapes were measured in, see -keep
	Rounds   int            `json:"rounds"`
	Warmth   warmth         `json:"warmth,omitempty"`
	Shapes   []*shapeResult `json:"shapes"`
	Linear   []point        `json:"linear,omitempty"`
	Failures []string       `json:"failures,omitempty"` // runs that are no numbers
}

type shapeResult struct {
	Name      string          `json:"name"`
	Title     string          `json:"title"`
	Data      string          `json:"data"`
	Documents int             `json:"documents"`
	Scale     float64         `json:"scale"` // of the goal's documents
	Bytes     float64         `json:"bytes"` // of a document, on average
	Breaks    bool            `json:"breaks,omitempty"`
	Goal      float64         `json:"goal"` // of verification
	Methods   []*methodResult `json:"methods"`
	Verify    *verifyResult   `json:"verify,omitempty"`
}

type methodResult struct {
	Name    string    `json:"name"`
	Setting string    `json:"setting,omitempty"`
	Runs    []float64 `json:"runs,omitempty"` // documents per second
	Work    []work    `json:"work,omitempty"` // of each run
	Peak    int64     `json:"peak,omitempty"` // bytes
	Missing string    `json:"missing,omitempty"`
	Failed  string    `json:"failed,omitempty"`
	Ranges  int       `json:"ranges,omitempty"`
	Journal int64     `json:"journal,omitempty"`
	State   int64     `json:"state,omitempty"`
	Copying []float64 `json:"copying,omitempty"` // seconds in the migration's step
}

type verifyResult struct {
	Full     []float64 `json:"full,omitempty"` // documents of one side per second
	FullWork []work    `json:"full_work,omitempty"`
	Read     []float64 `json:"read,omitempty"`
	ReadWork []work    `json:"read_work,omitempty"`
	LookWork []work    `json:"look_work,omitempty"` // of a script that looks at each document of one side
	Peak     int64     `json:"peak,omitempty"`
	Missing  string    `json:"missing,omitempty"`
}

// point of the linear series.
type point struct {
	Documents int       `json:"documents"`
	Seconds   []float64 `json:"seconds"`
	Ranges    int       `json:"ranges"`
	Peak      int64     `json:"peak"`
	Journal   int64     `json:"journal"`
}

func (s *shapeResult) method(name string) *methodResult {
	for _, m := range s.Methods {
		if m.Name == name {
			return m
		}
	}
	return &methodResult{}
}

// speed is the median; 0: not measured, or documents were lost.
func (m *methodResult) speed() float64 {
	if m.Failed != "" {
		return 0
	}
	return median(m.Runs)
}

// medianWork is the median of each figure.
func medianWork(runs []work) work {
	pick := func(f func(work) float64) float64 {
		var all []float64
		for _, r := range runs {
			all = append(all, f(r))
		}
		return median(all)
	}
	return work{
		Source: pick(func(w work) float64 { return w.Source }),
		Target: pick(func(w work) float64 { return w.Target }),
		Client: pick(func(w work) float64 { return w.Client }),
	}
}

func (r *results) shape(name string) *shapeResult {
	for _, s := range r.Shapes {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// put replaces the shape of that name, or adds it in the order of the shapes.
func (r *results) put(s *shapeResult) {
	r.Shapes = slices.DeleteFunc(r.Shapes, func(o *shapeResult) bool { return o.Name == s.Name })
	r.Failures = slices.DeleteFunc(r.Failures, func(f string) bool { return strings.HasPrefix(f, s.Name+",") })
	r.Shapes = append(r.Shapes, s)
	order := func(s *shapeResult) int {
		return slices.IndexFunc(allShapes(), func(o *shape) bool { return o.name == s.Name })
	}
	slices.SortStableFunc(r.Shapes, func(a, b *shapeResult) int { return order(a) - order(b) })
}

func (r *results) save(path string) error {
	r.Date = time.Now().UTC().Format("2006-01-02")
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

func loadResults(path string) (*results, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(raw, r)
}
