// Command esbench measures esmig against what people use today, on the servers
// of the lab: a plain _reindex, elasticdump, and the ceiling of the destination,
// on the same documents and in turn.
//
//	eslab run -servers source,target -- esbench -out BENCHMARKS.md -svg docs/bench.svg
//
// It makes and deletes indices whose names begin with "bench-", and nothing
// else. A run that lost documents is a failure and no number.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	scale               float64
	rounds              int
	warm                time.Duration
	shapes, linear      string
	methods             string
	noVerify, noDump    bool
	keep, render        bool
	results, out, svg   string
	esmigPath, eslabBin string
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("esbench", flag.ContinueOnError)
	f.Float64Var(&o.scale, "scale", 1, "part of the documents: 0.01 is a trial")
	f.IntVar(&o.rounds, "rounds", 3, "runs of each method")
	f.DurationVar(&o.warm, "warm", 6*time.Minute, "longest time for the first warm-up")
	f.StringVar(&o.shapes, "shapes", "flat,flat4,text,large,huge", "shapes to measure")
	f.StringVar(&o.methods, "methods", "auto,reindex,stream", "esmig's methods to measure")
	f.StringVar(&o.linear, "linear", "100000,300000,1000000,3000000,5000000", "sizes of the linear series; empty: none")
	f.BoolVar(&o.noVerify, "no-verify", false, "leave verification out")
	f.BoolVar(&o.noDump, "no-elasticdump", false, "leave elasticdump out")
	f.BoolVar(&o.keep, "keep", false, "keep the shapes of the results file that are not measured now")
	f.BoolVar(&o.render, "render", false, "only write the pages from the results file")
	f.StringVar(&o.results, "results", "bin/bench.json", "file for the results")
	f.StringVar(&o.out, "out", "", "file for the tables; empty: standard output")
	f.StringVar(&o.svg, "svg", "", "file for the chart; empty: none")
	f.StringVar(&o.esmigPath, "esmig", "bin/esmig", "the program to measure")
	f.StringVar(&o.eslabBin, "eslab", "bin/eslab", "the program that has the data sets")
	err := f.Parse(args)
	switch {
	case err != nil:
	case f.NArg() > 0:
		err = fmt.Errorf("%q is no flag", f.Arg(0))
	case o.rounds < 1 || o.scale <= 0:
		err = errors.New("-rounds and -scale must be above zero")
	}
	return o, err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "esbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	r := &results{}
	if o.keep || o.render {
		if r, err = loadResults(o.results); err != nil {
			return err
		}
	}
	if !o.render {
		if err := measureAll(ctx, o, r); err != nil {
			return err
		}
	}
	if err := write(o.svg, chart(r)); err != nil {
		return err
	}
	link := ""
	if o.svg != "" {
		link = filepath.ToSlash(o.svg)
	}
	page := report(r, link)
	if o.out == "" {
		fmt.Print(page)
	} else if err := write(o.out, page); err != nil {
		return err
	}
	if len(r.Failures) > 0 {
		return fmt.Errorf("%d runs failed:\n%s", len(r.Failures), strings.Join(r.Failures, "\n"))
	}
	return nil
}

func write(path, text string) error {
	if path == "" {
		return nil
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
