package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/esmig/esmig/providers"
)

// upgrade brings a state of one format to the next one, in place. The Store
// goes from step to step until it reaches Format.
type upgrade func(state map[string]any) error

// upgrades holds the step from each older format; there is none yet.
func upgrades() map[int]upgrade { return nil }

// Encode writes a state as the file holds it: indented, bodies in canonical
// form, objects in order, a newline at the end.
func Encode(s *State) ([]byte, error) {
	c := *s
	c.Objects = slices.Clone(s.Objects)
	var e encoder
	return e.encode(&c)
}

// encoder remembers the text of each object, because an apply of a thousand
// blocks writes the state some two thousand times, and each time one object has
// changed.
type encoder struct{ known map[providers.Addr]encoded }

type encoded struct {
	object Object
	text   []byte
}

const noObjects = "\n  \"objects\": ["

// encode also brings the bodies of s into their canonical form, so that a state
// is the same before it is written and after it is read.
func (e *encoder) encode(s *State) ([]byte, error) {
	head := *s
	head.Objects = []Object{}
	if head.Clusters == nil {
		head.Clusters = map[string]Cluster{}
	}
	frame, err := indented(&head, "")
	if err != nil {
		return nil, err
	}
	// No text inside the frame can hold this: JSON escapes line ends.
	before, after, _ := bytes.Cut(frame, []byte(noObjects))
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(noObjects)
	known := make(map[providers.Addr]encoded, len(s.Objects))
	for i := range s.Objects {
		o := &s.Objects[i]
		k, ok := e.known[o.Addr]
		if !ok || !reflect.DeepEqual(k.object, *o) {
			if err := o.canonical(); err != nil {
				return nil, err
			}
			text, err := indented(o, "    ")
			if err != nil {
				return nil, err
			}
			k = encoded{*o, bytes.TrimSuffix(text, []byte("\n"))}
		}
		known[o.Addr] = k
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(k.text)
	}
	if len(s.Objects) > 0 {
		b.WriteString("\n  ")
	}
	b.Write(after)
	e.known = known
	return b.Bytes(), nil
}

func indented(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// canonical replaces the bodies by their canonical form.
func (o *Object) canonical() error {
	for _, body := range o.bodies() {
		if *body == nil {
			continue
		}
		v, err := providers.Decode(*body)
		if err != nil {
			return fmt.Errorf("%s holds a body that is no JSON: %w", o.Addr, err)
		}
		*body = nil // so that null and nothing are the same before and after
		if v != nil {
			*body = providers.Encode(v)
		}
	}
	return nil
}

// Decode reads what Encode wrote, or an older format. Version is the running
// esmig's, for the message about a newer one. A field that this format does not
// have is refused: a newer esmig raises the format when it adds one, so it is a
// slip of the hand, and would be lost with the next write.
func Decode(b []byte, version string) (*State, error) { return decode(b, version, upgrades()) }

func decode(b []byte, version string, up map[int]upgrade) (*State, error) {
	var head struct {
		Format *int   `json:"format"`
		Writer string `json:"writer"`
	}
	if err := unmarshal(b, &head, false); err != nil {
		return nil, err
	}
	if head.Format == nil {
		return nil, errors.New(`it has no "format", so it is no state of esmig`)
	}
	if *head.Format > Format {
		return nil, fmt.Errorf("it was written by %s in format %d; this esmig %s reads formats up to %d; use the esmig that wrote it, or a newer one",
			printable(head.Writer), *head.Format, version, Format)
	}
	for f := *head.Format; f < Format; f++ {
		step := up[f]
		if step == nil {
			return nil, fmt.Errorf("its format %d is unknown; this esmig %s reads format %d", *head.Format, version, Format)
		}
		v, err := providers.Decode(b)
		if err != nil {
			return nil, err
		}
		m := v.(map[string]any) // it was read into a struct above
		if err := step(m); err != nil {
			return nil, fmt.Errorf("upgrading it from format %d: %w", f, err)
		}
		m["format"] = f + 1
		b = providers.Encode(m)
	}
	s := new(State)
	if err := unmarshal(b, s, true); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check finds what the JSON's form does not forbid.
func (s *State) check() error {
	if s.Lineage == "" {
		return errors.New(`it has no "lineage"`)
	}
	if s.Clusters == nil {
		s.Clusters = map[string]Cluster{}
	}
	slices.SortStableFunc(s.Objects, func(a, b Object) int { return a.Addr.Compare(b.Addr) })
	for i := range s.Objects {
		o := &s.Objects[i]
		if o.Addr == (providers.Addr{}) {
			return fmt.Errorf(`one of its objects has no "address"`)
		}
		if i > 0 && s.Objects[i-1].Addr.Compare(o.Addr) == 0 {
			return fmt.Errorf("it holds %s twice", o.Addr)
		}
		if err := o.canonical(); err != nil {
			return err
		}
	}
	return nil
}

// unmarshal reads the one value that b holds, and says where it went wrong.
func unmarshal(b []byte, v any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if strict {
		d.DisallowUnknownFields()
	}
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the end of the state")
	}
	at := d.InputOffset()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at, err = kind.Offset, fmt.Errorf("%s does not belong in %q", kind.Value, kind.Field)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		at, err = int64(len(b)), errors.New("it ends too early, as a file that was cut")
	}
	at = min(max(at, 0), int64(len(b)))
	return fmt.Errorf("line %d, byte %d: %w", 1+bytes.Count(b[:at], []byte("\n")), at, err)
}
