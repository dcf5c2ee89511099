package state

import (
	"fmt"
	"maps"
	"slices"

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
	// Folded is the Store's own: the journal's records of these addresses that
	// were written before the given serial are in the state already and count
	// no more. It bridges a crash between writing the state and clearing the
	// journal, and is emptied by the write after that.
	Folded map[providers.Addr]uint64 `json:"folded,omitempty"`
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
	// Refused are documents that a migration leaves behind, by cause.
	Refused []providers.Refusal `json:"refused,omitempty"`
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

// Move gives an object a new address and mends what depends on it. The kind
// cannot change. An object whose step was begun stays where it is, because its
// journal goes by its address.
func (s *State) Move(from, to providers.Addr) error {
	o := s.Find(from)
	switch {
	case o == nil:
		return fmt.Errorf("the state holds no %s", from)
	case from == to:
		return fmt.Errorf("%s cannot be moved to itself", from)
	case from.Kind != to.Kind:
		return fmt.Errorf("%s cannot be moved to %s: it would become another kind", from, to)
	case s.Find(to) != nil:
		return fmt.Errorf("%s cannot be moved: the state holds a %s already", from, to)
	case o.Pending != nil || o.Phase == PhaseRunning:
		return fmt.Errorf("%s cannot be moved: a step of it was begun and is not done; run \"esmig apply\" first", from)
	}
	moved := *o
	moved.Addr = to
	s.Remove(from)
	s.Put(moved)
	for i := range s.Objects {
		for j, d := range s.Objects[i].DependsOn {
			if d == from {
				s.Objects[i].DependsOn[j] = to
			}
		}
	}
	return nil
}

// Clone is a deep copy.
func (s *State) Clone() *State {
	c := *s
	c.Clusters = maps.Clone(s.Clusters)
	c.Folded = maps.Clone(s.Folded)
	c.Objects = slices.Clone(s.Objects)
	for i := range c.Objects {
		o := &c.Objects[i]
		for _, j := range o.bodies() {
			*j = slices.Clone(*j)
		}
		o.Withheld = slices.Clone(o.Withheld)
		o.DependsOn = slices.Clone(o.DependsOn)
		o.Refused = slices.Clone(o.Refused)
		if o.Pending != nil {
			p := *o.Pending
			o.Pending = &p
		}
	}
	return &c
}

// bodies are all fields of raw JSON.
func (o *Object) bodies() []*providers.JSON {
	return []*providers.JSON{&o.Declared, &o.Observed, &o.Task, &o.Verified}
}
