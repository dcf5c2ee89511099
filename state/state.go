package state

import (
	"encoding/json"

	"github.com/esmig/esmig/providers"
)

// Format is the version of the state file that this esmig writes. A newer one
// is refused; an older one is upgraded when read.
const Format = 1

// State is what esmig knows of its last apply: one JSON file, for people to
// read in a diff. It holds no secret.
type State struct {
	Format  int    `json:"format"`
	Lineage string `json:"lineage"` // random, made with the state, never changed
	Serial  uint64 `json:"serial"`  // raised by every write
	Writer  string `json:"writer"`  // "esmig 0.1.0"
	// Salt goes into the hashes that stand in for sensitive values.
	Salt     string             `json:"salt"`
	Clusters map[string]Cluster `json:"clusters"`
	Objects  []Object           `json:"objects"` // sorted by address
}

// Cluster is the cluster that the state was applied to: another one that
// answers under the same name is refused.
type Cluster struct {
	UUID     string `json:"uuid"`
	Endpoint string `json:"endpoint"`
	Version  string `json:"version"`
}

// Phase of a task.
type Phase string

// Running: begun, the journal holds what is done. Copied: all documents are
// there, not verified (or verification found something). Verified: done.
const (
	PhaseRunning  Phase = "running"
	PhaseCopied   Phase = "copied"
	PhaseVerified Phase = "verified"
)

// Object is one block's object as it was after the last apply.
type Object struct {
	Addr    providers.Addr `json:"address"`
	Cluster string         `json:"cluster"`
	ID      string         `json:"id"` // name on the cluster
	// Owned: esmig made it, so esmig may delete it. Adopted objects are not.
	Owned bool `json:"owned"`
	// Protected: deletion_protection as declared last.
	Protected bool             `json:"protected,omitempty"`
	Declared  providers.JSON   `json:"declared"`
	Observed  providers.JSON   `json:"observed,omitempty"`
	Withheld  []string         `json:"withheld,omitempty"` // settings that wait for the data
	DependsOn []providers.Addr `json:"depends_on,omitempty"`
	Phase     Phase            `json:"phase,omitempty"` // tasks only
	Task      providers.JSON   `json:"task,omitempty"`  // tasks only: the sum of what was done
	Verified  providers.JSON   `json:"verified,omitempty"`
	// Pending is written before a step's first request and gone with its
	// result: what is there after a kill may have been carried out.
	Pending *Pending `json:"pending,omitempty"`
}

// Pending is a step that was begun.
type Pending struct {
	Action string `json:"action"`
	Since  string `json:"since"` // RFC 3339
}

// Find returns the object at an address, nil if there is none.
func (s *State) Find(a providers.Addr) *Object {
	for i := range s.Objects {
		if s.Objects[i].Addr == a {
			return &s.Objects[i]
		}
	}
	return nil
}

// Put adds or replaces an object, keeping the order.
func (s *State) Put(o Object) {
	for i := range s.Objects {
		switch c := s.Objects[i].Addr.Compare(o.Addr); {
		case c == 0:
			s.Objects[i] = o
			return
		case c > 0:
			s.Objects = append(s.Objects[:i], append([]Object{o}, s.Objects[i:]...)...)
			return
		}
	}
	s.Objects = append(s.Objects, o)
}

// Remove forgets an object; without it nothing happens.
func (s *State) Remove(a providers.Addr) {
	for i := range s.Objects {
		if s.Objects[i].Addr == a {
			s.Objects = append(s.Objects[:i], s.Objects[i+1:]...)
			return
		}
	}
}

// Clone is a deep copy.
func (s *State) Clone() *State {
	b, err := json.Marshal(s)
	if err != nil {
		panic("state: not JSON: " + err.Error()) // raw messages were read as JSON
	}
	var c State
	if err := json.Unmarshal(b, &c); err != nil {
		panic("state: " + err.Error())
	}
	return &c
}
