package migration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// destFindings checks that documents may be written and nothing is overwritten
// that esmig did not copy.
func (t *task) destFindings(ctx context.Context, p providers.Prospect, info providers.Info, indices []*sourceIndex, same, ours bool) ([]*providers.Finding, error) {
	var out []*providers.Finding
	d, err := t.lookAtDestination(ctx)
	if e := serverError(err); e != nil && errors.Is(err, providers.ErrDenied) {
		return asFindings(providers.NewError("dest_denied", "dest.cluster", "Credentials of the destination lack privileges",
			fmt.Sprintf("%s answers: %s. The credentials need the index privileges write, read and view_index_metadata on %s, and the cluster privilege monitor.",
				t.dstName, e.Reason, t.destIndex))), nil
	}
	if err != nil {
		return nil, err
	}
	if same {
		if f := t.ontoItself(indices, d); f != nil {
			return []*providers.Finding{f}, nil
		}
	}
	var monitor []string
	if info.Flavor != providers.Serverless {
		monitor = []string{"monitor"}
	}
	// Less than write is not enough even for creating: _reindex itself needs it.
	needs := []string{"write", "read", "view_index_metadata"}
	if !d.Exists && !p.DestinationDeclared {
		needs = append(needs, "create_index")
	}
	if missing := t.privileges(ctx, t.dst, monitor, t.destIndex, needs); len(missing) > 0 {
		out = append(out, providers.NewError("dest_privileges", "dest.cluster", "Credentials of the destination lack privileges",
			fmt.Sprintf("The credentials of %s need %s for %s.", t.dstName, enumerate(missing), t.destIndex)))
	}
	if f, err := t.namedPipeline(ctx, p); err != nil || f != nil {
		out = append(out, asFindings(f)...)
		if err != nil {
			return out, err
		}
	}
	if !d.Exists {
		if !p.DestinationDeclared && d.Match == "" {
			out = append(out, t.undeclared(ctx, indices))
		}
		return out, nil
	}
	if f, err := t.finalPipeline(ctx, p); err != nil || f != nil {
		out = append(out, asFindings(f)...)
		if err != nil {
			return out, err
		}
	}
	rolling, err := t.rollingFindings(ctx, p, d)
	if err != nil {
		return out, err
	}
	out = append(out, rolling...)
	if p.DestinationFresh || ours || t.existing == "keep" || t.existing == "overwrite" {
		return out, nil
	}
	n, err := count(ctx, t.dst, t.destIndex, -1, nil)
	if errors.Is(err, providers.ErrDenied) {
		return out, nil // said already
	}
	if err != nil {
		return out, err
	}
	switch others := p.Others; {
	case n > 0 && others == 0:
		out = append(out, providers.NewError("dest_not_empty", "dest.index", "Destination holds documents already",
			fmt.Sprintf("%s/%s holds %s %s that esmig did not copy there. Name another index, or say in dest what happens to them:\n\n"+
				"    existing = \"keep\"         # ids that are there stay as they are\n    existing = \"overwrite\"    # ids that are copied are overwritten",
				t.dstName, t.destIndex, humanize.Comma(n), plural(int(min(n, 2)), "document", "documents"))))
	case others > 0 && n > others:
		out = append(out, providers.NewError("dest_not_empty", "dest.index", "Destination holds documents already",
			fmt.Sprintf("%s/%s holds %s documents, and migrations copied only %s of them there. Say in dest what happens to the others: existing = \"keep\" or \"overwrite\".",
				t.dstName, t.destIndex, humanize.Comma(n), humanize.Comma(others))))
	}
	return out, nil
}

// ontoItself finds a destination that the source finds, too, on the same cluster.
// One that is not there yet counts as well: when it is, each later look at a
// pattern would take it for one more index of the source.
func (t *task) ontoItself(indices []*sourceIndex, d destination) *providers.Finding {
	for _, x := range indices {
		if x.Name != t.destIndex && !slices.Contains(d.Names, x.Name) {
			continue
		}
		f := sameIndex(t.destIndex)
		if strings.Contains(t.index, "*") {
			f.Detail = fmt.Sprintf("source.index = %q finds %s, too, and dest.index = %q writes into that, so that it would be copied onto itself. "+
				"Name another index in dest, or leave it out with source { index = %q }.", t.index, x.Name, t.destIndex, t.index+",-"+x.Name)
		}
		return f
	}
	if d.Exists || named(t.index, t.destIndex) != byName {
		return nil
	}
	f := sameIndex(t.destIndex)
	f.Detail = fmt.Sprintf("source.index = %q will find %s, too, when it is there, so that it would be copied onto itself. "+
		"Name another index in dest, or a pattern in source that does not find it.", t.index, t.destIndex)
	return f
}

// failures is the request that shows a data stream's failure store.
func (t *task) failures() string {
	return fmt.Sprintf("GET /%s::failures/_search on %s", t.destIndex, t.dstName)
}

