package migration

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/esmig/esmig/providers"
)

// The digest of a document is 64 bits over its id, its routing and its parsed
// _source. It is made here and, by the script of digest_painless.go, inside the
// clusters; both must agree bit by bit, which testdata/digest.json proves.
// Digests of documents are added up, so a sum does not depend on order.
//
// Numbers count as the server parses them: an integer by its value, whatever
// its size, anything with a point or an exponent as a double, by its bits. So
// 1e3 and 1000.0 are the same, 1 and 1.0 are not. The order of keys does not
// matter, that of a list does. Text is hashed over UTF-16, as Java has it. Each
// type has a salt, or "1" would be 1.
//
// Who changes what a digest is, raises digestVersion.
// digestVersion keeps sums that an older esmig left in a journal from being
// added to those of this one.
const digestVersion = 2

const (
	saltNull    uint64 = 0x1f83d9abfb41bd6b
	saltTrue    uint64 = 0x5be0cd19137e2179
	saltFalse   uint64 = 0x3c6ef372fe94f82b
	saltText    uint64 = 0x510e527fade682d1
	saltInteger uint64 = 0x243f6a8885a308d3
	saltBig     uint64 = 0x13198a2e03707344
	saltDouble  uint64 = 0x452821e638d01377
	saltList    uint64 = 0x3f84d5b5b5470917
	saltMap     uint64 = 0x2b7e151628aed2a6
	saltDoc     uint64 = 0x1b873593cc9e2d51
)

// mix is the avalanche of splitmix64: each bit of x turns half of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// digestID places a document: its bucket is taken from this.
func digestID(id string) uint64 { return plainText(id) }

// digestDoc is the digest of a whole document. A nil source leaves contents
// out, an empty routing is none.
func digestDoc(id, routing string, source providers.JSON) (uint64, error) {
	if source == nil {
		return digestName(id, routing), nil
	}
	v, err := digestSource(source)
	return withContents(digestName(id, routing), v), err
}

// digestName is the digest of a document without its contents.
func digestName(id, routing string) uint64 {
	r := saltNull
	if routing != "" {
		r = plainText(routing)
	}
	return mix(mix(saltDoc+digestID(id))*31 + r)
}

func withContents(name, contents uint64) uint64 { return mix(name*31 + contents) }

func digestSource(source providers.JSON) (uint64, error) {
	return (&digester{b: source}).whole()
}

// digestRest is digestSource of what is left when fields were left out: a server
// that never had them in _source shows the empty object around them, another one
// does not.
func digestRest(source providers.JSON) (uint64, error) {
	return (&digester{b: source, rest: true}).whole()
}

func (d *digester) whole() (uint64, error) {
	v, err := d.value()
	if err == nil {
		if d.space(); d.i < len(d.b) {
			err = errNoJSON
		}
	}
	return v, err
}

var errNoJSON = errors.New("a document is not JSON")

// digester reads JSON without building it.
type digester struct {
	b    []byte
	i    int
	rest bool // empty objects are nothing
}

func (d *digester) space() {
	for d.i < len(d.b) && d.b[d.i] <= ' ' {
		d.i++
	}
}

// next skips space and takes one byte; 0 is the end.
func (d *digester) next() byte {
	d.space()
	if d.i >= len(d.b) {
		return 0
	}
	d.i++
	return d.b[d.i-1]
}

func (d *digester) word(rest string, digest uint64) (uint64, error) {
	if len(d.b)-d.i < len(rest) || string(d.b[d.i:d.i+len(rest)]) != rest {
		return 0, errNoJSON
	}
	d.i += len(rest)
	return digest, nil
}

func (d *digester) value() (uint64, error) {
	switch c := d.next(); c {
	case '"':
		return d.text()
	case '{':
		return d.object()
	case '[':
		return d.list()
	case 't':
		return d.word("rue", mix(saltTrue))
	case 'f':
		return d.word("alse", mix(saltFalse))
	case 'n':
		return d.word("ull", mix(saltNull))
	default:
		if c != '-' && (c < '0' || c > '9') {
			return 0, errNoJSON
		}
		d.i--
		return d.number()
	}
}

