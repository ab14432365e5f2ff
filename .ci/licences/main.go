// Command licences prints LICENCES.md: the modules that the packages of this module import outside of their tests, each
// with the licence in its own files. With -check it fails if LICENCES.md is out of date.
//
// It fails on an unknown licence, so that a person reads it and decides.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const file = "LICENCES.md"

const head = `# Licences of dependencies

This table lists the modules that the packages of this module import, outside of their tests. A host compiles only the modules of the packages
that it imports. Only the programs in ` + "`examples`" + ` use the modules marked "examples". ` +
	"`go run ./.ci/licences > LICENCES.md`" + ` writes this file, and CI checks it.

| module | licence | used by |
|---|---|---|
`

// known has a sentence of each licence, without commas. The order matters, since a text of BSD-3-Clause also has the
// sentence of BSD-2-Clause.
var known = []struct{ licence, sentence string }{
	{"Apache-2.0", "apache license version 2.0 january 2004"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"BSD-3-Clause", "endorse or promote products derived from this software without specific prior written permission"},
	{"BSD-2-Clause", "redistributions in binary form must reproduce the above copyright notice"},
	{"MIT", "permission is hereby granted free of charge to any person obtaining a copy of this software"},
	{"public domain", "sqlite is public domain"},
	{"ISC", "permission to use copy modify and/or distribute this software for any purpose"},
}

func main() {
	check := flag.Bool("check", false, "compare with LICENCES.md")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(check bool) error {
	table, err := list()
	if err != nil {
		return err
	}
	if !check {
		_, err := os.Stdout.Write(table)
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(content, table) {
		return fmt.Errorf("%s is out of date; run go run ./.ci/licences > %s", file, file)
	}
	return nil
}

// list returns the content of LICENCES.md.
func list() ([]byte, error) {
	compiled, err := modules("./reindex/...", "./backends/...", "./source/...", "./httpapi/...")
	if err != nil {
		return nil, err
	}
	all, err := modules("./...")
	if err != nil {
		return nil, err
	}
	var rows [2][]byte
	for _, path := range slices.Sorted(maps.Keys(all)) {
		licence, err := licenceOf(all[path])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if _, ok := compiled[path]; ok {
			rows[0] = fmt.Appendf(rows[0], "| %s | %s | packages |\n", path, licence)
		} else {
			rows[1] = fmt.Appendf(rows[1], "| %s | %s | examples |\n", path, licence)
		}
	}
	return slices.Concat([]byte(head), rows[0], rows[1]), nil
}

// modules returns the folders of the modules that the packages need, by module path.
func modules(packages ...string) (map[string]string, error) {
	const format = "{{if not .Standard}}{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}{{end}}"
	args := append([]string{"list", "-deps", "-f", format}, packages...)
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			found[path] = dir
		}
	}
	return found, nil
}

// licenceOf returns the licence of the module in a folder. If its files have several licences, it returns all of them.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	found := map[string]bool{}
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if entry.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") ||
			strings.Contains(name, "LOGO") { // the licence of a picture
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		licence, err := classify(string(content))
		if err != nil {
			return "", fmt.Errorf("%s: %w", entry.Name(), err)
		}
		found[licence] = true
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no licence found in %s", dir)
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), ", "), nil
}

// classify returns the licence of a text.
func classify(text string) (string, error) {
	text = strings.NewReplacer("*", " ", "//", " ", ",", " ").Replace(text)
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, k := range known {
		if strings.Contains(text, k.sentence) {
			return k.licence, nil
		}
	}
	return "", fmt.Errorf("unknown licence; read it, and add one of its sentences to known: %.80q", text)
}
