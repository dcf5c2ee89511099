package providers

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/zclconf/go-cty/cty"
)

// JSON is a body as it travels: raw, so that no field is lost that esmig does
// not know.
type JSON = json.RawMessage

// Stage orders steps on one target cluster.
type Stage int

// The stages in the order that the data demands (design.md).
const (
	StageLifecycle Stage = iota + 1
	StageTemplates
	StageContainers
	StageData
	StagePipelines
	StageCutover
	StageKibana
)

var stageNames = [...]string{"", "lifecycle", "templates", "containers", "data", "pipelines", "cutover", "kibana"}

func (s Stage) String() string { return stageNames[s] }

// MarshalText writes the stage's name.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the stage's name.
func (s *Stage) UnmarshalText(b []byte) error {
	for i, n := range stageNames {
		if i > 0 && n == string(b) {
			*s = Stage(i)
			return nil
		}
	}
	return NewError("bad_stage", "", "Unknown stage", "there is no stage "+string(b))
}

// Kind is one kind of block, whole: what a user may write, what it does, and
// its reference page come from this one entry.
//
// To add a kind: write one file with a var of this type, whose Resource is in
// most cases a few lines over the generic REST resource; add it to
// providers/all; add an example folder; run the suite of providers/providertest
// on it, which needs a table row. Validation, diagnostics, references, docs,
// plan, drift and state come for free.
type Kind struct {
	Name  string // "index_template"
	Doc   string // one or two sentences for the reference page
	Stage Stage
	// Namespace is shared by kinds whose objects may not have the same name on
	// one cluster: indices, data streams and aliases. Empty: the kind's own.
	Namespace string
	// StageOf moves one block to another stage (a pipeline with when =
	// "before_data"). Nil: always Stage. args is unmarked.
	StageOf func(args cty.Value) Stage
	Attrs   []Attr
	Blocks  []Nested
	Example string // HCL, complete, used on the reference page and parsed by a test

	// Exactly one of the two is set. Both are called without a connection
	// being used, also while validating: they check what can be checked
	// offline and return a *Finding (or errors.Join of several).
	Resource func(Instance) (Resource, error)
	Task     func(Instance) (Task, error)
}

// Attr is one argument.
type Attr struct {
	Name     string
	Type     cty.Type // cty.DynamicPseudoType for bodies, ClusterType for clusters
	Required bool
	// Sensitive values are never shown even if the user's expression is not
	// marked sensitive.
	Sensitive bool
	// FromLabel: when absent the block's label is the value. With for_each the
	// argument is required.
	FromLabel bool
	// ClusterRole, "source" or "target": when absent, the cluster that the
	// esmig block names for that role. Without either it is an error.
	ClusterRole string
	Default     cty.Value // used when the argument is absent or null; cty.NilVal: stays null
	OneOf       []string  // allowed values of a string
	Doc         string
	Example     string // HCL expression for the reference page
}

// Nested is a block inside a block ("source" in a migration); at most one of
// each.
type Nested struct {
	Name     string
	Doc      string
	Required bool
	Attrs    []Attr
}

// Arguments that most kinds share.
var (
	TargetAttr = Attr{Name: "cluster", Type: ClusterType, ClusterRole: "target",
		Doc: "The cluster that gets the object; by default the one that `esmig { target }` names.", Example: "cluster.target"}
	NameAttr = Attr{Name: "name", Type: cty.String, FromLabel: true,
		Doc: "Name on the cluster; by default the block's label.", Example: `"orders"`}
)

// Instance is one block as a kind sees it.
type Instance struct {
	Addr Addr
	// Args is an object with one attribute per Attr and one per Nested (null
	// when absent), defaults filled in, unmarked. For an object whose block is
	// gone only the cluster and the name are set and Stored holds what was
	// declared last.
	Args     cty.Value
	Stored   JSON
	Clusters map[string]Cluster
}

// Cluster is the connection that an argument of ClusterType names.
func (in Instance) Cluster(v cty.Value) Cluster { return in.Clusters[ClusterName(v)] }

// Resource is an object that is made with one repeatable request: a template,
// a policy, an index. All methods may be called at any time and in any order;
// none is called concurrently with another of the same Resource.
type Resource interface {
	// Cluster is where the object lives, ID its name there.
	Cluster() Cluster
	ID() string
	// Declared is what the files say, in the canonical form of the kind (see
	// Canonical): the form in which Read answers too.
	Declared() JSON
	// Read returns what the server holds, in the canonical form and without
	// volatile leaves (dates, versions of the server's own). Missing: wraps
	// ErrNotFound.
	Read(ctx context.Context) (JSON, error)
	// Write makes the object as declared. Repeating it does no harm.
	Write(ctx context.Context, w Write) error
	// Delete removes it. Missing already is no error.
	Delete(ctx context.Context) error
}

