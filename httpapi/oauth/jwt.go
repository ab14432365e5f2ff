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

// JWTConfig configures [JWT]. Issuer, Audience and Claims are required; the zero value of every other field means its
// default.
type JWTConfig struct {
	// Issuer is the iss of valid tokens.
	Issuer string
	// Audience has this service's names. A token must be for one of them.
	Audience []string
	// AudienceClaim is the place of a token's audience; see [Claims] on places. Default aud. Cognito's access tokens have
	// none: there, set it to client_id, and Audience to the clients that may call.
	AudienceClaim string
	// Claims finds tenants and scopes in a token.
	Claims Claims

	// JWKS is the URL of the issuer's public keys (RFC 7517). Default: the jwks_uri of its metadata, which is read
	// whenever the keys are fetched, and has to name the same issuer.
	JWKS string
	// Metadata is the URL of the issuer's metadata. It is not read if JWKS is set. Default: Issuer followed by
	// /.well-known/openid-configuration or, if that does not exist, the place of RFC 8414. Microsoft's tokens of version
	// 1, and of B2C, need another URL.
	Metadata string

	// Algorithms are the algorithms that a token may be signed with. Default RS256, PS256, ES256, EdDSA, Ed25519. The last
	// two are one algorithm, whose name depends on the server's age (RFC 9864). Only public keys are possible: the
	// algorithms of the default, and their variants of 384 and 512 bits.
	Algorithms []string
	// TokenTypes are the types (the header typ) that a token may have; application/ before them and upper case do not
	// matter. Default at+jwt, as RFC 9068 demands, so that an ID token is not accepted as an access token. Many servers
	// sign access tokens with the type JWT: add it here. Those of Okta and Cognito have no type: add the empty one here.
	// In both cases make sure that tokens of another kind, such as ID tokens, are not for one of the names in Audience.
	TokenTypes []string
	// Leeway is the difference between the clocks of issuer and host that is tolerated when exp and nbf are checked.
	// Default 30 s; a negative value means none.
	Leeway time.Duration

	// KeysMaxAge is the age at which keys are fetched anew. A key that the issuer has withdrawn is accepted for that long.
	// Default 10 min.
	KeysMaxAge time.Duration
	// KeysMaxStale is the age at which keys are no longer used if the issuer cannot be reached. Default 1 h, at least
	// KeysMaxAge.
	KeysMaxStale time.Duration
	// KeysMinInterval is the shortest time between two fetches. For a token whose key is not known, or whose signature no
	// key verifies, new keys are fetched at most once in this time; until then the token is not valid. Default 10 s, at
	// most KeysMaxAge.
	KeysMinInterval time.Duration
	// Timeout limits a fetch. Default 5 s.
	Timeout time.Duration

	// Client fetches the keys. Default: one with http.DefaultTransport.
	Client *http.Client
	// AllowHTTP permits an http URL to another machine; see the package documentation.
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
		c.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA", ed25519Name}
	}
	if len(c.TokenTypes) == 0 {
		c.TokenTypes = []string{"at+jwt"}
	}
	c.AudienceClaim = cmp.Or(c.AudienceClaim, "aud")
	c.Leeway = cmp.Or(c.Leeway, defaultLeeway)
	c.KeysMaxAge = cmp.Or(c.KeysMaxAge, defaultKeysMaxAge)
	c.KeysMaxStale = cmp.Or(c.KeysMaxStale, max(defaultKeysMaxStale, c.KeysMaxAge))
	c.KeysMinInterval = cmp.Or(c.KeysMinInterval, min(defaultKeysMinInterval, c.KeysMaxAge))
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	return c
}

// validate reports every setting of a config with defaults that is not valid.
func (c JWTConfig) validate() error {
	errs := []error{
		isSet("Issuer", c.Issuer != ""), c.Claims.validate(), place(c.AudienceClaim).validate(),
		isSet("Audience", len(c.Audience) > 0 && !slices.Contains(c.Audience, "")),
		isPositive("KeysMaxAge", c.KeysMaxAge), isPositive("KeysMaxStale", c.KeysMaxStale),
		isPositive("KeysMinInterval", c.KeysMinInterval), isPositive("Timeout", c.Timeout),
	}
	for _, alg := range c.Algorithms {
		if !slices.Contains(publicKeyAlgorithms, alg) {
			errs = append(errs, fmt.Errorf("algorithm %q is not one of %s", alg, strings.Join(publicKeyAlgorithms, ", ")))
		}
	}
	if c.KeysMaxStale < c.KeysMaxAge || c.KeysMaxAge < c.KeysMinInterval {
		errs = append(
			errs,
			fmt.Errorf("KeysMinInterval is %v, KeysMaxAge is %v and KeysMaxStale is %v; each must be at least the previous one",
				c.KeysMinInterval, c.KeysMaxAge, c.KeysMaxStale),
		)
	}
	return errors.Join(errs...)
}

// publicKeyAlgorithms are the algorithms whose keys can be published. With the others, none and HMAC, anybody who knows
// the public key could sign.
var publicKeyAlgorithms = []string{
	"RS256",
	"RS384",
	"RS512",
	"PS256",
	"PS384",
	"PS512",
	"ES256",
	"ES384",
	"ES512",
	"EdDSA",
	ed25519Name,
}

// JWT returns an Authorizer for access tokens that the issuer signs. A token needs a signature by one of the issuer's
// keys, the issuer, an audience and an exp, and must not have a crit header. Its own headers about keys (jku, jwk, x5u,
// x5c) are ignored.
//
// The keys are fetched when they are first needed, and kept; see [JWTConfig].
func JWT(cfg JWTConfig) (httpapi.Authorizer, error) {
	cfg = cfg.withDefaults()
	locate, err := cfg.keys()
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("oauth: invalid JWT config: %w", err)
	}
	knowEd25519()
	v := &verifier{
		issuer: cfg.Issuer, audience: place(cfg.AudienceClaim), types: normalTypes(cfg.TokenTypes),
		keys: &jwks{
			locate: locate, flight: flight[*keySet]{timeout: cfg.Timeout}, maxAge: cfg.KeysMaxAge, maxStale: cfg.KeysMaxStale,
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
		granted, err := cfg.Claims.read(r.Context(), claims)
		if err != nil {
			return err
		}
		return granted.check(tenant, scope)
	}, nil
}

// keys returns a function that finds the endpoint of the keys.
func (c JWTConfig) keys() (func(context.Context) (endpoint, error), error) {
	if c.JWKS == "" {
		m, err := newMetadata(c.Issuer, c.Metadata, c.Client, c.AllowHTTP)
		if err != nil {
			return nil, fmt.Errorf("JWKS is not set, and the URL of the issuer's metadata is not valid: %w", err)
		}
		return m.keys, nil
	}
	e, err := newEndpoint(c.JWKS, c.Client, c.AllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	return func(context.Context) (endpoint, error) { return e, nil }, nil
}
