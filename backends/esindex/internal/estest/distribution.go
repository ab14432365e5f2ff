package estest

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// distribution returns the directory of the unpacked distribution of a release. It downloads the distribution if the
// cache does not have it.
func distribution(ctx context.Context, release Release, javaHome string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	name := release.Family + "-" + release.Version
	home := filepath.Join(cache, name+"-for-tests")
	if _, err := os.Stat(home); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "fetching-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+release.artifact(),
		"-DoutputDirectory="+work)
	mvn.Dir = work
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn dependency:copy %s: %w\n%s", release.artifact(), err, out)
	}
	if err := unzip(filepath.Join(work, name+".zip"), work); err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, name)
	if release == defaultRelease {
		if err := installPlugin(ctx, javaHome, unpacked, work); err != nil {
			return "", err
		}
	}
	err = os.Rename(unpacked, home)
	if errors.Is(err, fs.ErrExist) {
		err = nil // another process has downloaded it meanwhile
	}
	return home, err
}

// cacheDir returns the directory of the cache. The user that runs the server can read it, unlike root's usual cache.
func cacheDir() (string, error) {
	if dir := os.Getenv("PRODUCTINDEX_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/productindex", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "productindex"), err
}

// unzip unpacks an archive so that all users can read the files.
func unzip(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for _, file := range r.File {
		if err := unzipFile(file, dir); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, file.Name, err)
		}
	}
	return nil
}

func unzipFile(file *zip.File, dir string) error {
	if !filepath.IsLocal(file.Name) {
		return errors.New("the name leads out of the directory")
	}
	path := filepath.Join(dir, file.Name)
	if strings.HasSuffix(file.Name, "/") {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	in, err := file.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if filepath.Base(filepath.Dir(path)) == "bin" {
		mode = 0o755
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
