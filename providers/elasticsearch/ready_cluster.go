package elasticsearch

import (
	"context"
	"errors"

	"github.com/esmig/esmig/providers"
)

// Lacks implements providers.Selective.
func (c *client) Lacks(f providers.Flavor, _ []providers.Resource) []*providers.Lack {
	return clusterLacks(c.cfg, f)
}

// clusterLacks finds what of a cluster block cannot lead to a Serverless
// project.
func clusterLacks(cfg providers.ClusterConfig, f providers.Flavor) []*providers.Lack {
	if f != providers.Serverless {
		return nil
	}
	var out []*providers.Lack
	add := func(arg, summary, detail, stuck string) {
		l := lackAt(arg)
		l.Code, l.Summary, l.Detail, l.Stuck = "not_on_serverless", summary, detail, stuck
		out = append(out, l)
	}
	if cfg.CloudID != "" {
		add("cloud_id", "Serverless projects have no Cloud ID",
			"Write the project's endpoint instead, as its page shows it: endpoint = \"https://PROJECT.es.REGION.aws.elastic.cloud:443\".", "only you know the project's endpoint")
	}
	if cfg.Username != "" || cfg.Password != "" {
		add("username", "Serverless takes no user and password",
			"A Serverless project takes API keys only. Make one in the project and write api_key instead of username and password.", "only you can make the key")
	}
	if len(cfg.ClientCertPEM) > 0 {
		add("client_cert", "Serverless takes no client certificate",
			"A Serverless project takes API keys only. Make one in the project and write api_key instead of client_cert and client_key.", "only you can make the key")
	}
	return out
}

// offline is a cluster that is never talked to.
type offline struct{ cfg providers.ClusterConfig }

// Offline is a cluster for what looks at files alone: whatever would be sent is
// an error.
func Offline(cfg providers.ClusterConfig) providers.Cluster { return &offline{cfg} }

var errOffline = errors.New("no cluster is asked here")

func (o *offline) Name() string                    { return o.cfg.Name }
func (o *offline) Config() providers.ClusterConfig { return o.cfg }

func (o *offline) Info(context.Context) (providers.Info, error) {
	return providers.Info{}, errOffline
}

func (o *offline) Do(context.Context, providers.Request) (providers.JSON, error) {
	return nil, errOffline
}

// Lacks implements providers.Selective.
func (o *offline) Lacks(f providers.Flavor, _ []providers.Resource) []*providers.Lack {
	return clusterLacks(o.cfg, f)
}
