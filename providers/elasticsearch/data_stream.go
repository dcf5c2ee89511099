package elasticsearch

import (
	"context"
	"errors"
	"net/http"

	"github.com/esmig/esmig/providers"
)

// DataStream is the kind of data streams.
var DataStream = &providers.Kind{
	Name:      "data_stream",
	Namespace: "index",
	Doc: "A data stream. What its backing indices look like comes from the index template with `data_stream` that fits its name, " +
		"so the block has no body of its own.",
	Stage: providers.StageContainers,
	Attrs: []providers.Attr{providers.TargetAttr, providers.NameAttr, protectionAttr},
	Example: `data_stream "logs-orders-default" {
  cluster    = cluster.target
  depends_on = [index_template.logs]
}
`,
	Resource: newDataStream,
}

type dataStream struct{ rest }

func newDataStream(in providers.Instance) (providers.Resource, error) {
	// Generation, backing indices, status and the name of the template change
	// while the stream lives: all that is declared is that it is there.
	canonical := func(map[string]any) map[string]any { return map[string]any{"name": str(in, "name")} }
	d := &dataStream{newREST(in, "/_data_stream/{name}", []string{"data_streams", "0"}, canonical, "deletion_protection")}
	d.since = "data streams came with Elasticsearch 7.9, and need the x-pack data streams module"
	if in.Stored != nil {
		return d, nil
	}
	return d, checkIndexName("name", d.id)
}

func (d *dataStream) Write(ctx context.Context, w providers.Write) error {
	if w.Now != nil {
		return nil // there is nothing about it that could be changed
	}
	_, err := d.do(ctx, http.MethodPut, d.path, nil)
	if errors.Is(err, providers.ErrConflict) {
		// There already: an answer was lost, or a document made it meanwhile.
		if _, readErr := d.Read(ctx); readErr == nil {
			return nil
		}
	}
	return err
}

// Documents implements providers.Container.
func (d *dataStream) Documents(ctx context.Context) (int64, error) {
	return documents(ctx, d.cluster, d.id)
}

// InPlace implements providers.Container: there is nothing to change.
func (d *dataStream) InPlace(_, _ providers.JSON) []string { return nil }
