package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"productindex/httpapi"
)

// JWTConfig configures [JWT]. Issuer, Audience, JWKS and TenantClaim are required; the zero value of every other field means its default.
type JWTConfig struct {
	// Issuer is what a token's iss has to be.
	Issuer string
	// Audience has this service's names. A token's aud has to have one of them.
	Audience []string
	// JWKS is the URL of the issuer's public keys (RFC 7517), the jwks_uri of its metadata.
	JWKS string
	// TenantClaim is the claim that has the tenant, a string, or the tenants, an array of strings. They are compared with the path's
	// tenant as they are.
	TenantClaim string

	// Algorithms are those that a token may be signed with. Default RS256, PS256, ES256, EdDSA. Only signatures by public keys are
	// possible: the ones of the default, and their variants of 384 and 512 bits.
	Algorithms []string
	// TokenTypes are the types (the header typ) that a token may have; application/ before them and upper case do not matter. Default
	// at+jwt, as RFC 9068 demands, so that no ID token passes for an access token. Many servers sign access tokens with the type JWT:
	// name it here, and make sure that no other kind of token has this service's name in its aud.
	TokenTypes []string
	// Leeway is by how much the clocks of issuer and host may differ where exp and nbf are checked. Default 30 s; negative: not at all.
	Leeway time.Duration

	// KeysMaxAge is how old the keys may get before they are fetched anew. A key that the issuer takes back is accepted for that long.
	// Default 10 min.
	KeysMaxAge time.Duration
	// KeysMaxStale is how old the keys may get while the issuer can not be reached. Default 1 h, at least KeysMaxAge.
	KeysMaxStale time.Duration
	// KeysMinInterval is the shortest time between two fetches. The key of a token that is not known is looked for once in this time; until
	// then the token is invalid. Default 10 s, at most KeysMaxAge.
	KeysMinInterval time.Duration
	// Timeout limits a fetch. Default 5 s.
	Timeout time.Duration

	// Client fetches the keys. Default: one with http.DefaultTransport.
	Client *http.Client
	// AllowHTTP permits an http URL to another machine. See the package.
	AllowHTTP bool
}

const (
	defaultLeeway          = 30 * time.Second
	defaultKeysMaxAge      = 10 * time.Minute
	defaultKeysMaxStale    = time.Hour
	defaultKeysMinInterval = 10 * time.Second
	defaultTimeout         = 5 * time.Second
)

// withDefaults returns c with its defaults in place of fields that are not set.
func (c JWTConfig) withDefaults() JWTConfig {
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	if len(c.TokenTypes) == 0 {
		c.TokenTypes = []string{"at+jwt"}
	}
	c.Leeway = cmp.Or(c.Leeway, defaultLeeway)
	c.KeysMaxAge = cmp.Or(c.KeysMaxAge, defaultKeysMaxAge)
	c.KeysMaxStale = cmp.Or(c.KeysMaxStale, max(defaultKeysMaxStale, c.KeysMaxAge))
	c.KeysMinInterval = cmp.Or(c.KeysMinInterval, min(defaultKeysMinInterval, c.KeysMaxAge))
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	return c
}

// validate reports every setting of a config with defaults that makes no sense.
func (c JWTConfig) validate() error {
	errs := []error{
		isSet("Issuer", c.Issuer != ""), isSet("TenantClaim", c.TenantClaim != ""),
		isSet("Audience", len(c.Audience) > 0 && !slices.Contains(c.Audience, "")),
		isPositive("KeysMaxAge", c.KeysMaxAge), isPositive("KeysMaxStale", c.KeysMaxStale),
		isPositive("KeysMinInterval", c.KeysMinInterval), isPositive("Timeout", c.Timeout),
	}
	for _, alg := range c.Algorithms {
		if !slices.Contains(publicKeyAlgorithms, alg) {
			errs = append(errs, fmt.Errorf("algorithm %q is none of %s", alg, strings.Join(publicKeyAlgorithms, ", ")))
		}
	}
	if c.KeysMaxStale < c.KeysMaxAge || c.KeysMaxAge < c.KeysMinInterval {
		errs = append(errs, fmt.Errorf("KeysMinInterval is %v, KeysMaxAge %v, KeysMaxStale %v; none may be below the one before",
			c.KeysMinInterval, c.KeysMaxAge, c.KeysMaxStale))
	}
	return errors.Join(errs...)
}

