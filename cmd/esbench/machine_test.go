package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// The start of the servers is waited out and not taken for the load of others;
// that of others is told after a while.
func TestQuiet(t *testing.T) {
	for name, c := range map[string]struct {
		load func(since time.Duration) float64
		want float64
		wait time.Duration
	}{
		"nothing":  {func(time.Duration) float64 { return 0.1 }, 0.1, 0},
		"unknown":  {func(time.Duration) float64 { return -1 }, -1, 0},
		"boot":     {func(d time.Duration) float64 { return 2 - d.Seconds()/40 }, 0.5, time.Minute},
		"neighbor": {func(time.Duration) float64 { return 1.7 }, 1.7, mostBoot},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got := quiet(t.Context(), 2, func() float64 { return c.load(time.Since(start)) })
				if took := time.Since(start); got != c.want || took != c.wait {
					t.Errorf("%v after %v, want %v after %v", got, took, c.want, c.wait)
				}
			})
		})
	}
}
