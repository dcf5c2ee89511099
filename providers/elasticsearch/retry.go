package elasticsearch

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/esmig/esmig/providers"
)

// How often and how long a request is repeated. A node that restarts is back
// within this time; a wrong address should not keep anybody waiting, so as long
// as the cluster has never answered, connecting is tried only twice.
const (
	maxTries      = 5
	maxFirstTries = 2
	maxElapsed    = 30 * time.Second
	firstWait     = 500 * time.Millisecond
	waitFactor    = 3
)

// retries repeats requests, and nothing that may not be repeated.
type retries struct {
	answered *atomic.Bool // the cluster has answered at least once
	random   func() float64
}

func newRetries(seed [2]uint64) retries {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed[0], seed[1]))
	return retries{answered: new(atomic.Bool), random: func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}}
}

// fixedSeed makes a simulation repeatable, randomSeed keeps the many processes
// of real life from coming back at the same moment.
func fixedSeed(name string) [2]uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return [2]uint64{h.Sum64(), 1}
}

func randomSeed() [2]uint64 { return [2]uint64{rand.Uint64(), rand.Uint64()} }

func (r retries) do(ctx context.Context, req providers.Request, once func() (providers.JSON, error)) (providers.JSON, error) {
	p := &pace{random: r.random}
	p.Reset()
	tries := 0
	return backoff.Retry(ctx, func() (providers.JSON, error) {
		tries++
		body, err := once()
		var answer *Error
		if err == nil || errors.As(err, &answer) {
			r.answered.Store(true)
		}
		if err == nil {
			return body, nil
		}
		if !mayRepeat(req, err) || (!r.answered.Load() && tries >= maxFirstTries) {
			return nil, backoff.Permanent(err)
		}
		if answer != nil {
			p.atLeast = answer.retryAfter
		}
		return nil, err
	}, backoff.WithBackOff(p), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(maxElapsed))
}

// mayRepeat is the one place that decides whether a request that failed with
// err may be sent again.
func mayRepeat(r providers.Request, err error) bool {
	repeatable := r.Repeatable || r.Method != http.MethodPost
	if e := (*Error)(nil); errors.As(err, &e) {
		switch e.Status {
		case http.StatusTooManyRequests: // refused before anything was done
			return true
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return repeatable
		}
		return false
	}
	if f := (*providers.Finding)(nil); !errors.As(err, &f) || !temporary[f.Code] {
		return false
	}
	return repeatable || neverSent(err)
}

// neverSent: there was no connection that a request could have been sent over.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// pace says how long to wait: growing, with jitter, and not shorter than what
// the server asked for.
type pace struct {
	random  func() float64
	wait    time.Duration
	atLeast time.Duration
}

func (p *pace) Reset() { p.wait = firstWait }

func (p *pace) NextBackOff() time.Duration {
	wait := time.Duration(float64(p.wait) * (0.5 + p.random()/2))
	p.wait *= waitFactor
	wait = max(wait, p.atLeast)
	p.atLeast = 0
	return wait
}

// retryAfter reads the header's two forms, seconds and a date; 0: none.
func retryAfter(h string) time.Duration {
	if s, err := strconv.Atoi(h); err == nil && s >= 0 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
