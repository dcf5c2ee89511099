package config

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

const defaultStatePath = "esmig.state.json"

// The fixed blocks, described like kinds.
var (
	settingsKind = &providers.Kind{Name: "esmig",
		Attrs: []providers.Attr{
			{Name: "required_version", Type: cty.String},
			{Name: "source", Type: providers.ClusterType},
			{Name: "target", Type: providers.ClusterType},
		},
		Blocks: []providers.Nested{{Name: "state", Attrs: []providers.Attr{
			{Name: "path", Type: cty.String, Default: cty.StringVal(defaultStatePath)},
		}}},
	}
	outputKind = &providers.Kind{Name: "output", Attrs: []providers.Attr{
		{Name: "value", Type: cty.DynamicPseudoType, Required: true},
		{Name: "sensitive", Type: cty.Bool},
	}}
	clusterKind = &providers.Kind{Name: "cluster", Attrs: []providers.Attr{
		{Name: "endpoint", Type: cty.String},
		{Name: "cloud_id", Type: cty.String},
		{Name: "api_key", Type: cty.String, Sensitive: true},
		{Name: "username", Type: cty.String},
		{Name: "password", Type: cty.String, Sensitive: true},
		{Name: "ca_file", Type: cty.String},
		{Name: "ca_fingerprint", Type: cty.String},
		{Name: "client_cert", Type: cty.String},
		{Name: "client_key", Type: cty.String},
		{Name: "headers", Type: cty.Map(cty.String), Sensitive: true},
		{Name: "compression", Type: cty.Bool},
		{Name: "timeout", Type: cty.String},
		{Name: "proxy", Type: cty.String},
		{Name: "insecure_skip_verify", Type: cty.Bool},
	}}
)

