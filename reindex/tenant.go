package reindex

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxTenantBytes is the length of the longest tenant name that [CheckTenant] accepts, in bytes.
const MaxTenantBytes = 128

// CheckTenant returns an error that matches [ErrTenant] unless the engine and every index accept the name of the
// tenant. A valid name has 1 to [MaxTenantBytes] bytes of valid UTF-8 without control characters. The grammar of the
// HTTP contract is narrower; package httpapi checks it.
func CheckTenant(tenant string) error {
	switch {
	case tenant == "":
		return fmt.Errorf("%w: it is empty", ErrTenant)
	case len(tenant) > MaxTenantBytes:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrTenant, len(tenant), MaxTenantBytes)
	case !printable(tenant):
		return fmt.Errorf("%w: %q holds control characters or is not valid UTF-8", ErrTenant, tenant)
	}
	return nil
}

// printable reports whether s is valid UTF-8 without control characters.
func printable(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) {
			return false
		}
		i += size
	}
	return true
}
