package providers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// Refusal is one cause for which a destination refused documents, with all
// documents that it refused for it.
type Refusal struct {
	Documents int64  `json:"documents"`
	Type      string `json:"type"` // "document_parsing_exception"
	Reason    string `json:"reason"`
	CausedBy  string `json:"caused_by,omitempty"` // of the example
	Field     string `json:"field,omitempty"`
	Example   string `json:"example,omitempty"` // an id
	Advice    string `json:"advice,omitempty"`  // what to do about it
}

// mostRefusals are shown.
const mostRefusals = 10

// Refusals groups refused documents by cause and field, those with the most
// documents first.
func Refusals(letters []DeadLetter) []Refusal {
	var out []Refusal
	at := map[[3]string]int{}
	for _, d := range letters {
		key := [3]string{d.Type, d.Reason, d.Field}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, Refusal{Type: d.Type, Reason: d.Reason, CausedBy: d.CausedBy, Field: d.Field, Example: d.ID, Advice: d.Advice})
		}
		out[i].Documents++
	}
	slices.SortStableFunc(out, func(a, b Refusal) int { return cmp.Compare(b.Documents, a.Documents) })
	return out
}

// RefusedDocuments adds up.
func RefusedDocuments(rs []Refusal) (n int64) {
	for _, r := range rs {
		n += r.Documents
	}
	return n
}

// RefusalText says of each cause, in lines, how many documents it concerns, one
// of them, and what to do about it.
func RefusalText(rs []Refusal) string {
	var b strings.Builder
	for i, r := range rs {
		if i == mostRefusals {
			fmt.Fprintf(&b, "and %d other reasons\n", len(rs)-i)
			break
		}
		documents := "documents"
		if r.Documents == 1 {
			documents = "document"
		}
		fmt.Fprintf(&b, "%s: %s\n    %s %s", r.Type, r.Reason, humanize.Comma(r.Documents), documents)
		if r.Example != "" {
			fmt.Fprintf(&b, ", for example %s", QuoteID(r.Example))
		}
		if r.CausedBy != "" {
			fmt.Fprintf(&b, ": %s", r.CausedBy)
		}
		b.WriteByte('\n')
		if r.Advice != "" {
			fmt.Fprintf(&b, "    %s\n", r.Advice)
		}
	}
	return b.String()
}

// QuoteID shows an id, which may hold anything, as one word.
func QuoteID(id string) string {
	for _, r := range id {
		if r <= ' ' || r == '"' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return fmt.Sprintf("%q", id)
		}
	}
	return id
}
