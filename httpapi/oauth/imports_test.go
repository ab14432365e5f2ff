package oauth_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A host compiles only the dependencies of the package, not those of its tests.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", ".").
		Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		known := false
		for _, prefix := range []string{
			"productindex/", "golang.org/x/sync/", "golang.org/x/time/rate", "github.com/robfig/cron/v3",
			"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset", "github.com/hashicorp/golang-lru/v2",
			"github.com/sony/gobreaker/v2",
		} {
			known = known || strings.HasPrefix(path, prefix)
		}
		if !known {
			t.Errorf("the package depends on %s, want only the listed packages", path)
		}
	}
}
