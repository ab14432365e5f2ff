// Command english counts phrases that the project's prose avoids, in the comments and strings of Go files and in
// Markdown files, and lines of Go over 120 columns. It prints each count with its limit from the file limits, and fails
// if a count exceeds its limit. With -v it also prints each place.
//
// The file allow lists exceptions: a rule, a path and a part of the text, separated by tabs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const folder = ".ci/english"

func main() {
	verbose := flag.Bool("v", false, "print each place")
	only := flag.String("rule", "", "check only this rule")
	flag.Parse()
	over, err := run(*verbose, *only, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if over {
		os.Exit(1)
	}
}

// run counts phrases in the files of the repository, or only in the given paths. It reports whether a limit is
// exceeded.
func run(verbose bool, only string, paths []string) (over bool, err error) {
	limits, err := readLimits()
	if err != nil {
		return false, err
	}
	allowed, err := readAllowed()
	if err != nil {
		return false, err
	}
	args := append([]string{"ls-files", "--"}, paths...)
	files, err := exec.CommandContext(context.Background(), "git", args...).Output() //nolint:gosec // the caller's own arguments
	if err != nil {
		return false, fmt.Errorf("git ls-files: %w", err)
	}
	c := counter{allowed: allowed, only: only, verbose: verbose, phrases: map[string]int{}}
	for name := range strings.FieldsSeq(string(files)) {
		if !strings.HasPrefix(name, folder+"/") {
			if err := c.read(name); err != nil {
				return false, err
			}
		}
	}
	whole := len(paths) == 0
	for _, r := range rules {
		over = show(r.name, c.phrases[r.name], limits, whole) || over
	}
	over = show("long lines", c.long, limits, whole) || over
	fmt.Fprintf(os.Stdout, "%.2f %% of %d lines of Go are over 120 columns\n", 100*float64(c.long)/float64(max(1, c.lines)), c.lines)
	if whole && only == "" {
		for _, a := range allowed.unused() {
			fmt.Fprintf(os.Stdout, "allow: remove %q, which no longer matches anything\n", a)
			over = true
		}
	}
	return over, nil
}

// counter counts phrases and long lines in files.
type counter struct {
	allowed *allowance
	only    string // a rule; empty: all of them
	verbose bool

	phrases     map[string]int // by rule
	long, lines int            // of Go
}

// read counts phrases and long lines in a file.
func (c *counter) read(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var texts []text
	switch filepath.Ext(name) {
	case ".go":
		texts = goTexts(content)
		long, lines := longLines(content)
		c.long, c.lines = c.long+len(long), c.lines+lines
		for _, line := range long {
			if c.verbose && c.only == "" {
				fmt.Fprintf(os.Stdout, "%s:%d: over 120 columns\n", name, line)
			}
		}
	case ".md":
		texts = markdownTexts(string(content))
	}
	for _, r := range rules {
		if c.only != "" && r.name != c.only {
			continue
		}
		for _, t := range texts {
			c.count(name, r, t)
		}
	}
	return nil
}

func (c *counter) count(name string, r rule, t text) {
	for _, found := range r.find(t) {
		if c.allowed.has(r.name, name, found.around) {
			continue
		}
		c.phrases[r.name]++
		if c.verbose {
			fmt.Fprintf(os.Stdout, "%s:%d: %s: %s\n", name, found.line, r.name, found.around)
		}
	}
}

// show prints a count and reports whether it exceeds its limit. Limits apply only to counts of the whole project.
func show(name string, count int, limits map[string]int, whole bool) bool {
	limit, ok := limits[name]
	switch {
	case !whole:
		fmt.Fprintf(os.Stdout, "%-12s %5d\n", name, count)
		return false
	case !ok:
		fmt.Fprintf(os.Stdout, "%-12s %5d, but the file limits does not name it\n", name, count)
		return true
	}
	note := ""
	if count > limit {
		note = "  too many: go run ./" + folder + " -v prints the places"
	} else if count < limit {
		note = "  lower the limit"
	}
	fmt.Fprintf(os.Stdout, "%-12s %5d of %d%s\n", name, count, limit, note)
	return count > limit
}

// readLimits reads lines of a name and a number, separated by a tab.
func readLimits() (map[string]int, error) {
	rows, err := readTable("limits", 2)
	limits := map[string]int{}
	for _, row := range rows {
		n, parseErr := strconv.Atoi(row[1])
		if parseErr != nil {
			return nil, fmt.Errorf("limits: %w", parseErr)
		}
		limits[row[0]] = n
	}
	return limits, err
}

// readTable reads a file in the folder of this program. Its lines have cells that are separated by tabs. Comments and
// blank lines are ignored.
func readTable(name string, cells int) (rows [][]string, err error) {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		row := strings.SplitN(line, "\t", cells)
		if len(row) != cells {
			return nil, fmt.Errorf("%s: %q does not have %d cells", name, line, cells)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// allowance has the exceptions of the file allow.
type allowance struct {
	rows [][]string
	used map[int]bool
}

func readAllowed() (*allowance, error) {
	rows, err := readTable("allow", 3)
	return &allowance{rows, map[int]bool{}}, err
}

// has reports whether a match is an exception.
func (a *allowance) has(rule, path, around string) bool {
	for i, row := range a.rows {
		if row[0] == rule && row[1] == path && strings.Contains(around, row[2]) {
			a.used[i] = true
			return true
		}
	}
	return false
}

// unused returns the exceptions that no text has needed.
func (a *allowance) unused() (rows []string) {
	for i, row := range a.rows {
		if !a.used[i] {
			rows = append(rows, strings.Join(row, "\t"))
		}
	}
	return rows
}
