package migration

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// swapped says more of a source that is not there when the two clusters are
// mixed up: the wrong one of the two is asked for it, or both blocks name the
// same. Callout 1 of Elastic's guide calls the host to read from "the URL for
// your Serverless project", which is the other side.
func (t *task) swapped(ctx context.Context, f *providers.Finding) *providers.Finding {
	if f == nil || f.Code != "source_missing" || t.srcName == t.dstName {
		return f
	}
	src, err := t.src.Info(ctx)
	if err != nil {
		return f
	}
	dst, err := t.dst.Info(ctx)
	if err != nil {
		return f
	}
	if src.UUID == dst.UUID {
		f.Detail += fmt.Sprintf(" %s and %s are one and the same cluster: the endpoint of cluster %q must be that of the deployment from which the documents come.", t.srcName, t.dstName, t.srcName)
		return f
	}
	n, err := count(ctx, t.dst, t.index, -1, nil)
	if err != nil || n == 0 {
		return f
	}
	there := fmt.Sprintf("%s on %s, where the documents are to go, holds %s %s", t.index, t.dstName, humanize.Comma(n), plural(int(min(n, 2)), "document", "documents"))
	if src.Flavor != providers.Serverless || dst.Flavor == providers.Serverless {
		f.Detail += " But " + there + ". Are source and destination exchanged?"
		return f
	}
	out := providers.NewError("swapped", "source.cluster", "Source and destination look exchanged",
		fmt.Sprintf("%s, from which documents are to be read, is a Serverless project and has no %s; but %s. "+
			"The source is where the documents are now: exchange %s and %s in source and dest (or in the block esmig), or the addresses and keys of the two cluster blocks. "+
			"(Callout 1 of Elastic's guide has it so, too: what it calls the URL of your project is the address of the deployment.)",
			t.srcName, t.index, there, t.srcName, t.dstName))
	out.Err = f.Err
	return out
}
