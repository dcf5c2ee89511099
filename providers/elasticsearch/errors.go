package elasticsearch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/esmig/esmig/providers"
)

// Error is an answer that is no success. Its texts come from the server,
// cleaned and shortened, without secrets.
type Error struct {
	Method, Path string
	Status       int
	Type         string // "illegal_argument_exception"; empty where the server names none
	Reason       string
	// RootCause is the innermost reason, with its type, where that is another
	// than Type and Reason.
	RootCause string
	OpaqueID  string
	// Remote is the error of the other cluster that a reindex from remote has
	// in its reason.
	Remote *Error

	retryAfter time.Duration
	challenges []string // WWW-Authenticate of a 401
	kibana     bool     // Kibana answers, not Elasticsearch
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %d", e.Method, e.Path, e.Status)
	if e.Method == "" {
		s = fmt.Sprint(e.Status)
	}
	if e.Status == 0 { // a task's error has none
		s = strings.TrimSuffix(s, "0")
	}
	if e.Type != "" {
		s = strings.TrimLeft(s+" "+e.Type, " ")
	}
	reason := e.Reason
	if e.Remote != nil {
		reason = "the remote cluster answers " + e.Remote.Error()
	}
	s += ": " + cmp.Or(reason, "the answer says no more")
	if e.RootCause != "" && e.Remote == nil {
		s += "; because of " + e.RootCause
	}
	return s
}

// Unwrap gives the sentinel of package providers that the status stands for.
func (e *Error) Unwrap() error {
	switch {
	case e.Status == http.StatusNotFound:
		return providers.ErrNotFound
	case e.Status == http.StatusConflict, e.Type == "resource_already_exists_exception":
		return providers.ErrConflict
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden && e.Type != "cluster_block_exception":
		return providers.ErrDenied
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusBadGateway,
		e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return providers.ErrUnavailable
	}
	return nil
}

// NoAPI: the server does not have the API that was called, in this version,
// distribution or mode. Elasticsearch before 8 takes an unknown API for an
// index, which may not begin with an underscore.
func (e *Error) NoAPI() bool {
	return e.Type == "api_not_available_exception" || e.Status == http.StatusMethodNotAllowed ||
		strings.Contains(e.Reason, "no handler found for uri") ||
		strings.HasPrefix(e.Reason, "Invalid index name [_") || strings.HasPrefix(e.Reason, "no such index [_")
}

// noAPI is NoAPI of whatever *Error err wraps.
func noAPI(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NoAPI()
}

const maxText = 1000 // runes of a server's reason that are kept

// newError reads an answer that is no success, in any of the forms that
// servers and the proxies before them use.
func newError(r providers.Request, status int, body []byte, redact func(string) string) *Error {
	e := parseError(body, status)
	e.Method, e.Path, e.OpaqueID = r.Method, clean(r.Path, 200), r.OpaqueID
	for p := e; p != nil; p = p.Remote {
		p.Type, p.Reason, p.RootCause = redact(p.Type), redact(p.Reason), redact(p.RootCause)
	}
	return e
}

// ParseError reads the error object that a server puts into an answer that is
// itself a success: of a task, or of a failed document.
func ParseError(raw providers.JSON) *Error {
	status := struct{ Status int }{}
	_ = json.Unmarshal(raw, &status)
	return parseError(raw, status.Status)
}

func parseError(body []byte, status int) *Error {
	e := &Error{Status: status}
	v, err := providers.Decode(body)
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		e.Reason = summary(body)
		return e
	}
	switch inner := m["error"].(type) {
	case map[string]any:
		e.fill(inner)
	case string: // "no handler found …"; with a message: Kibana and proxies
		e.Reason = clean(strings.Join(nonEmpty(inner, text(m["message"])), ": "), maxText)
		e.kibana = m["statusCode"] != nil
	default:
		if _, ok := m["reason"]; ok {
			e.fill(m)
		} else {
			e.Reason = clean(text(m["message"]), maxText)
		}
	}
	return e
}

// fill takes type and reason, the innermost cause, and a remote's error.
func (e *Error) fill(m map[string]any) {
	e.Type, e.Reason = clean(text(m["type"]), 100), clean(text(m["reason"]), maxText)
	chain := []map[string]any{m}
	for inner := m; len(chain) < 50; {
		next, ok := inner["caused_by"].(map[string]any)
		if !ok {
			break
		}
		chain = append(chain, next)
		inner = next
	}
	if len(chain) == 1 {
		if l, ok := m["root_cause"].([]any); ok && len(l) > 0 {
			if root, ok := l[0].(map[string]any); ok {
				chain = append(chain, root)
			}
		}
	}
	// Why a key was not even looked for: "API key: invalid ApiKey value".
	e.RootCause = clean(text(m["additional_unsuccessful_credentials"]), maxText)
	if root := chain[len(chain)-1]; len(chain) > 1 && text(root["reason"]) != text(m["reason"]) {
		e.RootCause = clean(strings.Join(nonEmpty(text(root["type"]), text(root["reason"])), ": "), maxText)
	}
	for _, c := range chain {
		if e.Remote = remoteError(text(c["reason"])); e.Remote != nil {
			return
		}
	}
}

// remoteError reads `… body={"error":{…},"status":401}` in a reason.
func remoteError(reason string) *Error {
	_, body, ok := strings.Cut(reason, "body=")
	if !ok {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(body))
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return nil
	}
	if e := ParseError(raw); e.Reason != "" || e.Type != "" {
		return e
	}
	return nil
}

// summary of a body that is no JSON: a page's title, or how it begins.
func summary(body []byte) string {
	s := string(body)
	lower := strings.ToLower(s)
	if len(lower) == len(s) {
		if i := strings.Index(lower, "<title"); i >= 0 {
			if _, rest, ok := strings.Cut(s[i:], ">"); ok {
				title, _, _ := strings.Cut(rest, "<")
				if title = clean(title, 200); title != "" {
					return fmt.Sprintf("not an answer of Elasticsearch but a web page: %q", title)
				}
			}
		}
		if strings.Contains(lower, "<html") {
			return "not an answer of Elasticsearch but a web page"
		}
	}
	if s = clean(s, 200); s == "" {
		return "the answer is empty"
	}
	return fmt.Sprintf("not an answer of Elasticsearch: %q", s)
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return string(providers.Encode(v))
}

func nonEmpty(s ...string) []string {
	var out []string
	for _, t := range s {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

// clean makes a server's text fit for a terminal and a log: one line, no
// control characters or marks that turn the direction of writing, at most n
// runes.
func clean(s string, n int) string {
	var b strings.Builder
	count, space := 0, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.IsSpace(r) {
			space = b.Len() > 0
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if count >= n {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			count++
			space = false
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
