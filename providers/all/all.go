// Package all lists the kinds of blocks that esmig knows.
package all

import (
	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/migration"
)

// Kinds are all kinds, in the order of the reference: as they are applied.
func Kinds() []*providers.Kind {
	return []*providers.Kind{
		elasticsearch.ILMPolicy,
		elasticsearch.ComponentTemplate,
		elasticsearch.IndexTemplate,
		elasticsearch.DataStream,
		elasticsearch.Index,
		elasticsearch.Alias,
		migration.Migration,
		elasticsearch.IngestPipeline,
	}
}
