package oauth

import (
	"errors"
	"net/http"

	"productindex/httpapi"
)

// First returns an Authorizer that asks the given ones in turn, each only if the one before does not know the token
// ([httpapi.ErrInvalidToken]): for example [Static] for a deployment's own token, then [JWT] for all others. Put those
// that call an authorization server last.
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
