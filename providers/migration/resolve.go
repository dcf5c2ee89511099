package migration

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
)

func itoa(n int) string { return strconv.Itoa(n) }

// sourceIndex is one concrete index of the source, with what of it never
// changes while a migration is under way. It stands in the journal.
type sourceIndex struct {
	Name   string `json:"name"`
	Shards int    `json:"shards"`
	// SeqNo: _seq_no can be queried, so there are checkpoints and ranges.
	SeqNo bool `json:"seq_no"`
	// Synthetic: _source is made up from the fields, so it is not what was
	// sent.
	Synthetic bool `json:"synthetic,omitempty"`
	// Slow: each query on _seq_no walks the whole shard (DOC_VALUES_ONLY).
	Slow bool `json:"slow,omitempty"`
	// ByHand: refresh_interval is -1, so what was written may stay invisible.
	ByHand bool `json:"by_hand,omitempty"`
	// Packed: the codec unpacks a block for each stored field that is read by
	// itself, which makes _id dear inside the cluster.
	Packed bool `json:"packed,omitempty"`
	// Checkpoints are, per shard, the highest visible _seq_no at the start
	// (-1: an empty shard), Visible the documents seen with it.
	Checkpoints []int64 `json:"checkpoints,omitempty"`
	Visible     []int64 `json:"visible,omitempty"`
	// Written is, where there are no checkpoints, the highest _seq_no of each
	// shard that _stats told at the start: it says that the index was written
	// to, not what. Empty: that may not be asked.
	Written []int64 `json:"written,omitempty"`
	// Why says why the ranges are not, or not as usual, of _seq_no.
	Why       string `json:"why,omitempty"`
	Documents int64  `json:"documents"` // that match, at the start
	Bytes     int64  `json:"bytes"`     // of their sources, from a sample
	Size      int    `json:"size"`      // documents per batch
	Ranges    []span `json:"ranges"`
	// Filter of the aliases that were named, to be added to the query.
	Filter any `json:"filter,omitempty"`
	Window int `json:"window,omitempty"` // max_result_window
}

// span is a range of _seq_no, both ends belong to it, or of a field, or both.
// To -1: open above; From 0 and To -1: any, without asking for _seq_no.
type span struct {
	From      int64      `json:"from"`
	To        int64      `json:"to"`
	By        fieldRange `json:"by,omitzero"`
	Documents int64      `json:"documents"`
	// IDs: these documents and no others.
	IDs []string `json:"ids,omitempty"`
}

func (s span) query() any {
	switch bySeqNo := s.From > 0 || s.To >= 0; {
	case len(s.IDs) > 0:
		return object{"ids": object{"values": s.IDs}}
	case s.By.Field == "" && !bySeqNo:
		return nil
	case s.By.Field == "":
		return seqNo(s.From, s.To)
	case !bySeqNo:
		return s.By.query()
	}
	return all(seqNo(s.From, s.To), s.By.query())
}

// by is what the ranges are of; empty: there is but one.
func (x *sourceIndex) by() string {
	if len(x.Ranges) < 2 {
		return ""
	}
	return cmp.Or(x.Ranges[0].By.Field, "_seq_no")
}

func (x *sourceIndex) because(why string) { x.Why = strings.TrimPrefix(x.Why+", and "+why, ", and ") }

// noSeqNo: _seq_no turned out to be of no use.
func (x *sourceIndex) noSeqNo(why string) {
	x.SeqNo, x.Checkpoints, x.Visible = false, nil, nil
	x.because(why)
}

// settings of one index, flat.
type settings struct {
	Settings map[string]any `json:"settings"`
	Defaults map[string]any `json:"defaults"`
}

func (s settings) at(key, otherwise string) string {
	if v, ok := s.Settings[key].(string); ok {
		return v
	}
	v, _ := s.Defaults[key].(string)
	return cmp.Or(v, otherwise)
}

