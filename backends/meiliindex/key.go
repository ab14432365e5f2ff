package meiliindex

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// MaxKeyBytes is the length of the longest primary key that Meilisearch accepts, in bytes. It has not changed from
// version 1.0 to 1.50.
const MaxKeyBytes = 511

// ErrKey means that a string is not a key that [Key] returns, or that an id is too long for a key.
var ErrKey = errors.New("meiliindex: invalid key")

// Key returns the primary key of the document of the product with this id. Meilisearch accepts keys of 1 to 511
// letters, digits, hyphens and underscores. An id of these characters that begins with a letter or a digit is its own
// key. The key of any other id is an underscore followed by the id in unpadded URL-safe base64 (RFC 4648, section 5).
// Different ids have different keys. The error matches [ErrKey] if the id is too long: more than 511 bytes if it is its
// own key, more than 382 otherwise.
func Key(id string) (string, error) {
	key := encodeName(id)
	if len(key) > MaxKeyBytes {
		return "", fmt.Errorf("%w: %w", ErrKey, errTooLong(id, key))
	}
	return key, nil
}

func errTooLong(id, key string) error {
	return fmt.Errorf("the id has %d bytes and its key would have %d; Meilisearch accepts at most %d", len(id), len(key),
		MaxKeyBytes)
}

// ID returns the product id whose [Key] is key. The error matches [ErrKey] if there is none.
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

// encodeName encodes any string in letters, digits, hyphens and underscores. Different strings have different
// encodings, and none begins with a hyphen.
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