// failureStore warns of a data stream that has one: a reindex counts what goes
// there as created. nil: there is none, or the server does not say so.
func (t *task) failureStore(ctx context.Context, d destination) (*providers.Finding, error) {
	if !d.Stream {
		return nil, nil
	}
	var a struct {
		Streams []struct {
			Store struct {
				Enabled bool `json:"enabled"`
			} `json:"failure_store"`
		} `json:"data_streams"`
	}
	err := get(ctx, t.dst, "/_data_stream/"+url.PathEscape(t.destIndex), nil, &a)
	if err != nil && (serverError(err) == nil || errors.Is(err, providers.ErrUnavailable)) {
		return nil, err
	}
	if err != nil || len(a.Streams) != 1 || !a.Streams[0].Store.Enabled {
		return nil, nil // a key that may not look, or an alias
	}
	return &providers.Finding{Severity: providers.SeverityWarning, Code: "failure_store", Arg: "dest.index", Summary: "Refused documents go into a failure store",
		Detail: fmt.Sprintf("%s has a failure store, and %s counts a document that goes there as created: that it is missing only verification tells, so do not set verify = \"none\". What is there: %s. "+
			"Copied by method = \"stream\" such documents are told one by one.", t.destIndex, t.dstName, t.failures())}, nil
}

// copiedHere says whether a former run, of which done is the sum, copied into
// the same destination.
func (t *task) copiedHere(raw providers.JSON) bool {
	if len(raw) == 0 {
		return false
	}
	d, err := readDone(raw)
	return err != nil || d.Dest == "" || d.Dest == t.dstName+"/"+t.destIndex
}

// again says what happens to documents that a former run copied.
func (t *task) again(ctx context.Context) ([]string, error) {
	d, err := t.lookAtDestination(ctx)
	if err != nil || !d.Exists {
		return nil, err
	}
	n, err := count(ctx, t.dst, t.destIndex, -1, nil)
	if err != nil || n == 0 {
		return nil, err
	}
	text := fmt.Sprintf("%s/%s holds %s %s already", t.dstName, t.destIndex, humanize.Comma(n), plural(int(min(n, 2)), "document", "documents"))
	switch {
	case t.createOnly(d):
		text += ": they stay as they are, and only ids that are missing are copied"
	case !t.external(d):
		text += ": those that are copied again are overwritten, the others stay"
	default:
		text += ": only what is missing, or older than on the source, is copied, and nothing is deleted"
		if why := t.altersContents(); why != "" {
			text += fmt.Sprintf("; what is there was made as it was then (%s), so delete %s first if it must change", why, t.destIndex)
		}
	}
	return []string{text}, nil
}

// namedPipeline checks that the pipeline of dest.pipeline will be there.
func (t *task) namedPipeline(ctx context.Context, p providers.Prospect) (*providers.Finding, error) {
	if t.pipeline == "" || t.pipeline == "_none" || p.Pipelines == nil || slices.Contains(p.Pipelines, t.pipeline) {
		return nil, nil
	}
	err := get(ctx, t.dst, "/_ingest/pipeline/"+url.PathEscape(t.pipeline), nil, new(any))
	if errors.Is(err, providers.ErrNotFound) {
		return t.pipelineMissing(), nil
	}
	if serverError(err) != nil { // it may not be asked, so the copy will tell
		return nil, nil
	}
	return nil, err
}

func (t *task) pipelineMissing() *providers.Finding {
	return providers.NewError("pipeline_missing", "dest.pipeline", "Pipeline not found",
		fmt.Sprintf("There is no pipeline %q on %s, so every document would be refused. Declare it with a block ingest_pipeline and write pipeline = ingest_pipeline.NAME.name, or leave pipeline out.", t.pipeline, t.dstName))
}

// finalPipeline finds a final pipeline that would run over the copy: it cannot
// be bypassed.
func (t *task) finalPipeline(ctx context.Context, p providers.Prospect) (*providers.Finding, error) {
	if p.DestinationFresh {
		return nil, nil
	}
	all, err := readSettings(ctx, t.dst, t.destIndex)
	if err != nil {
		return nil, err
	}
	for name, s := range all {
		final := s.at("index.final_pipeline", "_none")
		withheld := slices.ContainsFunc(p.Withheld, func(w providers.PipelineSetting) bool { return w.Setting == "index.final_pipeline" })
		if final == "_none" || final == t.pipeline || withheld {
			continue
		}
		f := &providers.Finding{Severity: providers.SeverityWarning, Code: "final_pipeline", Arg: "dest.index", Summary: "A final pipeline changes the copy",
			Detail: fmt.Sprintf("index.final_pipeline of %s/%s is %q. It runs over every copied document and cannot be bypassed: set it to \"_none\" until the data is in, unless that is what you want.", t.dstName, name, final)}
		err := get(ctx, t.dst, "/_ingest/pipeline/"+url.PathEscape(final), nil, new(any))
		if errors.Is(err, providers.ErrNotFound) {
			f = providers.NewError("final_pipeline_missing", "dest.index", "Destination names a final pipeline that is not there",
				fmt.Sprintf("index.final_pipeline of %s/%s is %q, which does not exist: every document would be refused. Create the pipeline, or set index.final_pipeline to \"_none\".", t.dstName, name, final))
		}
		return f, nil
	}
	return nil, nil
}
