package migration

import (
	"context"
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/esmig/esmig/providers"
)

// gate lets a number of requests through at the same time: fewer after the
// destination has rejected some, more again when it takes them.
type gate struct {
	pass chan struct{}

	mu     sync.Mutex
	open   int // how many may be under way
	owed   int // passes to be kept back when they return
	well   int // requests that went well since the last change
	shrunk time.Time
}

// newGate lets n through at first and never more than most.
func newGate(n, most int) *gate {
	g := &gate{pass: make(chan struct{}, most), open: n}
	for range n {
		g.pass <- struct{}{}
	}
	return g
}

func (g *gate) enter(ctx context.Context) error {
	select {
	case <-g.pass:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.owed > 0 {
		g.owed--
		return
	}
	g.pass <- struct{}{}
}

// rejected halves what may be under way, once for all requests that were
// together on the way when the destination was full.
func (g *gate) rejected(sent time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.well = 0
	if sent.Before(g.shrunk) {
		return
	}
	g.shrunk = time.Now()
	g.narrow(g.open - max(1, g.open/2))
}

// narrow lets n fewer through. g.mu is held.
func (g *gate) narrow(n int) {
	g.owed += n
	g.open -= n
	for g.owed > 0 {
		select {
		case <-g.pass:
			g.owed--
			continue
		default:
		}
		break
	}
}

// taken counts what went well; after a while one more may be under way.
func (g *gate) taken() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.well++; g.well < 8*g.open || g.open == cap(g.pass) {
		return
	}
	g.well = 0
	g.widen()
}

// widen lets one more through. g.mu is held.
func (g *gate) widen() {
	g.open++
	if g.owed > 0 {
		g.owed--
		return
	}
	g.pass <- struct{}{}
}

// size is how many may be under way now.
func (g *gate) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// step lets one more through (1) or one fewer (-1); false: that cannot be.
func (g *gate) step(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > 0 && g.open == cap(g.pass) || n < 0 && g.open == 1 {
		return false
	}
	if n > 0 {
		g.widen()
	} else {
		g.narrow(1)
	}
	return true
}

// speed bounds documents per second over all ranges together, which take turns.
type speed struct {
	perSecond func() float64 // 0: no bound. The user may change it at any time
	turns     *semaphore.Weighted

	mu   sync.Mutex
	owed float64 // documents that were let through too early
	last float64 // the bound that was
	at   time.Time
}

func newSpeed(perSecond func() float64) *speed {
	return &speed{perSecond: perSecond, turns: semaphore.NewWeighted(1)}
}

// wait lets documents through as soon as nothing is owed for those before, in
// the order in which they came. Where the bound falls, what is owed takes no
// longer than it would have taken.
func (s *speed) wait(ctx context.Context, documents int) error {
	if s.perSecond() <= 0 {
		return nil
	}
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.turns.Release(1)
	for {
		perSecond := s.perSecond()
		if perSecond <= 0 {
			return nil
		}
		s.mu.Lock()
		now := time.Now()
		if perSecond < s.last {
			s.owed *= perSecond / s.last
		}
		s.owed = max(0, s.owed-now.Sub(s.at).Seconds()*perSecond)
		s.last, s.at = perSecond, now
		pause := time.Duration(s.owed / perSecond * float64(time.Second))
		if pause <= 0 {
			s.owed += float64(documents)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if err := sleep(ctx, min(pause, askAgain)); err != nil {
			return err
		}
	}
}

// correct takes back documents that were let through and not there, or adds some.
func (s *speed) correct(documents int) {
	if s.perSecond() <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = max(0, s.owed+float64(documents))
}

// onThisMachine says that compressing what is sent there would only cost time.
func onThisMachine(c providers.Cluster) bool {
	u, err := url.Parse(c.Config().Endpoint)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
