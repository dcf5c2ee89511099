package migration

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// notAsked is why a way was not chosen.
const notAsked = "not asked because of the errors"

// Estimate looks at both clusters and at the way between them. It sends reads
// only, and one reindex that copies nothing.
func (t *task) Estimate(ctx context.Context, p providers.Prospect) (providers.Estimate, error) {
	e := providers.Estimate{Method: "reindex", Verify: t.verify}
	info, remote, err := t.connection(ctx)
	if err != nil {
		return e, err
	}
	t.chooseTogether(info, t.lookAtNodes(ctx, info))
	find := func(f *providers.Finding) {
		if f != nil {
			e.Findings = append(e.Findings, f)
		}
	}
	l := &ledger{}
	if p.Resume != nil {
		if l, err = t.replay(p.Resume); err != nil {
			return e, err
		}
	}
	indices := l.indices
	if len(indices) == 0 {
		if indices, err = t.plan(ctx); err != nil {
			f := t.swapped(ctx, t.sourceError(ctx, err))
			if f == nil {
				return e, err
			}
			find(f)
			if f.Code == "swapped" { // what else is found is about the wrong one
				e.Why = notAsked
				return e, nil
			}
			indices = nil
		}
	}
	t.describe(&e, indices, l)
	if e.Bytes, err = t.storeSize(ctx, indices); err != nil {
		return e, err
	}
	denied := slices.ContainsFunc(e.Findings, func(f *providers.Finding) bool { return f.Code == "source_denied" })
	source, err := t.sourceFindings(ctx, indices, denied)
	if err != nil {
		return e, err
	}
	e.Findings = append(e.Findings, source...)
	ours := len(l.indices) > 0 || t.copiedHere(p.Done)
	dest, err := t.destFindings(ctx, p, info, indices, remote == nil, ours)
	if err != nil {
		return e, err
	}
	e.Findings = append(e.Findings, dest...)
	mayWrite := !slices.ContainsFunc(dest, func(f *providers.Finding) bool { return f.Code == "dest_privileges" || f.Code == "dest_denied" })
	e.Why = notAsked
	if len(indices) > 0 && mayWrite {
		w, err := t.choose(ctx, remote, indices[0].Name)
		if err != nil {
			return e, err
		}
		e.Method, e.Why = w.method(), w.why
		find(w.found)
		if !w.stream {
			d, err := t.lookAtDestination(ctx)
			if err != nil {
				return e, err
			}
			f, err := t.failureStore(ctx, d)
			if err != nil {
				return e, err
			}
			find(f)
		} else {
			var bytes int64
			for _, x := range indices {
				bytes += x.Bytes
			}
			e.Notes = append(e.Notes, fmt.Sprintf("about %s pass through this machine", humanize.Bytes(uint64(bytes))))
		}
	}
	if p.Resume == nil && ours && !p.DestinationFresh && mayWrite {
		again, err := t.again(ctx)
		if err != nil {
			return e, err
		}
		e.Notes = append(e.Notes, again...)
	}
	e.Seconds = t.guessSeconds(e, indices)
	if e.Why != notAsked && e.Documents > e.Done {
		n, err := t.traffic(ctx, e, indices, l)
		if err != nil {
			return e, err
		}
		e.SourceRequests, e.DestRequests = n.source, n.dest
		if info.Flavor == providers.Serverless {
			e.Seconds = max(e.Seconds, float64(n.batches)/float64(e.Concurrency)*serverlessWrite.Seconds())
		}
	}
	e.DiskNeed = e.Bytes + e.Bytes/6
	if e.DiskFree = diskFree(ctx, t.dst, info); e.DiskFree > 0 && e.DiskNeed > e.DiskFree {
		find(&providers.Finding{Severity: providers.SeverityWarning, Code: "disk_space", Arg: "dest.cluster", Summary: "Disk space may not be enough",
			Detail: fmt.Sprintf("The copy needs about %s, without replicas, and %s has %s free.", humanize.Bytes(uint64(e.DiskNeed)), t.dstName, humanize.Bytes(uint64(e.DiskFree)))})
	}
	if why := t.altersContents(); why != "" && (t.verify == "sample" || t.verify == "full") {
		e.Notes = append(e.Notes, "ids and counts are verified, contents are not, because "+why)
	}
	if n := t.maxRefused; n > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("up to %s may be refused", humanize.Comma(int64(n))+" "+plural(n, "document", "documents")))
	}
	return e, nil
}

