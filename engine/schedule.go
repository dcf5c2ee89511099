package engine

import (
	"slices"

	"github.com/esmig/esmig/providers"
)

// outcome of one step.
type outcome int

const (
	waiting outcome = iota
	started
	succeeded
	failedStep // also: a verification that found a difference
	skipped
)

// schedule knows which steps may start: those whose needs have succeeded, and
// on whose cluster all steps of lower stages have. It costs the same for the
// thousandth step as for the first.
type schedule struct {
	steps  []*Step
	status []outcome
	byKey  map[string]int
	levels map[string]map[int]*level // by cluster, then by level
}

// level is all steps of one stage on one cluster.
type level struct {
	open   int
	failed []providers.Addr
}

func newSchedule(steps []*Step) *schedule {
	s := &schedule{steps: steps, status: make([]outcome, len(steps)), byKey: map[string]int{}, levels: map[string]map[int]*level{}}
	for i, st := range steps {
		s.byKey[st.Key()] = i
		s.level(st).open++
	}
	return s
}

// rank puts deletions after everything else, the last stage first. Forgetting
// touches no cluster and waits for nothing.
func (s *Step) rank() int {
	switch s.Action {
	case Forget:
		return 0
	case Delete:
		return 100 - int(s.Stage)
	default:
		return int(s.Stage)
	}
}

func (s *schedule) level(st *Step) *level {
	byRank := s.levels[st.Cluster]
	if byRank == nil {
		byRank = map[int]*level{}
		s.levels[st.Cluster] = byRank
	}
	l := byRank[st.rank()]
	if l == nil {
		l = &level{}
		byRank[st.rank()] = l
	}
	return l
}

// set records how a step ended.
func (s *schedule) set(i int, o outcome) {
	s.status[i] = o
	l := s.level(s.steps[i])
	switch o {
	case failedStep:
		l.failed = append(l.failed, s.steps[i].Addr)
		l.open--
	case succeeded, skipped:
		l.open--
	}
}

// ready says whether a step may start now, or which steps keep it from ever
// starting.
func (s *schedule) ready(i int) (ok bool, blockers []providers.Addr) {
	st := s.steps[i]
	ok = true
	for _, key := range st.Needs {
		j, here := s.byKey[key]
		switch {
		case !here || s.status[j] == succeeded:
		case s.status[j] == failedStep || s.status[j] == skipped:
			blockers = append(blockers, s.steps[j].Addr)
		default:
			ok = false
		}
	}
	if st.Action != Forget {
		for rank, l := range s.levels[st.Cluster] {
			if rank < st.rank() {
				ok = ok && l.open == 0
				blockers = append(blockers, l.failed...)
			}
		}
	}
	slices.SortFunc(blockers, providers.Addr.Compare)
	return ok && len(blockers) == 0, slices.Compact(blockers)
}
