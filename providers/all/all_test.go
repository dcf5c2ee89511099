package all

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// Every kind can be documented, parsed and told apart.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		seen[k.Name] = true
		if k.Doc == "" || k.Stage.String() == "" || (k.Resource == nil) == (k.Task == nil) {
			t.Errorf("%s lacks its doc, its stage, or one of Resource and Task", k.Name)
		}
		names := map[string]bool{}
		for _, a := range k.Attrs {
			if names[a.Name] || a.Doc == "" {
				t.Errorf("%s.%s is there twice or has no doc", k.Name, a.Name)
			}
			names[a.Name] = true
		}
		f, diags := hclparse.NewParser().ParseHCL([]byte(k.Example), k.Name+".hcl")
		if diags.HasErrors() {
			t.Errorf("%s: example: %s", k.Name, diags)
			continue
		}
		content, _, diags := f.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: k.Name, LabelNames: []string{"name"}}}})
		if diags.HasErrors() || len(content.Blocks) == 0 {
			t.Errorf("%s: the example shows no such block", k.Name)
			continue
		}
		attrs, _ := content.Blocks[0].Body.JustAttributes()
		for name := range attrs {
			if !names[name] && name != "depends_on" {
				t.Errorf("%s: the example has an unknown argument %s", k.Name, name)
			}
		}
	}
}
