package migration

import (
	"errors"
	"strings"

	"github.com/esmig/esmig/providers"
)

// inSteps gives items to f, and where that is too much in halves, down to single
// ones. An f that fails in this way must not have done anything.
func inSteps[T any](items []T, tooMuch func(error) bool, f func([]T) error) error {
	err := f(items)
	if err == nil || len(items) < 2 || !tooMuch(err) {
		return err
	}
	half := len(items) / 2
	if err := inSteps(items[:half], tooMuch, f); err != nil {
		return err
	}
	return inSteps(items[half:], tooMuch, f)
}

// tooManyBytes says that an answer has more bytes than were to be read, or a
// request more than the destination takes.
func tooManyBytes(err error) bool {
	e := serverError(err)
	return errors.Is(err, providers.ErrTooLarge) || e != nil && tooMuch(e)
}

// tooManyHits says that an index was asked for more hits than its
// max_result_window. That may be lowered at any time.
func tooManyHits(err error) bool {
	e := serverError(err)
	return badRequest(err) && (strings.Contains(e.Reason, "Result window is too large") || strings.Contains(e.RootCause, "Result window is too large"))
}
