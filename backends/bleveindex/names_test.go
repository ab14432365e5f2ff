package bleveindex

import (
	"path/filepath"
	"strings"
	"testing"

	"productindex/reindex"
)

// tenantOf is the tenant whose directory has this name.
func tenantOf(t *testing.T, name string) string {
	t.Helper()
	if plain, ok := strings.CutPrefix(name, plainPrefix); ok {
		return plain
	}
	tenant, err := base32Lower.DecodeString(strings.TrimPrefix(name, encodedPrefix))
	if err != nil {
		t.Fatal(err)
	}
	return string(tenant)
}

// A tenant can be told from the name of its directory, so that no two have the same one, whatever a file system does to names.
func FuzzTenantDir(f *testing.F) {
	for _, tenant := range []string{"acme", "Acme", "../a", "con", "a/b", `a\b`, "ä", "a\u0308", "-", ".", "t-a", "x-0", strings.Repeat("é", 64)} {
		f.Add(tenant)
	}
	f.Fuzz(func(t *testing.T, tenant string) {
		if reindex.CheckTenant(tenant) != nil {
			return
		}
		name := tenantDir(tenant)
		if got := tenantOf(t, name); got != tenant {
			t.Errorf("%q has directory %q, which is that of %q", tenant, name, got)
		}
		if !isTenantDir(name) || len(name) > 255 || filepath.Base(name) != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q has directory %q", tenant, name)
		}
	})
}

func FuzzParsePointer(f *testing.F) {
	f.Add(formatPointer(newGenerationName()))
	f.Add("1 g-20260101T000000.000000000Z-0123456789abcdef 00000000\n")
	f.Add("2 a b c\n")
	f.Fuzz(func(t *testing.T, content string) {
		generation, err := parsePointer(content)
		if err != nil {
			return
		}
		if formatPointer(generation) != content || !generationName.MatchString(generation) {
			t.Errorf("%q names %q", content, generation)
		}
	})
}

func TestGenerationNames(t *testing.T) {
	last := ""
	for range 1000 {
		name := newGenerationName()
		if !generationName.MatchString(name) || name == last || name[:len("g-20060102T150405.000000000Z")] < last[:min(len(last), len("g-20060102T150405.000000000Z"))] {
			t.Fatalf("%q after %q", name, last)
		}
		last = name
	}
}
