package emporix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// tokens holds the current access token of each tenant.
type tokens struct {
	cfg Config
	url string

	mu      sync.Mutex
	tenants map[string]*tenantToken
}

// tenantToken is locked by a channel, so that a wait for a token ends with the context of the waiting call.
type tenantToken struct {
	lock  chan struct{}
	token *oauth2.Token
}

// get returns a token other than refused, which is the token that the service has just rejected, or empty.
func (t *tokens) get(ctx context.Context, tenant, refused string) (string, error) {
	t.mu.Lock()
	tt := t.tenants[tenant]
	if tt == nil {
		tt = &tenantToken{lock: make(chan struct{}, 1)}
		t.tenants[tenant] = tt
	}
	t.mu.Unlock()
	select {
	case tt.lock <- struct{}{}:
		defer func() { <-tt.lock }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if tt.token.Valid() && tt.token.AccessToken != refused {
		return tt.token.AccessToken, nil
	}
	token, err := t.fetch(ctx, tenant)
	if err != nil {
		return "", err
	}
	tt.token = token
	return token.AccessToken, nil
}

// fetch asks for a new token.
func (t *tokens) fetch(ctx context.Context, tenant string) (*oauth2.Token, error) {
	id, secret, err := t.cfg.Credentials(ctx, tenant)
	if err != nil {
		return nil, permanent(fmt.Errorf("Config.Credentials: %w", err))
	}
	cc := clientcredentials.Config{
		ClientID: id, ClientSecret: secret, TokenURL: t.url, Scopes: t.cfg.Scopes, AuthStyle: oauth2.AuthStyleInParams,
	}
	token, err := cc.Token(context.WithValue(ctx, oauth2.HTTPClient, t.cfg.Client))
	if err == nil {
		return token, nil
	}
	// The error of the library holds the answer of the service, which can repeat the request.
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && answer.Response != nil {
		return nil, statusError(askingForToken, answer.Response)
	}
	if broken, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf(askingForToken+": %w", unreachable(broken.Err))
	}
	return nil, public.Errorf(askingForToken + ": the answer is not a token")
}

const askingForToken = "asking for a token"

// statusError returns an error for an answer that is not a success. It says whether a retry can help, and when.
func statusError(doing string, r *http.Response) error {
	err := public.Errorf("%s: HTTP status %d %s", doing, r.StatusCode, http.StatusText(r.StatusCode))
	switch {
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout,
		r.StatusCode >= 500 && r.StatusCode != http.StatusNotImplemented:
		return &reindex.TemporaryError{Err: err, RetryAfter: retryAfter(r.Header)}
	case doing == askingForToken && (r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusBadRequest):
		err = public.Errorf("%w: the client id or its secret is not accepted", err)
	case r.StatusCode >= 300 && r.StatusCode < 400:
		err = public.Errorf("%w: redirects are not followed, check the URLs of the config", err)
	}
	return permanent(err)
}
