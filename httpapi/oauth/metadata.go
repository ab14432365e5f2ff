package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// metadata finds the URL of an issuer's keys in the document that the issuer publishes about itself (OpenID Connect
// Discovery 1.0, RFC 8414).
type metadata struct {
	issuer string
	places []endpoint // tried in turn until one exists
}

// newMetadata returns the metadata at the URL or, if that is empty, at the well-known places of the issuer.
func newMetadata(issuer, rawURL string, client *http.Client, allowHTTP bool) (metadata, error) {
	urls := []string{rawURL}
	if rawURL == "" {
		urls = wellKnown(issuer)
	}
	m := metadata{issuer: issuer}
	for _, u := range urls {
		e, err := newEndpoint(u, client, allowHTTP)
		if err != nil {
			return metadata{}, err
		}
		m.places = append(m.places, e)
	}
	return m, nil
}

// wellKnown returns the places of an issuer's metadata: OpenID Connect puts it below the issuer's path, RFC 8414 before
// it.
func wellKnown(issuer string) []string {
	places := []string{strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"}
	if u, err := url.Parse(issuer); err == nil {
		u.RawPath, u.Path = "", "/.well-known/oauth-authorization-server"+strings.TrimSuffix(u.Path, "/")
		places = append(places, u.String())
	}
	return places
}

// keys returns the endpoint of the issuer's keys.
func (m metadata) keys(ctx context.Context) (endpoint, error) {
	var missing error
	for _, place := range m.places {
		var found struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := place.get(ctx, &found); err != nil {
			err = fmt.Errorf("fetching the issuer's metadata at %s: %w", place.url, err)
			if !errors.Is(err, statusError(http.StatusNotFound)) {
				return endpoint{}, err
			}
			missing = errors.Join(missing, err)
			continue
		}
		if found.Issuer != m.issuer {
			return endpoint{}, fmt.Errorf(
				"the metadata at %s is that of the issuer %.200q; the configured issuer is %q",
				place.url,
				found.Issuer,
				m.issuer,
			)
		}
		keys, err := place.at(found.JWKS)
		if err != nil {
			return endpoint{}, fmt.Errorf("the metadata at %s has no jwks_uri that can be used: %w", place.url, err)
		}
		return keys, nil
	}
	return endpoint{}, missing
}
