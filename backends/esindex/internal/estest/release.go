package estest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Release is a server of one family and version.
type Release struct {
	// Family is "elasticsearch" or "opensearch".
	Family string
	// Version is the full version, such as "8.19.7".
	Version string
}

// defaultRelease is the release of the tests if ESTEST_SERVER is not set. Only this release can store API keys.
var defaultRelease = Release{Family: "elasticsearch", Version: "8.19.7"}

// errRelease means that ESTEST_SERVER is not valid.
var errRelease = errors.New(
	`ESTEST_SERVER must be a family and a version, such as "opensearch:2.19.6" or "elasticsearch:8.11.4"`,
)

var releaseGrammar = regexp.MustCompile(`^(elasticsearch|opensearch):([0-9]+(?:\.[0-9]+){2})$`)

// ParseRelease parses a release in the format of String. The empty string is the default release.
func ParseRelease(text string) (Release, error) {
	if text == "" {
		return defaultRelease, nil
	}
	parts := releaseGrammar.FindStringSubmatch(text)
	if parts == nil {
		return Release{}, fmt.Errorf("%w, not %q", errRelease, text)
	}
	return Release{Family: parts[1], Version: parts[2]}, nil
}

// String returns the family and the version, separated by a colon.
func (r Release) String() string { return r.Family + ":" + r.Version }

// artifact returns the name of the distribution in the Maven repository.
func (r Release) artifact() string {
	group := "org.elasticsearch"
	if r.Family == "opensearch" {
		group = "org.opensearch"
	}
	return group + ".distribution.integ-test-zip:" + r.Family + ":" + r.Version + ":zip"
}

// variable returns the full name of an environment variable of the server.
func (r Release) variable(name string) string {
	if r.Family == "opensearch" {
		return "OPENSEARCH_" + name
	}
	return "ES_" + name
}

func (r Release) major() int {
	text, _, _ := strings.Cut(r.Version, ".")
	major, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return major
}

// java returns the oldest version of Java that can run the server.
func (r Release) java() int {
	if r.Family == "opensearch" && r.major() >= 3 || r.Family == "elasticsearch" && r.major() >= 9 {
		return 21
	}
	return 17
}

// javaHome returns the directory of the oldest JDK that can run the server.
func (r Release) javaHome() (string, error) {
	candidates := []string{os.Getenv("JAVA_HOME")}
	if java, err := exec.LookPath("java"); err == nil {
		if java, err = filepath.EvalSymlinks(java); err == nil {
			candidates = append(candidates, filepath.Dir(filepath.Dir(java)))
		}
	}
	for _, pattern := range []string{"/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		candidates = append(candidates, found...)
	}
	best, version := "", 0
	for _, home := range candidates {
		v := javaVersion(home)
		if v >= r.java() && (best == "" || v < version) {
			best, version = home, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("%w: %v needs a JDK of version %d or later", errMissing, r, r.java())
	}
	return best, nil
}

var javaRelease = regexp.MustCompile(`(?m)^JAVA_VERSION="(\d+)`)

// javaVersion returns the version of the JDK in home, or 0 if there is none.
func javaVersion(home string) int {
	if home == "" {
		return 0
	}
	if _, err := os.Stat(filepath.Join(home, "bin", "javac")); err != nil {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		return 0
	}
	m := javaRelease.FindSubmatch(text)
	if m == nil {
		return 0
	}
	version, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return 0
	}
	return version
}
