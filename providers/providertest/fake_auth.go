package providertest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/esmig/esmig/providers"
)

func (f *Fake) authenticate(r *http.Request) error {
	if len(f.opt.APIKeys) == 0 && len(f.opt.Users) == 0 {
		return nil
	}
	denied := func(status int, format string, a ...any) error {
		return &apiError{status: status, kind: "security_exception", reason: fmt.Sprintf(format, a...)}
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "ApiKey"):
		for _, k := range f.opt.APIKeys {
			if k.Encoded == value {
				if k.ReadOnly && !mayRead(r) {
					return denied(403, "action [%s] is unauthorized for API key id [%s] of user [elastic], this action is granted by the index privileges [create_index,manage,all]", "indices:admin/create", keyID(value))
				}
				return nil
			}
		}
		return denied(401, "unable to authenticate with provided credentials and anonymous access is not allowed for this request")
	case strings.EqualFold(scheme, "Basic") && f.opt.Flavor != providers.Serverless:
		user, pass, _ := r.BasicAuth()
		if want, ok := f.opt.Users[user]; ok && want == pass {
			return nil
		}
		return denied(401, "unable to authenticate user [%s] for REST request [%s]", user, r.URL.RequestURI())
	}
	return denied(401, "missing authentication credentials for REST request [%s]", r.URL.RequestURI())
}

func keyID(encoded string) string {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "unknown"
	}
	id, _, _ := strings.Cut(string(b), ":")
	return id
}

// mayRead says whether an API key that can only read may send a request; it
// may not refresh.
func mayRead(r *http.Request) bool {
	return isRead(r.Method, r.URL.Path) && !strings.Contains(r.URL.Path, "/_refresh")
}