func (t *task) describe(e *providers.Estimate, indices []*sourceIndex, l *ledger) {
	for _, x := range indices {
		e.Documents += x.Documents
		e.Shards += x.Shards
		e.Ranges += len(x.Ranges)
	}
	t.describeRanges(e, indices)
	e.Concurrency = max(1, min(t.together, e.Ranges))
	if l.run != "" {
		_, c := l.sum()
		e.Done = min(c.done(), e.Documents)
	}
}

// describeRanges says by what the indices are cut and, where that is not
// _seq_no as usual, why; and what that means for a source that is written to.
func (t *task) describeRanges(e *providers.Estimate, indices []*sourceIndex) {
	var by, whys, unfit, loose []string
	names := map[string][]string{}
	for _, x := range indices {
		cut := x.by()
		if cut != "" {
			by = append(by, cut)
		}
		if cut != "" && !x.SeqNo {
			loose = append(loose, x.Name)
		}
		if x.Why == "" || !t.divisible(x) {
			continue
		}
		why := fmt.Sprintf("ranges by %s, because %s", cut, x.Why)
		if cut == "" {
			why = "one range, because " + x.Why
		}
		switch {
		case t.rangeField != "" && cut != t.rangeField:
			unfit = append(unfit, t.srcName+"/"+x.Name+": "+why)
			continue
		case cut == "":
			why += " (source.range_field can name another date or number)"
		}
		whys = append(whys, why)
		names[why] = append(names[why], x.Name)
	}
	slices.Sort(by)
	e.RangeBy = enumerate(slices.Compact(by))
	slices.Sort(whys)
	for _, why := range slices.Compact(whys) {
		e.Notes = append(e.Notes, some(names[why])+": "+why)
	}
	if len(unfit) > 0 {
		e.Findings = append(e.Findings, &providers.Finding{Severity: providers.SeverityWarning, Code: "range_field", Arg: "source.range_field",
			Summary: "The source cannot be cut by that field", Detail: some(unfit) + "."})
	}
	if why := t.altersContents(); len(loose) > 0 && (t.verify != "full" || why != "") {
		detail := fmt.Sprintf("%s cannot be asked for what changed while the ranges were copied: a document that is written to meanwhile may be missing, or old, on %s afterwards. ", some(loose), t.dstName)
		if t.verify != "full" {
			detail += fmt.Sprintf("Only verify = \"full\" would find it, and here it is %q.", t.verify)
		} else {
			detail += "That one is old could not be found, because " + why + "."
		}
		e.Findings = append(e.Findings, &providers.Finding{Severity: providers.SeverityWarning, Code: "no_tail_pass", Arg: "verify",
			Summary: "Changes during the copy may go unnoticed", Detail: detail + " Keep it from being written to while it is copied."})
	}
}

// some names a few.
func some(names []string) string {
	if more := len(names) - 3; more > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), more)
	}
	return enumerate(names)
}

