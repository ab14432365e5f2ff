package esindex

import (
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// assertLegal checks that Elasticsearch accepts a name of an index.
func assertLegal(t *testing.T, name string) {
	t.Helper()
	if name == "" || len(name) > 255 || strings.ContainsAny(name, "\\/*?\"<>| ,#:") ||
		strings.ToLower(name) != name || strings.ContainsAny(name[:1], "-_+.") {
		t.Errorf("%q is not a valid name of an index", name)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("products", "acme", "products", "acme2")
	f.Add("shop", "a-b", "shop-a", "b")
	f.Add("shop", "a_2db", "shop", "a-b")
	f.Add("shop", strings.Repeat("X", 128), "shop", strings.Repeat("X", 127))
	f.Add("shop", "a", "shop-a", "20261124t083801123_2eabcdefghijklm")
	f.Add("s.", "..", "s-", "_")
	f.Fuzz(func(t *testing.T, prefix1, tenant1, prefix2, tenant2 string) {
		type key struct{ prefix, tenant string }
		one, two := key{prefix1, tenant1}, key{prefix2, tenant2}
		for _, k := range []key{one, two} {
			c := (&Config{Prefix: k.prefix}).withDefaults()
			if k.prefix == "" || c.validate() != nil || reindex.CheckTenant(k.tenant) != nil {
				t.Skip("a prefix or a tenant that is refused has no names")
			}
		}
		names := func(k key) (alias string, all []string) {
			alias = aliasName(k.prefix, k.tenant)
			g := &generation{name: generationName(alias, time.Now())}
			kept := names{kept: keptPrefix(alias)}.keptAlias(time.Now(), 36*36*36*36*36*36*36-1)
			all = []string{alias, kept, g.name, g.writeAlias(), g.fence()}
			g.fences.Store(12)
			all = append(all, g.fence())
			for _, name := range all {
				assertLegal(t, name)
			}
			if !isGeneration(alias, g.name) || isGeneration(alias, alias) || isGeneration(alias, kept) ||
				isGeneration(alias, g.fence()) {
				t.Errorf("the names of generations of %q cannot be distinguished from its other names", alias)
			}
			return alias, all
		}
		alias1, all1 := names(one)
		alias2, all2 := names(two)
		if one == two {
			return
		}
		for _, a := range all1 {
			for _, b := range all2 {
				if a == b {
					t.Errorf("%q and %q share the name %q", one, two, a)
				}
			}
		}
		for _, b := range all2 {
			if isGeneration(alias1, b) {
				t.Errorf("%q of %q looks like a generation of %q", b, two, alias1)
			}
		}
		for _, a := range all1 {
			if isGeneration(alias2, a) {
				t.Errorf("%q of %q looks like a generation of %q", a, one, alias2)
			}
		}
	})
}

func TestGenerationNamesAreInOrder(t *testing.T) {
	now := time.Now()
	last := generationName("a", now)
	for _, later := range []time.Duration{time.Millisecond, time.Second, time.Hour, 24 * 400 * time.Hour} {
		now = now.Add(later)
		if name := generationName("a", now); name <= last {
			t.Errorf("the name %q follows %q, want a greater one", name, last)
		} else {
			last = name
		}
	}
}
