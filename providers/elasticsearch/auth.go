package elasticsearch

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/esmig/esmig/providers"
)

// EncodedAPIKey is the key as it goes after "ApiKey ": a key written as
// "id:key" is encoded, one that is encoded already is kept.
func EncodedAPIKey(key string) string {
	key = strings.TrimSpace(key)
	if strings.Contains(key, ":") { // never part of base64
		return base64.StdEncoding.EncodeToString([]byte(key))
	}
	return key
}

// headers are those of every request: the user's own, then the authorization.
func headers(cfg providers.ClusterConfig) (http.Header, error) {
	h := http.Header{}
	for k, v := range cfg.Headers {
		if k == "" || strings.ContainsAny(k, " :\r\n\t") || strings.ContainsAny(v, "\r\n") {
			return nil, providers.NewError("bad_header", "headers", "Unusable header",
				"A header's name may not hold spaces or colons, and neither its name nor its value a line break.")
		}
		h.Set(k, v)
	}
	basic := cfg.Username != "" || cfg.Password != ""
	switch {
	case cfg.APIKey != "" && basic:
		return nil, providers.NewError("two_credentials", "api_key", "Two kinds of credentials",
			"Write either api_key or username and password, not both.")
	case basic && (cfg.Username == "" || cfg.Password == ""):
		return nil, providers.NewError("half_credentials", "username", "Incomplete credentials",
			"username and password need each other: one of them is missing or empty.")
	case cfg.APIKey != "":
		key := EncodedAPIKey(cfg.APIKey)
		if strings.HasPrefix(strings.TrimSpace(cfg.APIKey), "{") {
			return nil, providers.NewError("bad_api_key", "api_key", "Unusable API key",
				"This is the whole answer that the server gave when the key was made. Paste only the value of \"encoded\" in it.")
		}
		if scheme, _, ok := strings.Cut(strings.TrimSpace(cfg.APIKey), " "); ok && strings.EqualFold(scheme, "ApiKey") {
			return nil, providers.NewError("bad_api_key", "api_key", "Unusable API key",
				"This is the whole header. Leave out the word ApiKey in front: the key alone belongs here.")
		}
		if key == "" || strings.ContainsAny(key, " \r\n\t") {
			return nil, providers.NewError("bad_api_key", "api_key", "Unusable API key",
				"An API key is either the \"encoded\" value that the server gave out when the key was made, or \"id:key\"; it holds no spaces.")
		}
		h.Set("Authorization", "ApiKey "+key)
	case basic:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(cfg.Username+":"+cfg.Password)))
	}
	return h, nil
}

// redactor hides secrets that a server or a proxy repeats in its answer. Very
// short values are left alone: hiding "1" would hide everything.
func redactor(cfg providers.ClusterConfig) func(string) string {
	const shortest = 5
	var pairs []string
	add := func(s string) {
		if len(s) >= shortest {
			pairs = append(pairs, s, "(secret)")
		}
	}
	secrets := cfg.Secrets()
	if cfg.APIKey != "" {
		encoded := EncodedAPIKey(cfg.APIKey)
		secrets = append(secrets, encoded)
		if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			if _, key, ok := strings.Cut(string(plain), ":"); ok {
				secrets = append(secrets, string(plain), key)
			}
		}
		if _, key, ok := strings.Cut(cfg.APIKey, ":"); ok {
			secrets = append(secrets, key)
		}
	}
	if cfg.Password != "" {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(cfg.Username+":"+cfg.Password)))
	}
	if u, err := url.Parse(cfg.Proxy); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			secrets = append(secrets, p)
		}
	}
	for _, s := range secrets {
		add(s)
	}
	return strings.NewReplacer(pairs...).Replace
}