// storeSize is the primaries' size, with a query its share of it. Where the key
// may not ask, or the server has no _stats, it is the size of the sources,
// which comes near it.
func (t *task) storeSize(ctx context.Context, indices []*sourceIndex) (int64, error) {
	if len(indices) == 0 {
		return 0, nil
	}
	var s struct {
		Indices map[string]struct {
			Primaries struct {
				Docs  struct{ Count int64 } `json:"docs"`
				Store struct {
					Size int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"primaries"`
		} `json:"indices"`
	}
	err := get(ctx, t.src, "/"+url.PathEscape(t.index)+"/_stats/store,docs", nil, &s)
	if err != nil && serverError(err) == nil {
		return 0, err
	}
	var n int64
	for _, x := range indices {
		p := s.Indices[x.Name].Primaries
		switch {
		case p.Store.Size == 0 || p.Docs.Count == 0:
			n += x.Bytes
		case t.query == nil && x.Filter == nil:
			n += p.Store.Size
		default:
			n += int64(float64(p.Store.Size) * min(1, float64(x.Documents)/float64(p.Docs.Count)))
		}
	}
	return n, nil
}

// guessSeconds is rough: what two processors did that ran both servers, 70,000
// documents and 30 MB of sources a second. One range alone is slower.
func (t *task) guessSeconds(e providers.Estimate, indices []*sourceIndex) float64 {
	documents, bytes := e.Documents-e.Done, 0.0
	if documents <= 0 {
		return 0
	}
	for _, x := range indices {
		bytes += float64(x.Bytes)
	}
	s := float64(documents)/70_000 + bytes/30e6*float64(documents)/float64(e.Documents)
	if e.Ranges < 2 {
		s *= 1.5
	}
	if t.requestsPerSecond > 0 {
		s = max(s, float64(documents)/t.requestsPerSecond)
	}
	return s
}

func diskFree(ctx context.Context, c providers.Cluster, info providers.Info) (free int64) {
	if info.Flavor == providers.Serverless {
		return 0
	}
	var s struct {
		Nodes map[string]struct {
			FS struct {
				Total struct {
					Free int64 `json:"available_in_bytes"`
				} `json:"total"`
			} `json:"fs"`
		} `json:"nodes"`
	}
	if get(ctx, c, "/_nodes/stats/fs", url.Values{"filter_path": {"nodes.*.fs.total.available_in_bytes"}}, &s) != nil {
		return 0
	}
	for _, n := range s.Nodes {
		free += n.FS.Total.Free
	}
	return free
}

// sourceFindings checks what would be missing from a copy, or fail in it.
// denied: that privileges are lacking was said already.
func (t *task) sourceFindings(ctx context.Context, indices []*sourceIndex, denied bool) ([]*providers.Finding, error) {
	var out []*providers.Finding
	missing := t.privileges(ctx, t.src, []string{"monitor"}, t.index, []string{"read", "view_index_metadata"})
	if len(missing) > 0 && !denied {
		out = append(out, providers.NewError("source_privileges", "source.cluster", "Credentials of the source lack privileges",
			fmt.Sprintf("The credentials of %s need %s for %s.", t.srcName, enumerate(missing), t.index)))
	}
	if len(indices) == 0 {
		return out, nil
	}
	raw, err := t.src.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/" + url.PathEscape(t.index) + "/_mapping"})
	if err != nil {
		return append(out, asFindings(t.sourceError(ctx, err))...), nil
	}
	v, err := providers.Decode(raw)
	if err != nil {
		return out, err
	}
	for _, x := range indices {
		body, _ := v.(object)[x.Name].(object)
		source, _ := mappingOf(body)["_source"].(object)
		switch {
		case source["enabled"] == false || source["enabled"] == "false":
			out = append(out, providers.NewError("source_disabled", "source.index", "Source index keeps no _source",
				fmt.Sprintf("%s/%s was made with _source disabled, so its documents cannot be read back. They must be sent anew from where they came from.", t.srcName, x.Name)))
		case source["includes"] != nil || source["excludes"] != nil:
			out = append(out, &providers.Finding{Severity: providers.SeverityWarning, Code: "source_filtered", Arg: "source.index",
				Summary: "Source index keeps a part of _source only",
				Detail:  fmt.Sprintf("The mapping of %s/%s has _source includes or excludes: what was left out then cannot be copied.", t.srcName, x.Name)})
		}
	}
	mappings, _ := v.(object)
	for _, check := range []func() (*providers.Finding, error){
		func() (*providers.Finding, error) { return t.nothingMatches(ctx, indices, mappings) },
		func() (*providers.Finding, error) { return t.unseenFinding(ctx, indices) },
		func() (*providers.Finding, error) {
			s, err := t.sharedIDs(ctx, indices)
			return s.finding(t), err
		},
	} {
		f, err := check()
		if err != nil {
			return out, err
		}
		out = append(out, asFindings(f)...)
	}
	return out, nil
}

func asFindings(f *providers.Finding) []*providers.Finding {
	if f == nil {
		return nil
	}
	return []*providers.Finding{f}
}

// mappingOf is the mapping of an index, without the type level of 6.8.
func mappingOf(body object) object {
	m, _ := body["mappings"].(object)
	if len(m) == 1 && m["properties"] == nil {
		for name, inner := range m {
			if typed, ok := inner.(object); ok && !strings.HasPrefix(name, "_") || name == "_doc" {
				return typed
			}
		}
	}
	return m
}
