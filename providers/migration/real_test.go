package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// lab is the connection to a server that "eslab env" names, or the test is
// skipped.
func labConfig(t testing.TB, name string) providers.ClusterConfig {
	env := func(what string) string { return os.Getenv("ESLAB_" + strings.ToUpper(name) + "_" + what) }
	needLab(t, name)
	c := providers.ClusterConfig{Name: name, Endpoint: env("URL"), APIKey: env("API_KEY")}
	if name == "source" {
		c.APIKey = env("READ_API_KEY")
	}
	if c.APIKey == "" {
		c.Username, c.Password = env("USERNAME"), env("PASSWORD")
	}
	if f := env("CA_FILE"); f != "" {
		c.CAFile = f
		pem, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c.CAPEM = pem
	}
	providertest.NothingRefused(t, env("DOOR_URL"), c.CAPEM)
	return c
}

func connect(t testing.TB, c providers.ClusterConfig) providers.Cluster {
	t.Helper()
	out, err := elasticsearch.Connect(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// admin may write to the source.
func admin(t testing.TB, name string) providers.Cluster {
	c := labConfig(t, name)
	c.APIKey = os.Getenv("ESLAB_" + strings.ToUpper(name) + "_API_KEY")
	return connect(t, c)
}

func must(t testing.TB, c providers.Cluster, method, path string, body any) providers.JSON {
	t.Helper()
	r := providers.Request{Method: method, Path: path, Repeatable: true}
	if s, ok := body.(string); ok {
		r.Body = []byte(s)
	} else if body != nil {
		r.Body = providers.Encode(body)
	}
	p, q, _ := strings.Cut(path, "?")
	r.Path = p
	if q != "" {
		r.Query = map[string][]string{}
		for _, kv := range strings.Split(q, "&") {
			k, v, _ := strings.Cut(kv, "=")
			r.Query[k] = []string{v}
		}
	}
	raw, err := c.Do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return raw
}

func drop(t testing.TB, c providers.Cluster, names ...string) {
	for _, n := range names {
		_, _ = c.Do(context.WithoutCancel(t.Context()), providers.Request{Method: http.MethodDelete, Path: "/" + n})
	}
}

// fill makes an index with n documents.
func fill(t testing.TB, c providers.Cluster, index string, shards, n int) {
	t.Helper()
	drop(t, c, index)
	must(t, c, "PUT", "/"+index, sized(t, c, shards))
	t.Cleanup(func() { drop(t, c, index) })
	more(t, c, index, 0, n)
}

func more(t testing.TB, c providers.Cluster, index string, from, to int) {
	t.Helper()
	for from < to {
		var b strings.Builder
		end := min(from+10_000, to)
		for ; from < end; from++ {
			fmt.Fprintf(&b, "{\"index\":{\"_id\":\"n-%d\",\"routing\":\"r%d\"}}\n{\"n\":%d,\"name\":\"document %d\",\"price\":1e3,\"big\":9007199254740993,\"day\":\"2013-01-%02d\"}\n",
				from, from%7, from, from, from%28+1)
		}
		must(t, c, "POST", "/"+index+"/_bulk", b.String())
	}
	must(t, c, "POST", "/"+index+"/_refresh", nil)
}

func TestRealCopy(t *testing.T) {
	source, target := connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target"))
	clusters := map[string]providers.Cluster{"source": source, "target": target}
	for _, c := range []struct {
		name      string
		shards, n int
	}{{"small", 1, 1234}, {"one", 1, 120_000}, {"two", 2, 100_000}} {
		t.Run(c.name, func(t *testing.T) {
			from, to := "mig-real-"+c.name, "mig-real-to-"+c.name
			fill(t, admin(t, "source"), from, c.shards, c.n)
			drop(t, target, to)
			t.Cleanup(func() { drop(t, target, to) })
			task := copying(from, to).task(t, clusters)
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", e)
			for _, f := range e.Findings {
				t.Error(f)
			}
			j := newJournal()
			result, sum, err := task.Run(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			if result.Read != int64(c.n) || result.Created != int64(c.n) {
				t.Errorf("result %+v", result)
			}
			t.Logf("%s", sum)
			v, err := task.Verify(t.Context(), j, sum)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%+v", v)
			if v.Source != int64(c.n) || v.Destination != int64(c.n) || v.Identical != v.Compared || v.Compared < 1000 {
				t.Errorf("verification %+v", v)
			}
			o, err := task.Observe(t.Context(), sum)
			if err != nil || o != (providers.Observation{}) {
				t.Errorf("%+v %v", o, err)
			}
		})
	}
}

func TestRealResume(t *testing.T) {
	source, target := connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target"))
	clusters := map[string]providers.Cluster{"source": source, "target": target}
	fill(t, admin(t, "source"), "mig-real-resume", 1, 100_000)
	drop(t, target, "mig-real-resumed")
	t.Cleanup(func() { drop(t, target, "mig-real-resumed") })
	b := copying("mig-real-resume", "mig-real-resumed")
	b.args["requests_per_second"] = cty.NumberIntVal(60_000)
	task := b.task(t, clusters)
	ctx, cancel := context.WithCancel(t.Context())
	j := newJournal()
	ends := 0
	j.at = func(r record) {
		if r.What == wroteEnd {
			if ends++; ends == 3 {
				cancel()
			}
		}
	}
	_, _, err := task.Run(ctx, j)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	result, sum, err := task.Run(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(j.notes, result)
	if v, err := task.Verify(t.Context(), j, sum); err != nil || v.Destination != 100_000 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestRealFindings(t *testing.T) {
	fill(t, admin(t, "source"), "mig-real-find", 2, 10)
	fill(t, admin(t, "target"), "mig-real-findt", 1, 10)
	source, target := labConfig(t, "source"), labConfig(t, "target")
	adminSource := source
	adminSource.APIKey = os.Getenv("ESLAB_SOURCE_API_KEY")
	moved := func(c providers.ClusterConfig, from, to string) providers.ClusterConfig {
		c.Endpoint = strings.Replace(c.Endpoint, from, to, 1)
		return c
	}
	// What esmig itself reads goes to the real place; only the destination is
	// told another one.
	for _, c := range []struct {
		name    string
		source  providers.ClusterConfig
		dest    providers.ClusterConfig
		pretend func(*providers.ClusterConfig)
		index   string
		codes   string
	}{
		{name: "fine", index: "mig-real-find"},
		{name: "localhost", index: "mig-real-find", codes: "not_whitelisted",
			pretend: func(c *providers.ClusterConfig) { *c = moved(*c, "127.0.0.1", "localhost") }},
		{name: "unknown CA", index: "mig-real-findt", source: target, dest: adminSource, codes: "remote_untrusted"},
		{name: "bad key", index: "mig-real-find", codes: "remote_credentials",
			pretend: func(c *providers.ClusterConfig) { c.APIKey = "YWJjOmRlZg==" }},
		{name: "refused", index: "mig-real-find", codes: "remote_unreachable",
			pretend: func(c *providers.ClusterConfig) { c.Endpoint = "https://127.0.0.1:1" }},
		{name: "http", index: "mig-real-find", codes: "remote_scheme",
			pretend: func(c *providers.ClusterConfig) { *c = moved(*c, "https:", "http:") }},
		{name: "missing", index: "mig-real-fimd", codes: "source_missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.source.Endpoint == "" {
				c.source = source
			}
			if c.dest.Endpoint == "" {
				c.dest = target
			}
			from := connect(t, c.source)
			if c.pretend != nil {
				cfg := c.source
				c.pretend(&cfg)
				from = pretender{from, cfg}
			}
			to := connect(t, c.dest)
			task := copying(c.index, "mig-real-found").task(t, map[string]providers.Cluster{"source": from, "target": to})
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, f := range e.Findings {
				codes = append(codes, f.Code)
				t.Logf("%s\n%s", f.Summary, f.Detail)
			}
			if got := strings.Join(codes, " "); got != c.codes {
				t.Errorf("findings %q, want %q", got, c.codes)
			}
		})
	}
	t.Run("undeclared and not empty", func(t *testing.T) {
		clusters := map[string]providers.Cluster{"source": connect(t, source), "target": connect(t, target)}
		for dest, code := range map[string]string{"mig-real-nothing": "dest_undeclared", "mig-real-findt": "dest_not_empty"} {
			e, err := copying("mig-real-find", dest).task(t, clusters).Estimate(t.Context(), providers.Prospect{})
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Findings) != 1 || e.Findings[0].Code != code {
				t.Errorf("%s: %v", dest, e.Findings)
			}
			for _, f := range e.Findings {
				t.Logf("%s\n%s", f.Summary, f.Detail)
			}
		}
	})
}

// pretender tells the destination another address than the one it talks to.
type pretender struct {
	providers.Cluster
	config providers.ClusterConfig
}

func (p pretender) Config() providers.ClusterConfig { return p.config }

// Old and foreign servers as source and as destination.
func TestRealVersions(t *testing.T) {
	for _, way := range [][2]string{{"es6", "target"}, {"es7", "target"}, {"opensearch", "target"}, {"source", "opensearch"}, {"es6", "opensearch"}, {"source", "serverless"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			source, target := connect(t, labConfig(t, way[0])), connect(t, labConfig(t, way[1]))
			from, to := "mig-way-"+way[0], "mig-way-from-"+way[0]
			write := admin(t, way[0])
			drop(t, write, from)
			t.Cleanup(func() { drop(t, write, from) })
			must(t, write, "PUT", "/"+from, sized(t, write, 2))
			var b strings.Builder
			kind := ""
			if way[0] == "es6" {
				kind = `,"_type":"_doc"`
			}
			for i := range 5000 {
				fmt.Fprintf(&b, "{\"index\":{\"_id\":\"n %d/ü\",\"routing\":\"r%d\"%s}}\n{\"n\":%d,\"price\":1e3,\"big\":9007199254740993,\"list\":[1,2],\"o\":{\"a\":null}}\n", i, i%7, kind, i)
			}
			must(t, write, "POST", "/"+from+"/_bulk?refresh=true", b.String())
			drop(t, target, to)
			t.Cleanup(func() { drop(t, target, to) })
			task := copying(from, to).task(t, map[string]providers.Cluster{"source": source, "target": target})
			task.small = 100
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range e.Findings {
				t.Error(f)
			}
			if e.Ranges < 8 || e.Documents != 5000 {
				t.Errorf("estimate %+v", e)
			}
			result, sum, err := task.Run(t.Context(), newJournal())
			if err != nil || result.Created != 5000 {
				t.Fatalf("%+v %v", result, err)
			}
			if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical < 1000 || v.Identical != v.Compared {
				t.Errorf("%+v %v", v, err)
			}
			must(t, write, "DELETE", "/"+from, nil) // what is gone from the source is no failure of a look
			if o, err := task.Observe(t.Context(), sum); err != nil || o.DestinationMissing {
				t.Errorf("%+v %v", o, err)
			}
			// The block for a destination that nobody declared has no type level.
			must(t, write, "PUT", "/"+from, object{})
			must(t, write, "PUT", "/"+from+"/_doc/1?refresh=true", object{"n": 1})
			e, err = copying(from, "mig-nowhere").task(t, map[string]providers.Cluster{"source": source, "target": target}).Estimate(t.Context(), providers.Prospect{})
			if err != nil || len(e.Findings) != 1 || !strings.Contains(e.Findings[0].Detail, "mappings = {\n        properties = {") {
				t.Errorf("%v %v", e.Findings, err)
			}
		})
	}
}

// Each privilege that is missing is named before anything runs.
func TestRealPrivileges(t *testing.T) {
	fill(t, admin(t, "source"), "mig-real-priv", 1, 10)
	fill(t, admin(t, "target"), "mig-real-priv-to", 1, 0)
	key := func(t *testing.T, server string, cluster []string, index ...string) providers.ClusterConfig {
		c := labConfig(t, server)
		owner := c
		owner.APIKey, owner.Username, owner.Password = "", os.Getenv("ESLAB_"+strings.ToUpper(server)+"_USERNAME"), os.Getenv("ESLAB_"+strings.ToUpper(server)+"_PASSWORD")
		var a struct{ ID, Encoded string }
		raw := must(t, connect(t, owner), "POST", "/_security/api_key", object{"name": "mig-real-priv",
			"role_descriptors": object{"r": object{"cluster": cluster, "index": []any{object{"names": []string{"mig-real-priv*"}, "privileges": index}}}}})
		if err := decode(raw, &a); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, _ = connect(t, owner).Do(context.WithoutCancel(t.Context()), providers.Request{Method: "DELETE", Path: "/_security/api_key",
				Body: providers.Encode(object{"ids": []string{a.ID}})})
		})
		c.APIKey = a.Encoded
		return c
	}
	monitor := []string{"monitor"}
	for _, c := range []struct {
		name         string
		source, dest providers.ClusterConfig
		codes        string
		has          string
	}{
		{"enough", key(t, "source", monitor, "read", "view_index_metadata"), key(t, "target", monitor, "write", "read", "view_index_metadata"), "", ""},
		{"no metadata", key(t, "source", monitor, "read"), labConfig(t, "target"), "source_denied", "view_index_metadata"},
		{"no write", labConfig(t, "source"), key(t, "target", monitor, "read", "view_index_metadata"), "dest_privileges", "the index privilege write"},
		{"no look", labConfig(t, "source"), key(t, "target", monitor, "index"), "dest_denied", "view_index_metadata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := copying("mig-real-priv", "mig-real-priv-to").task(t, map[string]providers.Cluster{"source": connect(t, c.source), "target": connect(t, c.dest)})
			e, err := task.Estimate(t.Context(), providers.Prospect{DestinationDeclared: true})
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, f := range e.Findings {
				t.Log(f)
				codes = append(codes, f.Code)
				if !strings.Contains(f.Detail, c.has) {
					t.Errorf("%q is missing in %s", c.has, f.Detail)
				}
			}
			if got := strings.Join(codes, " "); got != c.codes {
				t.Errorf("findings %q, want %q", got, c.codes)
			}
		})
	}
}
