package oauth

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// place is the place of a value among a token's claims; see [Claims].
type place string

// members is the end of a pointer to the names of an object's members.
const members = "/*"

var (
	// badEscape is a tilde in a pointer that escapes nothing.
	badEscape = regexp.MustCompile(`~([^01]|$)`)
	unescape  = strings.NewReplacer("~1", "/", "~0", "~")
)

// isPointer reports whether p is a JSON Pointer.
func (p place) isPointer() bool { return strings.HasPrefix(string(p), "/") }

func (p place) validate() error {
	if p.isPointer() && badEscape.MatchString(string(p)) {
		return fmt.Errorf("the place %q has a tilde that is neither ~0 nor ~1", string(p))
	}
	if p == members {
		return fmt.Errorf("the place %q names no claim", string(p))
	}
	return nil
}

// find returns the value at p, and reports whether there is one.
func (p place) find(claims map[string]any) (any, bool) {
	if !p.isPointer() {
		value, ok := claims[string(p)]
		return value, ok
	}
	var value any = claims
	for name := range strings.SplitSeq(strings.TrimSuffix(string(p), members)[1:], "/") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[unescape.Replace(name)]; !ok {
			return nil, false
		}
	}
	return value, true
}

// strings returns the strings at p, or the reason why there are none.
func (p place) strings(claims map[string]any) (found []string, missing string) {
	value, ok := p.find(claims)
	if !ok {
		return nil, fmt.Sprintf("the token has no claim %q", string(p))
	}
	switch v := value.(type) {
	case string:
		found = []string{v}
	case []any:
		for _, item := range v {
			if s, ok := item.(string); ok {
				found = append(found, s)
			}
		}
	case map[string]any:
		if p.isPointer() && strings.HasSuffix(string(p), members) {
			found = slices.Sorted(maps.Keys(v))
		}
	}
	if len(found) == 0 {
		return nil, fmt.Sprintf("the token's claim %q has no string", string(p))
	}
	return found, ""
}

// words returns the strings at p, or the reason why there are none. It splits a single string into words.
func (p place) words(claims map[string]any) (found []string, missing string) {
	if value, ok := p.find(claims); ok {
		if text, ok := value.(string); ok {
			return strings.Fields(text), ""
		}
	}
	return p.strings(claims)
}
