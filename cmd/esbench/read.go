package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// readPlain is a search for everything in the order that costs least.
const readPlain = `"sort":["_doc"],"track_total_hits":true`

// readOneSide scrolls over the source with one client that throws everything
// away, and gives its documents per second. what is the search without its
// size. That no document was left out is seen by what the server says: how many
// there are, that no shard failed, and in how many pages there was nothing left.
func (b *bench) readOneSide(ctx context.Context, s *shape, what string) (float64, error) {
	start := time.Now()
	request := fmt.Sprintf(`{"size":%d,%s}`, s.page, what)
	path := "/" + s.source() + "/_search?scroll=5m"
	full := (s.documents + s.page - 1) / s.page // pages with something on them
	var scroll string
	for pages := 0; ; pages++ {
		answer, err := b.source.open(ctx, http.MethodPost, path, []byte(request))
		if err != nil {
			return 0, err
		}
		p, err := skim(answer)
		_ = answer.Close()
		switch {
		case err != nil:
			return 0, err
		case p.failed > 0:
			return 0, fmt.Errorf("%d shards failed", p.failed)
		case p.total != s.documents:
			return 0, fmt.Errorf("the server has %d documents, and %d were loaded", p.total, s.documents)
		case p.empty != (pages == full):
			return 0, fmt.Errorf("of %d pages, page %d is empty: %t", full, pages+1, p.empty)
		}
		scroll = p.scroll
		if p.empty {
			break
		}
		path, request = "/_search/scroll", fmt.Sprintf(`{"scroll":"5m","scroll_id":%q}`, scroll)
	}
	seconds := time.Since(start).Seconds()
	err := b.source.call(ctx, http.MethodDelete, "/_search/scroll", fmt.Sprintf(`{"scroll_id":[%q]}`, scroll), nil)
	return float64(s.documents) / seconds, err
}

// skimmed is what a page of a scroll says before its hits.
type skimmed struct {
	scroll        string
	failed, total int
	empty         bool // there is no hit on it
}

// pageHead is the beginning of an answer up to the first hit; a server writes
// its parts in this order.
var pageHead = regexp.MustCompile(`^\{"_scroll_id":"([^"]+)".*?"_shards":\{[^{}]*"failed":(\d+).*?"hits":\{"total":\{"value":(\d+),"relation":"eq"\}.*?"hits":\[(\]?)`)

// skim takes the head of a page and reads the rest away.
func skim(answer io.Reader) (p skimmed, err error) {
	r := bufio.NewReaderSize(answer, 64<<10)
	head, err := r.Peek(16 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return p, err
	}
	m := pageHead.FindSubmatch(head)
	if m == nil {
		return p, fmt.Errorf("this is no page of a scroll: %.300q", head)
	}
	p.scroll, p.empty = string(m[1]), len(m[4]) > 0
	p.failed, _ = strconv.Atoi(string(m[2])) // digits, by the expression
	p.total, _ = strconv.Atoi(string(m[3]))
	_, err = io.Copy(io.Discard, r)
	return p, err
}

// lookAtOneSide asks for every document in the way in which esmig has digests
// made (verify_read.go of providers/migration), with a script that only counts
// the document's fields: what a digest takes before anything is computed.
func (b *bench) lookAtOneSide(ctx context.Context, s *shape) error {
	seen := 0
	for shard := range s.shards {
		body := map[string]any{
			"size": min(10_000, 50*s.page), "track_total_hits": false, "sort": []any{map[string]string{"_seq_no": "asc"}},
			"runtime_mappings": map[string]any{"count": map[string]any{"type": "long", "script": "emit(params['_source'].size())"}},
			"fields":           []string{"count"},
			"_source":          map[string]any{"excludes": []string{"*"}, "exclude_vectors": false},
		}
		for {
			text, err := json.Marshal(body)
			if err != nil {
				return err
			}
			var a struct {
				Hits struct {
					Hits []struct {
						Sort   json.RawMessage
						Fields struct{ Count []int }
					}
				}
			}
			path := fmt.Sprintf("/%s/_search?allow_partial_search_results=false&preference=_shards:%d", s.source(), shard)
			if err := b.source.call(ctx, http.MethodPost, path, string(text), &a); err != nil {
				return err
			}
			hits := a.Hits.Hits
			if len(hits) == 0 {
				break
			}
			if len(hits[0].Fields.Count) != 1 {
				return errors.New("the script has counted nothing")
			}
			seen += len(hits)
			body["search_after"] = hits[len(hits)-1].Sort
		}
	}
	if seen != s.documents {
		return fmt.Errorf("%d of %d documents were looked at", seen, s.documents)
	}
	return nil
}