// Write is what a Resource may want to know besides what is declared.
type Write struct {
	// Now is what Read answers now, nil if the object is not there.
	Now JSON
	// Last is what Read answered after the last apply, nil at the first: a
	// leaf that nobody declared and that differs from it goes back to it.
	Last JSON
	// Before is what was declared at the last apply, nil at the first: what
	// stands there and is not declared any more goes.
	Before JSON
	// Keep are the paths of lifecycle.ignore_changes: these leaves stay as Now
	// has them (see KeepPaths).
	Keep []string
	// Withhold leaves out the settings that Withholder.Held names.
	Withhold []string
}

// Container is a Resource that holds documents: it is not deleted or replaced
// without looking.
type Container interface {
	Resource
	// Documents counts what is in it now; a missing container holds none.
	Documents(ctx context.Context) (int64, error)
	// InPlace lists, in the user's words, the changes between the declared
	// bodies that the server cannot make on the living object; none: it can.
	InPlace(before, after JSON) []string
}

// Withholder is a Resource whose settings may name pipelines that must not run
// while documents are copied.
type Withholder interface {
	Resource
	// Held lists the pipeline settings in what is declared.
	Held() []PipelineSetting
	// Covers says whether documents written to the named index or data stream
	// of the same cluster come under these settings.
	Covers(index string) bool
	// Restore puts the withheld settings back on the object itself and on the
	// named, living destinations that were made under it.
	Restore(ctx context.Context, destinations []string) error
}

// PipelineSetting is one use of a pipeline by a setting.
type PipelineSetting struct {
	Setting  string // "index.default_pipeline"
	Pipeline string // name on the cluster
}

// Volatile is a Resource on which the server itself changes declared leaves
// (an index under ILM). Both bodies are canonical.
type Volatile interface {
	Resource
	// Settle returns now with those leaves set back to last that the server
	// may change by itself, and a line for each reason ("4 fields were added
	// by documents").
	Settle(ctx context.Context, last, now JSON) (JSON, []string, error)
}

// Task is work of many units that is recorded in a journal: a migration.
type Task interface {
	Source() (cluster Cluster, index string)
	Destination() (cluster Cluster, index string)
	// Pipeline is the one that the copy runs through on purpose, or empty.
	Pipeline() string
	// Declared is what the files say.
	Declared() JSON
	// Changed compares with what was declared when the task ran.
	Changed(before JSON) TaskChange
	// Observe looks, with reads only, at what became of a finished task.
	Observe(ctx context.Context, done JSON) (Observation, error)
	// Estimate looks, with reads only, at what Run would do; findings are part
	// of it. An error means that it could not look.
	Estimate(ctx context.Context, p Prospect) (Estimate, error)
	// Run copies. Called again with the same journal it goes on where it
	// stopped. The JSON is the sum to keep once the step is done.
	Run(ctx context.Context, j Journal) (Result, JSON, error)
	// Verify compares source and destination; a difference is in the result
	// and the error wraps ErrVerify.
	Verify(ctx context.Context, j Journal, done JSON) (Verification, error)
}

// Sharer is a Task that is verified together with the others that write into
// its destination.
type Sharer interface {
	Task
	// Share tells, before Run, Verify or Repair, of all others with the same
	// destination. Without it the destination is taken to be the task's own.
	Share(peers []Peer)
}

// Peer is another task that writes into the same destination.
type Peer struct {
	Task Task
	Done JSON // the sum of its finished run; nil: it is not finished
}

// Relaxer is a Task that relaxes settings of its destination while it copies:
// an index that is only filled needs neither replicas nor to be searched. It
// puts them back before Run ends well.
type Relaxer interface {
	Task
	// Own tells, before Run, that esmig made the destination. Without it only
	// what the task itself makes is relaxed.
	Own()
	// Declare tells, before Run and Release, what the files say of a container of the
	// destination, in its canonical form: what is declared as it is relaxed is
	// not put back to what it was before.
	Declare(container string, declared JSON)
	// Relaxed lists the settings that are relaxed now, by the journal
	// ("index.refresh_interval"); none once they are put back.
	Relaxed(j Journal) ([]string, error)
	// Release ends a copy that is given up, or begun again: its tasks on servers
	// are cancelled and the settings put back. For this and Relaxed the Task may
	// be made of the clusters and indices alone that were declared at the time.
	Release(ctx context.Context, j Journal) error
}

