package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
)

// secrets keeps sensitive values out of everything that is stored or shown. A
// leaf or a key that holds one is replaced by a salted hash, so that a change
// is still seen; and the same leaf of what the server answers is hashed too,
// because by then it may hold a secret that somebody else put there.
type secrets struct {
	values []string
	salt   string
}

// shortSecret: below this length a secret is looked for as a whole leaf only,
// or every text with an "a" in it would be blotted out.
const shortSecret = 5

// hashMark begins what stands in for a secret.
const hashMark = "(sensitive "

func newSecrets(c *config.Config, salt string) *secrets {
	values := slices.Clone(c.Secrets)
	for _, v := range c.SecretVariables { // numbers, which the list above lacks
		values = append(values, v)
	}
	// Booleans and null have too few values for a hash to hide one.
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" || v == "true" || v == "false" || v == "null" })
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

// stand is what stands in for a leaf or a key.
func (s *secrets) stand(leaf string) string {
	if strings.HasPrefix(leaf, hashMark) {
		return leaf
	}
	return hashMark + s.hash(leaf)[:16] + ")"
}

func (s *secrets) holds(leaf string) bool {
	return strings.HasPrefix(leaf, hashMark) || slices.ContainsFunc(s.values, func(v string) bool {
		return leaf == v || len(v) >= shortSecret && strings.Contains(leaf, v)
	})
}

// hider returns what hides the secrets of bodies that look like the given ones
// (what is declared, and what was stored before): values and keys that hold a
// secret, and all that stands at a path where one of the given ones has one.
func (s *secrets) hider(like ...providers.JSON) func(providers.JSON) providers.JSON {
	paths := map[string]bool{}
	for _, b := range like {
		s.hide(b, paths)
	}
	return func(b providers.JSON) providers.JSON { return s.hide(b, paths) }
}

// hide hashes, and adds the paths of what it hashed.
func (s *secrets) hide(raw providers.JSON, paths map[string]bool) providers.JSON {
	if len(s.values)+len(paths) == 0 && !bytes.Contains(raw, []byte(hashMark)) {
		return raw
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return raw
	}
	var walk func(path string, below bool, v any) any
	walk = func(path string, below bool, v any) any {
		below = below || paths[path]
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Collect(maps.Keys(v)) {
				e, key := v[k], k
				if s.holds(k) {
					key = s.stand(k)
					delete(v, k)
				}
				v[key] = walk(path+"."+key, below, e)
			}
			return v
		case []any:
			for i, e := range v {
				v[i] = walk(fmt.Sprint(path, ".", i), below, e)
			}
			return v
		case nil, bool:
			return v
		default:
			leaf := fmt.Sprint(v)
			if !below && !s.holds(leaf) {
				return v
			}
			paths[path] = true
			return s.stand(leaf)
		}
	}
	return providers.Encode(walk("", false, v))
}

// reveal gives what was stored its secrets back, as far as one of the bodies
// from has them at the same place: a kind compares with it, and must neither
// see a hash as a difference nor send one.
func (s *secrets) reveal(stored providers.JSON, from ...providers.JSON) providers.JSON {
	if !bytes.Contains(stored, []byte(hashMark)) {
		return stored
	}
	v, err := providers.Decode(stored)
	if err != nil {
		return stored
	}
	for _, b := range from {
		if clear, err := providers.Decode(b); err == nil {
			v = s.revealed(v, clear)
		}
	}
	return providers.Encode(v)
}

func (s *secrets) revealed(v, clear any) any {
	switch v := v.(type) {
	case map[string]any:
		m, _ := clear.(map[string]any)
		for k, e := range m {
			if hashed := s.stand(k); v[hashed] != nil {
				v[k] = v[hashed]
				delete(v, hashed)
			}
			if old, ok := v[k]; ok {
				v[k] = s.revealed(old, e)
			}
		}
	case []any:
		l, _ := clear.([]any)
		for i := range min(len(l), len(v)) {
			v[i] = s.revealed(v[i], l[i])
		}
	case string:
		if strings.HasPrefix(v, hashMark) && v == s.stand(fmt.Sprint(clear)) {
			return clear
		}
	}
	return v
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

// texts blots secrets out of several messages.
func (s *secrets) texts(ts []string) []string {
	out := slices.Clone(ts)
	for i := range out {
		out[i] = s.text(out[i])
	}
	return out
}
