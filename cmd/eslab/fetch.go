package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// fetchAll downloads what the cache lacks. Two of them at once are safe: the
// second waits and finds everything there.
func fetchAll(ctx context.Context, cache string, names []string, say func(string, ...any)) error {
	if !anyMissing(cache, names) {
		return nil
	}
	release, ok, err := lockFile(filepath.Join(cache, "fetch.lock"), false)
	if err != nil {
		return err
	}
	if !ok {
		say("waiting for another eslab that is fetching …")
		release, _, err = lockFile(filepath.Join(cache, "fetch.lock"), true)
		if err != nil {
			return fmt.Errorf("cannot lock %s: %w", filepath.Join(cache, "fetch.lock"), err)
		}
	}
	defer release()
	// Maven's files, the big archive first of all, are needed only until they
	// are unpacked.
	repository := filepath.Join(cache, "maven")
	defer os.RemoveAll(repository)
	for _, name := range names {
		if !anyMissing(cache, []string{name}) {
			continue
		}
		a := artifacts[name]
		say("fetching %s (%s, once) …", a.title, a.size)
		if err := fetch(ctx, cache, name, repository); err != nil {
			return fmt.Errorf("cannot fetch %s: %w", a.title, err)
		}
	}
	return nil
}

func anyMissing(cache string, names []string) bool {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(cache, name)); err != nil {
			return true
		}
	}
	return false
}

// fetch fills a folder beside the final one and renames it at the end, so that
// the final one is complete wherever it exists.
func fetch(ctx context.Context, cache, name, repository string) error {
	a := artifacts[name]
	partial := filepath.Join(cache, name+".partial")
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	var sum string
	var err error
	if a.withDependencies {
		lib := filepath.Join(partial, "lib")
		if err := mavenDependencies(ctx, a, repository, lib); err != nil {
			return err
		}
		if sum, err = folderSum(lib); err != nil {
			return err
		}
		if err := a.check(sum); err != nil {
			return err
		}
	} else {
		archive, err := mavenFile(ctx, a, repository)
		if err != nil {
			return err
		}
		if sum, err = fileSum(archive); err != nil {
			return err
		}
		if err := a.check(sum); err != nil {
			return err
		}
		if err := unpack(archive, partial, a.keep); err != nil {
			return err
		}
		// Version 6 makes the folder if it is missing, which it may not do here.
		if err := os.MkdirAll(filepath.Join(partial, "plugins"), 0o755); err != nil {
			return err
		}
	}
	if err := os.Rename(partial, filepath.Join(cache, name)); err != nil {
		return err
	}
	return recordSum(cache, sum, a.coordinates)
}

func (a artifact) check(sum string) error {
	if sum != a.sha256 {
		return fmt.Errorf("the download of %s is not the known one: its SHA-256 is %s, expected %s; nothing was unpacked. Check the mirror that Maven uses", a.coordinates, sum, a.sha256)
	}
	return nil
}

// recordSum keeps a list of what was fetched, for people.
func recordSum(cache, sum, coordinates string) error {
	path := filepath.Join(cache, "SHA256SUMS")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	line := sum + "  " + coordinates + "\n"
	if strings.Contains(string(old), line) {
		return nil
	}
	return os.WriteFile(path, append(old, line...), 0o644)
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// folderSum is the sum over the lines "sum  name" of all files, as sha256sum
// prints them, in the order of their names.
func folderSum(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, entry := range entries {
		sum, err := fileSum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s  %s\n", sum, entry.Name())
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
