package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// client is the little that eslab asks of a server.
type client struct {
	http           *http.Client
	url            string
	user, password string
}

func (b *boot) client() *client {
	transport := &http.Transport{} // no proxy: it is loopback
	if b.ca != "" {
		roots := x509.NewCertPool()
		roots.AddCert(b.authorities[b.ca].cert)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &client{
		http: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		url:  b.vars["URL"], user: b.vars["USERNAME"], password: b.vars["PASSWORD"],
	}
}

func (c *client) call(ctx context.Context, method, path, body string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, content)
	}
	return json.Unmarshal(content, answer)
}

// waitHealthy asks until the server is yellow or green, its process ends, or
// the time is up.
func (b *boot) waitHealthy() error {
	c := b.client()
	var last error
	for {
		var health struct{ Status string }
		last = c.call(b.ctx, http.MethodGet, "/_cluster/health", "", &health)
		if last == nil && (health.Status == "yellow" || health.Status == "green") {
			return b.findPID(c)
		}
		if last == nil {
			last = fmt.Errorf("its health is %s", health.Status)
		}
		select {
		case <-b.process.done:
			return b.logged("the server ended by itself; the end of its log:")
		case <-b.ctx.Done():
			if errors.Is(b.ctx.Err(), context.DeadlineExceeded) {
				return b.logged(fmt.Sprintf("not healthy after %s (%v); the end of its log:", bootLimit, last))
			}
			return b.ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (b *boot) logged(reason string) error {
	log, _ := os.ReadFile(b.process.log)
	return fmt.Errorf("%s\n%s", reason, lastLines(string(log), 20))
}

// findPID asks the server for its process, which for Elasticsearch 9 is a child
// of the one that was started.
func (b *boot) findPID(c *client) error {
	var answer struct {
		Nodes map[string]struct{ Process struct{ ID int } }
	}
	if err := c.call(b.ctx, http.MethodGet, "/_nodes/_local/process", "", &answer); err != nil {
		return err
	}
	for _, node := range answer.Nodes {
		b.pid = node.Process.ID
	}
	b.vars["PID"] = fmt.Sprint(b.pid)
	return nil
}

const (
	adminKey = `{"name": "eslab-admin"}` // without roles it has all that its maker has
	readKey  = `{"name": "eslab-read", "role_descriptors": {"read": {"cluster": ["monitor"],
		"indices": [{"names": ["*"], "privileges": ["read", "view_index_metadata"]}]}}}`
)

func (b *boot) makeKey(request string) (string, error) {
	var key struct{ Encoded string }
	err := b.client().call(b.ctx, http.MethodPost, "/_security/api_key", request, &key)
	if err == nil && key.Encoded == "" {
		err = errors.New("POST /_security/api_key: the answer has no encoded key")
	}
	return key.Encoded, err
}

// trusting is a transport that trusts only the given CA.
func trusting(pem []byte) (*http.Transport, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("it holds no certificate")
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, nil
}
