package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"unicode/utf8"
)

// dataset is what "eslab data" gave.
type dataset struct {
	Title  string `json:"title"`
	MadeUp bool   `json:"made_up"`
	lines  [][]byte
	texts  []speech
}

type speech struct {
	Title string `json:"title"`
	Date  string `json:"date"`
	Body  string `json:"body"`
}

func readDataset(ctx context.Context, eslab, name string) (*dataset, error) {
	c := exec.CommandContext(ctx, eslab, "data", name)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("%w; build it by make bench", err)
	}
	d, err := parseDataset(out, name)
	if err != nil {
		_ = c.Process.Kill()
	}
	if e := c.Wait(); err == nil {
		err = e
	}
	return d, err
}

func parseDataset(r io.Reader, name string) (*dataset, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 4<<20)
	if !s.Scan() {
		return nil, fmt.Errorf("the data set %s is empty", name)
	}
	d := &dataset{}
	if err := json.Unmarshal(s.Bytes(), d); err != nil {
		return nil, err
	}
	for s.Scan() {
		if name != "speeches" {
			d.lines = append(d.lines, bytes.Clone(s.Bytes()))
			continue
		}
		var t speech
		if err := json.Unmarshal(s.Bytes(), &t); err != nil {
			return nil, err
		}
		d.texts = append(d.texts, t)
	}
	if len(d.lines)+len(d.texts) == 0 {
		return nil, fmt.Errorf("the data set %s is empty", name)
	}
	return d, s.Err()
}

// appendDocument appends the i-th document of a shape, one line without its
// end. It is the same each time it is asked for.
func (d *dataset) appendDocument(b []byte, s *shape, i int) []byte {
	if s.data == "speeches" {
		return d.appendText(b, s.length, i)
	}
	// The same flights again and again, each time with another row of their own.
	n := len(d.lines)
	h := scramble(uint64(i))
	line := d.lines[i%n]
	b = append(b, line[:len(line)-1]...)
	return fmt.Appendf(b, `,"row":%d,"pass":%d,"booking":"%016x","gate":"%c%d"}`, i, i/n%100, h, 'A'+rune(h%6), h>>8%60)
}

// appendText joins speeches to a length: the i-th with another step, so that no
// two documents hold the same ones.
func (d *dataset) appendText(b []byte, length, i int) []byte {
	n := len(d.texts)
	first := d.texts[i%n]
	b = append(b, `{"n":`...)
	b = strconv.AppendInt(b, int64(i), 10)
	b = append(b, `,"title":`...)
	b = appendString(b, first.Title)
	b = append(b, `,"date":"`...)
	b = append(b, first.Date...)
	b = append(b, `","body":`...)
	var body []byte
	for k, step := i%n, 1+i/n; len(body) < length; k = (k + step) % n {
		body = append(append(body, d.texts[k].Body...), ' ')
	}
	body = body[:length]
	for !utf8.Valid(body[max(0, len(body)-utf8.UTFMax):]) && len(body) > length-utf8.UTFMax {
		body = body[:len(body)-1]
	}
	return append(appendString(b, string(body)), '}')
}

func appendString(b []byte, s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil { // a string is always JSON
		panic(err)
	}
	return append(b, raw...)
}

// scramble is splitmix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
