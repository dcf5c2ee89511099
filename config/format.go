package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Syntax says what keeps a file from being read at all.
func Syntax(name string, src []byte) hcl.Diagnostics {
	_, ds := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	return ds
}

// Format lays out a configuration file in the usual way. What is no HCL comes
// back with no more than its spaces changed.
func Format(src []byte) []byte { return hclwrite.Format(src) }
