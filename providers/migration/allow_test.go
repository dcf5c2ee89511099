package migration

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// What to set, and where, depends on what the destination is. The answers are
// those of real servers.
func TestAllowAdvice(t *testing.T) {
	const (
		refused   = `{"error":{"type":"illegal_argument_exception","reason":"[127.0.0.1:9202] not whitelisted in reindex.remote.whitelist"},"status":400}`
		untrusted = `{"error":{"type":"s_s_l_handshake_exception","reason":"(certificate_unknown) PKIX path building failed: unable to find valid certification path to requested target"},"status":500}`
	)
	holds := func(s ...string) func() []string { return func() []string { return s } }
	unreadable := func() []string { return nil }
	serverless := providers.Info{Flavor: providers.Serverless}
	for _, c := range []struct {
		name, answer string
		by           destSide
		code         string
		has          []string
		hasNot       string
	}{
		{"own", refused, destSide{listed: holds("10.0.0.1:9200")}, "not_whitelisted",
			[]string{`which holds "10.0.0.1:9200"`, `reindex.remote.whitelist: ["127.0.0.1:9202", "10.0.0.1:9200"]`, "Add to elasticsearch.yml", "replaces what is there; without https://"}, "Elastic Cloud console"},
		{"own, empty", refused, destSide{listed: holds([]string{}...)}, "not_whitelisted", []string{`reindex.remote.whitelist: ["127.0.0.1:9202"]`}, "*.io"},
		{"own, unreadable", refused, destSide{listed: unreadable}, "not_whitelisted", []string{`reindex.remote.whitelist: ["127.0.0.1:9202"]`}, "holds"},
		{"hosted keeps the defaults", refused, destSide{cloud: true, listed: holds("*.io:*", "*.com:*")}, "not_whitelisted",
			[]string{`reindex.remote.whitelist: ["127.0.0.1:9202", "*.io:*", "*.com:*"]`, "Edit, then in the section Elasticsearch: Manage user settings and extensions", "caret Edit elasticsearch.yml of each node type", "restarts the nodes"}, "Add to elasticsearch.yml"},
		{"hosted, unreadable", refused, destSide{cloud: true, listed: unreadable}, "not_whitelisted",
			[]string{`reindex.remote.whitelist: ["127.0.0.1:9202", "*.io:*", "*.com:*"]`, "by default"}, ""},
		{"another port", refused, destSide{listed: holds("127.0.0.*:9243")}, "not_whitelisted",
			[]string{`The entry "127.0.0.*:9243" has the host with another port`, `write that port into the endpoint of cluster "source"`}, ""},
		{"Serverless", refused, destSide{info: serverless, listed: unreadable}, "outside_cloud",
			[]string{"every hosted deployment and project in Elastic Cloud and from nothing else", "no setting"}, "elasticsearch.yml"},
		{"CA, own", untrusted, destSide{}, "remote_untrusted", []string{"reindex.ssl.certificate_authorities", "elasticsearch.yml"}, "ZIP"},
		{"CA, hosted", untrusted, destSide{cloud: true}, "remote_untrusted", []string{"my_source_ca/cacert.pem into a ZIP file", `reindex.ssl.certificate_authorities: "/app/config/my_source_ca/cacert.pem"`}, "elasticsearch.yml"},
		{"CA, Serverless", untrusted, destSide{info: serverless}, "remote_untrusted", []string{"no CA can be added"}, "reindex.ssl"},
	} {
		f := remoteFinding(offlineTask(t, copying("a", "b")), elasticsearch.ParseError(providers.JSON(c.answer)), c.by)
		if f == nil || f.Code != c.code || f.Arg != "source.cluster" {
			t.Errorf("%s: %+v", c.name, f)
			continue
		}
		for _, s := range c.has {
			if !strings.Contains(f.Detail, s) {
				t.Errorf("%s: %q is missing in %s", c.name, s, f.Detail)
			}
		}
		if c.hasNot != "" && strings.Contains(f.Detail, c.hasNot) {
			t.Errorf("%s: %q is in %s", c.name, c.hasNot, f.Detail)
		}
	}
}

// A project reads from nothing but Elastic Cloud: documents of a self-managed
// cluster pass through this machine, unless somebody insists.
func TestSelfManagedToServerless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net providertest.Network
		source := providertest.NewFake(providertest.Options{Name: "source"})
		project := providertest.NewFake(providertest.Options{Name: "target", Flavor: providers.Serverless, Network: &net, Whitelist: []string{"*.found.io:443"}})
		net.Join("es.example:9200", source)
		net.Join("shop.es.us-east-1.aws.elastic.cloud:443", project)
		source.Put("orders", "1", `{"n":1}`, "")
		project.Must("PUT", "/orders", object{})
		clusters := map[string]providers.Cluster{}
		for name, at := range map[string]string{"source": "http://es.example:9200", "target": "https://shop.es.us-east-1.aws.elastic.cloud"} {
			c, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: at}, net.Transport())
			if err != nil {
				t.Fatal(err)
			}
			clusters[name] = c
		}
		for method, want := range map[string]struct{ codes, why, detail string }{
			"auto":    {"note outside_cloud source.cluster", "target may not read from source: a Serverless project reads from Elastic Cloud only", "Documents pass through this machine instead."},
			"reindex": {"error outside_cloud source.cluster", "", `method = "stream"`},
			"stream":  {"", `method = "stream"`, ""},
		} {
			task := with(copying("orders", "orders"), "", "method", cty.StringVal(method)).task(t, clusters)
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			codes, details := findings(e)
			if err != nil || codes != want.codes || !strings.Contains(e.Why, want.why) || !strings.Contains(details, want.detail) {
				t.Errorf("%s: %q, why %q, %v\n%s", method, codes, e.Why, err, details)
			}
			if got := e.Method; (method == "reindex") != (got == "reindex") {
				t.Errorf("%s: %s", method, got)
			}
		}
		task := copying("orders", "orders").task(t, clusters)
		_, sum, err := task.Run(t.Context(), newJournal())
		if err != nil {
			t.Fatal(err)
		}
		if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 1 {
			t.Errorf("%+v %v", v, err)
		}
	})
}
