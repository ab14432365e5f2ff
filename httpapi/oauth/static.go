package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"productindex/httpapi"
)

// AnyTenant among the Tenants of a [StaticToken] stands for all of them.
const AnyTenant = "*"

// StaticToken is a token of the host's configuration, with its tenants and scopes.
type StaticToken struct {
	// Token is the token itself. It needs 128 random bits or more, since a single hash does not protect a weaker one.
	Token string
	// SHA256 is the token's SHA-256 hash in hexadecimal. A host sets it instead of Token.
	SHA256 string
	// Tenants are the tenants that the token is for, or [AnyTenant].
	Tenants []string
	// Scopes are the token's scopes, such as [httpapi.ScopeManage]. No scope includes another one.
	Scopes []string
}

// hash returns the token's hash.
func (t StaticToken) hash() (tokenHash, error) {
	var hash tokenHash
	switch {
	case (t.Token == "") == (t.SHA256 == ""):
		return hash, errors.New("it must have either Token or SHA256")
	case len(t.Tenants) == 0 || slices.Contains(t.Tenants, ""):
		return hash, errors.New("it has no Tenants, or an empty one")
	case len(t.Scopes) == 0 || slices.Contains(t.Scopes, ""):
		return hash, errors.New("it has no Scopes, or an empty one")
	case t.SHA256 != "":
		decoded, err := hex.DecodeString(t.SHA256)
		if err != nil || len(decoded) != len(hash) {
			return hash, errors.New("its SHA256 is not 64 hexadecimal digits")
		}
		return tokenHash(decoded), nil
	case !isToken(t.Token) || len(t.Token) > maxTokenBytes:
		return hash, errors.New("it cannot be sent as a bearer token: use letters, digits and -._~+/")
	default:
		return sha256.Sum256([]byte(t.Token)), nil
	}
}

// errUnknownToken means that the token is not one of the configured ones.
var errUnknownToken = errors.New("the token is not known")

// Static returns an Authorizer that accepts the given tokens, for development and for a few services that know each
// other. It keeps only their hashes. Every comparison takes the same time, whether a token matches or not. Static
// tokens do not expire; to replace one, give both for a while.
func Static(tokens ...StaticToken) (httpapi.Authorizer, error) {
	var errs []error
	if len(tokens) == 0 {
		errs = append(errs, errors.New("there are no tokens"))
	}
	known := make(map[tokenHash]grant, len(tokens))
	for i, t := range tokens {
		hash, err := t.hash()
		if _, twice := known[hash]; err == nil && twice {
			err = errors.New("it is given twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the token at index %d: %w", i, err))
			continue
		}
		known[hash] = grant{Grant: Grant{
			Tenants: slices.Clone(t.Tenants), AllTenants: slices.Contains(t.Tenants, AnyTenant), Scopes: slices.Clone(t.Scopes),
		}}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("oauth: invalid static tokens: %w", err)
	}
	return func(r *http.Request, tenant, scope string) error {
		token, err := bearer(r.Header)
		if err != nil {
			return err
		}
		hash := sha256.Sum256([]byte(token))
		var granted *grant
		for candidate, g := range known {
			if subtle.ConstantTimeCompare(hash[:], candidate[:]) == 1 {
				granted = &g
			}
		}
		if granted == nil {
			return invalid(errUnknownToken)
		}
		return granted.check(tenant, scope)
	}, nil
}
