package oauth_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// issued is an opaque token.
type issued struct {
	client  *oauthClient
	scopes  []string
	expires time.Time
}

type signingKey struct {
	id      string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func (k *signingKey) ID() string                                  { return k.id }
func (k *signingKey) Key() any                                    { return k.private }
func (k *signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.alg }

type publicKey struct{ *signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return k.alg }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.private.Public() }

func (a *authServer) authenticate(id, secret string) (*oauthClient, error) {
	c, ok := a.clients[id]
	if !ok || c.secret != secret {
		return nil, errors.New("unknown client or wrong secret")
	}
	return c, nil
}

func (a *authServer) ClientCredentials(_ context.Context, id, secret string) (op.Client, error) {
	return a.authenticate(id, secret)
}

func (a *authServer) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	_, err := a.authenticate(id, secret)
	return err
}

func (a *authServer) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if c, ok := a.clients[id]; ok {
		return c, nil
	}
	return nil, errors.New("unknown client")
}

// request is a request for a token.
type request struct {
	client *oauthClient
	scopes []string
}

func (r *request) GetSubject() string    { return r.client.id }
func (r *request) GetScopes() []string   { return r.scopes }
func (r *request) GetAudience() []string { return []string{cmp.Or(r.client.audience, audience)} }

func (a *authServer) ClientCredentialsTokenRequest(
	_ context.Context,
	id string,
	scopes []string,
) (op.TokenRequest, error) {
	c := a.clients[id]
	if c.scopes != "" {
		scopes = slices.DeleteFunc(
			slices.Clone(scopes),
			func(s string) bool { return !slices.Contains(strings.Fields(c.scopes), s) },
		)
	}
	return &request{c, scopes}, nil
}

func (a *authServer) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	req := r.(*request)
	id, expires := rand.Text(), time.Now().Add(cmp.Or(req.client.lifetime, time.Hour))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[id] = issued{req.client, req.scopes, expires}
	return id, expires, nil
}

func (a *authServer) GetPrivateClaimsFromScopes(
	_ context.Context,
	_, clientID string,
	scopes []string,
) (map[string]any, error) {
	return a.clients[clientID].claims(scopes), nil
}

func (a *authServer) SetIntrospectionFromToken(
	_ context.Context,
	answer *oidc.IntrospectionResponse,
	id, _, _ string,
) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, ok := a.tokens[id]
	if !ok || time.Now().After(token.expires) {
		return errors.New("not active")
	}
	answer.Expiration = oidc.FromTime(token.expires)
	answer.Audience = (&request{client: token.client}).GetAudience()
	answer.Claims = token.client.claims(token.scopes)
	return nil
}

func (a *authServer) RevokeToken(_ context.Context, id, _, _ string) *oidc.Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, id)
	return nil
}

func (a *authServer) SigningKey(context.Context) (op.SigningKey, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[0], nil
}

func (a *authServer) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (a *authServer) KeySet(context.Context) ([]op.Key, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var published []op.Key
	for _, k := range a.keys {
		published = append(published, publicKey{k})
	}
	return published, nil
}
