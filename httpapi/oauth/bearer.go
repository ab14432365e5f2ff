package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"productindex/httpapi"
)

// maxTokenBytes is the length of the longest token that is accepted.
const maxTokenBytes = 16 << 10

// Reasons why a request has no token to check.
var (
	errNoToken       = errors.New("there is no Authorization header")
	errManyTokens    = errors.New("there is more than one Authorization header")
	errNoBearerToken = errors.New("the Authorization header does not consist of Bearer and a token")
	errLongToken     = fmt.Errorf("the token has more than %d bytes", maxTokenBytes)
)

// invalid is [httpapi.ErrInvalidToken] with its reason.
func invalid(reason error) error { return fmt.Errorf("%w: %w", httpapi.ErrInvalidToken, reason) }

// bearer returns the token of RFC 6750, section 2.1.
func bearer(header http.Header) (string, error) {
	values := header["Authorization"]
	switch {
	case len(values) == 0:
		return "", invalid(errNoToken)
	case len(values) > 1:
		return "", invalid(errManyTokens)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer") || !isToken(token):
		return "", invalid(errNoBearerToken)
	case len(token) > maxTokenBytes:
		return "", invalid(errLongToken)
	}
	return token, nil
}

// isToken reports whether s is a b64token: letters, digits and some marks, then equals signs.
func isToken(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return s != ""
}
