package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswerBytes is the length of the longest answer that is read.
const maxAnswerBytes = 1 << 20

// endpoint is a URL of the authorization server.
type endpoint struct {
	url       string
	client    *http.Client
	allowHTTP bool
}

// newEndpoint checks the URL. The endpoint has a copy of the client that follows no redirects, because a redirect could
// choose the server that gets a token, or whose keys are trusted.
func newEndpoint(rawURL string, client *http.Client, allowHTTP bool) (endpoint, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return endpoint{}, errors.New("the URL cannot be parsed")
	case u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return endpoint{}, errors.New("the URL is not https://, a host and a path")
	case u.Scheme == "http" && !allowHTTP && !isLoopback(u.Hostname()):
		return endpoint{}, errors.New("the URL is not https; set AllowHTTP if the connection is secret in another way")
	}
	copied := http.Client{}
	if client != nil {
		copied = *client
	}
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return endpoint{url: rawURL, client: &copied, allowHTTP: allowHTTP}, nil
}

// at returns the endpoint at another URL, with the same client and the same checks.
func (e endpoint) at(rawURL string) (endpoint, error) {
	return newEndpoint(rawURL, e.client, e.allowHTTP)
}

// get fetches the document at the URL.
func (e endpoint) get(ctx context.Context, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return err
	}
	return e.call(request, into)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// statusError is an answer with a status other than 200.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the answer is %d %s", int(s), http.StatusText(int(s)))
}

// call sends the request and decodes the answer, which is JSON. Its errors contain nothing of the bodies of the request
// and the answer.
func (e endpoint) call(request *http.Request, into any) error {
	request.Header.Set("Accept", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return statusError(response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer is incomplete: %w", err)
	case len(body) > maxAnswerBytes:
		return fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	case json.Unmarshal(body, into) != nil:
		return errors.New("the answer is not the JSON that was expected")
	}
	return nil
}