func (d *digester) object() (uint64, error) {
	var sum uint64
	for c := d.next(); c != '}'; c = d.next() {
		if c == ',' {
			c = d.next()
		}
		if c != '"' {
			return 0, errNoJSON
		}
		k, err := d.text()
		if err != nil {
			return 0, err
		}
		if d.next() != ':' {
			return 0, errNoJSON
		}
		v, err := d.value()
		if err != nil {
			return 0, err
		}
		if !d.rest || v != mix(saltMap) {
			sum += mix(k*31 + v)
		}
	}
	return mix(sum + saltMap), nil
}

func (d *digester) list() (uint64, error) {
	h := saltList
	for c := d.next(); c != ']'; c = d.next() {
		if c == 0 {
			return 0, errNoJSON
		}
		if c != ',' {
			d.i--
		}
		v, err := d.value()
		if err != nil {
			return 0, err
		}
		h = mix(h*31 + v)
	}
	return mix(h), nil
}

func (d *digester) number() (uint64, error) {
	start, whole := d.i, true
	for ; d.i < len(d.b); d.i++ {
		switch c := d.b[d.i]; {
		case c >= '0' && c <= '9', c == '-', c == '+':
			continue
		case c == '.', c == 'e', c == 'E':
			whole = false
			continue
		}
		break
	}
	s := d.b[start:d.i]
	if whole {
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil {
			return mix(uint64(n) + saltInteger), nil
		} else if errors.Is(err, strconv.ErrSyntax) {
			return 0, errNoJSON
		}
		return mix(plainSum(string(s)) + saltBig), nil
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, errNoJSON
	}
	return mix(math.Float64bits(f) + saltDouble), nil // out of range is infinite, as in Java
}

// textBase is the base of the polynomial that text goes through. It is odd, so
// that no unit is ever multiplied away.
const textBase uint64 = 0x9e3779b97f4a7c15

// textHash is a polynomial over the units of UTF-16, modulo 2^64. It begins at
// 1, so that a text of zeros is not the empty one.
type textHash uint64

func (h *textHash) add(unit uint32) { *h = *h*textHash(textBase) + textHash(unit) }

func (h *textHash) addRune(r rune) {
	if r < 0x10000 {
		h.add(uint32(r))
		return
	}
	r -= 0x10000
	h.add(0xd800 + uint32(r>>10))
	h.add(0xdc00 + uint32(r&0x3ff))
}

func plainSum(s string) uint64 {
	h := textHash(1)
	for _, r := range s {
		h.addRune(r)
	}
	return uint64(h)
}

func plainText(s string) uint64 { return mix(plainSum(s) + saltText) }

// text reads a string whose first quote was taken.
func (d *digester) text() (uint64, error) {
	h := textHash(1)
	for d.i < len(d.b) {
		// Most text is plain ASCII.
		plain, i := h, d.i
		for i < len(d.b) && d.b[i] < utf8.RuneSelf && d.b[i] != '"' && d.b[i] != '\\' {
			plain = plain*textHash(textBase) + textHash(d.b[i])
			i++
		}
		if i > d.i {
			h, d.i = plain, i
			continue
		}
		switch d.b[i] {
		case '"':
			d.i++
			return mix(uint64(h) + saltText), nil
		case '\\':
			u, err := d.escape()
			if err != nil {
				return 0, err
			}
			h.add(u)
		default:
			c, n := utf8.DecodeRune(d.b[i:])
			h.addRune(c)
			d.i += n
		}
	}
	return 0, errNoJSON
}

// escape reads what begins with a backslash as one unit of UTF-16.
func (d *digester) escape() (uint32, error) {
	if d.i+1 >= len(d.b) {
		return 0, errNoJSON
	}
	c := d.b[d.i+1]
	d.i += 2
	switch c {
	case '"', '\\', '/':
		return uint32(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		if d.i+4 <= len(d.b) {
			u, err := strconv.ParseUint(string(d.b[d.i:d.i+4]), 16, 16)
			d.i += 4
			if err == nil {
				return uint32(u), nil
			}
		}
	}
	return 0, errNoJSON
}
