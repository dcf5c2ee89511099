package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
)

// infoCache remembers what a cluster says of itself. Its one token is held by
// who is asking.
type infoCache struct {
	token chan struct{}
	known *answer
}

type answer struct {
	info providers.Info
	err  error
}

func newInfoCache() infoCache { return infoCache{token: make(chan struct{}, 1), known: new(answer)} }

// Info asks GET / once. That the cluster could not be reached is not
// remembered: it may be back the next time.
func (c *client) Info(ctx context.Context) (providers.Info, error) {
	select {
	case c.info.token <- struct{}{}:
	case <-ctx.Done():
		return providers.Info{}, context.Cause(ctx)
	}
	defer func() { <-c.info.token }()
	if k := c.info.known; k.err != nil || k.info.UUID != "" {
		return k.info, k.err
	}
	info, err := c.ask(ctx)
	if err == nil || (ctx.Err() == nil && !errors.Is(err, providers.ErrUnavailable)) {
		*c.info.known = answer{info, err}
		c.serverless.Store(info.Flavor == providers.Serverless)
	}
	return info, err
}

func (c *client) ask(ctx context.Context) (providers.Info, error) {
	body, err := c.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/"})
	var refused *Error
	if errors.As(err, &refused) && refused.kibana {
		return providers.Info{}, c.kibana(refused.Reason)
	}
	if errors.As(err, &refused) && !errors.Is(err, providers.ErrUnavailable) && !errors.Is(err, providers.ErrDenied) {
		return providers.Info{}, c.noCluster(refused.Reason)
	}
	if errors.Is(err, providers.ErrDenied) {
		return providers.Info{}, c.denied(err)
	}
	if err != nil {
		return providers.Info{}, err
	}
	var a struct {
		ClusterName string `json:"cluster_name"`
		UUID        string `json:"cluster_uuid"`
		Tagline     string `json:"tagline"`
		Version     struct {
			Number       string `json:"number"`
			BuildFlavor  string `json:"build_flavor"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if json.Unmarshal(body, &a) != nil || a.Version.Number == "" || a.UUID == "" {
		return providers.Info{}, c.noCluster(summary(body))
	}
	if a.UUID == "_na_" {
		f := providers.NewError("no_master", "", "Cluster without a master",
			fmt.Sprintf("%s has not elected a master yet, so nothing can be done on it. Wait until its nodes have found each other.", c.cfg.Name))
		f.Err = providers.ErrUnavailable
		return providers.Info{}, f
	}
	i := providers.Info{ClusterName: clean(a.ClusterName, 200), UUID: clean(a.UUID, 200), Version: clean(a.Version.Number, 50)}
	switch {
	case a.Version.Distribution == "opensearch":
		i.Flavor = providers.OpenSearch
	case a.Version.BuildFlavor == "serverless":
		i.Flavor = providers.Serverless
	case strings.Contains(a.Tagline, "You Know, for Search"):
		i.Flavor = providers.Elasticsearch
	default:
		return providers.Info{}, c.noCluster(summary(body))
	}
	return i, nil
}

// major is the first number of a version, 0 when there is none to be had.
func major(i providers.Info) int {
	n, _, _ := strings.Cut(i.Version, ".")
	m, _ := strconv.Atoi(n)
	return m
}
