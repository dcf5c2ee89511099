package providers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// HCL writes a JSON value, as Decode makes it, as an expression on one line.
func HCL(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, HCLKey(k)+" = "+HCL(v[k]))
		}
		if parts == nil {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, HCL(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return string(hclwrite.TokensForValue(cty.StringVal(v)).Bytes())
	case nil:
		return "null"
	}
	return fmt.Sprint(v) // a number or a bool
}

// HCLKey writes the key of an object.
func HCLKey(k string) string {
	if hclsyntax.ValidIdentifier(k) {
		return k
	}
	return HCL(k)
}
