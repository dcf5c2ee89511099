package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpack takes the folders and files of an archive that keep names.
func unpack(archive, dir string, keep map[string]string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	found := 0
	for _, f := range z.File {
		name, ok := keptAs(f.Name, keep)
		if !ok || f.FileInfo().IsDir() {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		err = unpackFile(dir, name, in, f.Mode())
		in.Close()
		if err != nil {
			return err
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("the archive %s holds none of the files that were looked for", filepath.Base(archive))
	}
	return nil
}

// keptAs says under which name a file of the archive is kept.
func keptAs(name string, keep map[string]string) (string, bool) {
	for pattern, to := range keep {
		depth := strings.Count(pattern, "/") + 1
		parts := strings.SplitN(name, "/", depth+1)
		if len(parts) < depth {
			continue
		}
		if ok, _ := path.Match(pattern, strings.Join(parts[:depth], "/")); !ok {
			continue
		}
		if len(parts) == depth {
			return path.Join(to, parts[depth-1]), true
		}
		return path.Join(to, parts[depth]), true
	}
	return "", false
}

// unpackFile keeps files readable for all, since another account may run them.
func unpackFile(dir, name string, in io.Reader, mode fs.FileMode) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("the archive holds a file outside of its folder: %q", name)
	}
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return writeStream(to, in, 0o644|mode&0o111)
}

// unpackTar takes all of a compressed tar archive but its outermost folder.
func unpackTar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := keptAs(h.Name, map[string]string{"*": "."})
		if !ok || h.Typeflag != tar.TypeReg {
			continue // links: only licence texts in a Java runtime
		}
		if err := unpackFile(dir, name, r, h.FileInfo().Mode()); err != nil {
			return err
		}
	}
}
