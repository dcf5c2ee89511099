package providertest

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
)

const (
	suiteKey  = "c3VpdGU6dmVyeS1zZWNyZXQ=" // the API key of the cluster in RunFaults
	suiteWord = "very-secret-word"         // stands in the bodies there
)

// RunFaults puts each fault in the way of an object of the kind, on a fake of
// its own. connect makes the cluster "target" out of a configuration and a
// transport.
func RunFaults(t *testing.T, connect func(providers.ClusterConfig, http.RoundTripper) (providers.Cluster, error), k *providers.Kind, cs Case) {
	any := func(r *http.Request) bool { return r.URL.Path != "/" } // that this is a cluster is asked there
	writes := func(r *http.Request) bool { return !isRead(r.Method, r.URL.Path) }
	busy := Fault{Status: 429, Type: "es_rejected_execution_exception", Reason: "busy", Header: http.Header{"Retry-After": {"1"}}}
	echo := "refused " + suiteKey
	tests := []struct {
		name  string
		n     int // how many requests it hits
		match func(*http.Request) bool
		fault Fault
		write error // what Write's error wraps; nil: none
		read  error // what Read's error wraps then, the fault still on
	}{
		{"busy once", 1, any, busy, nil, nil},
		{"no connection once", 1, any, Fault{HangUp: true}, nil, nil},
		{"busy always", 1 << 20, any, busy, providers.ErrUnavailable, providers.ErrUnavailable},
		{"down", 1 << 20, any, Fault{Status: 503, Type: "x", Reason: "down"}, providers.ErrUnavailable, providers.ErrUnavailable},
		{"denied", 1 << 20, any, Fault{Status: 403, Type: "security_exception", Reason: echo}, providers.ErrDenied, providers.ErrDenied},
		{"not found", 1 << 20, any, Fault{Status: 404, Type: "resource_not_found_exception", Reason: echo}, providers.ErrNotFound, providers.ErrNotFound},
		{"conflict", 1 << 20, writes, Fault{Status: 409, Type: "x", Reason: echo}, providers.ErrConflict, providers.ErrNotFound},
		{"broken", 1 << 20, writes, Fault{Status: 500, Type: "x", Reason: echo}, errAny, providers.ErrNotFound},
		{"a proxy's page", 1 << 20, writes, Fault{Status: 502, Body: "<html>" + suiteKey}, providers.ErrUnavailable, providers.ErrNotFound},
	}
	secret := strings.Replace(cs.Future, `new_in_12`, suiteWord, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, c := suiteFake(t, connect, cs)
				args := cs.Create
				if tt.write != nil && secret != "" {
					args = secret
				}
				r := newResource(t, c, k, cs.Name, args)
				fake.Fault(Once(tt.n, tt.match, tt.fault))
				err := r.Write(t.Context(), providers.Write{})
				if !wraps(err, tt.write) {
					t.Errorf("write: got error %v, want %v", err, tt.write)
				}
				_, readErr := r.Read(t.Context())
				if !wraps(readErr, tt.read) {
					t.Errorf("read: got error %v, want %v", readErr, tt.read)
				}
				if s := errors.Join(err, readErr); s != nil && (strings.Contains(s.Error(), suiteKey) || strings.Contains(s.Error(), suiteWord)) {
					t.Errorf("a secret in an error: %v", s)
				}
			})
		})
	}
	t.Run("answer lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, c := suiteFake(t, connect, cs)
			r := newResource(t, c, k, cs.Name, cs.Create)
			fake.Fault(Once(1, writes, Fault{Lost: true}))
			// Either it was found out by itself, or the next try goes on from there.
			if err := r.Write(t.Context(), providers.Write{}); err != nil {
				now, err := r.Read(t.Context())
				if err != nil {
					t.Fatalf("it was done, but: %v", err)
				}
				if err := r.Write(t.Context(), providers.Write{Now: now}); err != nil {
					t.Fatal(err)
				}
			}
			if diff := providers.Contains(decoded(t, r.Declared()), decoded(t, read(t, r))); len(diff) > 0 {
				t.Errorf("not as declared: %v", diff)
			}
			fake.Fault(Once(1, writes, Fault{Lost: true}))
			if err := r.Delete(t.Context()); err != nil {
				if err := r.Delete(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.Read(t.Context()); !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("after deleting: %v", err)
			}
		})
	})
}

var errAny = errors.New("any error") // what any error wraps, for wraps

func wraps(err, want error) bool {
	if want == errAny {
		return err != nil
	}
	return errors.Is(err, want)
}

// suiteFake is a fake with what the case needs, and the way to it.
func suiteFake(t *testing.T, connect func(providers.ClusterConfig, http.RoundTripper) (providers.Cluster, error), cs Case) (*Fake, providers.Cluster) {
	t.Helper()
	fake := NewFake(Options{APIKeys: []APIKey{{Encoded: suiteKey}}})
	for _, s := range cs.Before {
		fake.Must(s.Method, s.Path, s.Body)
	}
	c, err := connect(providers.ClusterConfig{Name: "target", Endpoint: "http://target.test:9200", APIKey: suiteKey},
		Transport(map[string]http.Handler{"target.test:9200": fake}))
	if err != nil {
		t.Fatal(err)
	}
	return fake, c
}
