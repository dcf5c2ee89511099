package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// nothing matches no document, and no server sees that beforehand. match_none
// itself must not be used: a source whose shards are all skipped has no scroll
// to go on with and answers 503 "no nodes to search on", which OpenSearch as
// the destination repeats for minutes.
func nothing() object {
	one := object{"ids": object{"values": []string{"match_none"}}}
	return object{"bool": object{"filter": []any{one}, "must_not": []any{one}}}
}

// probe lets the destination read nothing from the source: whitelist, name,
// TLS and credentials are exercised from there, no index is made and nothing
// is copied. Nil: it can.
func (t *task) probe(ctx context.Context, index string) (*providers.Finding, error) {
	info, remote, err := t.connection(ctx)
	if err != nil || remote == nil {
		return nil, err
	}
	remote["connect_timeout"], remote["socket_timeout"] = "10s", "20s"
	body := providers.Encode(object{
		"source": object{"remote": remote, "index": index, "size": 1, "query": nothing()},
		"dest":   object{"index": t.destIndex},
	})
	_, err = t.dst.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/_reindex", Body: body, Repeatable: true})
	if err == nil {
		return nil, nil
	}
	e := serverError(err)
	if e == nil {
		return nil, err
	}
	if e.NoAPI() {
		return providers.NewError("no_reindex", "dest.cluster", "Destination has no reindex",
			fmt.Sprintf("%s (%s) does not have the _reindex API, which a copy needs.", t.dstName, info.Title())), nil
	}
	f := remoteFinding(t, e, destSide{info, elasticsearch.InCloud(t.dst.Config()), func() []string { return whitelist(ctx, t.dst) }})
	if f == nil {
		f = providers.NewError("probe_failed", "source.cluster", "Destination cannot read from the source",
			fmt.Sprintf("%s was asked to read nothing from %s and answers: %s.", t.dstName, t.srcName, e.Error()))
		f.Err = err
	}
	return f, nil
}

// nothingMatched is the 503 that nothing avoids: a user's query may bring it
// about, too.
func nothingMatched(e *elasticsearch.Error) bool {
	for p := e; p != nil; p = p.Remote {
		if strings.Contains(p.Reason+p.RootCause, "no nodes to search on") {
			return true
		}
	}
	return false
}

// remoteFinding knows the answers of a reindex from remote that tell what is
// in the way. Nil: it is none of them.
func remoteFinding(t *task, e *elasticsearch.Error, by destSide) *providers.Finding {
	host, err := elasticsearch.RemoteHost(t.src.Config())
	if err != nil {
		return nil
	}
	at := host
	if u, err := url.Parse(host); err == nil {
		at = u.Host
	}
	find := func(code, arg, summary, format string, args ...any) *providers.Finding {
		return providers.NewError(code, arg, summary, fmt.Sprintf(format, args...))
	}
	all := strings.Join([]string{e.Type, e.Reason, e.RootCause}, " ")
	remote := e.Remote
	switch has := func(s string) bool { return strings.Contains(all, s) }; {
	case notListed.MatchString(all):
		return t.notWhitelisted(at, notListed.FindStringSubmatch(all)[2], has("blocklist"), by)
	case remote != nil && (remote.Status == http.StatusUnauthorized || strings.HasPrefix(remote.Type, "security_exception") && remote.Status != http.StatusForbidden):
		return find("remote_credentials", "source.cluster", "Source refuses the credentials that the destination presents",
			"%s reads from %s with the credentials of the cluster block %q, and %s answers: %s. "+
				"Check api_key, or username and password, and that the key has not expired.", t.dstName, at, t.srcName, t.srcName, remote.Reason)
	case remote != nil && remote.Status == http.StatusForbidden:
		return find("remote_privileges", "source.cluster", "Credentials of the source may not read the index",
			"%s answers the destination: %s. The key needs the cluster privilege monitor and the index privileges read and view_index_metadata on %s.",
			t.srcName, remote.Reason, t.index)
	case remote != nil && remote.Type == "index_not_found_exception":
		return find("source_missing", "source.index", "Source index not found", "%s answers the destination: %s.", t.srcName, remote.Reason)
	case has("Unsupported fields in [remote]"):
		return find("remote_fields", "source.cluster", "Destination does not know an argument of reindex from remote",
			"%s answers: %s. It is older than it says, or something between changes the request.", t.dstName, e.Reason)
	case has("s_s_l_handshake_exception"), has("PKIX path"), has("certificate_unknown"), has("SSLHandshakeException"), has("ssl_handshake"):
		if has("No subject alternative") || has("hostname") && !has("PKIX") {
			return find("remote_certificate_name", "source.cluster", "Certificate of the source is for another host",
				"%s reaches %s, whose certificate is not valid for that name (%s). Write a name into the endpoint of %s for which it is valid.",
				t.dstName, at, e.Reason, t.srcName)
		}
		return t.untrusted(at, by)
	case has("connection_closed_exception"), has("Connection is closed"), has("Unrecognized SSL message"), has("not an SSL/TLS record"), has("NotSslRecordException"):
		scheme, other := "http", "https"
		if strings.HasPrefix(host, "https:") {
			scheme, other = other, scheme
		}
		return find("remote_scheme", "source.cluster", "Destination is cut off by the source",
			"%s speaks %s to %s and the connection is closed at once: the source most likely expects %s there. Write endpoint = \"%s://%s\" in cluster %q.",
			t.dstName, scheme, at, other, other, at, t.srcName)
	case has("unknown_host_exception"), has("UnknownHostException"), has("Name or service not known"), has("nodename nor servname"):
		return find("remote_unknown_host", "source.cluster", "Destination cannot resolve the name of the source",
			"%s does not know the host of %s. The name is resolved there and not on this machine: write one into the endpoint that %s can resolve.", t.dstName, at, t.dstName)
	case has("connect_exception"), has("Connection refused"), has("NoRouteToHost"), has("no_route_to_host"), has("connect_timeout"),
		has("socket_timeout_exception"), has("ConnectTimeout"), has("Timeout connecting"):
		hint := "Open the way from there to " + at + ", or write an endpoint that " + t.dstName + " can reach."
		if u, err := url.Parse(host); err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) {
			hint = fmt.Sprintf("%s is the machine itself, and for %s that is another one than for you: write the source's address in the network into the endpoint of cluster %q, or check the port.", u.Hostname(), t.dstName, t.srcName)
		}
		return find("remote_unreachable", "source.cluster", "Destination cannot reach the source",
			"%s gets no connection to %s: %s. %s", t.dstName, at, e.Reason, hint)
	}
	return nil
}