func (s settings) synthetic() bool {
	switch s.at("index.mapping.source.mode", "") {
	case "synthetic":
		return true
	case "stored":
		return false
	}
	mode := s.at("index.mode", "")
	return mode == "logsdb" || mode == "time_series"
}

// slow goes by the mode where the setting is not shown, as on Serverless.
func (s settings) slow() bool {
	byMode := ""
	if mode := s.at("index.mode", ""); mode == "logsdb" || mode == "time_series" {
		byMode = "DOC_VALUES_ONLY"
	}
	return s.at("index.seq_no.index_options", byMode) == "DOC_VALUES_ONLY"
}

// packed: measured on 9.4.3, small documents, 9,000 _id a second from
// best_compression and 190,000 from the default (LZ4); read in sequence, as
// pages of a search are, both are fast.
func (s settings) packed() bool {
	codec := s.at("index.codec", "default")
	return strings.HasPrefix(codec, "best_compression") || strings.HasPrefix(codec, "zstd") || strings.HasPrefix(codec, "zlib") || strings.HasPrefix(codec, "qat_")
}

// readSettings gives the settings of all concrete indices behind a name. A
// pattern finds closed ones, too, as a name and an alias do: they cannot be
// read, and must not be left out without a word.
func readSettings(ctx context.Context, c providers.Cluster, index string) (map[string]settings, error) {
	q := url.Values{"flat_settings": {"true"}, "include_defaults": {"true"}}
	if strings.Contains(index, "*") {
		q.Set("expand_wildcards", "open,closed")
	}
	var out map[string]settings
	return out, get(ctx, c, "/"+url.PathEscape(index)+"/_settings", q, &out)
}

// resolve finds the concrete indices behind what the user named, sorted.
// _settings is the one call that does it on every version and says what must
// be known of each at the same time.
func (t *task) resolve(ctx context.Context) ([]*sourceIndex, error) {
	settings, err := readSettings(ctx, t.src, t.index)
	if err != nil {
		return nil, err
	}
	filters, hidden, err := t.aliasFilters(ctx, settings)
	if err != nil {
		return nil, err
	}
	var out []*sourceIndex
	for name, s := range settings {
		if hidden[name] {
			continue
		}
		x := &sourceIndex{Name: name, SeqNo: s.at("index.disable_sequence_numbers", "false") != "true",
			Slow: s.slow(), ByHand: s.at("index.refresh_interval", "") == "-1", Synthetic: s.synthetic(), Packed: s.packed(), Filter: filters[name]}
		x.Window, _ = strconv.Atoi(s.at("index.max_result_window", "10000"))
		switch {
		case !x.SeqNo:
			x.Why = "sequence numbers are off (index.disable_sequence_numbers)"
		case x.Slow:
			x.Why = "sequence numbers are not indexed (index.seq_no.index_options)"
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *sourceIndex) int { return cmp.Compare(a.Name, b.Name) })
	if len(out) == 0 {
		return nil, &providers.Finding{Severity: providers.SeverityError, Code: "source_missing", Arg: "source.index",
			Summary: "Source index not found", Detail: "No index on " + t.srcName + " matches " + t.index + ".", Err: providers.ErrNotFound}
	}
	return out, nil
}

// selection is what a migration takes of one index, without its ranges.
func (t *task) selection(x *sourceIndex, more ...any) object {
	return all(append([]any{t.query, x.Filter}, more...)...)
}

// destination is what the destination is right now.
type destination struct {
	Exists bool
	Stream bool   // a data stream, or a name that becomes one with its first document
	Alias  bool   // of one or several indices
	Match  string // template that would make it
	// Write is the index that takes what is written to an alias, if that can be
	// told.
	Write string
	// Names are the concrete indices behind it; of a stream in order, the
	// last one is written to.
	Names []string
}

// rolls: what is written may come into another index from one moment to the
// next, where the ids of the former ones are not known.
func (d destination) rolls() bool { return d.Stream || d.Alias }

