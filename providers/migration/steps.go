package migration

import (
	"errors"
	"strings"

	"github.com/esmig/esmig/providers"
)

// inSteps gives items to f, and where their answer is too much in halves, down
// to single ones. An f that fails in this way must not have done anything.
func inSteps[T any](items []T, f func([]T) error) error {
	err := f(items)
	if len(items) < 2 || !tooManyHits(err) && !errors.Is(err, providers.ErrTooLarge) {
		return err
	}
	half := len(items) / 2
	if err := inSteps(items[:half], f); err != nil {
		return err
	}
	return inSteps(items[half:], f)
}

// tooManyHits says that an index was asked for more hits than its
// max_result_window. That may be lowered at any time.
func tooManyHits(err error) bool {
	e := serverError(err)
	return badRequest(err) && (strings.Contains(e.Reason, "Result window is too large") || strings.Contains(e.RootCause, "Result window is too large"))
}