func enumerate(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// explainError turns what a read of the source, or the sending of a reindex,
// answers into a finding where more can be said than the server does.
func (t *task) explainError(err error) error {
	var f *providers.Finding
	if err == nil || errors.As(err, &f) {
		return err
	}
	if e := serverError(err); e != nil {
		if f := remoteFinding(t, e, destSide{}); f != nil && strings.HasPrefix(e.Path, "/_reindex") {
			return f
		}
	}
	return err
}

// sourceError says what is wrong with the source, nil if it is none of the
// known things.
func (t *task) sourceError(ctx context.Context, err error) *providers.Finding {
	var f *providers.Finding
	if errors.As(err, &f) && f.Code != "source_missing" {
		return f
	}
	e := serverError(err)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		f := providers.NewError("source_missing", "source.index", "Source index not found",
			fmt.Sprintf("There is no index, alias or data stream %q on %s.%s", t.index, t.srcName, t.nearest(ctx)))
		f.Err = providers.ErrNotFound
		return f
	case errors.Is(err, providers.ErrDenied) && e != nil:
		f := providers.NewError("source_denied", "source.cluster", "Credentials of the source may not read the index",
			fmt.Sprintf("%s answers: %s. The key needs the index privileges read and view_index_metadata on %s, and the cluster privilege monitor.", t.srcName, e.Reason, t.index))
		f.Err = providers.ErrDenied
		return f
	case e != nil && (e.Status == http.StatusServiceUnavailable || e.Type == "search_phase_execution_exception" && e.Status >= 500):
		return providers.NewError("source_red", "source.index", "Source index is not wholly there",
			fmt.Sprintf("%s cannot search all shards of %s: %s. A copy would miss documents; bring the index to green or yellow first.", t.srcName, t.index, e.Error()))
	case e != nil && e.Type == "index_closed_exception":
		closed := t.index
		if name, _, ok := strings.Cut(strings.TrimPrefix(e.Path, "/"), "/"); ok {
			closed = name
		}
		detail := fmt.Sprintf("%s is closed on %s, so its documents cannot be read: open it, or leave it out of the migration", closed, t.srcName)
		if strings.Contains(t.index, "*") {
			detail += fmt.Sprintf(" with source { index = %q }", t.index+",-"+closed)
		}
		return providers.NewError("source_closed", "source.index", "Source index is closed", detail+".")
	case e != nil && e.Status == http.StatusBadRequest:
		arg := "source.index"
		if t.query != nil {
			arg = "source.query"
		}
		return providers.NewError("source_refuses", arg, "Source does not take the request",
			fmt.Sprintf("%s answers: %s. A query must be valid on the version of the source.", t.srcName, strings.Trim(e.Type+": "+e.Reason+"; "+e.RootCause, "; ")))
	}
	return nil
}

// backing is the name of a data stream's backing index, which tells the
// stream's: of those there is no list that every version has. The date is not
// there before 7.11 and on OpenSearch.
var backing = regexp.MustCompile(`^\.ds-(.+?)(?:-\d{4}\.\d{2}\.\d{2})?-\d{6,}$`)

// nearest suggests names that look like the missing one.
func (t *task) nearest(ctx context.Context) string {
	var all map[string]struct {
		Aliases map[string]any `json:"aliases"`
	}
	if get(ctx, t.src, "/_alias", nil, &all) != nil {
		return ""
	}
	var near []string
	consider := func(name string) {
		if strings.HasPrefix(name, ".") != strings.HasPrefix(t.index, ".") || slices.Contains(near, name) {
			return
		}
		if levenshtein.Distance(name, t.index, nil) <= max(2, len(t.index)/4) || strings.HasPrefix(name, t.index) || strings.HasPrefix(t.index, name) {
			near = append(near, name)
		}
	}
	for index, a := range all {
		if m := backing.FindStringSubmatch(index); m != nil {
			index = m[1]
		}
		consider(index)
		for alias := range a.Aliases {
			consider(alias)
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.SortFunc(near, func(a, b string) int {
		if d := levenshtein.Distance(a, t.index, nil) - levenshtein.Distance(b, t.index, nil); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i := range near {
		near[i] = fmt.Sprintf("%q", near[i])
	}
	return " Did you mean " + strings.Join(near[:min(3, len(near))], " or ") + "?"
}
