package elasticsearch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// What people paste into a cluster block that belongs elsewhere, as far as it
// shows only when the cluster answers.

const (
	codeKibana    = "kibana_address"
	summaryKibana = "This is Kibana, not Elasticsearch"

	// The Cloud API's keys begin so.
	organisationKey = "essu_"
)

// wrongKey says why a key cannot be one of Elasticsearch's; empty: it can. A
// proxy may take other keys, so this explains a refusal and never makes one.
func wrongKey(key string) string {
	key = strings.TrimSpace(key)
	if id, secret, ok := strings.Cut(key, ":"); ok {
		switch inner, _ := decodeKey(secret); {
		case id == "" || secret == "":
			return "As id:key it lacks one of the two."
		case strings.HasPrefix(inner, id+":"):
			return "What stands after the colon is the encoded key already, which holds the id: paste it alone."
		}
		return ""
	}
	plain, err := decodeKey(key)
	if err != nil {
		return "It is neither id:key, for it has no colon, nor the encoded form, for it is not base64."
	}
	if strings.Contains(plain, ":") {
		return ""
	}
	if inner, err := decodeKey(plain); err == nil && strings.Contains(inner, ":") {
		return "It was encoded twice: paste the value of \"encoded\" as the server gave it out."
	}
	return "It is not the encoded form, which decodes to id:key. If it is the value of \"id\" or of \"api_key\" alone, paste the value of \"encoded\", or both as id:key."
}

func decodeKey(s string) (string, error) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(raw), err
}

// denied says which argument the cluster did not like, and what may be wrong
// with it.
func (c *client) denied(err error) error {
	find := func(code, arg, summary, what string) error {
		f := providers.NewError(code, arg, summary, fmt.Sprintf("%v\n\n%s", err, what))
		f.Err = err
		return f
	}
	const refusal = "Cluster refused the credentials"
	var e *Error
	errors.As(err, &e)
	at := homeOf(c.base.Hostname())
	switch key := strings.TrimSpace(c.cfg.APIKey); {
	case e != nil && e.Status == http.StatusForbidden:
		arg := "endpoint"
		if key != "" {
			arg = "api_key"
		} else if c.cfg.Username != "" {
			arg = "username"
		}
		return find("denied", arg, refusal, "It knows the credentials, but they lack the cluster privilege monitor, which reading the version needs.")
	case strings.HasPrefix(key, organisationKey):
		return find("organisation_key", "api_key", "This is a key of the organisation, not of the cluster",
			"A key that begins with "+organisationKey+" is made on the organisation's page of the Elastic Cloud console, for Elastic Cloud's own API (EC_API_KEY). "+
				"No hosted deployment takes it, and a project only if it was made with access to the Cloud, Elasticsearch and Kibana API. "+at.wantKey())
	case key != "" && wrongKey(key) != "":
		return find("bad_api_key", "api_key", "This is no API key of Elasticsearch", wrongKey(key)+" "+at.wantKey())
	case key != "":
		return find("denied", "api_key", refusal,
			"The key may be mistyped, expired or invalidated, or belong to another cluster (are the keys of two cluster blocks exchanged?), or to the organisation in Elastic Cloud; and esmig takes it encoded, or as id:key. "+at.wantKey())
	case c.cfg.Username != "" && (at == project || e != nil && e.onlyKeys()):
		return find("basic_on_serverless", "username", "Serverless takes no user name and password",
			"Only an API key opens a Serverless project: write api_key in the place of username and password. "+project.wantKey())
	case c.cfg.Username != "":
		return find("denied", "username", refusal, "User name or password may be mistyped, or belong to another cluster. (A Serverless project would take only an api_key.)")
	case at != project && !(e != nil && e.onlyKeys()):
		return find("denied", "endpoint", refusal, "It wants credentials, and the block gives none: set api_key, or username and password.")
	}
	return find("denied", "endpoint", refusal, "It wants credentials, and the block gives none: set api_key. "+project.wantKey())
}

// onlyKeys: the server says that it takes API keys and no user names.
func (e *Error) onlyKeys() bool {
	has := func(scheme string) bool {
		return slices.ContainsFunc(e.challenges, func(c string) bool { return strings.HasPrefix(strings.ToLower(c), scheme) })
	}
	return has("apikey") && !has("basic")
}

// kibanaHeaders: what Kibana sends with every answer.
func kibanaHeaders(h http.Header) bool {
	return h.Get("Kbn-Name") != "" || h.Get("Kbn-License-Sig") != ""
}

func (c *client) noCluster(what string) error {
	return providers.NewError("not_elasticsearch", "endpoint", "This is not Elasticsearch",
		fmt.Sprintf("What answers at %s does not look like Elasticsearch or OpenSearch: %s. Is it Kibana, a proxy, or another port?%s", c.base, what, portHint(c.cfg, c.base)))
}

func (c *client) kibana(what string) error {
	text := fmt.Sprintf("Kibana answers at %s (%s). esmig needs the Elasticsearch endpoint. ", c.base, what)
	if c.base.Port() == "5601" {
		text += "Kibana listens at 5601, and Elasticsearch usually at 9200. "
	}
	return providers.NewError(codeKibana, "endpoint", summaryKibana, text+homeOf(c.base.Hostname()).where())
}

// portHint is a sentence about a port that was left out, or that nobody has in
// Elastic Cloud; empty where the port is no likely cause.
func portHint(cfg providers.ClusterConfig, u *url.URL) string {
	switch port := u.Port(); {
	case cfg.CloudID != "":
		return ""
	case homeOf(u.Hostname()) != elsewhere:
		if port != "" && port != "443" && port != "9243" {
			return " In Elastic Cloud Elasticsearch listens at 443 (hosted deployments at 9243, too): leave the port out."
		}
	case port == "":
		to := *u
		to.Host = net.JoinHostPort(u.Hostname(), "9200")
		return fmt.Sprintf(" The endpoint names no port, and without one %s means %s. Elasticsearch usually listens at 9200: endpoint = %q.",
			u.Scheme, hostPort(u)[strings.LastIndex(hostPort(u), ":")+1:], to.String())
	}
	return ""
}
