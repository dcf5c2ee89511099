package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"

	"github.com/esmig/esmig/providers"
)

// gzipped favours speed: a bulk request is sent once and thrown away.
func gzipped(b []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(b)/4 + 1024)
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is a right one
	_, _ = w.Write(b)                                 // a Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// readAnswer reads a body to its end, or to the limit where there is one. The
// limit is one of plain bytes: it guards the memory.
func readAnswer(res *http.Response, limit int64) ([]byte, error) {
	in := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" { // asked for by hand, so it was not undone
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = z
	}
	if limit <= 0 {
		return io.ReadAll(in)
	}
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, providers.ErrTooLarge
	}
	return b, err
}
