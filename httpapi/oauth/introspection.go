package oauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"

	"productindex/httpapi"
)

// IntrospectionConfig configures [Introspection]. URL, ClientID, ClientSecret and Claims are required; the zero value
// of every other field means its default.
type IntrospectionConfig struct {
	// URL is the server's introspection endpoint.
	URL string
	// ClientID and ClientSecret are this service's credentials there, sent by HTTP Basic.
	ClientID, ClientSecret string
	// Claims finds tenants and scopes in the answer. Claims.Grant is called once per answer.
	Claims Claims
	// Audience has this service's names. If it is set, the answer's aud must have one of them. Set it if the server has an
	// aud and also issues tokens for other services.
	Audience []string

	// MaxAge is the time for which an active token is accepted before the server is asked again, but at most until its
	// exp. A token that has been revoked is accepted for up to that time. Default 1 min.
	MaxAge time.Duration
	// RefusedMaxAge is the time for which a token that is not active, or not for this service, is refused before the
	// server is asked again. Default 10 s.
	RefusedMaxAge time.Duration
	// CacheSize is the number of tokens that are remembered, as SHA-256 hashes. The least recently used one is forgotten
	// first. Default 10,000.
	CacheSize int

	// Timeout limits a call. Default 5 s.
	Timeout time.Duration
	// MaxFailures is the number of failed calls in a row after which the server is not called for the time Pause. A single
	// call then tests whether it works again. Default 5.
	MaxFailures int
	// Pause is the time for which a failing server is not called. Default 10 s.
	Pause time.Duration

	// Client calls the endpoint. Default: one with http.DefaultTransport.
	Client *http.Client
	// AllowHTTP permits an http URL to another machine; see the package documentation.
	AllowHTTP bool
}

const (
	defaultMaxAge        = time.Minute
	defaultRefusedMaxAge = 10 * time.Second
	defaultCacheSize     = 10_000
	defaultMaxFailures   = 5
	defaultPause         = 10 * time.Second
)

// withDefaults returns c with its defaults in place of fields that are not set.
func (c IntrospectionConfig) withDefaults() IntrospectionConfig {
	c.MaxAge = cmp.Or(c.MaxAge, defaultMaxAge)
	c.RefusedMaxAge = cmp.Or(c.RefusedMaxAge, defaultRefusedMaxAge)
	c.CacheSize = cmp.Or(c.CacheSize, defaultCacheSize)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.MaxFailures = cmp.Or(c.MaxFailures, defaultMaxFailures)
	c.Pause = cmp.Or(c.Pause, defaultPause)
	return c
}

// validate reports every setting of a config with defaults that is not valid.
func (c IntrospectionConfig) validate() error {
	return errors.Join(
		isSet("ClientID", c.ClientID != ""), isSet("ClientSecret", c.ClientSecret != ""), c.Claims.validate(),
		isPositive("MaxAge", c.MaxAge), isPositive("RefusedMaxAge", c.RefusedMaxAge), isPositive("Timeout", c.Timeout),
		isPositive("Pause", c.Pause), isPositive("CacheSize", c.CacheSize), isPositive("MaxFailures", c.MaxFailures),
	)
}

// Introspection returns an Authorizer that asks the authorization server whether a token is active, and for its claims.
//
// A token is sent to the server and nowhere else, and only its hash is kept. While the server fails, tokens that it has
// accepted before stay valid for MaxAge. An answer of 400 does not count as a failure of the server, since any client
// could cause it with a token that the server cannot read.
func Introspection(cfg IntrospectionConfig) (httpapi.Authorizer, error) {
	cfg = cfg.withDefaults()
	endpoint, err := newEndpoint(cfg.URL, cfg.Client, cfg.AllowHTTP)
	if err != nil {
		err = fmt.Errorf("URL: %w", err)
	}
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("oauth: invalid introspection config: %w", err)
	}
	cache, err := lru.New[tokenHash, verdict](cfg.CacheSize)
	if err != nil {
		return nil, err
	}
	i := &introspector{
		cfg: cfg, endpoint: endpoint, cache: cache, flight: flight[verdict]{timeout: cfg.Timeout},
		breaker: gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
			Timeout:     cfg.Pause,
			ReadyToTrip: func(c gobreaker.Counts) bool { return int64(c.ConsecutiveFailures) >= int64(cfg.MaxFailures) },
			IsExcluded:  func(err error) bool { return errors.Is(err, statusError(http.StatusBadRequest)) },
		}),
	}
	return i.authorize, nil
}

type tokenHash [sha256.Size]byte

// verdict is the server's answer about a token.
type verdict struct {
	refused error     // the reason why the token is not valid, or nil
	granted grant     // of a valid token
	until   time.Time // when to ask again, unless the token has expired
	expires time.Time // the token's exp, or zero
}

