package httpapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// document describes exactly the endpoints that are served. It has the URLs of a server that is mounted without a
// prefix.
//
//go:embed openapi.json
var document []byte

// changesDocument holds the additions to the document for Config.Changes, by the members to which they belong.
//
//go:embed openapi-changes.json
var changesDocument []byte

// throttleDocument holds the additions for Config.Throttle.
//
//go:embed openapi-throttle.json
var throttleDocument []byte

// scheduleDocument holds the additions for Config.Schedule.
//
//go:embed openapi-schedule.json
var scheduleDocument []byte

// rollbackDocument holds the additions for Config.Rollbacks.
//
//go:embed openapi-rollback.json
var rollbackDocument []byte

// withPart adds the members of a part to the document, before the others of their kind.
func withPart(document, part []byte) ([]byte, error) {
	var parts map[string]map[string]json.RawMessage
	if err := json.Unmarshal(part, &parts); err != nil {
		return nil, fmt.Errorf("httpapi: a part of the document: %w", err)
	}
	for member, added := range parts {
		for _, name := range slices.Sorted(maps.Keys(added)) {
			opening := fmt.Appendf(nil, "%q: {", member)
			document = bytes.Replace(document, opening, fmt.Appendf(opening, "%q: %s,", name, added[name]), 1)
		}
	}
	return document, nil
}

// The URLs in the embedded document.
const (
	plainServerURL = "/"
	plainTokenURL  = "/oauth/token" //nolint:gosec // no credentials
)

// openAPI is GET /indexing/openapi.json.
func (h *handler) openAPI(c *call) (response, error) {
	server := h.cfg.ServerURL
	if server == "" {
		server = requestPrefix(c)
	}
	token := h.cfg.TokenURL
	if token == "" {
		token = strings.TrimSuffix(server, "/") + plainTokenURL
	}
	body := replaceURL(h.document, "url", plainServerURL, server)
	return response{status: http.StatusOK, body: replaceURL(body, "tokenUrl", plainTokenURL, token)}, nil
}

// replaceURL changes the value of the only member with that name and value.
func replaceURL(document []byte, name, from, to string) []byte {
	member := func(value string) []byte {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil // never: a string always has an encoding
		}
		return fmt.Appendf(nil, "%q: %s", name, encoded)
	}
	return bytes.Replace(document, member(from), member(to), 1)
}

// requestPrefix returns the prefix of the route in the client's URL: the part that http.StripPrefix has removed, and
// the part that is still in the path.
func requestPrefix(c *call) string {
	prefix := c.prefix
	if sent, err := url.ParseRequestURI(c.r.RequestURI); err == nil {
		route := strings.TrimPrefix(c.r.URL.EscapedPath(), c.prefix)
		if whole, ok := strings.CutSuffix(sent.EscapedPath(), route); ok {
			prefix = whole
		}
	}
	return path.Clean("/" + prefix) // two slashes at its beginning would name another server
}

// checkURLs returns an error if the prefix or a URL of the document is not valid.
func (c Config) checkURLs() []error {
	var errs []error
	if p := c.Prefix; p != "" {
		u, err := url.ParseRequestURI(p)
		if err != nil || u.EscapedPath() != p || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "{}?#") ||
			!strings.HasPrefix(p, "/") {
			errs = append(errs, fmt.Errorf("the Prefix is %q; it must be a path such as /api, without a slash at its end", p))
		}
	}
	for name, text := range map[string]string{"ServerURL": c.ServerURL, "TokenURL": c.TokenURL} {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		isURL := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
		isPath := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(text, "/")
		if !isURL && !isPath || strings.ContainsAny(text, "?#") {
			errs = append(
				errs,
				fmt.Errorf("%s must be an http or https URL, or a path, without credentials, query and fragment", name),
			)
		}
	}
	return errs
}
