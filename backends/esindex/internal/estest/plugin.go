package estest

import (
	"archive/zip"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// plugin is the source of a plugin that replaces a module that API keys need and the distribution lacks.
//
//go:embed plugin
var plugin embed.FS

// installPlugin compiles the plugin against the distribution in home, and installs it there.
func installPlugin(ctx context.Context, javaHome, home, work string) error {
	source, err := plugin.ReadFile("plugin/StandIn.java")
	if err != nil {
		return err
	}
	descriptor, err := plugin.ReadFile("plugin/plugin-descriptor.properties")
	if err != nil {
		return err
	}
	file := filepath.Join(work, "StandIn.java")
	if err := os.WriteFile(file, source, 0o600); err != nil {
		return err
	}
	classes := filepath.Join(work, "classes")
	javac := exec.CommandContext(ctx, filepath.Join(javaHome, "bin", "javac"), "--release", "17", "-cp",
		filepath.Join(home, "lib", "*"), "-d", classes, file)
	if out, err := javac.CombinedOutput(); err != nil {
		return fmt.Errorf("javac %s: %w\n%s", file, err, out)
	}
	dir := filepath.Join(home, "plugins", "estest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := strings.ReplaceAll(string(descriptor), "VERSION", defaultRelease.Version)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "plugin-descriptor.properties"), []byte(text), 0o644),
		jar(filepath.Join(dir, "estest.jar"), classes),
	)
}

// jar packs the files of a directory into an archive.
func jar(path, dir string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	w := zip.NewWriter(out)
	return errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), out.Close())
}
