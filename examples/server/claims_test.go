package main

import (
	"maps"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"productindex/reindex/reindextest"
)

// Tokens of an issuer with unusual claims are accepted if the environment describes them.
func TestTokensOfOtherForms(t *testing.T) {
	i := newIssuer(t)
	catalogues := t.TempDir()
	writeCatalogue(t, catalogues, "acme", reindextest.Products(3, "1"))
	s := start(t,
		"PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir(),
		"PRODUCTINDEX_OAUTH_ISSUER="+i.srv.URL, "PRODUCTINDEX_OAUTH_AUDIENCE=client1",
		"PRODUCTINDEX_OAUTH_AUDIENCE_CLAIM=client_id",
		"PRODUCTINDEX_OAUTH_TENANT_CLAIM=/organization/*", "PRODUCTINDEX_OAUTH_SCOPE_CLAIMS=roles,/realm_access/roles",
		"PRODUCTINDEX_OAUTH_VIEW_NAMES=viewer,admin", "PRODUCTINDEX_OAUTH_MANAGE_NAMES=admin",
		"PRODUCTINDEX_OAUTH_TOKEN_TYPES=at+jwt,")
	for _, tc := range []struct {
		claims       object
		view, manage int
	}{
		{object{"realm_access": object{"roles": []string{"admin"}}}, http.StatusOK, http.StatusNoContent},
		{object{"roles": "viewer"}, http.StatusOK, http.StatusForbidden},
		{object{}, http.StatusForbidden, http.StatusForbidden},
		{object{"roles": "admin", "organization": nil}, http.StatusForbidden, http.StatusForbidden},
		{object{"roles": "admin", "client_id": nil}, http.StatusUnauthorized, http.StatusUnauthorized},
	} {
		claims := object{"tenant": nil, "aud": nil, "client_id": "client1", "organization": object{"acme": object{}}}
		maps.Copy(claims, tc.claims)
		token := i.sign(t, jwt.SigningMethodES256, i.key, object{"typ": nil}, claims)
		view, body := s.do(t, http.MethodGet, "/indexing/acme/reindex-jobs", token)
		manage, _ := s.do(t, http.MethodPost, "/indexing/acme/reindex", token)
		if view != tc.view || manage != tc.manage {
			t.Errorf("%v: got %d and %d, want %d and %d: %s", tc.claims, view, manage, tc.view, tc.manage, body)
		}
	}
	s.stop(t)
}
