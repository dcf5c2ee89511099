package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

var errIncomplete = errors.New("not all documents were seen")

// complete makes sure that what was looked at of each index is all that it
// holds: what neither side shows would be taken for equal. It asks quiet indices
// only. Of others two copies of a shard may show more or less for a while.
func (s *side) complete(ctx context.Context, seen map[*part]int64) error {
	return each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		p, all := s.parts[i], int64(0)
		if !p.quiet {
			return nil
		}
		for shard, top := range p.x.Checkpoints {
			if p.x.Shards == 1 {
				shard = -1
			}
			n, err := count(ctx, s.src, p.x.Name, shard, s.selection(p.x, object{"bool": object{"must_not": []any{seqNo(top+1, -1)}}}))
			if err != nil {
				return err
			}
			all += n
		}
		if seen[p] >= all {
			return nil
		}
		f := providers.NewError("verification_incomplete", "verify", "Not all documents were compared",
			fmt.Sprintf("The searches on %s/%s gave %s of %s documents, so that nothing can be said of the others. Run \"esmig verify\" again; "+
				"if it stays, look for what changes answers between esmig and %s, such as a proxy.", s.srcName, p.x.Name, humanize.Comma(seen[p]), humanize.Comma(all), s.srcName))
		f.Err = errIncomplete
		return f
	})
}