// Repairer is a Task that can mend what its verification finds.
type Repairer interface {
	Task
	// Repair compares all documents, copies those again that are missing or
	// different, and verifies once more: the Verification is the one after,
	// and what is still different is in the error, as with Verify. Documents
	// that only the destination has stay, unless deleteExtra. Beside any other
	// error stands what was written until then, and what was found last.
	Repair(ctx context.Context, j Journal, done JSON, deleteExtra bool) (Repaired, Verification, error)
}

// Repaired is what a repair wrote.
type Repaired struct {
	Created int64 `json:"created"` // were missing
	Updated int64 `json:"updated"` // were different
	Deleted int64 `json:"deleted"` // were on the destination only
	Failed  int64 `json:"failed"`  // refused, or changed by somebody else meanwhile
}

// String is "2 missing copied, 1 not repaired"; empty: there was nothing to do.
func (r Repaired) String() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		text string
	}{{r.Created, "missing copied"}, {r.Updated, "different copied"}, {r.Deleted, "extra deleted"}, {r.Failed, "not repaired"}} {
		if p.n > 0 {
			parts = append(parts, humanize.Comma(p.n)+" "+p.text)
		}
	}
	return strings.Join(parts, ", ")
}

// Leaver is a Task that leaves something for a person to do.
type Leaver interface {
	Task
	// Left says, with reads only, what is left to do once the documents are in:
	// each text is sentences, and perhaps indented lines to paste. Tasks between
	// the same two clusters say the same.
	Left(ctx context.Context) []string
}

// Retrier is a Task that may end well although the destination has refused some
// documents, and can send these again.
type Retrier interface {
	Task
	// Retry sends those again that the sum of a finished run leaves behind,
	// after what they were refused for is mended. The Result is of these alone,
	// the JSON is the sum to keep from now on. A sum beside an error: it is
	// done, and more is refused than the files allow.
	Retry(ctx context.Context, j Journal, done JSON) (Result, JSON, error)
}

// Steerable is a Task that can be looked at and steered while it runs, also by
// another process than the one that runs it.
type Steerable interface {
	Task
	// Status tells how far it is, from its journal and from the servers, with
	// reads only. After an error it holds what the journal alone says.
	Status(ctx context.Context, j Journal) (Status, error)
	// Throttle sends a speed to the tasks that run on servers: documents per
	// second over all of them together; 0: as declared. It returns how many
	// took it.
	Throttle(ctx context.Context, j Journal, perSecond float64) (int, error)
	// Cancel ends the tasks that run on servers and records that, so that the
	// next Run begins their ranges again. It returns how many it ended.
	Cancel(ctx context.Context, j Journal) (int, error)
}

// Status is how far a task is.
type Status struct {
	Done   int64 `json:"done"`  // documents
	Total  int64 `json:"total"` // 0: not known yet
	Ranges int   `json:"ranges"`
	// A range is done, or runs in a server's task, or was begun and has none
	// (a stream's, or one whose task is lost), or is still open.
	RangesDone    int          `json:"ranges_done"`
	RangesRunning int          `json:"ranges_running"`
	RangesBegun   int          `json:"ranges_begun"`
	RangesOpen    int          `json:"ranges_open"`
	Refused       int64        `json:"refused,omitempty"` // documents that the destination did not take
	PerSecond     float64      `json:"per_second"`        // documents, of the running tasks; the engine adds Passing
	Tasks         []ServerTask `json:"tasks"`
	// Passing is what ranges that were begun and pass through esmig bring in a
	// second, if an apply is at it: as much as those did that are done.
	Passing float64 `json:"-"`
	// Compared pieces, of both sides, are what a full verification of many
	// documents has added up so far.
	Compared int `json:"pieces_compared,omitempty"`
}

// ServerTask is a range that a server copies by itself.
type ServerTask struct {
	ID                string  `json:"id"`
	Range             string  `json:"range"`
	Index             string  `json:"index"` // of the source
	Done              int64   `json:"done"`
	Total             int64   `json:"total"`
	RequestsPerSecond float64 `json:"requests_per_second"` // 0: as fast as it can
	Seconds           float64 `json:"seconds"`             // that it runs
}

