package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// environment holds variables by name.
type environment map[string]string

// add puts a server's variables in: URL of source becomes ESLAB_SOURCE_URL.
// What a server does not have is left out.
func (e environment) add(server string, vars environment) {
	for key, value := range vars {
		if value != "" {
			e[variable(server, key)] = value
		}
	}
}

func (e environment) setServers(names []string) {
	slices.SortFunc(names, func(a, b string) int {
		return slices.Index(serverNames, a) - slices.Index(serverNames, b)
	})
	e["ESLAB_SERVERS"] = strings.Join(names, ",")
}

func (e environment) servers() []string {
	if e["ESLAB_SERVERS"] == "" {
		return nil
	}
	return strings.Split(e["ESLAB_SERVERS"], ",")
}

func variable(server, key string) string {
	return "ESLAB_" + strings.ToUpper(server) + "_" + key
}

// splitGiven parts the servers that the user gives by address from those that
// eslab has to boot.
func splitGiven(names []string) (given, wanted []string) {
	for _, name := range names {
		if os.Getenv(variable(name, "URL")) != "" {
			given = append(given, name)
		} else {
			wanted = append(wanted, name)
		}
	}
	return given, wanted
}

// commandEnv is the environment of the command: eslab's own, with what concerns
// the servers replaced. Variables of given servers pass; leftovers of servers
// that are not given by address go, since they belong to none.
func commandEnv(own []string, given []string, servers environment) []string {
	var env []string
	for _, entry := range own {
		key, _, _ := strings.Cut(entry, "=")
		if !isServerVariable(key) || slices.ContainsFunc(given, func(name string) bool {
			return strings.HasPrefix(key, variable(name, ""))
		}) {
			env = append(env, entry)
		}
	}
	all := maps.Clone(servers)
	if all == nil {
		all = environment{}
	}
	all.setServers(slices.Concat(given, servers.servers()))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		env = append(env, key+"="+all[key])
	}
	return env
}

// environmentOf reads a list of NAME=VALUE.
func environmentOf(list []string) environment {
	env := environment{}
	for _, entry := range list {
		key, value, _ := strings.Cut(entry, "=")
		env[key] = value
	}
	return env
}

func isServerVariable(key string) bool {
	return key == "ESLAB_SERVERS" || slices.ContainsFunc(serverNames, func(name string) bool {
		return strings.HasPrefix(key, variable(name, ""))
	})
}

// writeExports prints the variables for "eval" in a shell.
func writeExports(w io.Writer, env environment) {
	for _, key := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(w, "export %s='%s'\n", key, strings.ReplaceAll(env[key], "'", `'\''`))
	}
}
