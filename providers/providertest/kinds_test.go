package providertest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/all"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// TestKinds runs the suite on fakes of each product.
func TestKinds(t *testing.T) {
	for name, o := range map[string]providertest.Options{
		"fake":                 {},
		"fake without modules": {Lacks: []string{"_ilm", "_data_stream"}},
		"fake OpenSearch":      {Flavor: providers.OpenSearch, Version: "3.8.0"},
		"fake Serverless":      {Flavor: providers.Serverless},
	} {
		t.Run(name, func(t *testing.T) {
			fake := providertest.NewFake(o)
			var net providertest.Network
			net.Join("target.test:9200", fake)
			c, err := elasticsearch.Connect(providers.ClusterConfig{Name: "target", Endpoint: "http://target.test:9200"}, net.Transport())
			if err != nil {
				t.Fatal(err)
			}
			runKinds(t, c, name == "fake")
			if left := fake.Indices(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRealKinds runs the suite on the real servers that ESLAB_SERVERS names:
// "go run ./cmd/eslab run -servers target,opensearch,es6,streams,serverless --
// go test ./providers/providertest -run Real".
func TestRealKinds(t *testing.T) {
	servers := os.Getenv("ESLAB_SERVERS")
	if servers == "" {
		servers = "target"
	}
	for name := range strings.SplitSeq(servers, ",") {
		t.Run(name, func(t *testing.T) {
			cfg := realConfig(t, strings.ToUpper(name))
			providertest.NothingRefused(t, os.Getenv("ESLAB_"+strings.ToUpper(name)+"_DOOR_URL"), cfg.CAPEM)
			c, err := elasticsearch.Connect(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			runKinds(t, c, false)
		})
	}
}

// runKinds runs all cases; with whole none may be skipped.
func runKinds(t *testing.T, c providers.Cluster, whole bool) {
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, cs := range providertest.Cases("fksuite") {
		k := kind(t, cs.Kind)
		if info.Flavor == providers.Serverless {
			cs = cs.OnServerless()
		}
		t.Run(cs.Name, func(t *testing.T) {
			t.Cleanup(func() {
				if whole && t.Skipped() {
					t.Error("skipped, although the fake can do it")
				}
			})
			providertest.RunKind(t, c, k, cs)
		})
	}
}

func TestFaultsAndFuture(t *testing.T) {
	covered := map[string]bool{}
	for _, cs := range providertest.Cases("fksuite") {
		k := kind(t, cs.Kind)
		covered[cs.Kind] = true
		t.Run(cs.Name, func(t *testing.T) {
			providertest.RunFaults(t, elasticsearch.Connect, k, cs)
			if cs.Future != "" {
				t.Run("future", func(t *testing.T) { providertest.RunFuture(t, k, cs) })
			}
		})
	}
	for _, k := range all.Kinds() {
		if k.Resource != nil && !covered[k.Name] {
			t.Errorf("no case for the kind %s", k.Name)
		}
	}
}

func kind(t *testing.T, name string) *providers.Kind {
	t.Helper()
	for _, k := range all.Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no kind %s", name)
	return nil
}
