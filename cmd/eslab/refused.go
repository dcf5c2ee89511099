package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/esmig/esmig/cmd/eslab/door"
)

// watched runs a command and then says what the door of serverless refused in
// that time, also to other commands that use the same lab. A command that ended
// well has failed if esmig tried any of it.
func watched(env environment, run func() (int, error)) (int, error) {
	before, err := refusedInAll(env)
	if err != nil {
		return 1, err
	}
	code, err := run()
	if before == nil {
		return code, err
	}
	now, unknown := refusedInAll(env)
	if unknown != nil && err == nil {
		return max(code, 1), unknown
	}
	if unknown != nil {
		return code, err
	}
	now.Refused = now.Refused[min(len(before.Refused), len(now.Refused)):]
	now.Count -= before.Count
	now.ByEsmig -= before.ByEsmig
	tellRefused(now)
	if code == 0 && err == nil && now.ByEsmig > 0 {
		return 1, fmt.Errorf("esmig tried %d times what Serverless does not have", now.ByEsmig)
	}
	return code, err
}

// refusedInAll is what the door of serverless has refused since it opened; nil:
// there is none, or it is a real project.
func refusedInAll(env environment) (*door.Total, error) {
	at := env[variable("serverless", "DOOR_URL")]
	if at == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(env[variable("serverless", "CA_FILE")])
	if err != nil {
		return nil, err
	}
	transport, err := trusting(pem)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	c := &client{http: &http.Client{Transport: transport, Timeout: 30 * time.Second}, url: at}
	var total door.Total
	if err := c.call(context.Background(), http.MethodGet, "/total", "", &total); err != nil { // also after Ctrl-C
		return nil, fmt.Errorf("what the door of serverless refused: %w", err)
	}
	return &total, nil
}

func tellRefused(total *door.Total) {
	if total.Count == 0 {
		progress("the door of serverless refused nothing")
		return
	}
	var list strings.Builder
	for i, r := range total.Refused {
		if i == 20 {
			break
		}
		fmt.Fprintf(&list, "\n  %d %s %s (by %s): %s", r.Status, r.Method, r.URI, r.Client, r.Reason)
	}
	if more := total.Count - min(20, len(total.Refused)); more > 0 {
		fmt.Fprintf(&list, "\n  and %d more", more)
	}
	progress("the door of serverless refused %d in all, %d of it to esmig:%s", total.Count, total.ByEsmig, list.String())
}
