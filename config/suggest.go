package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// nearest finds the name that was probably meant, or returns "".
func nearest(given string, names []string) string {
	best, distance := "", max(2, len(given)/3)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(name), nil)
		if d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	return best
}

// didYouMean is a sentence to append: the nearest name, or else all of them if
// they are few.
func didYouMean(given string, names []string) string {
	if n := nearest(given, names); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	if len(names) == 0 || len(names) > 16 {
		return ""
	}
	return " There is: " + quoted(names) + "."
}

func quoted(names []string) string {
	var q []string
	for _, n := range slices.Sorted(slices.Values(names)) {
		q = append(q, fmt.Sprintf("%q", n))
	}
	return strings.Join(q, ", ")
}
