package elasticsearch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/esmig/esmig/providers"
)

// authority is a CA of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for 127.0.0.1 (or for name), as PEM.
func (a authority) issue(t *testing.T, name string, until time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if name == "" {
		tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		tmpl.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// serve presents the certificate and, if sendCA, the CA's after it.
func (a authority) serve(t *testing.T, name string, until time.Time, sendCA, askClient bool) *httptest.Server {
	t.Helper()
	certPEM, keyPEM := a.issue(t, name, until)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	if sendCA {
		pair.Certificate = append(pair.Certificate, a.cert.Raw)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, esInfo) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if askClient {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(a.cert)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	plain := ca.serve(t, "", later, false, false)
	chain := ca.serve(t, "", later, true, false)
	wrongName := ca.serve(t, "es.example", later, true, false)
	expired := ca.serve(t, "", past, true, false)
	mutual := ca.serve(t, "", later, false, true)
	// Anybody can send a CA's certificate along: it must not be believed.
	forged := other.serve(t, "", later, false, false)
	forged.TLS.Certificates[0].Certificate = append(forged.TLS.Certificates[0].Certificate, ca.cert.Raw)
	noTLS := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, esInfo) }))
	t.Cleanup(noTLS.Close)
	leaf := func(s *httptest.Server) *x509.Certificate {
		c, err := x509.ParseCertificate(s.TLS.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	clientCert, clientKey := ca.issue(t, "", later)

	for name, tt := range map[string]struct {
		url  string
		cfg  providers.ClusterConfig
		code string
		text []string
	}{
		"unknown CA":               {url: plain.URL, code: codeUntrusted, text: []string{`"CN=Example CA"`, `ca_file = "ca.crt"`}},
		"unknown CA, in the chain": {url: chain.URL, code: codeUntrusted, text: []string{`"CN=Example CA"`, fingerprint(ca.cert), "ca_fingerprint = "}},
		"CA file":                  {url: plain.URL, cfg: providers.ClusterConfig{CAPEM: ca.pem}},
		"other CA file":            {url: plain.URL, cfg: providers.ClusterConfig{CAPEM: other.pem}, code: codeUntrusted},
		"wrong name":               {url: wrongName.URL, cfg: providers.ClusterConfig{CAPEM: ca.pem}, code: codeUntrusted, text: []string{"es.example"}},
		"expired":                  {url: expired.URL, cfg: providers.ClusterConfig{CAPEM: ca.pem}, code: codeUntrusted, text: []string{"clock"}},
		"fingerprint of the CA":    {url: chain.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(ca.cert)}},
		"fingerprint, no colons":   {url: chain.URL, cfg: providers.ClusterConfig{CAFingerprint: strings.ToLower(strings.ReplaceAll(fingerprint(ca.cert), ":", ""))}},
		"fingerprint of the node":  {url: plain.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(leaf(plain))}},
		"fingerprint mismatch":     {url: chain.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(other.cert)}, code: codeFingerprint, text: []string{fingerprint(ca.cert), "CN=node"}},
		"fingerprint, CA not sent": {url: plain.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(ca.cert)}, code: codeFingerprint},
		"fingerprint, wrong name":  {url: wrongName.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(ca.cert)}, code: codeUntrusted},
		"fingerprint, forged":      {url: forged.URL, cfg: providers.ClusterConfig{CAFingerprint: fingerprint(ca.cert)}, code: codeUntrusted},
		"not checked":              {url: plain.URL, cfg: providers.ClusterConfig{InsecureSkipVerify: true}},
		"client certificate":       {url: mutual.URL, cfg: providers.ClusterConfig{CAPEM: ca.pem, ClientCertPEM: clientCert, ClientKeyPEM: clientKey}},
		"no client certificate":    {url: mutual.URL, cfg: providers.ClusterConfig{CAPEM: ca.pem}, code: codeTLS, text: []string{"client_cert"}},
		"https at an http port":    {url: strings.Replace(noTLS.URL, "http:", "https:", 1), code: codePlainHTTP, text: []string{"http://"}},
		"half a client cert":       {url: plain.URL, cfg: providers.ClusterConfig{ClientCertPEM: clientCert}, code: "half_client_cert"},
		"no PEM":                   {url: plain.URL, cfg: providers.ClusterConfig{CAPEM: []byte("x")}, code: "bad_ca"},
		"short fingerprint":        {url: plain.URL, cfg: providers.ClusterConfig{CAFingerprint: "AB:CD"}, code: "bad_fingerprint"},
		"proxy":                    {url: plain.URL, cfg: providers.ClusterConfig{Proxy: "proxy"}, code: "bad_proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Name, tt.cfg.Endpoint = "c", tt.url
			c, err := Connect(tt.cfg, nil)
			if err == nil {
				_, err = c.Info(t.Context())
			}
			wantCode(t, err, tt.code)
			for _, s := range tt.text {
				if err == nil || !strings.Contains(err.Error(), s) {
					t.Errorf("%q is not in %v", s, err)
				}
			}
			if strings.HasPrefix(tt.code, "bad_") || tt.code == "" || tt.code == "half_client_cert" {
				return
			}
			if !errors.Is(err, providers.ErrUnavailable) {
				t.Error("not unavailable:", err)
			}
		})
	}
}
