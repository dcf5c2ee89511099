package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/esmig/esmig/cmd/eslab/door"
)

// openDoor is a door that listens, in the process of eslab.
type openDoor struct {
	name string
	http *http.Server
	vars environment
}

// openDoors opens doors before servers that run. They live as long as eslab.
func (l *lab) openDoors(ctx context.Context, names []string) error {
	servers := map[string]*behind{}
	for _, name := range names {
		s := catalogue[name]
		b := servers[s.before]
		if b == nil {
			var err error
			if b, err = l.behind(ctx, s.before); err != nil {
				return err
			}
			servers[s.before] = b
		}
		if err := l.openDoor(s, b); err != nil {
			return fmt.Errorf("%s (%s) did not open: %w", s.name, s.product, err)
		}
		progress("%s is open: %s at %s", s.name, s.product, l.doors[len(l.doors)-1].vars["URL"])
	}
	return nil
}

// behind is the server behind doors, with its variables.
type behind struct {
	*door.Server
	vars environment
}

// behind finds the server that the lab booted, or that the user gave by its
// address.
func (l *lab) behind(ctx context.Context, name string) (*behind, error) {
	vars := environment{}
	for _, key := range []string{"URL", "USERNAME", "PASSWORD", "API_KEY", "CA_FILE"} {
		vars[key] = os.Getenv(variable(name, key))
	}
	for _, b := range l.nodes {
		if b.name == name {
			vars = b.vars
		}
	}
	transport := &http.Transport{} // no proxy: it is loopback, or given by address
	if file := vars["CA_FILE"]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if transport, err = trusting(pem); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	transport.MaxIdleConnsPerHost = 64
	authorization := "ApiKey " + vars["API_KEY"]
	if user := vars["USERNAME"]; user != "" {
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+vars["PASSWORD"]))
	}
	s, err := door.Connect(ctx, vars["URL"], transport, authorization)
	return &behind{s, vars}, err
}

func (l *lab) openDoor(s spec, b *behind) error {
	handler := b.Streams()
	if s.name == "serverless" {
		handler = b.Serverless()
		if b.vars["API_KEY"] == "" {
			return fmt.Errorf("%s is not set: Serverless takes nothing but API keys", variable(s.before, "API_KEY"))
		}
	}
	port, err := usualPorts.free()
	if err != nil {
		return err
	}
	certPEM, keyPEM, err := l.authorities[s.ca].issue(s.name)
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err
	}
	d := &openDoor{name: s.name, http: &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}, vars: environment{
		"URL": fmt.Sprintf("https://127.0.0.1:%d", port), "CA_FILE": l.caFile(s.ca), "API_KEY": b.vars["API_KEY"],
	}}
	if s.name == "serverless" { // which knows nothing but API keys
		d.vars["DOOR_URL"] = d.vars["URL"] + "/_door"
	} else {
		d.vars["USERNAME"], d.vars["PASSWORD"] = b.vars["USERNAME"], b.vars["PASSWORD"]
	}
	l.doors = append(l.doors, d)
	go func() { _ = d.http.Serve(listener) }() // until the lab ends
	return nil
}
