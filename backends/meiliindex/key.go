package meiliindex

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// MaxKeyBytes is the length of the longest primary key that Meilisearch takes, in bytes (1.50; 511 in all versions
// since 1.0).
const MaxKeyBytes = 511

// ErrKey: a text is not a key that [Key] returns, or an id is too long for one.
var ErrKey = errors.New("meiliindex: invalid key")

// Key returns the primary key of the document that a product with this id becomes. Meilisearch takes 1 to 511 letters,
// digits, hyphens and underscores. An id of that kind that begins with a letter or a digit is its own key; for any
// other the key is an underscore and the id in unpadded URL-safe base64 (RFC 4648, section 5). No two ids have the same
// key. An id whose key would be too long (511 bytes of the first kind, 382 of any other) is an error that matches
// [ErrKey].
func Key(id string) (string, error) {
	key := encodeName(id)
	if len(key) > MaxKeyBytes {
		return "", fmt.Errorf("%w: %w", ErrKey, errTooLong(id, key))
	}
	return key, nil
}

func errTooLong(id, key string) error {
	return fmt.Errorf("the id has %d bytes, its key would have %d, Meilisearch takes %d", len(id), len(key), MaxKeyBytes)
}

// ID returns the product's id whose [Key] is key. The error matches [ErrKey].
func ID(key string) (string, error) {
	if isPlain(key) && len(key) <= MaxKeyBytes {
		return key, nil
	}
	if len(key) > MaxKeyBytes || key == "" || key[0] != '_' {
		return "", fmt.Errorf("%w: %q", ErrKey, key)
	}
	id, err := base64.RawURLEncoding.Strict().DecodeString(key[1:])
	if err != nil || encodeName(string(id)) != key {
		return "", fmt.Errorf("%w: %q", ErrKey, key)
	}
	return string(id), nil
}

// encodeName writes any text in letters, digits, hyphens and underscores, differently for different texts. The result
// never begins with a hyphen.
func encodeName(s string) string {
	if isPlain(s) {
		return s
	}
	return "_" + base64.RawURLEncoding.EncodeToString([]byte(s))
}

// isPlain reports whether s is its own encoding.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return s != ""
}
