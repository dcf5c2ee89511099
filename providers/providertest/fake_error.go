package providertest

import (
	"fmt"
	"slices"
)

// apiError is an answer in the server's error shape.
type apiError struct {
	status int
	kind   string
	reason string
	extra  obj
	cause  *apiError
	// plain: {"error": reason}, with the status only if withStatus.
	plain, withStatus bool
}

func (e *apiError) Error() string { return e.kind + ": " + e.reason }

func (e *apiError) inner() obj {
	o := obj{"type": e.kind, "reason": e.reason}
	for k, v := range e.extra {
		o[k] = v
	}
	return o
}

func (e *apiError) nested() obj {
	o := e.inner()
	if e.cause != nil {
		o["caused_by"] = e.cause.nested()
	}
	return o
}

func (e *apiError) body() obj {
	if e.plain {
		o := obj{"error": e.reason}
		if e.withStatus {
			o["status"] = e.status
		}
		return o
	}
	o := e.nested()
	o["root_cause"] = []any{e.inner()}
	return obj{"error": o, "status": e.status}
}

// illegal is the commonest refusal.
func illegal(format string, a ...any) *apiError {
	return &apiError{status: 400, kind: "illegal_argument_exception", reason: fmt.Sprintf(format, a...)}
}

// unsupported is what no real server answers: a test that meets it must fail
// and the fake must learn.
func unsupported(format string, a ...any) *apiError {
	return &apiError{status: 501, kind: "fake_exception", reason: "fake: not supported: " + fmt.Sprintf(format, a...)}
}

func acknowledged() obj { return obj{"acknowledged": true} }

// answer is a reply whose status is not 200.
type answer struct {
	status int
	body   any
}

// onlyKeys refuses what is not in known, in the words of the server's parser.
func onlyKeys(o obj, format string, known ...string) error {
	for _, k := range sortedKeys(o) {
		if !slices.Contains(known, k) {
			return &apiError{status: 400, kind: "x_content_parse_exception", reason: "[1:2] " + fmt.Sprintf(format, k)}
		}
	}
	return nil
}
