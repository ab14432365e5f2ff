package oauth

import (
	"errors"
	"net/http"

	"productindex/httpapi"
)

// First returns an Authorizer that calls the given ones in turn until one knows the token. An Authorizer does not know
// a token if its error matches [httpapi.ErrInvalidToken]. For example, [Static] accepts a deployment's own token, and
// [JWT] all others. Put Authorizers that call an authorization server last.
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
