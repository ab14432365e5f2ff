package oauth

import (
	"errors"
	"net/http"

	"productindex/httpapi"
)

// First returns an Authorizer that asks the given ones in turn, each only where the one before does not know the token
// ([httpapi.ErrInvalidToken]): such as [Static] for a deployment's own token, then [JWT] for everybody else's. What
// costs a call of the authorization server comes last.
func First(authorizers ...httpapi.Authorizer) httpapi.Authorizer {
	return func(r *http.Request, tenant, scope string) error {
		err := invalid(errUnknownToken)
		for _, authorize := range authorizers {
			if err = authorize(r, tenant, scope); !errors.Is(err, httpapi.ErrInvalidToken) {
				return err
			}
		}
		return err
	}
}
