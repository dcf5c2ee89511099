package elasticsearch

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// transport is the way to the network that a cluster block describes.
func transport(cfg providers.ClusterConfig, host string) (http.RoundTripper, error) {
	tlsConfig, err := tlsConfig(cfg, host)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig:     tlsConfig,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 64, // as many as a migration ever uses side by side
		DisableCompression:  !cfg.Compression,
	}
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5") {
			return nil, providers.NewError("bad_proxy", "proxy", "Unusable proxy",
				`A proxy looks like "http://proxy.example:3128"; https and socks5 are possible too.`)
		}
		t.Proxy = http.ProxyURL(u)
	}
	return t, nil
}

func tlsConfig(cfg providers.ClusterConfig, host string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.InsecureSkipVerify}
	if len(cfg.CAPEM) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(cfg.CAPEM) {
			return nil, providers.NewError("bad_ca", "ca_file", "Unusable CA file",
				"It holds no certificate in PEM form: a block that begins with -----BEGIN CERTIFICATE-----.")
		}
	} else if cfg.CAFile != "" {
		return nil, providers.NewError("bad_ca", "ca_file", "Unusable CA file", "It is empty.")
	}
	if (len(cfg.ClientCertPEM) > 0) != (len(cfg.ClientKeyPEM) > 0) {
		return nil, providers.NewError("half_client_cert", "client_cert", "Incomplete client certificate",
			"client_cert and client_key need each other.")
	}
	if len(cfg.ClientCertPEM) > 0 {
		pair, err := tls.X509KeyPair(cfg.ClientCertPEM, cfg.ClientKeyPEM)
		if err != nil {
			return nil, providers.NewError("bad_client_cert", "client_cert", "Unusable client certificate",
				"client_cert and client_key must be PEM files that belong together; the key may not be encrypted.")
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if cfg.CAFingerprint != "" {
		want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(cfg.CAFingerprint), ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, providers.NewError("bad_fingerprint", "ca_fingerprint", "Unusable fingerprint",
				"It must be the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons. "+
					"\"openssl x509 -fingerprint -sha256 -noout -in ca.crt\" prints it.")
		}
		// The usual check would refuse a CA that this machine does not know;
		// the one below takes its place.
		t.InsecureSkipVerify = true
		t.VerifyConnection = func(s tls.ConnectionState) error { return verifyFingerprint(s.PeerCertificates, host, want) }
	}
	return t, nil
}

// fingerprintError: no presented certificate has the wanted fingerprint.
type fingerprintError struct{ presented []*x509.Certificate }

func (e *fingerprintError) Error() string { return "no certificate has the wanted fingerprint" }

// verifyFingerprint accepts a server whose own certificate has the
// fingerprint, or is signed by a presented one that has it. That a certificate
// is merely presented proves nothing: anybody can send a CA's certificate
// along.
func verifyFingerprint(presented []*x509.Certificate, host string, want []byte) error {
	for i, c := range presented {
		sum := sha256.Sum256(c.Raw)
		if !bytes.Equal(sum[:], want) {
			continue
		}
		if i == 0 {
			return nil
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(c)
		for _, m := range presented[1:] {
			between.AddCert(m)
		}
		_, err := presented[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: presented, Err: err}
		}
		return nil
	}
	return &fingerprintError{presented}
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