type introspector struct {
	cfg      IntrospectionConfig
	endpoint endpoint
	cache    *lru.Cache[tokenHash, verdict]
	flight   flight[verdict]
	breaker  *gobreaker.CircuitBreaker[answer]
}

func (i *introspector) authorize(r *http.Request, tenant, scope string) error {
	token, err := bearer(r.Header)
	if err != nil {
		return err
	}
	v, err := i.lookUp(r.Context(), token)
	switch {
	case err != nil:
		return err
	case v.refused != nil:
		return v.refused
	case v.expired():
		return fmt.Errorf("%w: exp has passed", httpapi.ErrExpiredToken)
	}
	return v.granted.check(tenant, scope)
}

// expired reports whether the token was valid and has expired. This is final, so the server is not asked again.
func (v verdict) expired() bool { return !v.expires.IsZero() && !time.Now().Before(v.expires) }

// lookUp returns the verdict on a token from the cache or from the server.
func (i *introspector) lookUp(ctx context.Context, token string) (verdict, error) {
	hash := tokenHash(sha256.Sum256([]byte(token)))
	if v, ok := i.cache.Get(hash); ok && (time.Now().Before(v.until) || v.expired()) {
		return v, nil
	}
	return i.flight.do(ctx, string(hash[:]), func(ctx context.Context) (verdict, error) {
		said, err := i.breaker.Execute(func() (answer, error) { return i.ask(ctx, token) })
		switch {
		case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
			return verdict{}, fmt.Errorf(
				"the introspection at %s has failed too often and is not called for %v",
				i.endpoint.url, i.cfg.Pause,
			)
		case err != nil:
			return verdict{}, fmt.Errorf("introspection at %s: %w", i.endpoint.url, err)
		}
		v, err := i.judge(ctx, said)
		if err == nil {
			i.cache.Add(hash, v)
		}
		return v, err
	})
}

var (
	errInactive      = errors.New("the server says that the token is not active")
	errWrongAudience = errors.New("the token is for another audience: the answer's aud has none of the accepted names")
	errNoAnswer      = errors.New("the answer has no boolean member \"active\"")
)

// answer is the server's answer about a token.
type answer struct {
	active   bool
	claims   jwt.MapClaims
	audience []string
	expires  time.Time // zero: not known
}

// ask calls the server.
func (i *introspector) ask(ctx context.Context, token string) (answer, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.endpoint.url, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(i.cfg.ClientID), url.QueryEscape(i.cfg.ClientSecret)) // RFC 6749, section 2.3.1
	claims := jwt.MapClaims{}
	if err := i.endpoint.call(request, &claims); err != nil {
		return answer{}, err
	}
	return readAnswer(claims)
}

// readAnswer reads an answer. Its errors are those of the server, not of the token.
func readAnswer(claims jwt.MapClaims) (answer, error) {
	active, ok := claims["active"].(bool)
	if !ok {
		return answer{}, errNoAnswer
	}
	if !active {
		return answer{}, nil
	}
	exp, err := claims.GetExpirationTime()
	if err != nil {
		return answer{}, errors.New("the answer's exp is not a number")
	}
	audience, err := claims.GetAudience()
	if err != nil {
		return answer{}, errors.New("the answer's aud is neither a string nor strings")
	}
	a := answer{active: true, claims: claims, audience: audience}
	if exp != nil {
		a.expires = exp.Time
	}
	return a, nil
}

// judge returns the verdict of an answer. An error means that the token can be neither accepted nor refused.
func (i *introspector) judge(ctx context.Context, a answer) (verdict, error) {
	refuse := func(why error) verdict {
		return verdict{refused: why, until: time.Now().Add(i.cfg.RefusedMaxAge), expires: a.expires}
	}
	switch {
	case !a.active:
		return refuse(invalid(errInactive)), nil
	case !i.accepts(a.audience):
		return refuse(invalid(errWrongAudience)), nil
	}
	v := verdict{until: time.Now().Add(i.cfg.MaxAge), expires: a.expires}
	var err error
	v.granted, err = i.cfg.Claims.read(ctx, a.claims)
	if isRefusal(err) {
		return refuse(err), nil
	}
	return v, err
}

// isRefusal reports whether an Authorizer's error means that the token is refused. Any other error means that the
// Authorizer could not decide.
func isRefusal(err error) bool {
	_, lacks := errors.AsType[*httpapi.ScopeError](err)
	return lacks || errors.Is(err, httpapi.ErrInvalidToken) || errors.Is(err, httpapi.ErrExpiredToken)
}

// accepts reports whether the audience is this service's, or the host has set none.
func (i *introspector) accepts(audience []string) bool {
	return len(i.cfg.Audience) == 0 ||
		slices.ContainsFunc(audience, func(name string) bool { return slices.Contains(i.cfg.Audience, name) })
}
