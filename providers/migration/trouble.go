package migration

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// outcome of one attempt at a range.
type outcome int

const (
	fine     outcome = iota
	tooLarge         // "chunk that was too large": again with smaller batches
	later            // rejections, a server that went away: again after a pause
	refused          // the destination refused documents
	broken           // the task ended with an error
	canceled
	unclosed // the account does not add up
	gaveUp   // begun too often
)

// trouble is why a range did not end well. Several are merged into one
// finding.
type trouble struct {
	what     outcome
	unit     *unit
	index    string
	counts   counts
	failures []failure
	letters  []providers.DeadLetter // refused: what is known of the documents
	err      *elasticsearch.Error
	others   []*trouble
}

func (t *trouble) Error() string { return t.reason() }

func (t *trouble) reason() string {
	if t.err == nil {
		return ""
	}
	return strings.TrimPrefix(t.err.Type+": "+t.err.Reason, ": ")
}

// lately says what the last of several attempts ended with.
func (t *trouble) lately() string {
	if t.reason() == "" {
		return ""
	}
	return " (at last: " + strings.TrimSuffix(t.reason(), ".") + ")"
}

func (t *trouble) merge(o *trouble) { t.others = append(t.others, o) }

func (t *trouble) add(c counts) counts {
	for _, o := range t.others {
		c.Total += o.counts.Total
		c.Created += o.counts.Created
		c.Updated += o.counts.Updated
		c.Deleted += o.counts.Deleted
		c.Noops += o.counts.Noops
		c.Conflicts += o.counts.Conflicts
	}
	return c
}

func (t *trouble) failed() (n int64) {
	for _, o := range t.others {
		n += int64(len(o.letters))
	}
	return n
}

// transient are errors of a task that a later attempt may not meet.
var transient = []string{"es_rejected_execution_exception", "circuit_breaking_exception", "connect_exception",
	"connection_closed_exception", "socket_timeout_exception", "node_closed_exception", "node_not_connected_exception",
	"search_context_missing_exception", "no_shard_available_action_exception", "unavailable_shards_exception",
	"process_cluster_event_timeout_exception", "search_phase_execution_exception", "task_relocated_exception"}

func isTransient(e *elasticsearch.Error) bool {
	for p := e; p != nil; p = p.Remote {
		for _, kind := range transient {
			if p.Type == kind || strings.HasPrefix(p.RootCause, kind) {
				return true
			}
		}
	}
	return false
}

var rejected = regexp.MustCompile(`[a-z_]*operation_bytes=(\d+), max_[a-z_]*bytes=(\d+)`)

// overLimit tells a request that is more than a node takes even when it does
// nothing else (indexing pressure) from one that came at a bad time.
func overLimit(reason string) bool {
	m := rejected.FindStringSubmatch(reason)
	if m == nil {
		return false
	}
	size, errSize := strconv.ParseInt(m[1], 10, 64)
	most, errMost := strconv.ParseInt(m[2], 10, 64)
	return errSize == nil && errMost == nil && size > most
}

// judge reads the end of a task: success is completed, without an error,
// without failures, and with an account that closes.
func judge(a taskAnswer) *trouble {
	s := a.status()
	t := &trouble{counts: s.counts}
	switch {
	case s.Canceled != "": // in the middle of a batch that is an error, too
		t.what = canceled
		t.err = &elasticsearch.Error{Reason: s.Canceled}
	case len(a.Error) > 0 && string(a.Error) != "null":
		t.err = elasticsearch.ParseError(a.Error)
		text := t.err.Reason + t.err.RootCause
		switch {
		case strings.Contains(text, "chunk that was too large"), strings.Contains(text, "content is too long"), overLimit(text):
			t.what = tooLarge
		case isTransient(t.err):
			t.what = later
		default:
			t.what = broken
		}
	case a.Response == nil:
		t.what = later
		t.err = &elasticsearch.Error{Reason: "the task ended without a result"}
	case len(a.Response.Failures) > 0:
		t.failures = a.Response.Failures
		t.what = refused
		if t.err = parseFailure(t.failures[0]); !slices.ContainsFunc(t.failures, func(f failure) bool {
			return f.Status != http.StatusTooManyRequests && !isTransient(parseFailure(f))
		}) {
			t.what = later
			if slices.ContainsFunc(t.failures, func(f failure) bool { return overLimit(parseFailure(f).Reason) }) {
				t.what = tooLarge
			}
		}
	case a.Response.TimedOut:
		t.what = later
		t.err = &elasticsearch.Error{Reason: "a search of the task timed out"}
	case s.done() != s.Total:
		t.what = unclosed
	}
	return t
}

func parseFailure(f failure) *elasticsearch.Error {
	raw := f.Cause
	if len(raw) == 0 {
		raw = f.Reason
	}
	return elasticsearch.ParseError(raw)
}

const goOn = "Run \"esmig apply\" again when this is mended; what is done is not done again."

