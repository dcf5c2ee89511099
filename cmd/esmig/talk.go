package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/esmig/esmig/cmd/esmig/view"
	"github.com/esmig/esmig/engine"
)

// openView chooses how events are shown.
func (k *command) openView() {
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
	if name := k.flags.String("junit"); name != "" {
		k.junit = view.NewJUnit(k.later(name, "report_not_written", "Report cannot be written"))
		v = view.Tee(v, k.junit)
	}
	k.view, k.sink = v, view.Recorder(v)
	if name := k.flags.String("json-into"); name != "" {
		shown := k.sink
		k.log = view.Recorder(view.NewJSON(k.later(name, "log_not_written", "Events cannot be written"), k.Version))
		k.sink = func(e engine.Event) { shown(e); k.log(e) }
	}
}

// laterFile is a file of -json-into or -junit. Until the state is locked it may
// be the one that the esmig which holds the lock is writing: what is said before
// is kept.
type laterFile struct {
	early  bytes.Buffer
	file   io.WriteCloser // nil: not open yet
	create func() (io.WriteCloser, error)
}

func (k *command) later(name, code, summary string) *laterFile {
	l := &laterFile{create: func() (io.WriteCloser, error) {
		f, err := k.FS.Create(join(k.dir, name))
		if err != nil {
			return nil, problem(code, summary, "%v", err)
		}
		return f, nil
	}}
	k.files = append(k.files, l)
	return l
}

func (l *laterFile) Write(b []byte) (int, error) {
	if l.file == nil {
		return l.early.Write(b)
	}
	return l.file.Write(b)
}

func (l *laterFile) open() (err error) {
	if l.file != nil {
		return nil
	}
	if l.file, err = l.create(); err != nil {
		return err
	}
	_, err = l.file.Write(l.early.Bytes())
	return err
}

func (l *laterFile) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}

// openFiles replaces the files of the flags; the state is locked.
func (k *command) openFiles() error {
	for _, f := range k.files {
		if err := f.open(); err != nil {
			return err
		}
	}
	return nil
}

// closeFiles ends the files after everything was said; open: also those that
// are not open yet.
func (k *command) closeFiles(open bool) {
	for _, f := range k.files {
		if open {
			_ = f.open() // that it cannot be is the smaller trouble now
		}
		f.close()
	}
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
