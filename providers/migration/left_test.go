package migration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// What is left to a person is said where there is something, and only there.
func TestLeft(t *testing.T) {
	const hosted, project, own = "https://a.es.us-east-1.aws.found.io:9243", "https://b.es.us-east-1.aws.elastic.cloud:443", "https://es.example:9200"
	for _, c := range []struct {
		name             string
		source, target   string // endpoints
		from, to         providertest.Options
		whitelist        []string
		has              []string // in this order, one a text
		hasNot, contains string
	}{
		{name: "to a project", source: hosted, target: project, to: providertest.Options{Flavor: providers.Serverless}, whitelist: []string{"a.es.*:9243"},
			has:      []string{"https://a.kb.us-east-1.aws.found.io/api/saved_objects/_export"},
			contains: "https://b.kb.us-east-1.aws.elastic.cloud/api/saved_objects/_import", hasNot: "reindex.remote"},
		{name: "to a deployment", source: own, target: hosted, whitelist: []string{"*.io:*", "*.com:*", "es.example:9200", "other:9200"},
			has: []string{"https://KIBANA-OF-THE-SOURCE/api/saved_objects/_export", `If target is to read no more from source, "es.example:9200" can go from reindex.remote.whitelist of target again.`}, hasNot: "other"},
		{name: "defaults stay", source: hosted, target: own, whitelist: []string{"*.io:*", "*.com:*"}, has: []string{"_export"}, hasNot: "reindex.remote"},
		{name: "too old for its exports", source: own, target: hosted, from: providertest.Options{Version: "7.17.29"}, has: []string{"to be made anew for target: Kibana 9 takes exports of Kibana 8 and 9 only"}},
		{name: "without Kibana", source: own, target: hosted, to: providertest.Options{Flavor: providers.OpenSearch, Version: "3.8.0"}, whitelist: []string{"es.example:*"},
			has: []string{`"es.example:*" can go from reindex.remote.allowlist`}, hasNot: "Kibana"},
		{name: "one cluster", source: own, target: own},
	} {
		var net providertest.Network
		c.from.Name, c.to.Name, c.to.Whitelist = "source", "target", c.whitelist
		join := func(at string, o providertest.Options) {
			net.Join(strings.TrimPrefix(at, "https://"), providertest.NewFake(o))
		}
		join(c.source, c.from)
		if c.target != c.source {
			join(c.target, c.to)
		}
		clusters := map[string]providers.Cluster{}
		for name, at := range map[string]string{"source": c.source, "target": c.target} {
			conn, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: at}, net.Transport())
			if err != nil {
				t.Fatal(err)
			}
			clusters[name] = conn
		}
		got := copying("a", "b").task(t, clusters).Left(t.Context())
		all := strings.Join(got, "\n")
		if len(got) != len(c.has) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, s := range c.has {
			if !strings.Contains(got[i], s) {
				t.Errorf("%s: %q is missing in %s", c.name, s, got[i])
			}
		}
		if !strings.Contains(all, c.contains) || c.hasNot != "" && strings.Contains(all, c.hasNot) {
			t.Errorf("%s: %s", c.name, all)
		}
	}
}

// Every request reads one index, whatever names them.
func TestACallPerIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net providertest.Network
		source := providertest.NewFake(providertest.Options{Name: "source"})
		target := providertest.NewFake(providertest.Options{Name: "target", Network: &net, Whitelist: []string{"*"}})
		net.Join("es.example:9200", source)
		net.Join("new.example:9200", target)
		for i := range 3 {
			for _, id := range []string{"a", "b"} {
				source.Put(fmt.Sprint("orders-", i), fmt.Sprint(i, id), `{"n":1}`, "")
			}
		}
		source.Must("POST", "/_aliases", object{"actions": []any{object{"add": object{"index": "orders-*", "alias": "orders"}}}})
		target.Must("PUT", "/all", object{})
		clusters := map[string]providers.Cluster{}
		for name, at := range map[string]string{"source": "http://es.example:9200", "target": "http://new.example:9200"} {
			c, err := elasticsearch.Connect(providers.ClusterConfig{Name: name, Endpoint: at}, net.Transport())
			if err != nil {
				t.Fatal(err)
			}
			clusters[name] = c
		}
		for _, named := range []string{"orders-*", "orders", "orders-0,orders-1,orders-2"} {
			target.Forget()
			task := copying(named, "all").task(t, clusters)
			task.existing = "overwrite"
			if _, _, err := task.Run(t.Context(), newJournal()); err != nil {
				t.Fatal(err)
			}
			read := map[any]bool{}
			for _, r := range target.Requests() {
				if r.Method != http.MethodPost || !strings.HasPrefix(r.Path, "/_reindex") {
					continue
				}
				v, err := providers.Decode([]byte(r.Body))
				if err != nil {
					t.Fatal(err)
				}
				read[v.(object)["source"].(object)["index"]] = true
			}
			if diff := cmp.Diff(map[any]bool{"orders-0": true, "orders-1": true, "orders-2": true}, read); diff != "" {
				t.Errorf("%s: %s", named, diff)
			}
		}
	})
}