// finding tells of all ranges that failed at once; nil: none. left is what
// ranges that ended well leave behind.
func (t *trouble) finding(of *task, left refusedDocs) error {
	if len(t.others) == 0 {
		return nil
	}
	to := of.dstName + "/" + of.destIndex
	some := false
	for _, o := range t.others {
		left.add(o.letters...)
		some = some || o.what == refused
	}
	if some {
		return refusalFinding(of, left.letters(of))
	}
	o := t.others[0]
	where := fmt.Sprintf("Range %s of %s", o.unit.id, o.index)
	switch o.what {
	case canceled:
		return providers.NewError("task_cancelled", "", "Copy cancelled on the destination",
			fmt.Sprintf("%s: its task on %s was cancelled (%s). Run \"esmig apply\" again to go on.", where, of.dstName, o.err.Reason))
	case unclosed:
		return providers.NewError("account_open", "", "The server's account does not add up",
			fmt.Sprintf("%s: %s says that it read %d documents and did something with %d. Run \"esmig apply\" again: the range is copied anew.",
				where, of.dstName, o.counts.Total, o.counts.done()))
	case gaveUp:
		return providers.NewError("gave_up", "", "A range could not be copied",
			fmt.Sprintf("%s was begun %d times and its task was lost, or rejected, each time%s. See the log of %s. %s", where, o.unit.begun, o.lately(), of.dstName, goOn))
	case tooLarge:
		return providers.NewError("document_too_large", "source.size", "A document is too large for a reindex from remote",
			fmt.Sprintf("%s: even one document at a time is more than the buffer of %s holds: %s", where, of.dstName, o.reason()))
	}
	f := remoteFinding(of, o.err, destSide{})
	if f == nil {
		f = providers.NewError("copy_failed", "", "Copy failed on the destination",
			fmt.Sprintf("%s into %s ended with an error: %s. %s", where, to, o.err.Error(), goOn))
	}
	return f
}

// refusalFinding groups refused documents by reason, with an example of each
// and what to do about it.
func refusalFinding(of *task, letters []providers.DeadLetter) *providers.Finding {
	groups := providers.Refusals(letters)
	var b strings.Builder
	b.WriteString(providers.RefusalText(groups))
	if of.script != nil {
		b.WriteString("There may be more: a reindex ends with the first batch in which documents are refused, and because of the script the documents cannot be copied in another way.\n")
	}
	if n := int64(len(letters)); of.maxRefused > 0 {
		fmt.Fprintf(&b, "These are %s documents, and max_refused allows %s. ", humanize.Comma(n), humanize.Comma(int64(of.maxRefused)))
	}
	b.WriteString(goOn)
	f := providers.NewError("documents_refused", "", "The destination refused documents", b.String())
	if len(groups) == 1 && strings.Contains(groups[0].Reason, noSuchPipeline(of.pipeline)) && of.pipeline != "" {
		f.Arg = "dest.pipeline"
	}
	return f
}

func noSuchPipeline(name string) string { return "pipeline with id [" + name + "] does not exist" }

// mendMapping says how a mapping is mended that documents do not fit. A field's
// type cannot be changed in place, so that only an index that holds nothing but
// the copy is made anew.
func mendMapping(of *task, field string) string {
	if of.existing != "refuse" {
		return fmt.Sprintf("Declare %s in the mappings of %s with a type that takes these values. That needs a new index, to which the documents that %s holds already must be copied, too.", field, of.destIndex, of.destIndex)
	}
	return fmt.Sprintf("Declare %s in the mappings of %s with a type that takes these values, delete the half-filled %s, in which the type cannot be changed (DELETE /%s on %s), and begin again with \"esmig apply -restart '%s'\".",
		field, of.destIndex, of.destIndex, of.destIndex, of.dstName, of.addr)
}

// advice says what to do about a reason.
func advice(of *task, reason string) string {
	to := of.destIndex
	find := func(r *regexp.Regexp) string {
		if m := r.FindStringSubmatch(reason); m != nil {
			return m[1]
		}
		return ""
	}
	field := find(fieldType)
	switch {
	case strings.HasPrefix(reason, failureStoreKind+": "):
		return fmt.Sprintf("%s tells why, in error.message. Change the mappings or settings of %s so that it takes these documents, or exclude them with source { query }. Each attempt puts them into the failure store once more.", of.failures(), to)
	case field != "":
		return mendMapping(of, field) + fmt.Sprintf(" Or declare it as it is with ignore_malformed = true, which can be changed in place: such values stay in the document and are not searchable. Or leave %s out with source { _source }.", field)
	case find(introduced) != "":
		return fmt.Sprintf("Declare %s in the mappings of %s, which takes only declared fields.", find(introduced), to)
	case find(noPipeline) != "" && find(noPipeline) == of.pipeline:
		return fmt.Sprintf("dest.pipeline names %s, which is not on %s: declare it with a block ingest_pipeline, or leave pipeline out.", of.pipeline, of.dstName)
	case find(noPipeline) != "":
		return fmt.Sprintf("index.final_pipeline of %s, or of its template, names %s, which cannot be bypassed: create the pipeline first, or take the setting away until the data is in.", to, find(noPipeline))
	case strings.Contains(reason, "Limit of total fields"):
		return fmt.Sprintf("Raise index.mapping.total_fields.limit of %s.", to)
	case strings.Contains(reason, "cluster_block_exception"):
		return fmt.Sprintf("Writing to %s is blocked: take index.blocks.write away, or free disk space.", to)
	case strings.Contains(reason, "op_type of create"):
		return `Set op_type = "create" in dest.`
	case strings.Contains(reason, "@timestamp"):
		return fmt.Sprintf("%s is a data stream, so each document needs an @timestamp: set it with a script, or exclude these documents with source { query }.", to)
	}
	return fmt.Sprintf("Change the mappings or settings of %s so that it takes these documents, or exclude them with source { query }.", to)
}

func quoteID(id string) string { return providers.QuoteID(id) }

// What an error of a cluster says, without the caller knowing its type.

func serverError(err error) *elasticsearch.Error {
	var e *elasticsearch.Error
	errors.As(err, &e)
	return e
}

func badRequest(err error) bool {
	e := serverError(err)
	return e != nil && e.Status == http.StatusBadRequest
}

func notImplemented(err error) bool {
	e := serverError(err)
	return e != nil && e.NoAPI()
}
