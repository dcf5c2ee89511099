package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// prove copies a shape once without counting it, which warms esmig's own ways
// up, and then compares, in turn, esmig's full verification with one client
// that merely reads one side.
func (b *bench) prove(ctx context.Context, s *shape, out *shapeResult) error {
	if b.missing["auto"] != "" {
		return nil
	}
	f, err := b.configure(s, "auto", "none")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(f.dir) }()
	if err := b.target.remove(ctx, s.dest()); err != nil {
		return err
	}
	defer func() { _ = b.target.remove(context.WithoutCancel(ctx), s.dest()) }() // main looks again at the end
	b.say("%s: esmig, warm-up", s.name)
	if _, err := b.apply(ctx, f, s); err != nil {
		return b.failed(ctx, s.name+", warm-up of esmig", err)
	}
	if b.options.noVerify {
		return nil
	}
	v := &verifyResult{Missing: b.noFull}
	out.Verify = v
	if b.noFull == "" {
		if err := f.set(s, "auto", "full"); err != nil {
			return err
		}
	}
	for range b.options.rounds {
		b.rest(ctx)
		docs, err := b.readOneSide(ctx, s)
		if err != nil {
			return b.failed(ctx, s.name+", reading one side", err)
		}
		v.Read = append(v.Read, docs)
		b.say("%s: one client that reads one side: %s documents/s", s.name, commas(docs))
		if b.noFull != "" {
			continue
		}
		b.rest(ctx)
		docs, peak, err := b.verifyFull(ctx, f, s)
		if err != nil {
			return b.failed(ctx, s.name+", full verification", err)
		}
		v.Full, v.Peak = append(v.Full, docs), max(v.Peak, peak)
		b.say("%s: full verification: %s documents/s", s.name, commas(docs))
	}
	return nil
}

// verifyFull compares every document on both sides; nothing of an earlier time
// is left in the servers' request caches.
func (b *bench) verifyFull(ctx context.Context, f *folder, s *shape) (docs float64, peak int64, err error) {
	for _, e := range []*server{b.source, b.target} {
		if err := e.call(ctx, http.MethodPost, "/bench-*/_cache/clear?request=true", "", nil); err != nil {
			return 0, 0, err
		}
	}
	p, err := runProcess(ctx, f.dir, f.env, b.esmig, "verify", "-json")
	if err != nil {
		return 0, p.peak, err
	}
	same := false
	eachEvent(p.out, func(e event) { same = same || e.Type == "verify_done" && e.Event.Same })
	if !same {
		return 0, p.peak, errors.New("esmig did not find the copy to be the same")
	}
	return float64(s.documents) / p.seconds, p.peak, nil
}

// readOneSide scrolls over the source with one client that throws everything
// away.
func (b *bench) readOneSide(ctx context.Context, s *shape) (float64, error) {
	start := time.Now()
	request := fmt.Sprintf(`{"size":%d,"sort":["_doc"]}`, s.page)
	path := "/" + s.source() + "/_search?scroll=5m"
	var scroll string
	read := 0
	for read < s.documents {
		answer, err := b.source.open(ctx, http.MethodPost, path, []byte(request))
		if err != nil {
			return 0, err
		}
		scroll, err = skim(answer)
		_ = answer.Close()
		if err != nil {
			return 0, err
		}
		read += s.page
		path, request = "/_search/scroll", fmt.Sprintf(`{"scroll":"5m","scroll_id":%q}`, scroll)
	}
	seconds := time.Since(start).Seconds()
	err := b.source.call(ctx, http.MethodDelete, "/_search/scroll", fmt.Sprintf(`{"scroll_id":[%q]}`, scroll), nil)
	return float64(s.documents) / seconds, err
}

// skim takes the scroll's id, which comes first, and reads the rest away.
func skim(answer io.Reader) (scroll string, err error) {
	r := bufio.NewReaderSize(answer, 64<<10)
	head, err := r.Peek(16 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	_, rest, ok := bytes.Cut(head, []byte(`"_scroll_id":"`))
	id, _, ended := bytes.Cut(rest, []byte(`"`))
	if !ok || !ended {
		return "", errors.New("an answer without a scroll id")
	}
	scroll = string(id)
	_, err = io.Copy(io.Discard, r)
	return scroll, err
}
