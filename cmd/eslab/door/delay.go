package door

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// writes are the last parts of the paths by which documents are written.
var writes = []string{"_bulk", "_doc", "_create", "_update", "_update_by_query", "_delete_by_query"}

// slow lets a write of documents take as long as was asked for. A reindex
// writes inside the server, where no door stands: there it is a speed at which
// each of its batches costs the delay. A real 9.4.3 waits between two batches,
// not before the first or after the last, so the delay of one is waited for
// here, before it begins; a range of a single batch would cost none otherwise.
func (d *Door) slow(r *http.Request) (*http.Request, *failure) {
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	segs := segments(r)
	switch {
	case delay == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead:
	case hasSegs(segs, "_reindex") && len(segs) == 1:
		wait(r, delay)
		return d.slowReindex(r, delay)
	case hasSegs(segs, "_reindex") && segs[len(segs)-1] == "_rethrottle":
		d.mu.Lock()
		most, ok := d.speeds[segs[1]]
		d.mu.Unlock()
		if ok {
			atMost(r, most)
		}
	case slices.ContainsFunc(segs, func(s string) bool { return slices.Contains(writes, s) }):
		wait(r, delay)
	}
	return r, nil
}

func wait(r *http.Request, delay time.Duration) {
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// speed is, in the context of a POST /_reindex, what its batches may have.
type speed struct{}

func (d *Door) slowReindex(r *http.Request, delay time.Duration) (*http.Request, *failure) {
	values, f := hold(r)
	if f != nil {
		return r, f
	}
	size := 1000. // documents in a batch, if nothing is said
	for _, v := range values {
		body, _ := v.(map[string]any)
		if n, ok := find(body, "source")["size"].(json.Number); ok {
			if said, err := n.Float64(); err == nil && said > 0 {
				size = said
			}
		}
	}
	most := size / delay.Seconds()
	atMost(r, most)
	return r.WithContext(context.WithValue(r.Context(), speed{}, most)), nil
}

// atMost sets requests_per_second, unless a smaller one is there already. What
// is no speed is for the server to refuse.
func atMost(r *http.Request, most float64) {
	query := r.URL.Query()
	if text := query.Get("requests_per_second"); text != "" {
		said, err := strconv.ParseFloat(text, 64)
		if err != nil || said >= 0 && said <= most || said < 0 && said != -1 {
			return
		}
	}
	query.Set("requests_per_second", strconv.FormatFloat(most, 'f', -1, 64))
	r.URL.RawQuery = query.Encode()
}

// keepSpeed remembers the speed of a task that has begun: a client that sees a
// speed it did not ask for would take it away.
func (d *Door) keepSpeed(resp *http.Response, most float64) error {
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the answer of a reindex: %w", err)
	}
	_ = resp.Body.Close() // it was read to its end
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	var begun struct{ Task string }
	if json.Unmarshal(raw, &begun) == nil && begun.Task != "" {
		d.mu.Lock()
		d.speeds[begun.Task] = most
		d.mu.Unlock()
	}
	return nil
}
