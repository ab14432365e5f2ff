package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"productindex/httpapi/internal/recovered"
)

// The scopes of the contract.
const (
	// ScopeView is the scope for reading.
	ScopeView = "indexing.search_view"
	// ScopeManage is the scope for triggering and changing.
	ScopeManage = "indexing.search_manage"
)

// Authorizer decides whether the sender of r has the scope, [ScopeView] or [ScopeManage], for the tenant. It is called
// concurrently. The tenant is within the contract's grammar, but need not exist. The Authorizer must not read the
// request's body.
//
// A nil error lets the request pass. An error that matches [ErrInvalidToken] or [ErrExpiredToken] is answered with 401,
// a [*ScopeError] or a [*LimitError] with 403. Any other error, and a panic, means that the Authorizer could not
// decide: the answer is 403 with [MessageNotAuthorized], and the error is logged. The text of an error is never a part
// of a response. The log shows it without the values of the request's headers and query. Package oauth has Authorizers.
type Authorizer func(r *http.Request, tenant, scope string) error

// AllowAll is an [Authorizer] that lets every request pass. It is for tests, and for hosts whose middleware authorizes
// requests.
func AllowAll(*http.Request, string, string) error { return nil }

// Errors that an [Authorizer] returns for 401. Match them with [errors.Is].
var (
	// ErrInvalidToken means that the request has no access token, or one that is not valid.
	ErrInvalidToken = errors.New("invalid access token")

	// ErrExpiredToken means that the access token has expired and is valid otherwise.
	ErrExpiredToken = errors.New("access token expired")
)

// ScopeError is the error of an [Authorizer] for a valid token that lacks scopes; the answer is 403. A token of another
// tenant also lacks the scope for this tenant: the zero ScopeError says so without revealing whether the tenant exists.
type ScopeError struct {
	// Missing lists the scopes that the response names. If none of them is a scope as RFC 6749 defines it, the response
	// names the scope that the request needs.
	Missing []string
}

// Error names the missing scopes.
func (e *ScopeError) Error() string {
	if len(e.Missing) == 0 {
		return "missing the required scope"
	}
	return "missing required scopes: " + strings.Join(e.Missing, ", ")
}

// MessageNotAuthorized is the message of the 403 if an [Authorizer] could not decide.
const MessageNotAuthorized = "The authorization could not be checked"

// authorize calls the Authorizer, and returns nil or the error of the response.
func (h *handler) authorize(c *call, scope string) error {
	return h.judge(c, scope, h.askAuthorizer(c, scope))
}

// judge turns an error of the Authorizer into the error of the response. It returns nil for nil.
func (h *handler) judge(c *call, scope string, err error) error {
	if err == nil {
		return nil
	}
	reason := redact(err.Error(), c.r)
	if denied := denial(err, c, scope); denied != nil {
		c.attrs = append(c.attrs, slog.String("denied", reason))
		return denied
	}
	h.logFailure(c.r.Context(), c, "the authorizer failed", reason)
	return forbidden(MessageNotAuthorized, "Try again later", "Request id: "+c.id)
}

// denial returns the answer to an error of the Authorizer, or nil if the error means that the Authorizer could not
// decide.
func denial(err error, c *call, scope string) error {
	var (
		missing *ScopeError
		limited *LimitError
	)
	switch {
	case errors.Is(err, ErrExpiredToken):
		return &unauthorized{expired: true, scope: scope}
	case errors.Is(err, ErrInvalidToken):
		return &unauthorized{anonymous: len(c.r.Header["Authorization"]) == 0, scope: scope}
	case errors.As(err, &missing):
		return missingScopes(missing.Missing, scope)
	case errors.As(err, &limited):
		return tooManyFailures(limited.RetryAfter)
	default:
		return nil
	}
}

// askAuthorizer calls the Authorizer and turns a panic into an error that holds its value and stack.
func (h *handler) askAuthorizer(c *call, scope string) (err error) {
	defer recovered.Into(&err)
	// A copy: an Authorizer that reads its body must not leave an empty one, which means FULL.
	r := c.r.WithContext(c.r.Context())
	r.Body = http.NoBody
	return h.cfg.Authorizer(r, c.tenant, scope)
}

// missingScopes returns the 403 that names scopes.
func missingScopes(missing []string, asked string) error {
	var scopes []string
	for _, s := range missing {
		if isScope(s) {
			scopes = append(scopes, s)
		}
	}
	if len(scopes) == 0 {
		scopes = []string{asked}
	}
	p := forbidden("Scope validation failed", "Missing required scopes '["+strings.Join(scopes, ", ")+"]'")
	p.challenge = fmt.Sprintf(`Bearer realm="indexing", error="insufficient_scope", scope=%q`, strings.Join(scopes, " "))
	return p
}

// isScope reports whether s is a scope-token of RFC 6749, section 3.3, of a length fit for a header.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
