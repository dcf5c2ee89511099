package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// secrets keeps sensitive values out of everything that is stored or shown. A
// leaf that holds one is replaced by a salted hash, so that a change is still
// seen; and the same leaf of what the server answers is hashed too, because by
// then it may hold a secret that somebody else put there.
type secrets struct {
	values []string
	salt   string
}

// shortSecret: below this length a secret is looked for as a whole leaf only,
// or every text with an "a" in it would be blotted out.
const shortSecret = 5

func newSecrets(values []string, salt string) *secrets {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // the longest first: one may hold another
	return &secrets{values: values, salt: salt}
}

func (s *secrets) hash(parts ...string) string {
	h := sha256.New()
	for _, p := range append([]string{s.salt}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s *secrets) holds(leaf string) bool {
	return slices.ContainsFunc(s.values, func(v string) bool {
		return leaf == v || len(v) >= shortSecret && strings.Contains(leaf, v)
	})
}

// bodies hashes the sensitive leaves of what is declared, and the leaves at
// the same paths of what was observed (and any other that holds a secret).
func (s *secrets) bodies(declared, observed providers.JSON) (d, o providers.JSON) {
	if len(s.values) == 0 {
		return declared, observed
	}
	paths := map[string]bool{}
	d = s.body(declared, func(path, leaf string) bool {
		if s.holds(leaf) {
			paths[path] = true
			return true
		}
		return false
	})
	o = s.body(observed, func(path, leaf string) bool { return paths[path] || s.holds(leaf) })
	return d, o
}

// body hashes the leaves that hide says. Booleans and null stay: they have too
// few values for a hash to hide one.
func (s *secrets) body(raw providers.JSON, hide func(path, leaf string) bool) providers.JSON {
	if raw == nil {
		return nil
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return raw
	}
	var walk func(path string, v any) any
	walk = func(path string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				v[k] = walk(path+"."+k, e)
			}
			return v
		case []any:
			for i, e := range v {
				v[i] = walk(fmt.Sprint(path, ".", i), e)
			}
			return v
		case nil, bool:
			return v
		default:
			if leaf := fmt.Sprint(v); hide(path, leaf) && !strings.HasPrefix(leaf, "(sensitive ") {
				return "(sensitive " + s.hash(leaf)[:16] + ")"
			}
			return v
		}
	}
	return providers.Encode(walk("", v))
}

// text blots secrets out of a message.
func (s *secrets) text(t string) string {
	for _, v := range s.values {
		if len(v) >= shortSecret {
			t = strings.ReplaceAll(t, v, "(sensitive)")
		}
	}
	return t
}
