package main

import (
	"strings"
	"testing"
)

// Each rule finds its phrase, also across the end of a line, and does not find similar phrases.
func TestRules(t *testing.T) {
	for name, test := range map[string]struct{ bad, good string }{
		"can not":   {"it can not be read", "it cannot be read, and can not only be read"},
		"is no":     {"the body is no valid JSON", "there is no body, it is no longer here, and is not valid"},
		"is none":   {"a tag that is none", "if there is none"},
		"tell":      {"it tells why", "it says why; the teller"},
		"a for per": {"one index a tenant", "one index per tenant, the index of a tenant"},
		"too":       {"that counts, too.", "there are few, too many, and too large ones"},
		"takes for": {"it is taken for an error", "it takes 3 s for each"},
		"what is":   {"it returns what is wrong", "it returns what it finds"},
		"What …":    {"It ends. What comes later is lost.", "It ends. What now? It says what."},
		"whoever":   {"whoever reads it", "anyone who reads it"},
		"go wrong":  {"whatever goes wrong", "it goes to the wrong place"},
		"Nor …":     {"It reads none. Nor does it write.", "it neither reads nor writes"},
		"where":     {"nil where there is none", "the place where it stands"},
	} {
		for text, want := range map[string]int{test.bad: 1, test.good: 0} {
			for _, words := range []string{text, strings.ReplaceAll(text, " ", "\n// ")} {
				source := "package p\n\n// " + words + "\n"
				if got := count(t, name, goTexts([]byte(source))); got != want {
					t.Errorf("%s: found %d times, want %d: %s", name, got, want, source)
				}
			}
			if got := count(t, name, markdownTexts("# Title\n\n"+strings.ReplaceAll(text, " ", "\n"))); got != want {
				t.Errorf("%s: found %d times in Markdown, want %d: %s", name, got, want, text)
			}
		}
	}
}

// Strings are checked, except by rules on sentences. Code in comments and Markdown is not checked.
func TestTexts(t *testing.T) {
	for source, want := range map[string]int{
		"package p\n\nvar s = \"it can not\"\n": 1,
		"package p\n\n//\tit can not\n":         0,
		"package p\n\n//nolint:x // can not\n":  0,
		"package p\n\nvar canNot int\n":         0,
		"package p\n\nvar s = `a\nit can\nnot`": 1,
	} {
		if got := count(t, "can not", goTexts([]byte(source))); got != want {
			t.Errorf("found it %d times, want %d: %s", got, want, source)
		}
	}
	if got := count(t, "can not", markdownTexts("```\ncan not\n```\n\n    can not\n\ncan\nnot\n")); got != 1 {
		t.Errorf("found %d times in Markdown, want 1", got)
	}
}

func count(t *testing.T, name string, texts []text) (n int) {
	t.Helper()
	for _, r := range rules {
		if r.name != name {
			continue
		}
		for _, words := range texts {
			n += len(r.find(words))
		}
		return n
	}
	t.Fatalf("there is no rule %q", name)
	return 0
}
