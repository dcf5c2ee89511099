package engine

import (
	"github.com/esmig/esmig/providers"
)

// Action is what a step does.
type Action string

// All actions. NoOp never becomes a step.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace" // delete an empty object that esmig made, create it anew
	Delete  Action = "delete"
	Adopt   Action = "adopt"   // it is there already and equal: only recorded
	Forget  Action = "forget"  // only the record goes
	Restore Action = "restore" // put back settings that were withheld until the data was in
	Migrate Action = "migrate"
	Resume  Action = "resume" // go on with a migration that was interrupted
	Verify  Action = "verify"
	Repair  Action = "repair" // copy again just what is missing or different
	Retry   Action = "retry"  // send again what the destination has refused
)

// Symbol is the sign that a plan shows.
func (a Action) Symbol() string {
	switch a {
	case Create:
		return "+"
	case Update, Restore:
		return "~"
	case Replace:
		return "±"
	case Delete:
		return "-"
	case Migrate, Resume, Verify, Repair, Retry:
		return "»"
	case Adopt, Forget:
		return "·"
	default:
		return " "
	}
}

// Step is one unit of a plan.
type Step struct {
	Addr   providers.Addr  `json:"address"`
	Stage  providers.Stage `json:"stage"`
	Action Action          `json:"action"`
	// Cluster and ID say where the object is and what it is called there.
	Cluster string `json:"cluster"`
	ID      string `json:"id"`
	// Reason is why, in the user's words: "again, because query changed",
	// "because of drift". Alarm shows it in red.
	Reason string `json:"reason,omitempty"`
	Alarm  bool   `json:"alarm,omitempty"`
	// Restart: what was recorded of the migration is dropped first.
	Restart bool `json:"restart,omitempty"`
	// Retry: once a migration has gone on to its end, the documents that it
	// leaves behind are sent again.
	Retry bool `json:"retry,omitempty"`
	// DeleteExtra: a repair deletes what only the destination has.
	DeleteExtra bool `json:"delete_extra,omitempty"`
	// Notes are lines of information below the step.
	Notes []string `json:"notes,omitempty"`
	// Before and After are what the diff shows; sensitive values are hashed.
	// They must not be sent to a cluster: apply asks the Resource.
	Before providers.JSON `json:"before,omitempty"`
	After  providers.JSON `json:"after,omitempty"`
	// Withheld names the settings that this step leaves out until the data is
	// in; on a Restore step, those that it puts back.
	Withheld []providers.PipelineSetting `json:"withheld,omitempty"`
	// Destinations of a Restore step: living indices made under a template.
	Destinations []string `json:"destinations,omitempty"`
	// Needs are the keys of the steps that must succeed before.
	Needs []string `json:"needs,omitempty"`
	// Fingerprint is the hash of what was observed while planning; "absent"
	// when the object was not there. A step whose object has another one by
	// then fails instead of overwriting what no plan has shown.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Relaxed are paths of settings that a copy has relaxed and will put back,
	// which is no change of the object.
	Relaxed []string `json:"relaxed,omitempty"`
	// Source and Estimate of a migration. Source is "hosted/flights".
	Source   string              `json:"source,omitempty"`
	Estimate *providers.Estimate `json:"estimate,omitempty"`
}

// Key tells a block's steps apart: the restoring step is a second one.
func (s *Step) Key() string {
	if s.Action == Restore {
		return s.Addr.String() + "#restore"
	}
	return s.Addr.String()
}

// Plan is what would happen, whole: printed for people, as JSON, and kept in a
// plan file. It holds no secret.
type Plan struct {
	FormatVersion int    `json:"format_version"`
	ConfigHash    string `json:"config_hash"`
	Lineage       string `json:"lineage"`
	Serial        uint64 `json:"serial"`
	// Salt of the hashes in this plan: a state that was never written has none
	// of its own yet.
	Salt string `json:"salt"`
	// Clusters that the plan talks to, sorted by name.
	Clusters []PlanCluster `json:"clusters"`
	// Drift are objects that were changed behind esmig's back since the last
	// apply: Before is what the last apply left, After what is there now. They
	// are for showing; what is done about it stands in Steps.
	Drift []*Step `json:"drift,omitempty"`
	// Steps in the order in which they are shown and, as far as Needs allows
	// only that, run.
	Steps []*Step `json:"steps"`
	// Information about objects that need no step ("4 fields were added by
	// documents", "12 documents are newer on the source").
	Information []Information `json:"information,omitempty"`
	Diagnostics []Diagnostic  `json:"diagnostics,omitempty"`
	// Partial: -target left something out.
	Partial bool `json:"partial,omitempty"`
	Destroy bool `json:"destroy,omitempty"`
	// SecretHashes of sensitive variables, salted: apply FILE compares them.
	SecretHashes map[string]string `json:"secret_hashes,omitempty"`
	// Variables that are not sensitive and got a value from outside.
	Variables map[string]providers.JSON `json:"variables,omitempty"`
	// Outputs as in Summary.
	Outputs map[string]providers.JSON `json:"outputs,omitempty"`

	again Action // of esmig verify and repair: see ApplyStarted
}

// PlanCluster is one cluster of a plan.
type PlanCluster struct {
	Name     string         `json:"name"`
	Info     providers.Info `json:"info"`
	Endpoint string         `json:"endpoint"`
	// ReadOnly: only ever a source.
	ReadOnly bool `json:"read_only"`
	// Insecure: certificates are not checked.
	Insecure bool `json:"insecure,omitempty"`
}

// Information is a quiet line about an object.
type Information struct {
	Addr providers.Addr `json:"address"`
	Text string         `json:"text"`
}

// Empty says that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Failed says that the plan may not be applied.
func (p *Plan) Failed() bool {
	for _, d := range p.Diagnostics {
		if d.Severity == providers.SeverityError {
			return true
		}
	}
	return false
}
