package migration

import (
	"bytes"
	"fmt"

	"github.com/esmig/esmig/providers"
)

// batch is the body of one bulk request and where in it each document begins.
type batch struct {
	body []byte
	at   []int // one more than there are documents: the last is the end
}

func newBatch(size, documents int) *batch {
	return &batch{body: make([]byte, 0, size), at: append(make([]int, 0, documents+1), 0)}
}

func (b *batch) len() int { return len(b.at) - 1 }

// actionBytes is what the line before a document takes, besides index, id and routing.
const actionBytes = 80

// add appends a document. external: with the source's version. create: only
// if it is not there.
func (b *batch) add(h rawHit, create, external bool) {
	action := `{"index":{`
	if create {
		action = `{"create":{`
	}
	b.body = append(b.body, action...)
	if h.index != nil {
		b.body = append(append(append(b.body, `"_index":`...), h.index...), ',')
	}
	b.body = append(append(b.body, `"_id":`...), h.id...)
	if h.routing != nil {
		b.body = append(append(b.body, `,"routing":`...), h.routing...)
	}
	if external && h.version != nil {
		b.body = append(append(append(b.body, `,"version":`...), h.version...), `,"version_type":"external"`...)
	}
	b.body = append(b.body, "}}\n"...)
	source := len(b.body)
	b.body = append(b.body, h.source...)
	// A document that was sent with line breaks comes back with them, and here
	// they would end it. JSON has them outside of strings only.
	for _, c := range []byte("\n\r") {
		for line := b.body[source:]; ; {
			i := bytes.IndexByte(line, c)
			if i < 0 {
				break
			}
			line[i] = ' '
			line = line[i+1:]
		}
	}
	b.body = append(b.body, '\n')
	b.at = append(b.at, len(b.body))
}

// only makes a batch of some of the documents.
func (b *batch) only(which []int) *batch {
	size := 0
	for _, i := range which {
		size += b.at[i+1] - b.at[i]
	}
	out := newBatch(size, len(which))
	for _, i := range which {
		out.body = append(out.body, b.body[b.at[i]:b.at[i+1]]...)
		out.at = append(out.at, len(out.body))
	}
	return out
}

// halves splits a batch of two documents or more.
func (b *batch) halves() [2]*batch {
	m := b.len() / 2
	at := b.at[m]
	second := &batch{body: b.body[at:]}
	for _, a := range b.at[m:] {
		second.at = append(second.at, a-at)
	}
	return [2]*batch{{body: b.body[:at], at: b.at[:m+1]}, second}
}

// document reads back what one entry says.
func (b *batch) document(i int) (h rawHit) {
	action, source, _ := bytes.Cut(b.body[b.at[i]:b.at[i+1]], []byte{'\n'})
	h.source = bytes.TrimSuffix(source, []byte{'\n'})
	c := &cutter{b: action}
	_ = c.object(func([]byte) error { // add wrote it
		return c.object(func(key []byte) error {
			v, err := c.value()
			switch string(key) {
			case "_index":
				h.index = v
			case "_id":
				h.id = v
			case "routing":
				h.routing = v
			case "version":
				h.version = v
			}
			return err
		})
	})
	return h
}

// bulkFields is what of a bulk answer is needed.
const bulkFields = "errors,items.*.status,items.*.result,items.*.error,items.*.failure_store"

// usedFailureStore is what an item says of a document that a data stream did
// not take and keeps apart. inFailureStore is the error that is made of it.
const (
	usedFailureStore = `"used"`
	failureStoreKind = "failure_store"
	inFailureStore   = `{"type":"` + failureStoreKind + `","reason":"the data stream does not take it: it was put into the failure store, where no search of the data stream finds it"}`
)

// readItems goes through a bulk answer, one call for each document in order.
// fault is nil where it went well: a document that lies in a failure store is
// answered like one that was created, and is in no index that is searched.
func readItems(raw []byte, n int, f func(i, status int, result string, fault providers.JSON)) error {
	c := &cutter{b: raw}
	i := 0
	err := c.object(func(key []byte) error {
		if string(key) != "items" {
			_, err := c.value()
			return err
		}
		return c.list(func() error {
			return c.object(func([]byte) error {
				var status int64
				var result, fault []byte
				err := c.object(func(key []byte) error {
					v, err := c.value()
					switch string(key) {
					case "status":
						status = wholeNumber(v)
					case "result":
						result = v
					case "error":
						fault = v
					case "failure_store":
						if string(v) == usedFailureStore {
							fault = []byte(inFailureStore)
						}
					}
					return err
				})
				if err == nil && i < n {
					f(i, int(status), string(bytes.Trim(result, `"`)), fault)
				}
				i++
				return err
			})
		})
	})
	if err == nil && i != n {
		err = fmt.Errorf("a bulk request of %d documents was answered for %d: %w", n, i, providers.ErrUnavailable)
	}
	return err
}
