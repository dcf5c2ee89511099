package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// javaRange is what a server runs on: min to max (0: no limit), and the version
// that is best known to work.
type javaRange struct{ min, max, prefer int }

func (r javaRange) fits(version int) bool {
	return version >= r.min && (r.max == 0 || version <= r.max)
}

func (r javaRange) String() string {
	if r.max == 0 {
		return fmt.Sprintf("Java %d or newer", r.min)
	}
	return fmt.Sprintf("Java %d to %d", r.min, r.max)
}

type java struct {
	home    string
	version int
}

func (j java) binary() string {
	name := "java"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(j.home, "bin", name)
}

// installedJavas lists what the machine has, in order of preference: what the
// user names, what the shell finds, what packages install.
func installedJavas() []java {
	homes := []string{os.Getenv("ESLAB_JAVA_HOME"), os.Getenv("JAVA_HOME")}
	if path, err := exec.LookPath("java"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(path)))
		}
	}
	userHome, _ := os.UserHomeDir()
	for _, pattern := range []string{
		"/usr/lib/jvm/*", "/usr/java/*", "/opt/java/*", "/opt/jdk*",
		"/Library/Java/JavaVirtualMachines/*/Contents/Home",
		"/opt/homebrew/opt/openjdk*", "/usr/local/opt/openjdk*",
		filepath.Join(userHome, ".sdkman/candidates/java/*"), filepath.Join(userHome, ".jdks/*"),
		`C:\Program Files\Java\*`, `C:\Program Files\Eclipse Adoptium\*`,
	} {
		found, _ := filepath.Glob(pattern)
		homes = append(homes, found...)
	}
	var list []java
	seen := map[string]bool{}
	for _, home := range homes {
		real, err := filepath.EvalSymlinks(home)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		if j, ok := javaAt(home); ok {
			list = append(list, j)
		}
	}
	return list
}

// javaAt reads the version from the file that every JDK carries since Java 9;
// asking the binary would cost a second for each one.
func javaAt(home string) (java, bool) {
	if home == "" {
		return java{}, false
	}
	j := java{home: home}
	if _, err := os.Stat(j.binary()); err != nil {
		return java{}, false
	}
	release, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		out, _ := exec.Command(j.binary(), "-version").CombinedOutput()
		release = out
	}
	j.version = javaVersion(string(release))
	return j, j.version > 0
}

var javaVersionPattern = regexp.MustCompile(`(?m)(?:^JAVA_VERSION=|version )"(?:1\.)?(\d+)`)

// javaVersion finds the major version in a release file or in the output of
// "java -version". It is 0 where there is none.
func javaVersion(text string) int {
	m := javaVersionPattern.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, _ := strconv.Atoi(m[1])
	return v
}

// chooseJava takes the one the user named where it fits, then the version known
// to work, then whatever fits.
func chooseJava(list []java, want javaRange) (java, bool) {
	var best java
	for _, j := range list {
		if !want.fits(j.version) {
			continue
		}
		if j.home == os.Getenv("ESLAB_JAVA_HOME") || j.version == want.prefer {
			return j, true
		}
		if best.home == "" {
			best = j
		}
	}
	return best, best.home != ""
}

func noJava(product string, want javaRange, list []java) error {
	has := "and no Java was found"
	if len(list) > 0 {
		var versions []string
		for _, j := range list {
			versions = append(versions, strconv.Itoa(j.version))
		}
		has = "and this machine has only Java " + strings.Join(versions, ", ")
	}
	return fmt.Errorf("%s needs %s, %s; install one, or set ESLAB_JAVA_HOME to its folder", product, want, has)
}
