package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/esmig/esmig/providers"
)

// The diff is two comparisons, each of like with like: what the files say now
// with what they said at the last apply, and what the cluster answers now with
// what it answered then. Servers rewrite what they are given, so declared is
// held against observed only once: when an object is adopted.

// sameExcept compares two bodies, without the paths that ignore names.
func sameExcept(a, b providers.JSON, ignore []string) bool {
	if len(ignore) == 0 {
		return providers.Equal(a, b)
	}
	return providers.Equal(leavesExcept(a, ignore), leavesExcept(b, ignore))
}

func leavesExcept(raw providers.JSON, ignore []string) providers.JSON {
	if raw == nil {
		return providers.JSON("null")
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return raw
	}
	m := map[string]any{}
	for _, l := range providers.Leaves(v) {
		if !ignored(l.Path, ignore) {
			m[l.Path] = l.Value
		}
	}
	return providers.Encode(m)
}

// ignored says whether a leaf stands at or below one of the paths. Settings
// may be written as in the files, without the prefix "index." that their
// canonical form has. "*.x" is x wherever it stands.
func ignored(path string, ignore []string) bool {
	for _, p := range ignore {
		if suffix, ok := strings.CutPrefix(p, "*"); ok && strings.HasSuffix("."+path, suffix) {
			return true
		}
		for _, form := range []string{p, strings.Replace(p, "settings.", "settings.index.", 1)} {
			if p == "all" || path == form || strings.HasPrefix(path, form+".") {
				return true
			}
		}
	}
	return false
}

// differences are the leaves, without those that are ignored, where
// an object that is there already does not hold what is declared.
func differences(declared, now providers.JSON, ignore []string) []string {
	d, errD := providers.Decode(declared)
	n, errN := providers.Decode(now)
	if errD != nil || errN != nil {
		return []string{"body"}
	}
	var out []string
	for _, p := range providers.Contains(d, n) {
		if !ignored(p, ignore) {
			out = append(out, p)
		}
	}
	return out
}

// holds says whether a canonical body has the setting, anywhere, with the
// value: settings are flat keys in every kind's canonical form.
func holds(body providers.JSON, s providers.PipelineSetting) bool {
	if body == nil {
		return false
	}
	v, err := providers.Decode(body)
	if err != nil {
		return false
	}
	for _, l := range providers.Leaves(v) {
		if (l.Path == s.Setting || strings.HasSuffix(l.Path, "."+s.Setting)) && fmt.Sprint(l.Value) == s.Pipeline {
			return true
		}
	}
	return false
}

func decodeInto(raw providers.JSON, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}
