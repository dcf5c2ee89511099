package elasticsearch

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Addresses that cannot be Elasticsearch's are told before anything is sent.
func TestAddressOfAnotherPart(t *testing.T) {
	for _, c := range []struct {
		endpoint, cloudID, code string
		has                     []string
	}{
		{endpoint: "https://shop.kb.us-east-1.aws.found.io:9243", code: codeKibana, has: []string{`endpoint = "https://shop.es.us-east-1.aws.found.io:9243"`, "deployment's page"}},
		{endpoint: "https://shop-a1.kb.us-east-1.aws.elastic.cloud/app/home", code: codeKibana, has: []string{`endpoint = "https://shop-a1.es.us-east-1.aws.elastic.cloud"`, "project's page"}},
		{endpoint: "https://shop.apm.europe-west1.gcp.cloud.es.io", code: "not_elasticsearch", has: []string{"the APM server", ".es."}},
		{endpoint: "https://cloud.elastic.co/deployments/abc", code: "not_elasticsearch", has: []string{"console", "Copy endpoint"}},
		{endpoint: "https://shop.es.us-east-1.aws.found.io"},
		{endpoint: "https://shop.kb.example.com"}, // anybody's name
		{endpoint: "https://0123456789abcdef.us-east-1.aws.found.io:9243"},
		{cloudID: "https://shop.es.us-east-1.aws.elastic.cloud", code: "endpoint_as_cloud_id", has: []string{"endpoint instead"}},
		{cloudID: "0123456789abcdef0123456789abcdef", code: "bad_cloud_id", has: []string{"A Serverless project has none", "Elasticsearch endpoint"}},
		{cloudID: "shop:" + b64("us-east-1.aws.elastic.cloud$a1.es$a1.kb"), code: "serverless_cloud_id", has: []string{"project's page"}},
		{cloudID: "shop:" + b64("us-east-1.aws.found.io$a1$b2")},
	} {
		_, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: c.endpoint, CloudID: c.cloudID}, roundTripper(nil))
		wantCode(t, err, c.code)
		for _, s := range c.has {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%s%s: %q is missing in %v", c.endpoint, c.cloudID, s, err)
			}
		}
	}
}

// What a refusal of GET / says depends on what was pasted.
func TestRefusedCredentials(t *testing.T) {
	const answer = `{"error":{"type":"security_exception","reason":"unable to authenticate with provided credentials","additional_unsuccessful_credentials":"API key: invalid ApiKey value"},"status":401}`
	project, deployment, own := "https://shop.es.us-east-1.aws.elastic.cloud", "https://shop.es.us-east-1.aws.found.io", "https://es.example:9200"
	for _, c := range []struct {
		name string
		cfg  providers.ClusterConfig
		keys bool // the server takes keys only
		code string
		arg  string
		has  string
	}{
		{"key of the organisation", providers.ClusterConfig{Endpoint: project, APIKey: "essu_VkdWc3Q"}, true, "organisation_key", "api_key", "key of the project"},
		{"key of the organisation, hosted", providers.ClusterConfig{Endpoint: deployment, APIKey: "essu_VkdWc3Q"}, false, "organisation_key", "api_key", "POST /_security/api_key"},
		{"the secret alone", providers.ClusterConfig{Endpoint: own, APIKey: "ui2lp2axTNmsyakw9tvNnw"}, false, "bad_api_key", "api_key", `paste the value of "encoded"`},
		{"encoded twice", providers.ClusterConfig{Endpoint: own, APIKey: b64(b64("id:key"))}, false, "bad_api_key", "api_key", "encoded twice"},
		{"id and encoded", providers.ClusterConfig{Endpoint: own, APIKey: "id:" + b64("id:key")}, false, "bad_api_key", "api_key", "paste it alone"},
		{"no base64", providers.ClusterConfig{Endpoint: own, APIKey: "i#d"}, false, "bad_api_key", "api_key", "no colon"},
		{"wrong key", providers.ClusterConfig{Endpoint: own, APIKey: b64("id:key")}, false, "denied", "api_key", "exchanged"},
		{"wrong id:key", providers.ClusterConfig{Endpoint: own, APIKey: "theid:thesecret"}, false, "denied", "api_key", "because of API key: invalid ApiKey value"},
		{"user at a project", providers.ClusterConfig{Endpoint: project, Username: "u", Password: "secretpw"}, false, "basic_on_serverless", "username", "write api_key in the place"},
		{"user behind another name", providers.ClusterConfig{Endpoint: own, Username: "u", Password: "secretpw"}, true, "basic_on_serverless", "username", "write api_key in the place"},
		{"wrong password", providers.ClusterConfig{Endpoint: own, Username: "u", Password: "secretpw"}, false, "denied", "username", "mistyped"},
		{"nothing", providers.ClusterConfig{Endpoint: own}, false, "denied", "endpoint", "or username and password"},
		{"nothing at a project", providers.ClusterConfig{Endpoint: project}, false, "denied", "endpoint", "set api_key."},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Name = "c"
			conn, err := Connect(c.cfg, roundTripper(func(*http.Request) (*http.Response, error) {
				r := reply(401, answer)
				r.Header.Add("WWW-Authenticate", "ApiKey")
				if !c.keys {
					r.Header.Add("WWW-Authenticate", `Basic realm="security", charset="UTF-8"`)
				}
				return r, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = conn.Info(t.Context())
			wantCode(t, err, c.code)
			var f *providers.Finding
			if errors.As(err, &f) && (f.Arg != c.arg || !strings.Contains(f.Detail, c.has)) {
				t.Errorf("about %s, want %s and %q: %v", f.Arg, c.arg, c.has, err)
			}
			if !errors.Is(err, providers.ErrDenied) {
				t.Errorf("%v does not wrap ErrDenied", err)
			}
			for _, s := range conn.Config().Secrets() {
				if s != "" && strings.Contains(err.Error(), s) {
					t.Errorf("the secret stands in %v", err)
				}
			}
		})
	}
}

// Pastes that no server needs to be asked about.
func TestPastedTooMuch(t *testing.T) {
	for key, has := range map[string]string{
		`{"id":"a","name":"n","api_key":"k","encoded":"YTpr"}`: `only the value of "encoded"`,
		"ApiKey YTpr": "Leave out the word ApiKey",
	} {
		_, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: "https://es:9200", APIKey: key}, roundTripper(nil))
		wantCode(t, err, "bad_api_key")
		if err != nil && !strings.Contains(err.Error(), has) {
			t.Errorf("%q is missing in %v", has, err)
		}
	}
}

