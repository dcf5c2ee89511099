package migration

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/esmig/esmig/providers"
)

// What must be set on a destination so that it may read from the source, and
// how: in a file, in the console of Elastic Cloud, or not at all.

// destSide is the destination of a reindex from remote, as far as it is known
// when an answer of it is read.
type destSide struct {
	info  providers.Info // zero: not known
	cloud bool           // a hosted deployment in Elastic Cloud
	// listed reads reindex.remote.whitelist: nil if it cannot be read. Nil
	// itself: nobody may be asked.
	listed func() []string
}

var notListed = regexp.MustCompile(`\[([^\]]*)\] (?:either )?not (?:white|allow)listed in reindex\.remote\.(whitelist|allowlist)`)

// byDefault is what deployments in Elastic Cloud may read from; setting the
// whitelist replaces it.
var byDefault = []string{"*.io:*", "*.com:*"}

func (t *task) notWhitelisted(at, word string, blocklist bool, by destSide) *providers.Finding {
	if blocklist || by.info.Flavor == providers.Serverless {
		return providers.NewError("outside_cloud", "source.cluster", "Serverless project may not read from the source",
			fmt.Sprintf("%s refuses to read from %s. A Serverless project reads from every hosted deployment and project in Elastic Cloud and from nothing else, and has no setting to allow more.", t.dstName, at))
	}
	setting := "reindex.remote." + word
	var listed []string
	holds := ""
	if by.listed != nil {
		if listed = by.listed(); listed == nil && by.cloud {
			listed = byDefault
			holds = fmt.Sprintf(" (which cannot be read: %s is what it holds by default)", enumerate(quoteAll(listed)))
		} else if len(listed) > 0 {
			holds = ", which holds " + enumerate(quoteAll(listed))
		} else if listed != nil {
			holds = ", which holds nothing"
		}
	}
	where := fmt.Sprintf("Add to elasticsearch.yml of %s (in Elastic Cloud: to its user settings), then restart it", t.dstName)
	if by.cloud {
		where = fmt.Sprintf("In the Elastic Cloud console, open the deployment of %s: Edit, then in the section Elasticsearch: Manage user settings and extensions (where there are settings already, perhaps the caret Edit elasticsearch.yml of each node type). Add this; saving it restarts the nodes", t.dstName)
	}
	return providers.NewError("not_whitelisted", "source.cluster", "Destination may not read from the source",
		fmt.Sprintf("%s refuses: %s is not in %s%s.%s %s:\n\n    %s: [%s]\n\nThe whole list in one line, for it replaces what is there; without https://.",
			t.dstName, at, setting, holds, t.otherPort(at, listed), where, setting, strings.Join(quoteAll(append([]string{at}, listed...)), ", ")))
}

// otherPort finds a listed entry that would do but for its port.
func (t *task) otherPort(at string, listed []string) string {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return ""
	}
	for _, l := range listed {
		i := strings.LastIndex(l, ":")
		if i < 0 || l[i+1:] == port || !matches(l[:i], host) {
			continue
		}
		return fmt.Sprintf(" The entry %q has the host with another port: if the source answers there too, write that port into the endpoint of cluster %q instead.", l, t.srcName)
	}
	return ""
}

func quoteAll(s []string) []string {
	out := make([]string, len(s))
	for i := range s {
		out[i] = fmt.Sprintf("%q", s[i])
	}
	return out
}

func (t *task) untrusted(at string, by destSide) *providers.Finding {
	find := func(format string, args ...any) *providers.Finding {
		return providers.NewError("remote_untrusted", "source.cluster", "Destination does not trust the certificate of the source",
			fmt.Sprintf("The certificate of %s (%s) is signed by %s, which %s does not know. ", t.srcName, at, authority(t.src.Config()), t.dstName)+fmt.Sprintf(format, args...))
	}
	switch {
	case by.info.Flavor == providers.Serverless:
		return find("A Serverless project trusts public authorities only, and no CA can be added to it.")
	case by.cloud:
		return find("Put the CA's certificate as my_source_ca/cacert.pem into a ZIP file, upload that as an extension (type bundle, version *) and enable it for the deployment of %s, then add to its user settings:\n\n"+
			"    reindex.ssl.certificate_authorities: \"/app/config/my_source_ca/cacert.pem\"", t.dstName)
	}
	return find("Put the CA's certificate on %s, set this in its elasticsearch.yml and restart it:\n\n"+
		"    reindex.ssl.certificate_authorities: \"/path/on/%s/ca.crt\"", t.dstName, t.dstName)
}

// whitelist reads what is in force: setting it replaces the defaults, so those
// must stand in the line to write. Nil: it cannot be read.
func whitelist(ctx context.Context, c providers.Cluster) []string {
	var a map[string]map[string]any
	err := get(ctx, c, "/_cluster/settings", url.Values{"include_defaults": {"true"}, "flat_settings": {"true"},
		"filter_path": {"*.reindex*"}}, &a)
	if err != nil {
		return nil // the advice is still right, only shorter
	}
	for _, layer := range []string{"transient", "persistent", "defaults"} {
		for _, word := range []string{"reindex.remote.whitelist", "reindex.remote.allowlist"} {
			switch v := a[layer][word].(type) {
			case []any:
				var out []string
				for _, s := range v {
					out = append(out, fmt.Sprint(s))
				}
				if len(out) > 0 {
					return out
				}
			case string:
				if v = strings.Trim(v, "[]"); v != "" {
					return strings.Split(strings.ReplaceAll(v, " ", ""), ",")
				}
			}
		}
	}
	return []string{}
}

// authority names who signed the source's certificate, as far as the cluster
// block says: the destination must be given the same.
func authority(cfg providers.ClusterConfig) string {
	if block, _ := pem.Decode(cfg.CAPEM); block != nil {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			return fmt.Sprintf("%q (SHA-256 %s)", c.Subject.String(), colons(sha256.Sum256(c.Raw)))
		}
	}
	if cfg.CAFingerprint != "" {
		return "a CA with SHA-256 " + cfg.CAFingerprint
	}
	return "a CA"
}

func colons(sum [sha256.Size]byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}
