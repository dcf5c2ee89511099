package providers

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Addr names one block, or with for_each one instance of it, in the whole
// program: in plans, events, state and messages.
type Addr struct {
	Kind string // "index_template"
	Name string // the block's label
	Key  string // the for_each key; empty without for_each
	// Keyed tells the instance with key "" apart from a block without for_each.
	Keyed bool
}

// String writes the address as a user writes it: index.orders, or
// migration.daily["2026-01"].
func (a Addr) String() string {
	s := a.Kind + "." + a.Name
	if a.Keyed {
		s += "[" + strconv.Quote(a.Key) + "]"
	}
	return s
}

// Block is the address without its for_each key: that of the block itself.
func (a Addr) Block() Addr { return Addr{Kind: a.Kind, Name: a.Name} }

// Compare orders addresses by kind, name and key; a block comes before its
// instances.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.String(), b.String()))
}

// ParseAddr reads what String writes. It does not know which kinds exist.
func ParseAddr(s string) (Addr, error) {
	bad := fmt.Errorf("%q is no address: an address looks like index.orders or migration.daily[\"2026-01\"]", s)
	kind, rest, ok := strings.Cut(s, ".")
	if !ok || kind == "" {
		return Addr{}, bad
	}
	name, key, keyed := strings.Cut(rest, "[")
	if name == "" || strings.ContainsAny(kind+name, " \"]") || strings.Contains(name, ".") {
		return Addr{}, bad
	}
	a := Addr{Kind: kind, Name: name, Keyed: keyed}
	if keyed {
		quoted, ok := strings.CutSuffix(key, "]")
		if !ok {
			return Addr{}, bad
		}
		var err error
		if a.Key, err = strconv.Unquote(quoted); err != nil {
			return Addr{}, bad
		}
	}
	return a, nil
}

// MarshalText makes the address a plain string in JSON.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Addr) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAddr(string(b))
	return err
}
