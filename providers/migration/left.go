package migration

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// Left says what a copy from one deployment to another leaves to a person:
// what Kibana shows of the documents, and the right to read from the source.
func (t *task) Left(ctx context.Context) []string {
	src, err := t.src.Info(ctx)
	if err != nil {
		return nil // only advice
	}
	dst, err := t.dst.Info(ctx)
	if err != nil || src.UUID == dst.UUID {
		return nil
	}
	var out []string
	if s := t.kibanaLeft(src, dst); s != "" {
		out = append(out, s)
	}
	if s := t.entryLeft(ctx, dst); s != "" {
		out = append(out, s)
	}
	return out
}

// kibanaTypes are what shows documents; rules and connectors lose their
// secrets on the way and are better made anew.
const kibanaTypes = `["dashboard","visualization","lens","map","search","index-pattern","tag"]`

// kibanaLeft is empty where there is no Kibana.
func (t *task) kibanaLeft(src, dst providers.Info) string {
	from, ok := major(src)
	to, ok2 := major(dst)
	if !ok || !ok2 {
		return ""
	}
	if dst.Flavor != providers.Serverless && to > from+1 {
		return fmt.Sprintf("Kibana's dashboards and data views are to be made anew for %s: Kibana %d takes exports of Kibana %d and %d only, and %s has %d.",
			t.dstName, to, to-1, to, t.srcName, from)
	}
	at := func(c providers.Cluster, otherwise string) string {
		return cmp.Or(elasticsearch.KibanaURL(c.Config()), "https://"+otherwise)
	}
	return fmt.Sprintf("Kibana's dashboards, visualizations and data views are not moved. If %s has a Kibana, export them there and import them at %s, now that their documents are in:\n\n"+
		"    curl -X POST '%s/api/saved_objects/_export' -H 'kbn-xsrf: true' -H 'Content-Type: application/json' \\\n"+
		"      -H \"Authorization: ApiKey $KIBANA_KEY_SOURCE\" -o kibana.ndjson \\\n"+
		"      -d '{\"type\":%s,\"includeReferencesDeep\":true}'\n"+
		"    curl -X POST '%s/api/saved_objects/_import' -H 'kbn-xsrf: true' \\\n"+
		"      -H \"Authorization: ApiKey $KIBANA_KEY_TARGET\" -F file=@kibana.ndjson",
		t.srcName, t.dstName, at(t.src, "KIBANA-OF-THE-SOURCE"), kibanaTypes, at(t.dst, "KIBANA-OF-THE-TARGET"))
}

// major is false where Kibana has no export, or there is no Kibana.
func major(i providers.Info) (int, bool) {
	if i.Flavor == providers.Serverless {
		return 0, true
	}
	n, err := strconv.Atoi(strings.SplitN(i.Version, ".", 2)[0])
	return n, err == nil && i.Flavor == providers.Elasticsearch && n >= 7
}

// entryLeft names the entries of the whitelist that let the destination read
// from the source. Those that are there by default stay.
func (t *task) entryLeft(ctx context.Context, dst providers.Info) string {
	host, err := elasticsearch.RemoteHost(t.src.Config())
	if err != nil || dst.Flavor == providers.Serverless {
		return ""
	}
	u, err := url.Parse(host)
	if err != nil {
		return ""
	}
	entries := slices.DeleteFunc(whitelist(ctx, t.dst), func(l string) bool {
		return slices.Contains(byDefault, l) || !matches(l, u.Host)
	})
	if len(entries) == 0 {
		return ""
	}
	word := "whitelist"
	if dst.Flavor == providers.OpenSearch {
		word = "allowlist"
	}
	return fmt.Sprintf("If %s is to read no more from %s, %s can go from reindex.remote.%s of %s again.",
		t.dstName, t.srcName, enumerate(quoteAll(entries)), word, t.dstName)
}
