package elasticsearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/esmig/esmig/providers"
)

// Codes of the findings that stand for "no answer came".
const (
	codeRefused     = "connection_refused"
	codeNoHost      = "no_such_host"
	codeTimeout     = "timeout"
	codeBroken      = "connection_broken"
	codeUnreachable = "unreachable"
	codeTLS         = "tls"
	codeUntrusted   = "untrusted_certificate"
	codeFingerprint = "fingerprint_mismatch"
	codePlainHTTP   = "http_instead_of_https"
	codeProxy       = "proxy"
)

// temporary are those that may be gone at the next try.
var temporary = map[string]bool{codeRefused: true, codeTimeout: true, codeBroken: true, codeUnreachable: true}

// networkFinding says in the user's words why no answer came. It wraps
// providers.ErrUnavailable and the cause.
func networkFinding(cfg providers.ClusterConfig, base *url.URL, timeout time.Duration, redact func(string) string, err error) error {
	host := hostPort(base)
	find := func(code, arg, summary, format string, args ...any) error {
		f := providers.NewError(code, arg, summary, redact(fmt.Sprintf(format, args...)))
		f.Err = errors.Join(providers.ErrUnavailable, err)
		return f
	}
	endpoint := "endpoint"
	if cfg.CloudID != "" {
		endpoint = "cloud_id"
	}
	var (
		dns     *net.DNSError
		op      *net.OpError
		badCert *tls.CertificateVerificationError
		other   *fingerprintError
		alert   tls.AlertError
		header  tls.RecordHeaderError
	)
	cause := clean(lastPart(err), 300)
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect", strings.Contains(err.Error(), "proxyconnect"):
		return find(codeProxy, "proxy", "No way through the proxy", "The proxy did not open a connection to %s: %s.", host, cause)
	case errors.As(err, &dns) && dns.IsNotFound:
		return find(codeNoHost, endpoint, "Host not found", "No address is known for %q. Check the spelling of the host and the name server.", clean(dns.Name, 200))
	case errors.As(err, &other):
		return find(codeFingerprint, "ca_fingerprint", "Certificate with another fingerprint",
			"No certificate that %s presents has the fingerprint of ca_fingerprint. It presents:\n\n%s\nIf this is what you expect, change ca_fingerprint; if not, somebody else may be answering.",
			host, listCertificates(other.presented))
	case errors.As(err, &badCert):
		return certificateFinding(find, host, badCert)
	case errors.As(err, &header), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return find(codePlainHTTP, endpoint, "No TLS at this port",
			"%s does not speak TLS. Write http:// instead of https:// in the endpoint, or the port at which it does.", host)
	case errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls:"):
		return find(codeTLS, "client_cert", "TLS handshake refused",
			"%s ended the handshake: %s. If it demands a client certificate, set client_cert and client_key.", host, cause)
	case errors.Is(err, syscall.ECONNREFUSED):
		return find(codeRefused, endpoint, "Connection refused", "Nothing listens at %s. Check host and port, and that the server is up.%s", host, portHint(cfg, base))
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return find(codeTimeout, "timeout", "No answer in time",
			"%s did not answer within %s. If it is only slow, raise timeout.%s", host, timeout, portHint(cfg, base))
	case errors.As(err, &op) && op.Op == "dial":
		return find(codeUnreachable, endpoint, "Host not reachable", "No connection to %s: %s.%s", host, cause, portHint(cfg, base))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		hint := ""
		if base.Scheme == "http" {
			hint = " If it speaks TLS at this port, write https:// in the endpoint."
		}
		return find(codeBroken, endpoint, "Connection broken", "%s closed the connection before its answer was complete.%s", host, hint)
	}
	return find(codeBroken, endpoint, "No answer", "%s did not answer: %s.", host, cause)
}

func certificateFinding(find func(code, arg, summary, format string, args ...any) error, host string, e *tls.CertificateVerificationError) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	certs := e.UnverifiedCertificates
	switch {
	case errors.As(e, &unknown) && len(certs) > 0:
		top := certs[len(certs)-1]
		signer, sum := top.Issuer.String(), ""
		if top.IsCA {
			signer, sum = top.Subject.String(), fmt.Sprintf(" (SHA-256 %s)", fingerprint(top))
		}
		choice := "ca_file = \"ca.crt\""
		if sum != "" {
			choice += "\n\nor, if the fingerprint is the one you know:\n\n    ca_fingerprint = \"" + fingerprint(top) + "\""
		}
		return find(codeUntrusted, "ca_file", "Certificate of an unknown authority",
			"The certificate of %s is signed by %q%s, which this machine does not trust. Put that CA's certificate into a file and set:\n\n    %s", host, clean(signer, 200), sum, choice)
	case errors.As(e, &name):
		valid := append([]string{}, name.Certificate.DNSNames...)
		for _, ip := range name.Certificate.IPAddresses {
			valid = append(valid, ip.String())
		}
		return find(codeUntrusted, "endpoint", "Certificate for another host",
			"The certificate that %s presents is valid for %s only. Write one of these names in the endpoint.",
			host, clean(strings.Join(valid, ", "), 300))
	case errors.As(e, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return find(codeUntrusted, "endpoint", "Certificate not valid now",
			"The certificate of %s is valid from %s to %s. Renew it, or set this machine's clock right.",
			host, invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly))
	}
	return find(codeUntrusted, "ca_file", "Certificate not trusted", "The certificate of %s cannot be verified: %s.", host, clean(e.Err.Error(), 300))
}

func listCertificates(certs []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range certs {
		fmt.Fprintf(&b, "    %s  %s\n", fingerprint(c), clean(c.Subject.String(), 200))
	}
	return b.String()
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// lastPart is the innermost text of an error: the outer ones repeat the URL.
func lastPart(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
