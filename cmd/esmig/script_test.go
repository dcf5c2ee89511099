package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/esmig/esmig/state"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"esmig": func() {
			w := world()
			w.Version, w.User = "0.1.0", "somebody"
			os.Exit(run(context.Background(), w))
		},
	})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    code,
			"fake":    fake,
			"copydir": copydir,
			"hold":    hold,
			"until":   until,
		},
	})
}

// code N PROGRAM ARGS… runs a program that must exit with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// until PATTERN PROGRAM ARGS… runs a program again and again until what it
// prints matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARGS…")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for tries := 0; ; tries++ {
		ts.Check(ts.Exec(args[1], args[2:]...))
		out := ts.ReadFile("stdout")
		if pattern.MatchString(out) {
			return
		}
		if tries == 1000 {
			ts.Fatalf("no match for %q", args[0])
		}
	}
}

// copydir NAME copies testdata/NAME into the folder of the script.
func copydir(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: copydir NAME")
	}
	ts.Check(os.CopyFS(filepath.Join(ts.Getenv("WORK"), args[0]), os.DirFS(filepath.Join("testdata", args[0]))))
}

// hold STATE locks a state until the script ends, as another esmig would.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold STATE")
	}
	s, err := state.Open(state.OS(), filepath.Join(ts.Getenv("WORK"), args[0]), "0.1.0")
	ts.Check(err)
	ts.Check(s.Lock(context.Background(), state.LockInfo{Operation: "apply", Who: "somebody else", Host: "elsewhere", PID: 42}, 0))
	ts.Defer(func() { _ = s.Unlock() })
}
