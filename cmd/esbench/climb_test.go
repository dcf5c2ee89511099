package main

import (
	"slices"
	"testing"
)

// TestClimb: the best setting is found beyond the grid's edges, and one lucky
// or unlucky go does not choose.
func TestClimb(t *testing.T) {
	doubled := func(most int) func(int) []int {
		return func(n int) []int { return []int{max(1, n/2), min(2*n, most)} }
	}
	for name, c := range map[string]struct {
		grid  []int
		most  int
		speed map[int][]float64 // of each go; the last one stays
		want  int
		goes  map[int]int // that are wanted
	}{
		"above the grid":        {[]int{250, 500}, 10_000, map[int][]float64{250: {1}, 500: {2}, 1000: {3}, 2000: {4}, 4000: {3}}, 2000, map[int]int{2000: 2, 4000: 1}},
		"below the grid":        {[]int{8, 16}, 100, map[int][]float64{16: {1}, 8: {2}, 4: {3}, 2: {4}, 1: {1}}, 2, nil},
		"no further than most":  {[]int{4000}, 10_000, map[int][]float64{2000: {1}, 4000: {2}, 8000: {3}, 10_000: {4}, 5000: {1}}, 10_000, map[int]int{20_000: 0}},
		"an unlucky go":         {[]int{1, 2, 4}, 4, map[int][]float64{1: {1}, 2: {9.5, 12}, 4: {10, 10}}, 2, map[int]int{1: 1, 2: 2, 4: 2}},
		"what fails is no best": {[]int{1, 2, 4}, 4, map[int][]float64{2: {3}}, 2, map[int]int{4: 1}},
		"nothing works":         {[]int{1, 2, 4}, 8, nil, 0, map[int]int{8: 0}},
	} {
		goes := map[int]int{}
		got := climb(c.grid, doubled(c.most), func(n int) float64 {
			all := c.speed[n]
			goes[n]++
			if len(all) == 0 {
				return 0
			}
			return all[min(goes[n], len(all))-1]
		})
		if got != c.want {
			t.Errorf("%s: %d, want %d (%v)", name, got, c.want, goes)
		}
		for n, want := range c.goes {
			if goes[n] != want {
				t.Errorf("%s: %d goes of %d, want %d", name, goes[n], n, want)
			}
		}
	}
}

// TestBeside: grids end where servers do.
func TestBeside(t *testing.T) {
	for _, c := range []struct {
		batch int
		bytes float64
		want  [2]int
	}{
		{5000, 340, [2]int{2500, 10_000}}, {10_000, 340, [2]int{5000, 10_000}},
		{250, 98_000, [2]int{125, 500}}, {500, 98_000, [2]int{250, 816}}, {1, 300_000, [2]int{1, 2}},
	} {
		if got := besideBatch(c.batch, c.bytes); got[0] != c.want[0] || got[1] != c.want[1] {
			t.Errorf("beside a batch of %d: %v, want %v", c.batch, got, c.want)
		}
	}
	// On 15 MB, one request of 16 MB is the whole trial: it says nothing of many.
	got := ceiling{4, 1 << 20}.beside(15e6)
	if want := []ceiling{{2, 1 << 20}, {4, 512 << 10}}; !slices.Equal(got, want) {
		t.Errorf("on few bytes: %+v, want %+v", got, want)
	}
	if !(ceiling{8, 4 << 20}).enough(ceilingTrial) {
		t.Error("the largest of the grid cannot be tried")
	}
	for _, c := range (ceiling{16, 16 << 20}).beside(1e12) {
		if c.workers > 16 || c.size > 16<<20 {
			t.Errorf("beside the largest ceiling: %+v", c)
		}
	}
	for _, d := range (dumping{1, 1}).beside(1000, 1000) {
		if d.limit < 1 || d.writers < 1 {
			t.Errorf("beside the smallest dump: %+v", d)
		}
	}
	for _, d := range (dumping{10_000, 16}).beside(340, 1e9) {
		if d.limit > 10_000 || d.writers > 16 {
			t.Errorf("beside the largest dump: %+v", d)
		}
	}
	for _, d := range (dumping{20, 4}).beside(300_000, 100) {
		if d.limit*d.writers > 100 {
			t.Errorf("writers without documents: %+v", d)
		}
	}
}
