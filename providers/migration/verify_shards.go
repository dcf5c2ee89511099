package migration

import "context"

// cutByShard makes a piece of each shard of an index of which nothing else makes
// pieces, unless that is no more than one should be. The other side may have
// other shards: sides are compared when all of their pieces are added up.
//
// A server or a proxy that leaves out the preference would give each document
// once for every shard. That the counts add up rules it out; where they do not,
// also because somebody writes and deletes just now, the index stays one piece.
func (s *side) cutByShard(ctx context.Context, x *sourceIndex, documents int64) ([]piece, error) {
	whole := []piece{{shard: -1, span: x.Ranges[0], documents: x.Ranges[0].Documents}}
	if x.Shards == 1 || x.Documents <= documents {
		return whole, nil
	}
	pieces := make([]piece, x.Shards)
	err := each(ctx, x.Shards, func(ctx context.Context, i int) error {
		n, err := count(ctx, s.src, x.Name, i, s.selection(x))
		pieces[i] = piece{shard: i, span: x.Ranges[0], documents: n}
		return err
	})
	if badRequest(err) {
		return whole, nil
	}
	if err != nil {
		return nil, err
	}
	now, err := count(ctx, s.src, x.Name, -1, s.selection(x))
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	for _, c := range pieces {
		sum += c.documents
	}
	if sum < min(now, x.Documents) || sum > max(now, x.Documents) {
		return whole, nil
	}
	return pieces, nil
}
