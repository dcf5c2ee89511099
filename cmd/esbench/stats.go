package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// median of the values, 0 without any.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// fit is the straight line y = fixed + each*x with the least squares, and the
// share of the differences that it explains.
func fit(x, y []float64) (fixed, each, explained float64) {
	n := float64(len(x))
	if n < 2 {
		return 0, 0, 0
	}
	var sx, sy float64
	for i := range x {
		sx, sy = sx+x[i], sy+y[i]
	}
	mx, my := sx/n, sy/n
	var xx, xy, yy float64
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - my)
		yy += (y[i] - my) * (y[i] - my)
	}
	if xx == 0 || yy == 0 {
		return my, 0, 0
	}
	each = xy / xx
	return my - each*mx, each, xy * xy / (xx * yy)
}

// ratio of two speeds; 0 where one was not measured.
func ratio(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return a / b
}

func ratioText(r float64) string {
	if r == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", r)
}

// commas writes a whole number for people.
func commas(f float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(f))
	var b strings.Builder
	if math.Round(f) < 0 {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// bytesText writes a size for people.
func bytesText(n float64) string {
	for _, u := range []string{"B", "kB", "MB", "GB", "TB"} {
		if n < 999.5 || u == "TB" {
			if n < 9.95 && u != "B" {
				return fmt.Sprintf("%.1f %s", n, u)
			}
			return fmt.Sprintf("%.0f %s", n, u)
		}
		n /= 1000
	}
	return ""
}