// text is a string argument of a fixed block, "" when it is absent or wrong.
func (l *loader) text(in *instance, arg string) string {
	v, _ := l.force(in.args[arg]).Unmark()
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

func (l *loader) flag(in *instance, arg string) bool {
	v, _ := l.force(in.args[arg]).Unmark()
	return !v.IsNull() && v.IsKnown() && v.True()
}

// loadSettings reads the esmig block. False: these files are for another
// esmig, so what it would find wrong with them says nothing.
func (l *loader) loadSettings() bool {
	if l.settings == nil || l.skip(l.settings) {
		return true
	}
	in, s := l.only(l.settings), &l.cfg.Settings
	if s.RequiredVersion = l.text(in, "required_version"); s.RequiredVersion != "" {
		r := subject(l.settings.body.attrs["required_version"])
		want, err := version.NewConstraint(s.RequiredVersion)
		if err != nil {
			l.errorf(r, "Invalid version constraint", "%q is no version constraint: write one like \">= 0.1\" or \"~> 1.2\".", s.RequiredVersion)
		} else if have, err := version.NewVersion(l.Version); err == nil && !want.Check(have.Core()) {
			l.diags = nil
			l.errorf(r, "Unsuitable version of esmig", "These files need esmig %s, and this is %s. Use an esmig that fits; the rest of the files was not looked at.", s.RequiredVersion, l.Version)
			return false
		}
	}
	if source := l.force(in.args["source"]); source.IsKnown() {
		s.SourceCluster = providers.ClusterName(source)
	}
	if target := l.force(in.args["target"]); target.IsKnown() {
		s.TargetCluster = providers.ClusterName(target)
	}
	if l.settings.body.nested["state"] != nil {
		if path := l.text(in, "state.path"); path != "" {
			s.StatePath = path
		} else if a := l.settings.body.nested["state"].attrs["path"]; a != nil && l.force(in.args["state.path"]).IsKnown() {
			l.errorf(subject(a), "Invalid value", "The path of the state is empty. Write a file name, or leave it out for %q.", defaultStatePath)
		}
	}
	return true
}

// loadClusters reads the cluster blocks.
func (l *loader) loadClusters() {
	for _, d := range sortedDecls(l.clusters) {
		if l.skip(d) {
			continue
		}
		l.args(l.only(d)) // every error of the block, also where nothing more is checked
		c := &clusterReader{loader: l, in: l.only(d)}
		l.cfg.Clusters[d.name] = c.read()
	}
}

// clusterReader checks the arguments of one cluster block.
type clusterReader struct {
	*loader
	in *instance
}

func (c *clusterReader) text(arg string) string { return c.loader.text(c.in, arg) }

// has says that an argument is written, whatever it evaluates to.
func (c *clusterReader) has(arg string) bool {
	if c.in.decl.body.attrs[arg] == nil {
		return false
	}
	v := c.force(c.in.args[arg])
	return !v.IsKnown() || !v.IsNull()
}

func (c *clusterReader) wrong(arg, format string, args ...any) {
	r := c.in.decl.body.at
	if a := c.in.decl.body.attrs[arg]; a != nil {
		r = subject(a)
	}
	c.errorf(r, "Invalid cluster", format, args...)
}

func (c *clusterReader) read() *Cluster {
	d := c.in.decl
	cfg := providers.ClusterConfig{
		Name:               d.name,
		Endpoint:           c.endpoint(),
		CloudID:            c.text("cloud_id"),
		APIKey:             c.text("api_key"),
		Username:           c.text("username"),
		Password:           c.text("password"),
		CAFile:             c.text("ca_file"),
		CAFingerprint:      c.text("ca_fingerprint"),
		Proxy:              c.text("proxy"),
		Compression:        c.flag(c.in, "compression"),
		InsecureSkipVerify: c.flag(c.in, "insecure_skip_verify"),
	}
	switch {
	case c.has("endpoint") && c.has("cloud_id"):
		c.wrong("cloud_id", "A cluster has either an endpoint or a cloud_id. Remove one of the two.")
	case !c.has("endpoint") && !c.has("cloud_id"):
		c.wrong("", "A cluster needs an address: write endpoint = \"https://HOST:PORT\", or cloud_id.")
	}
	switch {
	case c.has("api_key") && (c.has("username") || c.has("password")):
		c.wrong("api_key", "A cluster is opened either with an api_key or with username and password. Remove one of the two.")
	case c.has("username") != c.has("password"):
		arg, other := "username", "password"
		if c.has("password") {
			arg, other = other, arg
		}
		c.wrong(arg, "The argument %q needs %q next to it.", arg, other)
	}
	if f := strings.ReplaceAll(cfg.CAFingerprint, ":", ""); f != "" {
		if raw, err := hex.DecodeString(f); err != nil || len(raw) != 32 {
			c.wrong("ca_fingerprint", "A fingerprint is the SHA-256 of the CA's certificate in hex, 64 digits.")
		}
	}
	if t := c.text("timeout"); t != "" {
		var err error
		if cfg.Timeout, err = time.ParseDuration(t); err != nil || cfg.Timeout <= 0 {
			c.wrong("timeout", "%q is no duration: write one like \"30s\" or \"2m\".", t)
		}
	}
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			c.wrong("proxy", "A proxy is a URL like \"http://proxy.example.com:3128\".")
		} else if password, ok := u.User.Password(); ok {
			c.secret(password, cfg.Proxy)
		}
	}
	if v, _ := c.force(c.in.args["headers"]).UnmarkDeep(); v.IsWhollyKnown() && !v.IsNull() {
		cfg.Headers = map[string]string{}
		for name, value := range v.AsValueMap() {
			if value.IsNull() {
				c.wrong("headers", "The header %q is null. Leave it out instead.", name)
				continue
			}
			cfg.Headers[name] = value.AsString()
		}
	}
	c.certificates(&cfg)
	c.secret(cfg.Secrets()...)
	c.secret(relatedSecrets(cfg)...)
	return &Cluster{ClusterConfig: cfg, DeclRange: d.body.at, AttrRanges: attrRanges(d.body)}
}