// publicKeyAlgorithms are those whose keys can be published. With any other, none or HMAC, whoever knows the public key signs.
var publicKeyAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// JWT returns an Authorizer for access tokens that the issuer signs. A token needs a signature by one of the issuer's keys, the issuer, an
// audience and an exp, and has no crit header. Its own word on where to find keys (jku, jwk, x5u, x5c) does not count.
//
// The keys are fetched when they are first needed, and kept; see [JWTConfig].
func JWT(cfg JWTConfig) (httpapi.Authorizer, error) {
	cfg = cfg.withDefaults()
	endpoint, err := newEndpoint(cfg.JWKS, cfg.Client, cfg.AllowHTTP)
	if err != nil {
		err = fmt.Errorf("JWKS: %w", err)
	}
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("oauth: invalid JWT config: %w", err)
	}
	v := &verifier{
		types: normalTypes(cfg.TokenTypes),
		keys: &jwks{
			endpoint: endpoint, flight: flight[*keySet]{timeout: cfg.Timeout}, maxAge: cfg.KeysMaxAge, maxStale: cfg.KeysMaxStale,
			attempts: rate.NewLimiter(rate.Every(cfg.KeysMinInterval), 1),
		},
		parser: jwt.NewParser(
			jwt.WithValidMethods(cfg.Algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience...),
			jwt.WithExpirationRequired(), jwt.WithLeeway(max(0, cfg.Leeway)), jwt.WithStrictDecoding(),
		),
	}
	return func(r *http.Request, tenant, scope string) error {
		token, err := bearer(r.Header)
		if err != nil {
			return err
		}
		claims, err := v.verify(r.Context(), token)
		if err != nil {
			return err
		}
		granted, err := grantOf(claims, cfg.TenantClaim)
		if err != nil {
			return err
		}
		return granted.check(tenant, scope)
	}, nil
}

// verifier checks tokens.
type verifier struct {
	types  []string
	keys   *jwks
	parser *jwt.Parser
}

// Reasons why a token is not looked at further.
var (
	errTokenType = errors.New("the token is of a type (typ) that is not accepted")
	errCritical  = errors.New("the token has extensions (crit) that are not understood")
	errKeyID     = errors.New("the id of the token's key (kid) is not a string")
)

// verify returns the claims of a token that is valid.
func (v *verifier) verify(ctx context.Context, token string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return v.keysOf(ctx, t) })
	var open undecided
	switch {
	case err == nil:
		return claims, nil
	case errors.As(err, &open):
		return nil, open.error
	}
	why := reason(err)
	if errors.Is(why, jwt.ErrTokenExpired) {
		return nil, fmt.Errorf("%w: exp has passed", httpapi.ErrExpiredToken)
	}
	return nil, invalid(why)
}

// keysOf returns the keys that the token may be signed with.
func (v *verifier) keysOf(ctx context.Context, t *jwt.Token) (any, error) {
	name, _ := t.Header["typ"].(string)
	if !slices.Contains(v.types, normalType(name)) {
		return nil, errTokenType
	}
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical
	}
	id, ok := t.Header["kid"].(string)
	if _, given := t.Header["kid"]; given && !ok {
		return nil, errKeyID
	}
	found, err := v.keys.find(ctx, id, t.Method.Alg())
	if err != nil {
		return nil, err
	}
	set := jwt.VerificationKeySet{}
	for _, public := range found {
		set.Keys = append(set.Keys, public)
	}
	return set, nil
}

// reason returns the first of the known reasons that err matches. Expiry is the last: it counts where nothing else is wrong. The texts of
// err itself may hold parts of the token.
func reason(err error) error {
	for _, known := range []error{
		errTokenType, errCritical, errKeyID, errUnknownKey,
		jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenUnverifiable, jwt.ErrInvalidType,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenExpired,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return jwt.ErrTokenInvalidClaims
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
