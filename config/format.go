package config

import "github.com/hashicorp/hcl/v2/hclwrite"

// Format lays out a configuration file in the usual way. What is no HCL comes
// back with no more than its spaces changed.
func Format(src []byte) []byte { return hclwrite.Format(src) }