// TaskChange says what a changed declaration means for a finished task.
type TaskChange struct {
	Copy   []string // arguments that change what is copied: "query"
	Verify bool     // only how it is verified
}

// Observation is what became of a finished task.
type Observation struct {
	DestinationMissing bool
	// Gone is how many fewer documents the destination holds than were made
	// there. It lives on, so that may be meant.
	Gone          int64
	NewerOnSource int64 // documents that arrived after the copy
}

// Prospect is what the engine knows of a task's surroundings while planning.
type Prospect struct {
	// DestinationDeclared: a block makes the destination, or a declared
	// template matches it.
	DestinationDeclared bool
	// DestinationFresh: this plan makes (or replaces) it, so it is empty.
	DestinationFresh bool
	// Others is how many documents other migrations are known to have copied
	// there, or to copy in the same apply (then -1: do not count).
	Others int64
	// Withheld are the pipeline settings that this plan keeps off the
	// destination while the copy runs.
	Withheld []PipelineSetting
	// Pipelines are the ingest pipelines that blocks make, or keep, on the
	// destination's cluster before the copy; nil: not known.
	Pipelines []string
	// Resume is set when the task is half done: what the journal holds.
	Resume Journal
	// Done is the sum of a former, finished run; nil without.
	Done JSON
}

// Estimate is what a plan says of a task.
type Estimate struct {
	Method      string  `json:"method"` // reindex, stream
	Why         string  `json:"why"`    // "target can reach hosted"
	Documents   int64   `json:"documents"`
	Bytes       int64   `json:"bytes"` // primary store on the source; 0: unknown
	Shards      int     `json:"shards"`
	Ranges      int     `json:"ranges"`
	RangeBy     string  `json:"range_by,omitempty"` // "_seq_no", "@timestamp and _seq_no"; empty: no ranges
	Concurrency int     `json:"concurrency"`
	Seconds     float64 `json:"seconds"` // rough; 0: unknown
	// SourceRequests and DestRequests are about how many requests copy and
	// comparison make on each side, a batch that a reindex reads or writes
	// counted as one; 0: unknown.
	SourceRequests int64    `json:"source_requests,omitempty"`
	DestRequests   int64    `json:"dest_requests,omitempty"`
	DiskNeed       int64    `json:"disk_need"`
	DiskFree       int64    `json:"disk_free"` // 0: unknown
	Verify         string   `json:"verify"`
	Notes          []string `json:"notes,omitempty"`
	Done           int64    `json:"done,omitempty"` // documents already copied, when resuming

	Findings []*Finding `json:"-"`
}

// Result is the closed account of a copy: Read equals the sum of the others.
type Result struct {
	Read      int64 `json:"read"`
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Noops     int64 `json:"noops"`
	Conflicts int64 `json:"conflicts"` // were there already, explained
	Failed    int64 `json:"failed"`
	// Refused says why documents failed. All of a copy that ended well are in
	// it.
	Refused []Refusal `json:"refused,omitempty"`
}

// Verification is what a comparison found.
type Verification struct {
	Method      string       `json:"method"` // count, sample, full
	Source      int64        `json:"source"` // without those that are newer
	Destination int64        `json:"destination"`
	Compared    int64        `json:"compared"` // documents whose contents were compared
	Identical   int64        `json:"identical"`
	Missing     int64        `json:"missing"`
	Different   int64        `json:"different"`
	Extra       int64        `json:"extra"`
	Unopened    int64        `json:"unopened,omitempty"` // not looked at, because too much differs
	Refused     int64        `json:"refused,omitempty"`  // known to be missing, or there as they were before
	Newer       int64        `json:"newer_on_source,omitempty"`
	Deleted     int64        `json:"deleted_on_source,omitempty"` // on the destination still
	Examples    []Difference `json:"examples,omitempty"`
	Notes       []string     `json:"notes,omitempty"` // "contents were not compared, because …"
}

// Same says whether nothing was found that differs, and nothing that may differ
// was left unopened.
func (v Verification) Same() bool {
	return v.Missing == 0 && v.Different == 0 && v.Extra == 0 && v.Unopened == 0
}

// Difference is one document that is not the same on both sides.
type Difference struct {
	What string `json:"what"` // missing, different, extra
	ID   string `json:"id"`
	Path string `json:"path,omitempty"` // leaf that differs
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}
