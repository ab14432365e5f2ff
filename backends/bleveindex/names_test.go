package bleveindex

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// The name of a directory determines its tenant. It has only characters that file systems do not change, so no two
// tenants have the same directory.
func FuzzTenantDir(f *testing.F) {
	for _, tenant := range []string{
		"acme", "Acme", "../a", "con", "a/b", `a\b`, "ä",
		"a\u0308", "-", ".", "t-a", "x-0", strings.Repeat("é", 64),
	} {
		f.Add(tenant)
	}
	f.Fuzz(func(t *testing.T, tenant string) {
		if reindex.CheckTenant(tenant) != nil {
			return
		}
		name := tenantDir(tenant)
		if got, ok := tenantOf(name); !ok || got != tenant {
			t.Errorf("tenant %q has the directory %q, which is that of %q, %t, want that of the tenant", tenant, name, got, ok)
		}
		if len(name) > 255 || filepath.Base(name) != name ||
			strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("tenant %q has the directory %q, want a short plain name", tenant, name)
		}
	})
}

func FuzzTenantOf(f *testing.F) {
	for _, name := range []string{
		"t-acme", "t-", "t-Acme", "x-", "x-64o36d1", "x-64o36d1=",
		"x-0", "lock", "x-C5H66", "t-a/b",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if tenant, ok := tenantOf(name); ok && (tenantDir(tenant) != name || reindex.CheckTenant(tenant) != nil) {
			t.Errorf("%q is the directory of tenant %q, whose directory is %q", name, tenant, tenantDir(tenant))
		}
	})
}

func FuzzParsePointer(f *testing.F) {
	name := newGenerationName()
	for _, content := range []string{
		pointer{generation: name, documents: 47551}.format(), pointer{generation: name, documents: unknown}.format(),
		pointer{documents: 0}.format(), line("1 " + name), line("2 " + name + " -2"),
		pointer{name, 1, []kept{{newGenerationName(), time.UnixMilli(1)}, {newGenerationName(), time.Now()}}}.format(),
		line("3 " + name + " 7 -"), line("3 " + name + " 7 " + name), line("3 " + name + " 7 " + name + "@01"),
		line("2 " + name + " 007"), line("2 ../.. 1"), line("1 ../.."), "1 " + name + " 00000000\n", "3 a b c\n", "",
	} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		p, err := parsePointer(content)
		if err != nil {
			if !errors.Is(err, reindex.ErrDamaged) {
				t.Errorf("pointer %q: error %v, want %v", content, err, reindex.ErrDamaged)
			}
			return
		}
		if p.format() != content && line("1 "+p.generation) != content ||
			p.generation != "" && !generationName.MatchString(p.generation) ||
			p.documents < unknown {
			t.Errorf("the pointer %q is parsed as %+v, want an error or the pointer with this content", content, p)
		}
	})
}

func FuzzParseMark(f *testing.F) {
	for _, content := range []string{
		line(markLoading), line(markLive + " 0"), line(markLive + " 47551"), line(markLive + " -1"), line(markLive), "",
		line(liveMark(7, true)), line(markLive + " 7  edited"),
	} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		m := parseMark(content)
		if m.loading && content != line(markLoading) {
			t.Errorf("the mark %q is parsed as that of a generation that was never live", content)
		}
		if m.documents != unknown && content != line(liveMark(m.documents, m.edited)) {
			t.Errorf("the mark %q is parsed as %+v, want an unknown mark or the one with this content", content, m)
		}
	})
}

func TestGenerationNames(t *testing.T) {
	last := ""
	for range 1000 {
		name := newGenerationName()
		if !generationName.MatchString(name) || name == last ||
			name[:len("g-20060102T150405.000000000Z")] < last[:min(len(last), len("g-20060102T150405.000000000Z"))] {
			t.Fatalf("the name %q follows %q, want a later one", name, last)
		}
		last = name
	}
}
