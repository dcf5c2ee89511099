package elasticsearch

import (
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// home is where a host lies, as far as its name tells.
type home int

const (
	elsewhere home = iota
	hosted         // a deployment in Elastic Cloud Hosted
	project        // a project in Elastic Cloud Serverless
)

func homeOf(host string) home {
	host = strings.ToLower(host)
	under := func(domain string) bool { return strings.HasSuffix(host, "."+domain) }
	switch {
	case under("elastic.cloud"):
		return project
	case slices.ContainsFunc([]string{"found.io", "elastic-cloud.com", "cloud.es.io"}, under):
		return hosted
	}
	return elsewhere
}

// where says from where the address of a cluster is to be copied.
func (h home) where() string {
	switch h {
	case hosted:
		return "In the Elastic Cloud console it is on the deployment's page: Elasticsearch, Copy endpoint."
	case project:
		return "In the Elastic Cloud console it is on the project's page: Elasticsearch endpoint."
	}
	return "In Elastic Cloud it is on the page of the deployment (Elasticsearch, Copy endpoint) or of the project (Elasticsearch endpoint); elsewhere Elasticsearch usually listens at port 9200."
}

// wantKey says where an API key is made and what of it is to be pasted.
func (h home) wantKey() string {
	const paste = "send POST /_security/api_key to the cluster itself (Developer tools, Console) and paste the value of \"encoded\" in the answer."
	if h == project {
		return "To get a key of the project, " + paste
	}
	return "To get a key, " + paste
}

// Of the names that Elastic Cloud gives the parts of a deployment or project:
// ALIAS.PART.REGION.…
var cloudParts = map[string]string{"kb": "Kibana", "apm": "the APM server", "fleet": "the Fleet server"}

// cloudPart changes the part in a host of Elastic Cloud; empty: the host names
// none.
func cloudPart(host, to string) (changed, was string) {
	labels := strings.Split(host, ".")
	if homeOf(host) == elsewhere || len(labels) < 4 {
		return "", ""
	}
	was, labels[1] = labels[1], to
	if was != "es" && cloudParts[was] == "" {
		return "", ""
	}
	return strings.Join(labels, "."), was
}

// otherPart finds an address in Elastic Cloud that is not Elasticsearch's.
func otherPart(u *url.URL) error {
	find := func(what, detail string) error {
		return providers.NewError("not_elasticsearch", "endpoint", "This is not Elasticsearch", u.Host+" is "+what+", not Elasticsearch. "+detail)
	}
	host := strings.ToLower(u.Hostname())
	switch host {
	case "cloud.elastic.co", "api.elastic-cloud.com":
		return find("the console, or the API, of Elastic Cloud itself", "Write the Elasticsearch endpoint. "+elsewhere.where())
	}
	changed, was := cloudPart(host, "es")
	if was == "" || was == "es" {
		return nil
	}
	to := *u
	to.Host, to.Path, to.RawPath = changed, "", ""
	if port := u.Port(); port != "" {
		to.Host += ":" + port
	}
	f := find(cloudParts[was], "Elasticsearch's own address has .es. where this has ."+was+".:\n\n    endpoint = \""+to.String()+"\"\n\n"+homeOf(host).where())
	if was == "kb" {
		f.(*providers.Finding).Code, f.(*providers.Finding).Summary = codeKibana, summaryKibana
	}
	return f
}

// KibanaURL is the address of the Kibana beside a cluster in Elastic Cloud, as
// far as the cluster's address tells; empty: it does not.
func KibanaURL(cfg providers.ClusterConfig) string {
	u, err := baseURL(cfg)
	if err != nil || cfg.CloudID != "" {
		return ""
	}
	changed, was := cloudPart(u.Hostname(), "kb")
	if was != "es" {
		return ""
	}
	return "https://" + changed
}

// InCloud says whether a cluster is a deployment in Elastic Cloud Hosted, as far
// as its address tells: its settings are changed in the console.
func InCloud(cfg providers.ClusterConfig) bool {
	u, err := baseURL(cfg)
	return err == nil && homeOf(u.Hostname()) == hosted
}