// Kibana shows itself by its headers, whatever the rest of its answer is.
func TestKibanaAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		header http.Header
		has    string
	}{
		{"redirect", 302, "", http.Header{"Location": {"/spaces/enter"}, "Kbn-Name": {"kibana"}, "Kbn-License-Sig": {"x"}}, "redirects to /spaces/enter"},
		{"not signed in", 401, `{"statusCode":401,"error":"Unauthorized","message":"Unauthorized"}`, http.Header{"Kbn-Name": {"kibana"}}, "Unauthorized"},
		{"page", 200, "<html><title>Elastic</title>", http.Header{"Content-Type": {"text/html"}, "Kbn-Name": {"kibana"}}, "5601"},
		{"headers lost", 404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`, http.Header{}, "Elasticsearch endpoint"},
	} {
		conn, err := Connect(providers.ClusterConfig{Name: "c", Endpoint: "https://kibana.example:5601", APIKey: "id:key"}, roundTripper(func(*http.Request) (*http.Response, error) {
			r := reply(c.status, c.body)
			for k, v := range c.header {
				r.Header[k] = v
			}
			return r, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Info(t.Context())
		wantCode(t, err, codeKibana)
		if err != nil && !strings.Contains(err.Error(), c.has) {
			t.Errorf("%s: %q is missing in %v", c.name, c.has, err)
		}
	}
}

func TestPortHint(t *testing.T) {
	for endpoint, has := range map[string]string{
		"https://es.example":                      `endpoint = "https://es.example:9200"`,
		"http://es.example/prefix":                `means 80. Elasticsearch usually listens at 9200: endpoint = "http://es.example:9200/prefix"`,
		"https://es.example:9243":                 "",
		"https://a.es.us-east-1.aws.found.io":     "",
		"https://a.es.us-east-1.aws.found.io:443": "",
		"https://a.es.us-east-1.aws.found.io:92":  "leave the port out",
	} {
		cfg := providers.ClusterConfig{Name: "c", Endpoint: endpoint}
		u, err := baseURL(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := portHint(cfg, u); has == "" && got != "" || !strings.Contains(got, has) {
			t.Errorf("%s: %q, want %q", endpoint, got, has)
		}
	}
}

func TestKibanaURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://a.es.us-east-1.aws.found.io:9243":     "https://a.kb.us-east-1.aws.found.io",
		"https://a.es.us-east-1.aws.elastic.cloud:443": "https://a.kb.us-east-1.aws.elastic.cloud",
		"https://es.example:9200":                      "",
	} {
		if got := KibanaURL(providers.ClusterConfig{Endpoint: endpoint}); got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
	}
}
