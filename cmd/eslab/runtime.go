package main

import (
	"os"
	"path/filepath"
	"runtime"
)

// runtimeArtifact brings a Java 21 runtime along, for servers that no Java of
// the machine fits.
const runtimeArtifact = "elasticsearch-9.4.3"

const runtimeVersion = 21

// javaFor finds the Java of a server, and makes it readable for the account.
func (l *lab) javaFor(cache string, s spec, javas []java) (java, error) {
	if officialHome(s) != "" {
		if _, err := os.Stat(filepath.Join(officialHome(s), "jdk")); err == nil {
			return java{}, nil // brings its own
		}
	}
	j, ok := chooseJava(javas, s.java)
	if ok && !l.who.reachable(j.home) {
		home, err := openTo(l.who, j.home, l.dir)
		return java{home, j.version}, err
	}
	if ok {
		return j, nil
	}
	// Its runtime lacks the module jdk.attach, without which Elasticsearch 9
	// ends at once; so it serves only those with an upper limit.
	if s.java.max == 0 || !s.java.fits(runtimeVersion) {
		return java{}, noJava(s.product, s.java, javas)
	}
	home, err := bundledRuntime(cache)
	if err != nil {
		return java{}, noJava(s.product, s.java, javas)
	}
	if open := l.dists["java"]; open == "" {
		if l.dists["java"], err = openTo(l.who, home, l.dir); err != nil {
			return java{}, err
		}
	}
	return java{l.dists["java"], runtimeVersion}, nil
}

// runtimePattern is the name of this machine's runtime among those that come.
func runtimePattern() string {
	arch := map[string]string{"amd64": "x64", "arm64": "aarch64"}[runtime.GOARCH]
	system := map[string]string{"linux": "linux", "darwin": "mac"}[runtime.GOOS]
	return "*_" + arch + "_" + system + "_*.tar.gz"
}

// bundledRuntime unpacks the runtime once.
func bundledRuntime(cache string) (string, error) {
	home := filepath.Join(cache, "java-21")
	if _, err := os.Stat(home); err == nil {
		return home, nil
	}
	found, _ := filepath.Glob(filepath.Join(cache, runtimeArtifact, "jres", runtimePattern()))
	if len(found) == 0 {
		return "", os.ErrNotExist
	}
	partial, err := os.MkdirTemp(cache, "java-21-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil {
		return "", err
	}
	if err := unpackTar(found[0], partial); err != nil {
		return "", err
	}
	if err := os.Rename(partial, home); err != nil {
		if _, there := os.Stat(home); there == nil {
			return home, nil // another eslab was faster
		}
		return "", err
	}
	return home, nil
}
