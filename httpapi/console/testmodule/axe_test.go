package testmodule_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// The npm package of the accessibility checker, and the hash of its script.
const (
	axePackage = "axe-core@4.10.3"
	axeSum     = "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb"
)

// axe returns the script of the checker, which npm downloads.
var axe = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	pack := exec.Command("npm", "pack", "--silent", "--prefer-offline", axePackage)
	pack.Dir = folder
	if out, err := pack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", axePackage, err, out)
	}
	packages, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(packages) != 1 {
		return "", fmt.Errorf("npm pack wrote the packages %q, want one: %w", packages, err)
	}
	script, err := unpack(packages[0], "package/axe.min.js")
	if sum := sha256.Sum256(script); err == nil && hex.EncodeToString(sum[:]) != axeSum {
		err = fmt.Errorf("axe.min.js of %s has the unexpected hash %x", axePackage, sum)
	}
	return string(script), err
})

// unpack returns the content of a file in a package.
func unpack(name, wanted string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("there is no %s", wanted)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == wanted {
			return io.ReadAll(files)
		}
	}
}

// accessible runs the checker on the page. Serious findings fail the test.
func (b *browser) accessible(t *testing.T, view string) {
	t.Helper()
	script, err := axe()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("accessibility is not checked: %v", err)
	}
	var found []string
	b.do("checking "+view, chromedp.Evaluate(script+"; undefined", nil), chromedp.Evaluate(`axe.run(document)
		.then(({violations}) => violations.flatMap(({id, impact, help, nodes}) => nodes.map((node) =>
			impact + " " + id + ": " + help + ": " + node.html + " " + node.failureSummary)))`, &found, awaiting))
	for _, finding := range found {
		if strings.HasPrefix(finding, "serious") || strings.HasPrefix(finding, "critical") {
			t.Errorf("%s: %s", view, finding)
		} else {
			t.Logf("%s: %s", view, finding)
		}
	}
}
