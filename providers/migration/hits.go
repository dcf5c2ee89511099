package migration

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// cutter goes over JSON that a server sent and cuts values out of it: documents
// pass through esmig as the bytes that they are. It trusts that the JSON is
// well-formed and notices only where it ends too early.
type cutter struct {
	b []byte
	i int
}

var errCut = errors.New("the answer is not the JSON that was expected")

// next skips white space and returns the byte that follows, 0 at the end.
func (c *cutter) next() byte {
	for c.i < len(c.b) {
		switch ch := c.b[c.i]; ch {
		case ' ', '\n', '\r', '\t':
			c.i++
		default:
			return ch
		}
	}
	return 0
}

// value returns the bytes of the value that begins here and goes behind it.
func (c *cutter) value() ([]byte, error) {
	ch := c.next()
	from := c.i
	switch ch {
	case '"':
		if !c.text() {
			return nil, errCut
		}
	case '{', '[':
		depth := 0
		for {
			if c.i >= len(c.b) {
				return nil, errCut
			}
			switch c.b[c.i] {
			case '"':
				if !c.text() {
					return nil, errCut
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			c.i++
			if depth == 0 {
				return c.b[from:c.i], nil
			}
		}
	default:
		for c.i < len(c.b) && bytes.IndexByte([]byte(",]} \n\r\t"), c.b[c.i]) < 0 {
			c.i++
		}
		if c.i == from {
			return nil, errCut
		}
	}
	return c.b[from:c.i], nil
}

// text goes behind the string that begins here; false: it does not end.
func (c *cutter) text() bool {
	for at := c.i + 1; ; {
		n := bytes.IndexByte(c.b[at:], '"')
		if n < 0 {
			return false
		}
		at += n + 1
		escapes := 0
		for c.b[at-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			c.i = at
			return true
		}
	}
}

// object calls f with each key, without its quotes, of the object that begins
// here. f must go behind the value.
func (c *cutter) object(f func(key []byte) error) error {
	return c.members('{', '}', func() error {
		if c.next() != '"' {
			return errCut
		}
		key, err := c.value()
		if err != nil {
			return err
		}
		if c.next() != ':' {
			return errCut
		}
		c.i++
		return f(key[1 : len(key)-1])
	})
}

// list calls f at the beginning of each element. f must go behind it.
func (c *cutter) list(f func() error) error { return c.members('[', ']', f) }

func (c *cutter) members(first, last byte, f func() error) error {
	if c.next() != first {
		return errCut
	}
	c.i++
	if c.next() == last {
		c.i++
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		switch c.next() {
		case ',':
			c.i++
		case last:
			c.i++
			return nil
		default:
			return errCut
		}
	}
}

// rawHit is one document of a page, each part as it stood in the answer,
// strings with their quotes. Absent parts are nil. index is no part of an answer:
// where the document is to go, if not where the bulk request goes.
type rawHit struct{ id, routing, version, source, index []byte }

// page is one answer of a search.
type page struct {
	hits  []rawHit
	total int64  // -1: not counted
	from  string // point in time or scroll to go on with
	after []byte // sort of the last hit
}

// readPage cuts an answer into documents.
func readPage(raw []byte) (page, error) {
	p := page{}
	c := &cutter{b: raw}
	other := func(key []byte) error {
		v, err := c.value()
		if k := string(key); k == "pit_id" || k == "_scroll_id" {
			if err != nil || len(v) < 2 {
				return errCut
			}
			p.from = string(v[1 : len(v)-1]) // base64: nothing in it is escaped
		}
		return err
	}
	var err error
	p.total, err = c.answer(other, func() error { return p.readHit(c) })
	return p, err
}

// errShards: what was read lacks a shard, and the next time it may not.
var errShards = errors.New("shards did not answer")

// answer cuts the answer of a search: hit is called at each document, other at
// every key that is not about all searches. The total is -1 where it was not
// counted. An answer that lacks a shard is an error: documents would be
// missing.
func (c *cutter) answer(other func(key []byte) error, hit func() error) (int64, error) {
	sum := int64(-1)
	err := c.object(func(key []byte) error {
		switch string(key) {
		case "timed_out":
			v, err := c.value()
			if err == nil && string(v) == "true" {
				err = errors.New("a search timed out before it had everything")
			}
			return err
		case "_shards":
			return c.object(func(key []byte) error {
				v, err := c.value()
				if err == nil && string(key) == "failed" && string(v) != "0" {
					err = fmt.Errorf("%s %w", v, errShards)
				}
				return err
			})
		case "hits":
			return c.object(func(key []byte) error {
				if string(key) == "hits" {
					return c.list(hit)
				}
				v, err := c.value()
				if err != nil || string(key) != "total" {
					return err
				}
				var n total
				err = n.UnmarshalJSON(v)
				sum = int64(n)
				return err
			})
		}
		return other(key)
	})
	return sum, err
}

func (p *page) readHit(c *cutter) error {
	var h rawHit
	err := c.object(func(key []byte) error {
		v, err := c.value()
		switch string(key) {
		case "_id":
			h.id = v
		case "_routing":
			h.routing = v
		case "_version":
			h.version = v
		case "_source":
			h.source = v
		case "sort":
			p.after = v
		}
		return err
	})
	if err == nil && (h.id == nil || h.source == nil) {
		err = fmt.Errorf("a document came without _id or _source: %w", errCut)
	}
	p.hits = append(p.hits, h)
	return err
}

// unquote turns a string of JSON into its text.
func unquote(raw []byte) string {
	var s string
	if decode(raw, &s) != nil {
		return string(raw)
	}
	return s
}

func wholeNumber(raw []byte) int64 {
	n, _ := strconv.ParseInt(string(raw), 10, 64) // absent: 0
	return n
}
