package main

import (
	"math"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	fixed, each, explained := fit([]float64{1, 2, 4}, []float64{5, 7, 11})
	if math.Abs(fixed-3) > 1e-9 || math.Abs(each-2) > 1e-9 || math.Abs(explained-1) > 1e-9 {
		t.Errorf("y = %v + %v x, R² %v; want 3 + 2 x, 1", fixed, each, explained)
	}
	if _, _, explained := fit([]float64{1, 2, 3, 4}, []float64{1, 9, 2, 8}); explained > 0.5 {
		t.Errorf("a line explains %v of what is none", explained)
	}
	if _, each, _ := fit([]float64{3}, []float64{4}); each != 0 {
		t.Error("a line through one point")
	}
}

func TestNumbersForPeople(t *testing.T) {
	for got, want := range map[string]string{
		commas(0): "0", commas(999.6): "1,000", commas(1234567): "1,234,567", commas(-4500): "-4,500", commas(100): "100",
		bytesText(350): "350 B", bytesText(4100): "4.1 kB", bytesText(98_000): "98 kB", bytesText(999_700): "1.0 MB",
		bytesText(25e9): "25 GB", bytesText(1e14): "100 TB", bytesText(5e15): "5000 TB",
		ratioText(0): "–", ratioText(ratio(3, 2)): "1.50", ratioText(ratio(3, 0)): "–",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
