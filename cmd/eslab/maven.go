package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mavenFile gets one artifact into a repository of ours and returns its path,
// or finds it in the user's own repository.
func mavenFile(ctx context.Context, a artifact, repository string) (string, error) {
	c := strings.Split(a.coordinates, ":")
	inside := filepath.Join(append(strings.Split(c[0], "."), c[1], c[2], c[1]+"-"+c[2]+"."+c[3])...)
	if home, err := os.UserHomeDir(); err == nil {
		own := filepath.Join(home, ".m2", "repository", inside)
		if _, err := os.Stat(own); err == nil {
			return own, nil
		}
	}
	err := maven(ctx, repository, "dependency:get", "-Dtransitive=false", "-Dartifact="+a.coordinates)
	return filepath.Join(repository, inside), err
}

// mavenDependencies gets a jar and all that it needs into one folder.
func mavenDependencies(ctx context.Context, a artifact, repository, dir string) error {
	c := strings.Split(a.coordinates, ":")
	pom := fmt.Sprintf(`<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>eslab</groupId><artifactId>eslab</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>
  </dependencies>
</project>
`, c[0], c[1], c[2])
	if err := os.MkdirAll(repository, 0o755); err != nil {
		return err
	}
	path := filepath.Join(repository, "pom.xml")
	if err := os.WriteFile(path, []byte(pom), 0o644); err != nil {
		return err
	}
	return maven(ctx, repository, "-f", path, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
}

// maven runs it up to three times: registries and proxies hiccup.
func maven(ctx context.Context, repository string, args ...string) error {
	path, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New(`Maven is missing: no "mvn" on PATH; install it (the package is called maven)`)
	}
	args = append([]string{"-B", "-q", "-Dstyle.color=never", "-Dmaven.repo.local=" + repository}, args...)
	for try := 1; ; try++ {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.SysProcAttr = commandAttr()
		cmd.Dir = os.TempDir() // not in a folder whose pom.xml Maven would read
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if try == 3 {
			return fmt.Errorf("Maven failed three times: %w\n%s", err, lastLines(string(out), 15))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try) * 2 * time.Second):
		}
	}
}
