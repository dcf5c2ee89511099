package providertest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch/serverless"
)

// OnServerless is the case without the settings that Serverless does not have.
func (cs Case) OnServerless() Case {
	cs.Create, cs.Change, cs.Future = onlySettings(cs.Create, false), onlySettings(cs.Change, false), onlySettings(cs.Future, false)
	for _, list := range []*[]Step{&cs.Before, &cs.Drift} {
		var kept []Step
		for _, s := range *list {
			bare := strings.HasSuffix(s.Path, "/_settings")
			s.Body = onlySettings(s.Body, bare)
			if !bare || s.Body != "{}" { // which a server refuses
				kept = append(kept, s)
			}
		}
		*list = kept
	}
	return cs
}

// onlySettings is a body without settings that are not there. bare: it is
// nothing but settings.
func onlySettings(body string, bare bool) string {
	v, err := providers.Decode([]byte(body))
	o, ok := v.(map[string]any)
	if err != nil || !ok {
		return body
	}
	var prune func(prefix string, m map[string]any)
	prune = func(prefix string, m map[string]any) {
		for k, v := range m {
			if inner, ok := v.(map[string]any); ok {
				prune(prefix+k+".", inner)
			} else if !serverless.Setting(prefix + k) {
				delete(m, k)
			}
		}
	}
	if bare {
		prune("", o)
	}
	for _, at := range []map[string]any{o, object(o["template"])} {
		prune("", object(at["settings"]))
	}
	return string(providers.Encode(o))
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// NothingRefused makes the test fail if anything is tried, until it ends, that
// Serverless does not have. Packages run side by side, so one test may be blamed
// for another, but nothing goes unseen. door is ESLAB_SERVERLESS_DOOR_URL, pem the CA of its
// certificate; without a door, as on a real project, nothing is asked.
func NothingRefused(t testing.TB, door string, pem []byte) {
	if door == "" {
		return
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	clearRefused := func() []byte {
		req, err := http.NewRequest(http.MethodDelete, door+"/refused", nil) // also after the test's context has ended
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("DELETE %s/refused: %s %v", door, raw, err)
		}
		return raw
	}
	t.Cleanup(func() {
		defer client.CloseIdleConnections()
		var said struct {
			Refused []struct{ Method, URI, Reason, Client string }
		}
		// Shown and cleared in one, so that the next test is not blamed, and a
		// refusal in between is not lost.
		if err := json.Unmarshal(clearRefused(), &said); err != nil {
			t.Fatal(err)
		}
		for _, r := range said.Refused {
			t.Errorf("tried on Serverless: %s %s (by %s): %s", r.Method, r.URI, r.Client, r.Reason)
		}
	})
}
