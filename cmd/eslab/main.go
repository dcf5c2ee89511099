// Command eslab fetches, boots and ends real Elasticsearch and OpenSearch
// servers on loopback, for the tests and the demonstration of esmig.
//
//	eslab run [-servers source,target,…] -- COMMAND ARGS…
//	eslab up [-servers …]     keeps the servers in the background
//	eslab env                 prints the environment of a running "up"
//	eslab down                ends it
//	eslab fetch [-servers …]  only downloads and checks
//	eslab load SERVER         puts 336,776 real flights into a running server
//
// The servers come through Maven and are checked against the sums in
// artifacts.go. The command finds their addresses in ESLAB_<NAME>_URL,
// _USERNAME, _PASSWORD, _API_KEY, _CA_FILE and _PID, and their names in
// ESLAB_SERVERS. One of them, nodes, is a cluster of two nodes; its variables are
// those of the first, the only one that can be master. Two of them, streams and
// serverless, are doors before target (package door):
// ESLAB_SERVERLESS_DOOR_URL/refused tells what was tried there that Serverless
// does not have; "run" and "down" say at their end what that was in all, and
// "run" fails if esmig tried any of it. A server whose ESLAB_<NAME>_URL is set
// beforehand is taken as it is and not booted. Whatever happens to eslab, no
// server outlives it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `eslab boots real Elasticsearch and OpenSearch servers on loopback

Usage:
  eslab run [-servers NAMES] [-heap SIZE] -- COMMAND ARGS…   run a command against them, then end them
  eslab up [-servers NAMES] [-heap SIZE]                     keep them in the background ("run" uses them)
  eslab env                                                  print export lines for a running "up"
  eslab down                                                 end a running "up"
  eslab fetch [-servers NAMES]                               only download and check
  eslab load SERVER                                          put 336,776 flights into the index "flights" of a running server

NAMES is a list with commas (default: source,target):
  source, target   Elasticsearch 9.4.3; the target may read from the source
  es7, es6         Elasticsearch 7.17.29 and 6.8.23
  opensearch       OpenSearch 3.8
  nodes            Elasticsearch 9.4.3, two nodes that form one cluster; it may read from the source
  streams          the target with the data stream API, which its build lacks
  serverless       the target with the face of Elasticsearch Serverless, by API key only;
                   GET and DELETE ESLAB_SERVERLESS_DOOR_URL/refused tell and clear what was
                   tried that Serverless does not have, POST …/delay?ms=200 slows writes;
                   "run" and "down" tell at their end what it was in all, and "run" fails
                   if esmig tried any of it
streams and serverless stand before target, which is booted with them.
-heap is the Java heap of source and target (default: 1g); each of nodes has 512m.

Environment:
  ESLAB_CACHE        where downloads are kept (default: a folder esmig-lab in the user's cache)
  ESLAB_JAVA_HOME    a JDK to prefer; Elasticsearch 9 and OpenSearch need 21 or newer
  ESLAB_ES_HOME      an official Elasticsearch distribution to use for source and target
  ESLAB_<NAME>_URL   an endpoint to use for NAME, which is then not booted
`

func main() {
	code, err := execute(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "eslab: "+err.Error())
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

func execute(args []string) (int, error) {
	if len(args) == 2 && args[0] == guardCommand {
		// Signals for eslab do not end the guard.
		signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		return 0, guardMain(os.Stdin, args[1])
	}
	opts, err := parse(args)
	if errors.Is(err, errHelp) {
		fmt.Print(usage)
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	// A second signal is left to its default action, so that Ctrl-C twice ends
	// eslab at once; the guard then ends the servers.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	cache, err := cacheDir()
	if err != nil {
		return 1, err
	}
	switch opts.command {
	case "run":
		return runCommand(ctx, cache, opts)
	case "up":
		return 0, up(ctx, cache, opts)
	case superviseCommand:
		return 0, supervise(ctx, cache, opts)
	case "down":
		return 0, down(cache)
	case "env":
		return 0, printEnv(os.Stdout, cache)
	case "load":
		return 0, load(ctx, cache, opts.args[0])
	case dataCommand:
		return 0, writeData(ctx, os.Stdout, cache, opts.args[0])
	default: // fetch; parse let no other through
		return 0, fetchAll(ctx, cache, artifactsOf(opts.servers), progress)
	}
}

// progress reports what takes time; standard output stays free for the command.
func progress(format string, args ...any) {
	fmt.Fprintf(progressTo, "eslab: "+format+"\n", args...)
}

var progressTo io.Writer = os.Stderr
