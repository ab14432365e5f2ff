package main

import (
	"fmt"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// signedTokens says which access tokens (JWT, RFC 9068) are accepted; see oauth.JWTConfig. All of it is needed, or nothing.
type signedTokens struct {
	// Issuer is the authorization server.
	Issuer string `env:"PRODUCTINDEX_OAUTH_ISSUER"`
	// JWKS is the https URL of the issuer's keys.
	JWKS string `env:"PRODUCTINDEX_OAUTH_JWKS"`
	// Audience has this server's names in the tokens, separated by commas.
	Audience []string `env:"PRODUCTINDEX_OAUTH_AUDIENCE"`
	// TenantClaim is the claim that has the tenant or the tenants.
	TenantClaim string `env:"PRODUCTINDEX_OAUTH_TENANT_CLAIM" envDefault:"tenant"`
	// TokenTypes are the types that tokens may have, separated by commas: at+jwt by RFC 9068, JWT for servers that do not follow it.
	TokenTypes []string `env:"PRODUCTINDEX_OAUTH_TOKEN_TYPES" envDefault:"at+jwt"`
}

func (s signedTokens) wanted() bool { return s.Issuer != "" || s.JWKS != "" || len(s.Audience) > 0 }

// authorizer accepts the static token, for every tenant and scope, and signed ones; without either, everybody. A client that fails too often
// has to wait.
func (c config) authorizer() (httpapi.Authorizer, error) {
	var accepted []httpapi.Authorizer
	if c.Token != "" {
		static, err := oauth.Static(oauth.StaticToken{
			Token: c.Token, Tenants: []string{oauth.AnyTenant}, Scopes: []string{httpapi.ScopeView, httpapi.ScopeManage},
		})
		if err != nil {
			return nil, fmt.Errorf("PRODUCTINDEX_TOKEN: %w", err)
		}
		accepted = append(accepted, static)
	}
	if s := c.SignedTokens; s.wanted() {
		signed, err := oauth.JWT(oauth.JWTConfig{
			Issuer: s.Issuer, JWKS: s.JWKS, Audience: s.Audience, TenantClaim: s.TenantClaim, TokenTypes: s.TokenTypes,
		})
		if err != nil {
			return nil, fmt.Errorf("PRODUCTINDEX_OAUTH_*: %w", err)
		}
		accepted = append(accepted, signed)
	}
	if len(accepted) == 0 {
		return httpapi.AllowAll, nil
	}
	return httpapi.LimitFailures(oauth.First(accepted...), perMinute(c.MaxFailures), nil)
}

// perMinute is so many a minute, all of them at once if need be; none means no limit.
func perMinute(n int) httpapi.Rate {
	if n <= 0 {
		return httpapi.Rate{}
	}
	return httpapi.Rate{Every: time.Minute / time.Duration(n), Burst: n}
}