// endpoint is the address without a trailing slash.
func (c *clusterReader) endpoint() string {
	raw := c.text("endpoint")
	if raw == "" {
		if c.has("endpoint") && c.force(c.in.args["endpoint"]).IsKnown() {
			c.wrong("endpoint", "The endpoint is empty. Write one like \"https://HOST:9200\".")
		}
		return ""
	}
	u, err := url.Parse(raw)
	switch {
	case !strings.HasPrefix(raw, "http://") && !strings.HasPrefix(raw, "https://"):
		c.wrong("endpoint", "An endpoint begins with https:// or http://. Write: \"https://HOST:9200\".")
	case err != nil || u.Hostname() == "":
		c.wrong("endpoint", "This is no URL. Write one like \"https://HOST:9200\".")
	case u.User != nil:
		if a := c.in.decl.body.attrs["endpoint"]; a != nil {
			c.blank(a.Expr) // a password is in it
		}
		password, _ := u.User.Password()
		c.secret(password)
		c.wrong("endpoint", "User and password do not belong into the endpoint. Write the arguments username and password instead.")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.wrong("endpoint", "An endpoint has no query and no fragment. Write only: \"%s://%s%s\".", u.Scheme, u.Host, strings.TrimRight(u.Path, "/"))
	}
	return strings.TrimRight(raw, "/")
}

// certificates reads the files of a cluster block.
func (c *clusterReader) certificates(cfg *providers.ClusterConfig) {
	file := func(arg string) []byte {
		name := c.text(arg)
		if name == "" {
			return nil
		}
		src, err := c.readFile(name)
		switch {
		case c.Lenient: // it says nothing, and need not be on this machine
			return src
		case err != nil:
			c.wrong(arg, "%s A name is taken relative to the folder of the configuration.", readError("file", name, err))
		case !isPEM(src):
			c.wrong(arg, "The file %q holds no PEM: it has to hold a line -----BEGIN …-----.", name)
		default:
			return src
		}
		return nil
	}
	cfg.CAPEM, cfg.ClientCertPEM, cfg.ClientKeyPEM = file("ca_file"), file("client_cert"), file("client_key")
	delete(c.loader.read, c.text("client_key")) // a secret: not a part of the hash
	if c.has("client_cert") != c.has("client_key") {
		arg, other := "client_cert", "client_key"
		if c.has("client_key") {
			arg, other = other, arg
		}
		c.wrong(arg, "The argument %q needs %q next to it.", arg, other)
	}
	if cfg.ClientCertPEM != nil && cfg.ClientKeyPEM != nil && !c.Lenient {
		if _, err := tls.X509KeyPair(cfg.ClientCertPEM, cfg.ClientKeyPEM); err != nil {
			c.wrong("client_key", "Certificate and key cannot be used: %s.", err)
		}
	}
}

func isPEM(src []byte) bool {
	b, _ := pem.Decode(src)
	return b != nil
}

// relatedSecrets are other forms in which a cluster's secrets may turn up.
func relatedSecrets(cfg providers.ClusterConfig) []string {
	var out []string
	if cfg.APIKey != "" {
		pair := cfg.APIKey
		if strings.Contains(pair, ":") {
			out = append(out, base64.StdEncoding.EncodeToString([]byte(pair)))
		} else if raw, err := base64.StdEncoding.DecodeString(pair); err == nil && strings.Contains(string(raw), ":") {
			pair = string(raw)
			out = append(out, pair)
		}
		if _, key, ok := strings.Cut(pair, ":"); ok {
			out = append(out, key)
		}
	}
	if cfg.Password != "" {
		out = append(out, base64.StdEncoding.EncodeToString([]byte(cfg.Username+":"+cfg.Password)))
	}
	for _, v := range cfg.Headers {
		if _, token, ok := strings.Cut(v, " "); ok {
			out = append(out, token)
		}
	}
	return out
}
