package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"productindex/httpapi"
)

// verifier checks signed tokens.
type verifier struct {
	issuer   string
	audience place
	types    []string
	keys     *jwks
	parser   *jwt.Parser
}

// Reasons why a token is refused before its signature is checked.
var (
	errTokenType = errors.New("the token's type (typ) is not one of TokenTypes")
	errNoType    = errors.New("the token has no type (typ), and TokenTypes has no empty type")
	errCritical  = errors.New("the token has critical extensions (crit), which are not supported")
	errKeyID     = errors.New("the id of the token's key (kid) is not a string")
	errAlgorithm = errors.New("the token's algorithm (alg) is not one of Algorithms")
)

// verify returns the claims of a valid token. If the token's key is not known, or no key verifies it, verify looks once
// for newer keys: the server may use new ones, and not all tokens name their key.
func (v *verifier) verify(ctx context.Context, token string) (map[string]any, error) {
	arrived := time.Now()
	var used *keySet
	claims, err := v.parse(token, func() (_ *keySet, err error) {
		used, err = v.keys.current(ctx)
		return used, err
	})
	if used != nil && (errors.Is(err, errUnknownKey) || errors.Is(err, jwt.ErrTokenSignatureInvalid)) {
		newer, failed := v.keys.newer(ctx, used, arrived)
		switch {
		case failed != nil:
			err = failed
		case newer != nil:
			claims, err = v.parse(token, func() (*keySet, error) { return newer, nil })
		}
	}
	var open undecided
	switch {
	case err == nil:
		return claims.MapClaims, nil
	case errors.As(err, &open):
		return nil, open.error
	}
	why := v.reason(err, claims)
	if errors.Is(why, jwt.ErrTokenExpired) {
		return nil, fmt.Errorf("%w: exp has passed", httpapi.ErrExpiredToken)
	}
	return nil, invalid(why)
}

// parse checks a token against the keys. It asks for them only if the token's header and issuer are right.
func (v *verifier) parse(token string, keys func() (*keySet, error)) (*tokenClaims, error) {
	claims, supported := &tokenClaims{audience: v.audience}, false
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		supported = true
		id, err := v.checkHeader(t.Header)
		if err != nil {
			return nil, err
		}
		if issuer, _ := claims.GetIssuer(); issuer != v.issuer {
			return nil, jwt.ErrTokenInvalidIssuer
		}
		set, err := keys()
		if err != nil {
			return nil, err
		}
		fitting := set.fitting(id, t.Method.Alg())
		if len(fitting) == 0 {
			return nil, errUnknownKey
		}
		return jwt.VerificationKeySet{Keys: fitting}, nil
	})
	if err != nil && !supported && !errors.Is(err, jwt.ErrTokenMalformed) {
		err = errAlgorithm
	}
	return claims, err
}

// checkHeader returns the id of the token's key, which is empty if it names none.
func (v *verifier) checkHeader(header map[string]any) (id string, err error) {
	value, typed := header["typ"]
	name, ok := value.(string)
	switch {
	case !slices.Contains(v.types, normalType(name)):
		if !typed {
			return "", errNoType
		}
		return "", errTokenType
	case typed && !ok:
		return "", errTokenType
	}
	if _, ok := header["crit"]; ok {
		return "", errCritical
	}
	id, ok = header["kid"].(string)
	if _, given := header["kid"]; given && !ok {
		return "", errKeyID
	}
	return id, nil
}

// reason returns the first of the known reasons that err matches. Expiry is the last one: it counts only if the token
// is valid otherwise. The text of err itself may hold parts of the token.
func (v *verifier) reason(err error, claims *tokenClaims) error {
	for _, known := range []error{
		errAlgorithm, errTokenType, errNoType, errCritical, errKeyID, errUnknownKey,
		jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrInvalidType,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenUnverifiable, jwt.ErrTokenInvalidAudience, jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenNotValidYet, jwt.ErrTokenExpired,
	} {
		if errors.Is(err, known) {
			return v.explain(known, claims)
		}
	}
	return jwt.ErrTokenInvalidClaims
}

// explain adds to a reason the claim and its expected value.
func (v *verifier) explain(known error, claims *tokenClaims) error {
	switch {
	case errors.Is(known, jwt.ErrTokenInvalidIssuer):
		return fmt.Errorf("%w: its claim \"iss\" is not %q", known, v.issuer)
	case errors.Is(known, jwt.ErrTokenInvalidAudience):
		return fmt.Errorf("%w: its claim %q has none of the accepted names", known, string(v.audience))
	case !errors.Is(known, jwt.ErrTokenRequiredClaimMissing):
		return known
	}
	if _, ok := claims.MapClaims["exp"]; !ok {
		return fmt.Errorf("%w: exp", known)
	}
	if _, missing := v.audience.strings(claims.MapClaims); missing != "" {
		return fmt.Errorf("%w: %s", known, missing)
	}
	return known
}

// tokenClaims has a token's claims, with the audience at a place that the host chooses.
type tokenClaims struct {
	jwt.MapClaims

	audience place
}

// UnmarshalJSON reads the claims.
func (c *tokenClaims) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &c.MapClaims) }

// GetAudience returns the token's audience.
func (c *tokenClaims) GetAudience() (jwt.ClaimStrings, error) {
	value, _ := c.audience.find(c.MapClaims)
	return jwt.MapClaims{"aud": value}.GetAudience()
}

func normalTypes(names []string) []string {
	normal := make([]string, len(names))
	for i, name := range names {
		normal[i] = normalType(name)
	}
	return normal
}

// normalType is a media type without its application/ and in lower case (RFC 7515, section 4.1.9).
func normalType(name string) string { return strings.TrimPrefix(strings.ToLower(name), "application/") }
