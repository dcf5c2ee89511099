package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// undeclared is the finding about a destination that nothing makes. It offers
// the block to write, with the source's mapping.
func (t *task) undeclared(ctx context.Context, indices []*sourceIndex) *providers.Finding {
	detail := fmt.Sprintf("%s/%s is not there, no block makes it and no template matches: dynamic mapping would invent its types.", t.dstName, t.destIndex)
	if block, err := t.indexBlock(ctx, indices); err == nil && block != "" {
		detail += " Declare it, for example with the mapping of the source:\n\n" + indent(block)
	} else {
		detail += fmt.Sprintf(" Declare it with a block index %q.", blockName(t.destIndex))
	}
	return providers.NewError("dest_undeclared", "dest.index", "Destination is not declared", detail)
}

func (t *task) indexBlock(ctx context.Context, indices []*sourceIndex) (string, error) {
	if len(indices) == 0 {
		return "", nil
	}
	source := indices[len(indices)-1].Name // of a stream or a pattern the youngest
	raw, err := t.src.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/" + url.PathEscape(source) + "/_mapping"})
	if err != nil {
		return "", err
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return "", err
	}
	body, _ := v.(object)[source].(object)
	mappings, err := toCty(mappingOf(body))
	if err != nil {
		return "", err
	}
	f := hclwrite.NewEmptyFile()
	b := f.Body().AppendNewBlock("index", []string{blockName(t.destIndex)}).Body()
	b.SetAttributeRaw("cluster", hclwrite.TokensForIdentifier("cluster."+t.dstName))
	if blockName(t.destIndex) != t.destIndex {
		b.SetAttributeValue("name", cty.StringVal(t.destIndex))
	}
	b.SetAttributeValue("mappings", mappings)
	return string(hclwrite.Format(f.Bytes())), nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// blockName makes a label out of an index name.
func blockName(index string) string {
	s := strings.Trim(notInNames.ReplaceAllString(index, "_"), "_-")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "i" + s
	}
	return s
}

func toCty(v any) (cty.Value, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return cty.NilVal, err
	}
	ty, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(raw, ty)
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
