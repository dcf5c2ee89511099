package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// plain is what people do by hand: one _reindex from remote, as a task. Size 0
// is the server's default batch; part 0 takes all documents.
func (b *bench) plain(size, part int) method {
	m := method{name: defaultName, setting: "batch 1,000"}
	if size > 0 {
		m = method{name: bestName, setting: "batch " + commas(float64(size))}
	}
	m.quick = part > 0
	m.run = func(ctx context.Context, s *shape) (outcome, error) {
		source := map[string]any{"index": s.source(), "remote": b.source.remote()}
		if size > 0 {
			source["size"] = size
		}
		request := map[string]any{"source": source, "dest": map[string]any{"index": s.dest()}}
		documents := s.documents
		if part > 0 {
			documents = min(part, documents)
			request["max_docs"] = documents
		}
		body, err := json.Marshal(request)
		if err != nil {
			return outcome{}, err
		}
		start := time.Now()
		if err := b.reindex(ctx, string(body)); err != nil {
			return outcome{}, err
		}
		err = b.target.settle(ctx, s.dest())
		return outcome{seconds: time.Since(start).Seconds(), documents: documents}, err
	}
	return m
}

func (b *bench) reindex(ctx context.Context, body string) error {
	var begun struct{ Task string }
	if err := b.target.call(ctx, http.MethodPost, "/_reindex?wait_for_completion=false", body, &begun); err != nil {
		return err
	}
	for {
		var a struct {
			Completed bool
			Error     *struct {
				Reason   string
				CausedBy *struct{ Reason string } `json:"caused_by"`
			}
			Response struct{ Failures []json.RawMessage }
		}
		if err := b.target.call(ctx, http.MethodGet, "/_tasks/"+begun.Task, "", &a); err != nil {
			return err
		}
		switch {
		case a.Error != nil:
			text := a.Error.Reason
			if c := a.Error.CausedBy; c != nil {
				text += ": " + c.Reason
			}
			return errors.New(text)
		case len(a.Response.Failures) > 0:
			return fmt.Errorf("%d documents failed: %.300s", len(a.Response.Failures), a.Response.Failures[0])
		case a.Completed:
			return nil
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			stop := context.WithoutCancel(ctx)
			_ = b.target.call(stop, http.MethodPost, "/_tasks/"+begun.Task+"/_cancel", "", nil) // as good as it gets
			return ctx.Err()
		}
	}
}
