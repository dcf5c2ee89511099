package migration

import (
	"cmp"
	"context"
)

// A throttled comparison is slow in the same way as a throttled copy: no request
// goes through more documents than the speed allows in some seconds, and none is
// made before those that went before are paid for. How an index is cut into
// pieces does not depend on it, so that sums of pieces hold at any speed.

// perSecond is how many documents of a side may be gone through in a second:
// what the user wants now, or else what the block says; 0: any number.
func (s *side) perSecond() float64 {
	if s.steered == nil {
		return 0
	}
	return cmp.Or(control(s.steered.j).RequestsPerSecond, s.requestsPerSecond)
}

// atMost is how many of so many documents one request may go through.
func (s *side) atMost(documents int64) int64 {
	if perSecond := s.perSecond(); perSecond > 0 {
		return min(documents, throttledSize(perSecond))
	}
	return documents
}

// pieceSeconds is about how long a throttled side takes for those pieces that it
// has begun. All would otherwise be under way for as long as the whole takes,
// and whoever is killed has kept none of their sums.
const pieceSeconds = 60

// slots is how many of so many slots a piece takes.
func (s *side) slots(all int) int64 {
	perSecond := s.perSecond()
	if perSecond <= 0 {
		return 1
	}
	together := max(1, min(int64(all), int64(perSecond*pieceSeconds/pieceDocuments)))
	return int64(all) / together
}

// pace waits until documents before these are paid for. It is for a reader that
// the server would forget in a pause.
func (s *side) pace(ctx context.Context, documents int64) error {
	if s.speed == nil {
		return nil
	}
	return s.speed.wait(ctx, int(documents))
}

// turn waits until a request may go through so many documents: at the speed that
// the user wants, and not while it is paused.
func (s *side) turn(ctx context.Context, documents int64) error {
	for {
		if err := s.pace(ctx, documents); err != nil || s.steered == nil || !s.steered.heldNow() {
			return err
		}
		s.came(0, documents)
		if err := s.steered.hold(ctx); err != nil {
			return err
		}
	}
}

// came says how many documents there were of those that were asked for.
func (s *side) came(documents, asked int64) {
	if s.speed != nil {
		s.speed.correct(int(documents - asked))
	}
}
