package elasticsearch

import (
	"encoding/base64"
	"net"
	"net/url"
	"strings"

	"github.com/esmig/esmig/providers"
)

// baseURL is the checked endpoint, with its path prefix and without a slash at
// the end.
func baseURL(cfg providers.ClusterConfig) (*url.URL, error) {
	switch {
	case cfg.Endpoint != "" && cfg.CloudID != "":
		return nil, providers.NewError("two_endpoints", "cloud_id", "Two endpoints", "Write either endpoint or cloud_id, not both.")
	case cfg.CloudID != "":
		return cloudURL(cfg.CloudID)
	case cfg.Endpoint == "":
		return nil, providers.NewError("no_endpoint", "endpoint", "No endpoint", "A cluster needs either endpoint or cloud_id.")
	}
	bad := func(why string) error {
		return providers.NewError("bad_endpoint", "endpoint", "Unusable endpoint",
			why+" An endpoint looks like \"https://my-deployment.es.us-east-1.aws.found.io:9243\".")
	}
	u, err := url.Parse(strings.TrimSpace(cfg.Endpoint))
	switch {
	case err != nil: // its text could repeat a password
		return nil, bad("It cannot be read as a URL.")
	case u.User != nil:
		return nil, bad("It holds a user name or a password, which would be shown wherever the endpoint is: write username and password, or api_key, instead.")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("It must begin with https:// or http://.")
	case u.Hostname() == "":
		return nil, bad("It names no host.")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, bad("It must not hold a query (?) or a fragment (#).")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	if err := otherPart(u); err != nil {
		return nil, err
	}
	return u, nil
}

// cloudURL reads a cloud id: after the last colon, base64 of
// host[:port]$elasticsearch[:port]$kibana[:port]; Kibana's part may be missing.
func cloudURL(id string) (*url.URL, error) {
	bad := providers.NewError("bad_cloud_id", "cloud_id", "Unusable cloud id",
		"It cannot be decoded. Copy it whole from the deployment's page: a name, a colon, and a long word. A Serverless project has none (its id is no cloud id): "+
			"write endpoint instead. "+project.where())
	id = strings.TrimSpace(id)
	if strings.HasPrefix(id, "https://") || strings.HasPrefix(id, "http://") {
		return nil, providers.NewError("endpoint_as_cloud_id", "cloud_id", "This is an address, not a cloud id", "Write it as endpoint instead of cloud_id.")
	}
	raw, err := base64.StdEncoding.DecodeString(id[strings.LastIndex(id, ":")+1:])
	if err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(id[strings.LastIndex(id, ":")+1:])
	}
	parts := strings.Split(string(raw), "$")
	if err != nil || len(parts) < 2 || strings.ContainsAny(string(raw), "#@?/ \r\n\t\\%") {
		return nil, bad
	}
	split := func(s string) (name, port string) {
		name, port, _ = strings.Cut(s, ":")
		return name, port
	}
	host, port := split(parts[0])
	node, own := split(parts[1])
	if own != "" {
		port = own
	}
	if port == "" {
		port = "443"
	}
	if host == "" || node == "" || node == "undefined" {
		return nil, bad
	}
	if homeOf(host) == project {
		return nil, providers.NewError("serverless_cloud_id", "cloud_id", "Serverless projects have no cloud id",
			"This one names a project at "+clean(host, 200)+". Write the project's endpoint instead of cloud_id. "+project.where())
	}
	u, err := url.Parse("https://" + net.JoinHostPort(node+"."+host, port))
	if err != nil || u.Hostname() != node+"."+host {
		return nil, bad
	}
	return u, nil
}

// RemoteHost is the cluster's address as another server needs it for a reindex
// from remote: scheme://host:port/prefix, where the port may never be missing.
func RemoteHost(cfg providers.ClusterConfig) (string, error) {
	u, err := baseURL(cfg)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + hostPort(u) + u.EscapedPath(), nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
