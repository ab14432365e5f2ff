package meiliindex

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

var keyGrammar = regexp.MustCompile(`^[A-Za-z0-9_-]{1,511}$`)

func TestKey(t *testing.T) {
	for _, test := range []struct{ id, key string }{
		{"abc-1_2", "abc-1_2"},
		{"A", "A"},
		{"a", "a"},
		{"_a", "_X2E"},
		{"-a", "_LWE"},
		{"a.b", "_YS5i"},
		{"a/b c", "_YS9iIGM"},
		{"ä", "_w6Q"},
		{strings.Repeat("i", 511), strings.Repeat("i", 511)},
	} {
		key, err := Key(test.id)
		if err != nil || key != test.key {
			t.Errorf("Key(%q) is %q, error %v, want %q", test.id, key, err, test.key)
		}
		if id, err := ID(key); err != nil || id != test.id {
			t.Errorf("ID(%q) is %q, error %v, want %q", key, id, err, test.id)
		}
	}
	for _, id := range []string{strings.Repeat("i", 512), strings.Repeat(".", 383), strings.Repeat("i", 600)} {
		if key, err := Key(id); !errors.Is(err, ErrKey) {
			t.Errorf("the Key of an id of %d bytes is %q, error %v, want %v", len(id), key, err, ErrKey)
		}
	}
	if _, err := Key(strings.Repeat(".", 382)); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"", "_YQ", "-a", "a.b", "_YS5j=", "_w6R", "_w6Q\n", strings.Repeat("i", 512), "_!"} {
		if id, err := ID(key); !errors.Is(err, ErrKey) {
			t.Errorf("ID(%q) is %q, error %v, want %v", key, id, err, ErrKey)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, id := range []string{"", "a", "_YQ", "-", "a.b", "ä", "\x00", strings.Repeat("x", 600)} {
		f.Add(id, "a")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		key, err := Key(a)
		if err != nil {
			if len(a) <= 382 {
				t.Errorf("the id %q has no key: %v", a, err)
			}
			return
		}
		if !keyGrammar.MatchString(key) {
			t.Errorf("the key of %q is %q, which the server does not accept", a, key)
		}
		if id, err := ID(key); err != nil || id != a {
			t.Errorf("the ID of the key of %q is %q, error %v", a, id, err)
		}
		if other, err := Key(b); err == nil && a != b && other == key {
			t.Errorf("%q and %q have the same key %q", a, b, key)
		}
		if id, err := ID(b); err == nil {
			if again, err := Key(id); err != nil || again != b {
				t.Errorf("the ID of %q is %q, whose key is %q, error %v", b, id, again, err)
			}
		}
	})
}