// lookAtDestination also says what a name that is not there yet will become:
// _resolve works where the _data_stream API is missing.
func (t *task) lookAtDestination(ctx context.Context) (destination, error) {
	var r struct {
		Indices     []struct{ Name string }      `json:"indices"`
		Aliases     []struct{ Indices []string } `json:"aliases"`
		DataStreams []struct {
			Backing []string `json:"backing_indices"`
		} `json:"data_streams"`
	}
	var d destination
	info, err := t.dst.Info(ctx)
	if err != nil {
		return d, err
	}
	if info.Flavor == providers.Elasticsearch && !atLeast(info.Version, 7, 9) { // before _resolve
		var found map[string]settings
		found, err = readSettings(ctx, t.dst, t.destIndex)
		for name := range found {
			d.Exists, d.Names, d.Alias = true, append(d.Names, name), name != t.destIndex
		}
	} else {
		err = get(ctx, t.dst, "/_resolve/index/"+url.PathEscape(t.destIndex), nil, &r)
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return d, err
	}
	for _, i := range r.Indices {
		d.Exists, d.Names = true, append(d.Names, i.Name)
	}
	for _, a := range r.Aliases {
		d.Exists, d.Alias, d.Names = true, true, append(d.Names, a.Indices...)
	}
	for _, s := range r.DataStreams {
		d.Exists, d.Stream, d.Names = true, true, s.Backing
	}
	if d.Exists {
		return d, t.findWriteIndex(ctx, &d)
	}
	return d, t.matchTemplate(ctx, &d)
}

func (t *task) findWriteIndex(ctx context.Context, d *destination) error {
	if !d.Alias || len(d.Names) == 0 {
		return nil
	}
	if len(d.Names) == 1 {
		d.Write = d.Names[0]
		return nil
	}
	var all map[string]struct {
		Aliases map[string]struct {
			Writes bool `json:"is_write_index"`
		} `json:"aliases"`
	}
	err := get(ctx, t.dst, "/_alias/"+url.PathEscape(t.destIndex), nil, &all)
	for index, a := range all {
		if a.Aliases[t.destIndex].Writes {
			d.Write = index
		}
	}
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, providers.ErrDenied) {
		return nil
	}
	return err
}

func (t *task) matchTemplate(ctx context.Context, d *destination) error {
	var composable struct {
		Templates []struct {
			Name string `json:"name"`
			Body struct {
				Patterns []string       `json:"index_patterns"`
				Priority int64          `json:"priority"`
				Stream   map[string]any `json:"data_stream"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	missing := func(err error) bool {
		return errors.Is(err, providers.ErrNotFound) || errors.Is(err, providers.ErrDenied) || notImplemented(err) || badRequest(err)
	}
	if err := get(ctx, t.dst, "/_index_template", nil, &composable); err != nil && !missing(err) {
		return err
	}
	best := int64(-1)
	for _, c := range composable.Templates {
		for _, p := range c.Body.Patterns {
			if matches(p, t.destIndex) && c.Body.Priority > best {
				best, d.Match, d.Stream = c.Body.Priority, c.Name, c.Body.Stream != nil
			}
		}
	}
	if best >= 0 {
		return nil
	}
	var legacy map[string]struct {
		Patterns []string `json:"index_patterns"`
	}
	if err := get(ctx, t.dst, "/_template", nil, &legacy); err != nil {
		if missing(err) {
			return nil
		}
		return err
	}
	for name, l := range legacy {
		for _, p := range l.Patterns {
			if matches(p, t.destIndex) && p != "*" { // "*" gives an index no mapping of its own worth the name
				d.Match = name
			}
		}
	}
	return nil
}

// createOnly says whether documents are only ever created.
func (t *task) createOnly(d destination) bool {
	return d.Stream || t.opType == "create" || t.existing == "keep"
}
