package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// minRSABits is the length of the shortest RSA key (RFC 7518, section 3.3).
const minRSABits = 2048

// errUnknownKey means that the server's keys are known, and the token's key is not among them.
var errUnknownKey = errors.New("the token's key is not among those of the server")

// undecided is an error that leaves open whether the token is valid.
type undecided struct{ error }

// Unwrap returns the error itself.
func (u undecided) Unwrap() error { return u.error }

// jwks has the issuer's keys. It fetches them at first use, when they are old, and, to find a new key, when none of
// them verifies a token.
type jwks struct {
	locate   func(ctx context.Context) (endpoint, error)
	flight   flight[*keySet]
	maxAge   time.Duration // after which they are fetched anew
	maxStale time.Duration // after which they are not used
	attempts *rate.Limiter
	known    atomic.Pointer[keySet]
	failure  atomic.Pointer[error] // of the last attempt
}

// keySet has the keys that were published at a time.
type keySet struct {
	fetched time.Time
	keys    []key
}

type key struct {
	id     string
	alg    string // the only algorithm that it is for, or empty
	public crypto.PublicKey
}

// current returns the known keys, after an attempt to fetch them if there are none or they are old.
func (j *jwks) current(ctx context.Context) (*keySet, error) {
	set := j.known.Load()
	if set != nil && time.Since(set.fetched) < j.maxAge {
		return set, nil
	}
	err := j.refresh(ctx)
	set = j.known.Load()
	if set == nil || time.Since(set.fetched) >= j.maxStale {
		return nil, undecided{fmt.Errorf("the server's keys are not known: %w", err)}
	}
	return set, nil
}

// newer returns keys that are newer than old, or nil if there are none. It tries to fetch them unless old was fetched
// after the token arrived.
func (j *jwks) newer(ctx context.Context, old *keySet, arrived time.Time) (*keySet, error) {
	if j.known.Load() == old && old.fetched.Before(arrived) {
		if err := j.refresh(ctx); err != nil {
			return nil, undecided{fmt.Errorf("the token's key is not known: %w", err)}
		}
	}
	if set := j.known.Load(); set != old {
		return set, nil
	}
	return nil, nil //nolint:nilnil // neither newer keys nor a failure
}

// refresh fetches the keys, unless the last attempt is too recent. It returns the error of the last attempt.
func (j *jwks) refresh(ctx context.Context) error {
	_, err := j.flight.do(ctx, "", func(ctx context.Context) (*keySet, error) {
		if !j.attempts.Allow() {
			if failure := j.failure.Load(); failure != nil {
				return nil, *failure
			}
			return nil, nil //nolint:nilnil // neither new keys nor a failure
		}
		set, err := j.fetch(ctx)
		if err != nil {
			j.failure.Store(&err)
			return nil, err
		}
		j.known.Store(set)
		j.failure.Store(nil)
		return set, nil
	})
	return err
}

func (j *jwks) fetch(ctx context.Context) (*keySet, error) {
	place, err := j.locate(ctx)
	if err != nil {
		return nil, err
	}
	set := &keySet{fetched: time.Now()}
	var published jwkset.JWKSMarshal
	if err := place.get(ctx, &published); err != nil {
		return nil, fmt.Errorf("fetching the keys at %s: %w", place.url, err)
	}
	for _, k := range published.Keys {
		if public := publicKey(k); public != nil {
			set.keys = append(set.keys, key{k.KID, k.ALG.String(), public})
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("fetching the keys at %s: none of them verifies signatures", place.url)
	}
	return set, nil
}

// publicKey returns a key that verifies signatures, or nil. Secrets and short keys are not accepted, whatever their
// names. A key that cannot be read does not spoil the others.
func publicKey(k jwkset.JWKMarshal) crypto.PublicKey {
	if k.USE != "" && k.USE != jwkset.UseSig || len(k.KEYOPS) > 0 && !slices.Contains(k.KEYOPS, jwkset.KeyOpsVerify) {
		return nil
	}
	k.X5U, k.X5C, k.X5T, k.X5TS256 = "", nil, "", "" // the keys are trusted because of their URL
	parsed, err := jwkset.NewJWKFromMarshal(k, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil
	}
	switch public := parsed.Key().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() >= minRSABits {
			return public
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return public
	}
	return nil
}

// fitting returns the keys that may have signed a token: those of its key id, or all if it names none.
func (s *keySet) fitting(id, alg string) []jwt.VerificationKey {
	var all []jwt.VerificationKey
	for _, k := range s.keys {
		if (id == "" || k.id == id) && (k.alg == "" || generic(k.alg) == generic(alg)) && fits(k.public, alg) {
			all = append(all, k.public)
		}
	}
	return all
}

// fits reports whether a key is of the algorithm's kind.
func fits(public crypto.PublicKey, alg string) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		method, ok := jwt.GetSigningMethod(alg).(*jwt.SigningMethodECDSA)
		return ok && method.CurveBits == k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return generic(alg) == jwt.SigningMethodEdDSA.Alg()
	default:
		return false
	}
}
