package migration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// How many ranges are copied at the same time where the user does not say.
const (
	perProcessor = 2 // of the destination's nodes that hold data
	unknownSize  = 4 // where the nodes may not be asked
	// A write to Serverless takes that long at best, so that many of them at the
	// same time have to carry the speed.
	serverlessWrite = 200 * time.Millisecond
	serverlessStart = 8
	serverlessMost  = 32
	mostTogether    = 64
)

// node is one of the destination's nodes, as it says of itself.
type node struct {
	Roles []string `json:"roles"`
	HTTP  struct {
		Publish string `json:"publish_address"` // "10.0.0.5:9200", "es1.example/10.0.0.5:9200"
	} `json:"http"`
	OS struct {
		Processors int `json:"allocated_processors"`
	} `json:"os"`
}

func (n node) data() bool {
	return len(n.Roles) == 0 || slices.ContainsFunc(n.Roles, func(r string) bool { return strings.HasPrefix(r, "data") })
}

// addresses are what the node can be called by, the name first: a certificate
// is more often made for that.
func (n node) addresses() (out []string) {
	name, ip, ok := strings.Cut(n.HTTP.Publish, "/")
	if !ok {
		return []string{n.HTTP.Publish}
	}
	_, port, err := net.SplitHostPort(ip)
	if err != nil {
		return nil
	}
	return []string{net.JoinHostPort(name, port), ip}
}

// lookAtNodes asks the destination for its nodes; none where it does not say.
func (t *task) lookAtNodes(ctx context.Context, info providers.Info) []node {
	if info.Flavor == providers.Serverless {
		return nil
	}
	var a struct {
		Nodes map[string]node `json:"nodes"`
	}
	err := get(ctx, t.dst, "/_nodes/http,os", url.Values{"filter_path": {"nodes.*.roles,nodes.*.http.publish_address,nodes.*.os.allocated_processors"}}, &a)
	if err != nil {
		return nil // it only chooses a number; what is wrong with the cluster, others find out
	}
	var out []node
	for _, n := range a.Nodes {
		if n.data() {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b node) int { return strings.Compare(a.HTTP.Publish, b.HTTP.Publish) })
	return out
}

// chooseTogether decides how many ranges are copied at the same time. What the
// user says holds.
func (t *task) chooseTogether(info providers.Info, nodes []node) {
	processors := 0
	for _, n := range nodes {
		processors += n.OS.Processors
	}
	switch {
	case t.concurrency > 0:
		t.together, t.most = t.concurrency, t.concurrency
	case info.Flavor == providers.Serverless:
		t.together, t.most = serverlessStart, serverlessMost
	case processors > 0:
		t.together = Together(processors)
		t.most = min(2*t.together, mostTogether)
	default:
		t.together, t.most = unknownSize, 2*unknownSize
	}
}

// routable is a cluster whose nodes can be called one by one.
type routable interface {
	// At is the same cluster at another host and port.
	At(address string) (providers.Cluster, error)
}

// spread connects to all nodes of the destination, so that its tasks do not all
// run on one of them. It tries only where the endpoint is a node itself: behind
// a proxy or load balancer the nodes' addresses are of no use, and the balancer
// spreads what it gets.
func (t *task) spread(ctx context.Context, info providers.Info, nodes []node) []providers.Cluster {
	only := []providers.Cluster{t.dst}
	to, ok := t.dst.(routable)
	endpoint, err := url.Parse(t.dst.Config().Endpoint)
	if !ok || err != nil || len(nodes) < 2 || endpoint.Path != "" || t.dst.Config().Proxy != "" ||
		!slices.ContainsFunc(nodes, func(n node) bool { return slices.Contains(n.addresses(), endpoint.Host) }) {
		return only
	}
	found := make([]providers.Cluster, len(nodes))
	_ = each(ctx, len(nodes), func(ctx context.Context, i int) error {
		addresses := nodes[i].addresses()
		if slices.Contains(addresses, endpoint.Host) {
			found[i] = t.dst
			return nil
		}
		for _, a := range addresses {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			c, err := to.At(a)
			if err == nil {
				var said struct {
					UUID string `json:"cluster_uuid"`
				}
				raw, err := c.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/"})
				if err == nil && decode(raw, &said) == nil && said.UUID == info.UUID {
					found[i] = c
				}
			}
			cancel()
			if found[i] != nil {
				return nil
			}
		}
		return nil
	})
	found = slices.DeleteFunc(found, func(c providers.Cluster) bool { return c == nil })
	if len(found) < 2 {
		return only
	}
	return found
}

// avoid begins no more tasks on a node that gave no answer: each range that met
// it would wait for it anew. What all is asked of stays, and is waited for.
func (r *run) avoid(node providers.Cluster) {
	if node == r.dst {
		return
	}
	r.mu.Lock()
	n := len(r.nodes)
	r.nodes = slices.DeleteFunc(r.nodes, func(c providers.Cluster) bool { return c == node })
	left := len(r.nodes) < n
	r.mu.Unlock()
	if left {
		r.j.Note(fmt.Sprintf("A node of %s, %s, does not answer: no more tasks begin on it.", r.dstName, node.Config().Endpoint))
	}
}
