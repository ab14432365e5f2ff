package main

import (
	"fmt"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// signedTokens configures the accepted access tokens (JWT, RFC 9068); see oauth.JWTConfig. Either Issuer and Audience
// are both set, or no field is.
type signedTokens struct {
	// Issuer is the URL of the authorization server.
	Issuer string `env:"PRODUCTINDEX_OAUTH_ISSUER"`
	// JWKS is the https URL of the issuer's keys. Default: the URL in the issuer's metadata.
	JWKS string `env:"PRODUCTINDEX_OAUTH_JWKS"`
	// Audience has this server's names in the tokens, separated by commas.
	Audience []string `env:"PRODUCTINDEX_OAUTH_AUDIENCE"`
	// AudienceClaim is the claim with the audience of a token.
	AudienceClaim string `env:"PRODUCTINDEX_OAUTH_AUDIENCE_CLAIM" envDefault:"aud"`
	// TenantClaim is the claim with the tenant or the tenants. A nested claim is written as /organization/id; see
	// oauth.Claims.
	TenantClaim string `env:"PRODUCTINDEX_OAUTH_TENANT_CLAIM" envDefault:"tenant"`
	// ScopeClaims are the claims with scopes or roles, separated by commas. Default: scope or scp.
	ScopeClaims []string `env:"PRODUCTINDEX_OAUTH_SCOPE_CLAIMS"`
	// ViewNames and ManageNames are the issuer's names of the scopes, or of roles that have them, separated by commas.
	ViewNames   []string `env:"PRODUCTINDEX_OAUTH_VIEW_NAMES"   envDefault:"indexing.search_view"`
	ManageNames []string `env:"PRODUCTINDEX_OAUTH_MANAGE_NAMES" envDefault:"indexing.search_manage"`
	// TokenTypes are the accepted types of tokens, separated by commas: at+jwt as in RFC 9068, JWT for servers that do
	// not follow it, and the empty type (a comma at the end) for servers whose tokens have no type.
	TokenTypes []string `env:"PRODUCTINDEX_OAUTH_TOKEN_TYPES" envDefault:"at+jwt"`
}

func (s signedTokens) wanted() bool { return s.Issuer != "" || s.JWKS != "" || len(s.Audience) > 0 }

// authorizer returns an Authorizer that accepts the static token, for every tenant and scope, and signed tokens. If
// neither is configured, it accepts everybody. A client that fails too often must wait.
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
			Issuer: s.Issuer, JWKS: s.JWKS, Audience: s.Audience, AudienceClaim: s.AudienceClaim, TokenTypes: s.TokenTypes,
			Claims: oauth.Claims{
				Tenant: s.TenantClaim, Scopes: s.ScopeClaims,
				ScopeNames: map[string][]string{httpapi.ScopeView: s.ViewNames, httpapi.ScopeManage: s.ManageNames},
			},
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

// perMinute returns a rate of n events per minute, which may all come at once. If n is 0, there is no limit.
func perMinute(n int) httpapi.Rate {
	if n <= 0 {
		return httpapi.Rate{}
	}
	return httpapi.Rate{Every: time.Minute / time.Duration(n), Burst: n}
}
