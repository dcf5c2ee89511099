package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// body is one bulk request, made beforehand.
type body struct {
	documents int
	ndjson    []byte
}

// bodies makes the bulk requests for documents from..to of a shape and hands
// them on, each about size bytes.
func (d *dataset) bodies(s *shape, from, to, size int, emit func(body) bool) {
	var b []byte
	documents := 0
	for i := from; i < to; i++ {
		b = fmt.Appendf(b, `{"index":{"_id":"n-%d"}}`+"\n", i)
		b = append(d.appendDocument(b, s, i), '\n')
		if documents++; len(b) >= size || i == to-1 {
			if !emit(body{documents, b}) {
				return
			}
			b, documents = make([]byte, 0, len(b)+len(b)/8), 0
		}
	}
}

// send puts bodies into an index, several at a time.
func (s *server) send(ctx context.Context, index string, workers int, next <-chan body) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pool sync.WaitGroup
	for range workers {
		pool.Go(func() {
			for b := range next {
				if ctx.Err() != nil {
					continue // so that who makes them does not wait forever
				}
				if err := s.bulk(ctx, index, b.ndjson); err != nil {
					cancel(err)
				}
			}
		})
	}
	pool.Wait()
	return context.Cause(ctx)
}

func (s *server) bulk(ctx context.Context, index string, ndjson []byte) error {
	answer, err := s.open(ctx, http.MethodPost, "/"+index+"/_bulk?filter_path=errors,items.*.error", ndjson)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	text, err := io.ReadAll(answer)
	if err != nil {
		return err
	}
	var a struct{ Errors bool }
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	if a.Errors {
		return fmt.Errorf("documents were refused: %.400s", text)
	}
	return nil
}

// load fills the source with documents from..to and returns their average
// length in bytes.
func (b *bench) load(ctx context.Context, s *shape, from, to int) (float64, error) {
	d, err := b.dataset(ctx, s.data)
	if err != nil {
		return 0, err
	}
	if from == 0 {
		if err := b.source.remove(ctx, s.source()); err != nil {
			return 0, err
		}
		// Loaded without refreshing, then as an index that is in use.
		if err := b.source.create(ctx, s.source(), s.settings(unhindered), s.mappings()); err != nil {
			return 0, err
		}
	}
	b.say("%s: loading documents %d to %d", s.name, from, to)
	next := make(chan body, 2)
	size := 0
	go func() {
		defer close(next)
		d.bodies(s, from, to, 4<<20, func(x body) bool {
			size += len(x.ndjson) - x.documents*len(`{"index":{"_id":"n-123456"}}`+"\n\n")
			next <- x
			return true
		})
	}()
	if err := b.source.send(ctx, s.source(), 3, next); err != nil {
		return 0, err
	}
	settings := `{"index":{"refresh_interval":null,"translog":{"durability":null}}}`
	if err := b.source.call(ctx, http.MethodPut, "/"+s.source()+"/_settings", settings, nil); err != nil {
		return 0, err
	}
	return float64(size) / float64(to-from), b.source.settle(ctx, s.source())
}

func (s *server) create(ctx context.Context, index, settings, mappings string) error {
	return s.call(ctx, http.MethodPut, "/"+index, `{"settings":`+settings+`,"mappings":`+mappings+`}`, nil)
}

// ceiling is what the destination takes when nothing has to be read: bodies
// made beforehand, of one size, so many at a time.
type ceiling struct {
	workers, size int
}

func (c ceiling) String() string {
	return fmt.Sprintf("%d at a time, %s each", c.workers, bytesText(float64(c.size)))
}

// ceilingOf sends a part of the documents; part 0 is all of them.
func (b *bench) ceilingOf(c ceiling, part int) method {
	return method{name: ceilingName, setting: c.String(), fast: true, quick: part > 0, run: func(ctx context.Context, s *shape) (outcome, error) {
		documents := s.documents
		if part > 0 {
			documents = min(part, documents)
		}
		d, err := b.dataset(ctx, s.data)
		if err != nil {
			return outcome{}, err
		}
		var all []body
		d.bodies(s, 0, documents, c.size, func(x body) bool {
			all = append(all, x)
			return true
		})
		next := make(chan body, len(all))
		for _, x := range all {
			next <- x
		}
		close(next)
		start := time.Now()
		if err := b.target.send(ctx, s.dest(), c.workers, next); err != nil {
			return outcome{}, err
		}
		err = b.target.settle(ctx, s.dest())
		return outcome{seconds: time.Since(start).Seconds(), documents: documents}, err
	}}
}
