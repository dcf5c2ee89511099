package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/esmig/esmig/cmd/esmig/view"
)

// openView chooses how events are shown.
func (k *command) openView() error {
	o := k.viewOptions()
	o.Verbose = k.flags.Bool("verbose")
	var v view.View
	switch {
	case k.flags.Bool("json"):
		v = view.NewJSON(k.Stdout, k.Version)
	case k.StdoutTTY:
		v = view.NewTerminal(k.Stdout, o)
	default:
		v = view.NewPlain(k.Stdout, o)
	}
	if name := k.flags.String("json-into"); name != "" {
		f, err := k.FS.Create(join(k.dir, name))
		if err != nil {
			return problem("log_not_written", "Events cannot be written", "%v", err)
		}
		k.files = append(k.files, f)
		v = view.Tee(v, view.NewJSON(f, k.Version))
	}
	if name := k.flags.String("junit"); name != "" {
		f, err := k.FS.Create(join(k.dir, name))
		if err != nil {
			return problem("report_not_written", "Report cannot be written", "%v", err)
		}
		k.files, k.junit = append(k.files, f), view.NewJUnit(f)
		v = view.Tee(v, k.junit)
	}
	k.view, k.sink = v, view.Recorder(v)
	return nil
}

// answer reads a line.
func (k *command) answer() string {
	if k.in == nil {
		k.in = bufio.NewReader(k.Stdin)
	}
	line, _ := k.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n")
}

// ask takes only "yes". A signal is an answer too.
func (k *command) ask(question string) error {
	fmt.Fprintf(k.Stdout, "\n%s Only \"yes\" is accepted: ", question)
	answer := make(chan string, 1)
	go func() { answer <- k.answer() }()
	select {
	case <-k.flags.Context.Done():
		fmt.Fprintln(k.Stdout)
		return context.Canceled
	case a := <-answer:
		if a == "yes" {
			return nil
		}
		return problem("not_approved", "Not approved", "The answer was not \"yes\".")
	}
}
