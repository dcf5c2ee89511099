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
		var docs float64
		spent, err := b.working(ctx, func() (err error) {
			docs, err = b.readOneSide(ctx, s, `"sort":["_doc"]`)
			return err
		})
		if err != nil {
			return b.failed(ctx, s.name+", reading one side", err)
		}
		v.Read, v.ReadWork = append(v.Read, docs), append(v.ReadWork, spent)
		b.say("%s: one client that reads one side: %s documents/s", s.name, commas(docs))
		spent, err = b.working(ctx, func() error {
			_, err := b.readOneSide(ctx, s, countsFields)
			return err
		})
		if err != nil {
			return b.failed(ctx, s.name+", looking at one side", err)
		}
		v.LookWork = append(v.LookWork, spent)
		if b.noFull != "" {
			continue
		}
		b.rest(ctx)
		var p finished
		spent, err = b.working(ctx, func() (err error) {
			p, err = b.verifyFull(ctx, f)
			return err
		})
		if err != nil {
			return b.failed(ctx, s.name+", full verification", err)
		}
		spent.Client, docs = p.cpu, float64(s.documents)/p.seconds
		v.Full, v.FullWork, v.Peak = append(v.Full, docs), append(v.FullWork, spent), max(v.Peak, p.peak)
		b.say("%s: full verification: %s documents/s", s.name, commas(docs))
	}
	return nil
}

// verifyFull compares every document on both sides; nothing of an earlier time
// is left in the servers' request caches.
func (b *bench) verifyFull(ctx context.Context, f *folder) (finished, error) {
	for _, e := range []*server{b.source, b.target} {
		if err := e.call(ctx, http.MethodPost, "/bench-*/_cache/clear?request=true", "", nil); err != nil {
			return finished{}, err
		}
	}
	p, err := runProcess(ctx, f.dir, f.env, b.esmig, "verify", "-json")
	if err != nil {
		return p, err
	}
	same := false
	eachEvent(p.out, func(e event) { same = same || e.Type == "verify_done" && e.Event.Same })
	if !same {
		err = errors.New("esmig did not find the copy to be the same")
	}
	return p, err
}

// countsFields lets a script look at each document's contents and do no more:
// what any digest by a script has to take, with nothing computed yet.
const countsFields = `"sort":["_doc"],"_source":false,"script_fields":{"n":{"script":"params._source.size()"}}`

// readOneSide scrolls over the source with one client that throws everything
// away. what is the search without its size.
func (b *bench) readOneSide(ctx context.Context, s *shape, what string) (float64, error) {
	start := time.Now()
	request := fmt.Sprintf(`{"size":%d,%s}`, s.page, what)
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
