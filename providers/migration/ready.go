package migration

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// inCloud are the domains of Elastic Cloud, from which alone Serverless reads.
var inCloud = []string{".found.io", ".elastic-cloud.com", ".elastic.cloud", ".cloud.es.io"}

// Lacks implements providers.Selective: a Serverless project pulls documents
// only from Elastic Cloud. Where the destination can be asked, its answer to
// the probe counts and not this.
func (t *task) Lacks(f providers.Flavor, _ []providers.Resource) []*providers.Lack {
	if f != providers.Serverless || t.method != "reindex" || t.srcName == t.dstName || t.src == nil || t.src.Config().CloudID != "" {
		return nil
	}
	u, err := url.Parse(t.src.Config().Endpoint)
	if err != nil || u.Hostname() == "" || slices.ContainsFunc(inCloud, func(d string) bool { return strings.HasSuffix(u.Hostname(), d) }) {
		return nil
	}
	l := &providers.Lack{Finding: providers.NewError("not_on_serverless", "method", "Serverless may not read from the source", "")}
	l.Detail = fmt.Sprintf("%s is not in Elastic Cloud, and a Serverless project reads only from deployments and projects there. It answers: [%s] either not whitelisted in reindex.remote.whitelist or blocked in reindex.remote.blocklist. ",
		t.srcName, hostPort(u))
	if t.script != nil {
		l.Detail += "The documents have to pass through esmig, which runs no script: do in an ingest pipeline what the script does, name it in dest.pipeline, and write method = \"auto\" or leave it out."
		l.Stuck = "a stream runs no script"
		return []*providers.Lack{l}
	}
	l.Detail += "Write method = \"auto\", or leave it out: the documents pass through esmig where the destination cannot read them."
	l.Fixes = []providers.Fix{{Do: providers.Set, Arg: "method", Value: "auto"}}
	l.Loss = "Documents pass through the machine that runs esmig, where the destination cannot read them by itself."
	return []*providers.Lack{l}
}

// hostPort is an address as servers write it, with its port.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "http" {
		return u.Host + ":80"
	}
	return u.Host + ":443"
}
