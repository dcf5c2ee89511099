package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// cacheDir is where downloads and the state of "up" live.
func cacheDir() (string, error) {
	dir := os.Getenv("ESLAB_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder: %w; set ESLAB_CACHE to one", err)
		}
		dir = filepath.Join(base, "esmig-lab")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// newLabDir makes the folder of one run, in a place that the servers' account
// can enter. The folder's content is listed to nobody: it holds passwords.
func newLabDir(who account) (string, error) {
	for _, base := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !who.reachable(base) {
			continue
		}
		dir, err := os.MkdirTemp(base, "esmig-lab-")
		if err != nil {
			continue
		}
		mode := fs.FileMode(0o700)
		if who.switched {
			mode = 0o711
		}
		return dir, os.Chmod(dir, mode)
	}
	return "", errors.New("no folder for the servers' data: neither the temporary folder nor /tmp can be entered by user 65534, which runs them in place of root; set TMPDIR to a folder open to all")
}

// openTo gives a folder that the servers' account can read: the folder itself,
// or hard links to its files below dir, or copies where links are refused.
func openTo(who account, folder, dir string) (string, error) {
	if who.reachable(folder) {
		return folder, nil
	}
	to := filepath.Join(dir, filepath.Base(folder))
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return copyFile(path, target)
	})
	return to, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return writeStream(to, in, info.Mode().Perm())
}

func writeStream(path string, in io.Reader, mode fs.FileMode) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// writeOwned writes a file that only the servers' account may read.
func writeOwned(who account, path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return who.own(path)
}

func makeOwned(who account, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := who.own(dir); err != nil {
			return err
		}
	}
	return nil
}
