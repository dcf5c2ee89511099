package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/esmig/esmig/providers"
)

// way is how the documents of a migration travel.
type way struct {
	stream bool
	why    string
	// found is what keeps the destination from reading by itself.
	found *providers.Finding
}

func (w way) method() string {
	if w.stream {
		return "stream"
	}
	return "reindex"
}

// barriers are the answers to the probe that stand between the two clusters,
// and not between esmig and one of them: what streams can go around them.
var barriers = map[string]string{
	"not_whitelisted":         "not whitelisted",
	"outside_cloud":           "a Serverless project reads from Elastic Cloud only",
	"remote_untrusted":        "its CA is unknown there",
	"remote_certificate_name": "its certificate is for another host",
	"remote_scheme":           "the connection is closed",
	"remote_unknown_host":     "its name is unknown there",
	"remote_unreachable":      "no connection",
	"remote_fields":           "reindex from remote works differently there",
	"no_reindex":              "there is no reindex",
	"probe_failed":            "the probe failed",
}

// choose asks the destination whether it can read index from the source, unless
// the user has chosen. remote is nil on one and the same cluster.
func (t *task) choose(ctx context.Context, remote object, index string) (way, error) {
	switch {
	case t.method == "stream":
		return way{stream: true, why: `method = "stream"`}, nil
	case remote == nil && t.srcName == t.dstName:
		return way{why: "source and destination are on the same cluster"}, nil
	case remote == nil:
		return way{why: t.srcName + " and " + t.dstName + " are the same cluster"}, nil
	}
	f, err := t.probe(ctx, index)
	if err != nil || f == nil {
		return way{why: t.dstName + " can reach " + t.srcName}, err
	}
	w := way{why: t.dstName + " cannot read from " + t.srcName, found: f}
	short, barrier := barriers[f.Code]
	if e := serverError(f.Err); !barrier || e != nil && (e.Remote != nil || errors.Is(e, providers.ErrUnavailable)) {
		return w, nil // it is the source itself that refuses, or the destination is busy
	}
	if w.why += ": " + short; f.Code == "not_whitelisted" || f.Code == "outside_cloud" {
		w.why = fmt.Sprintf("%s may not read from %s: %s", t.dstName, t.srcName, short)
	}
	if t.method == "reindex" && t.script == nil {
		f.Detail += "\n\nOr let the documents pass through this machine, which needs nothing of that: method = \"stream\", or leave method out."
	}
	if w.stream = t.method == "auto" && t.script == nil; w.stream {
		note := *f
		note.Severity = providers.SeverityNote
		note.Detail = "Documents pass through this machine instead. " + f.Detail
		w.found = &note
	}
	return w, nil
}
