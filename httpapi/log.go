package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRequestIDBytes is the length of the longest request id that is accepted from a request.
const maxRequestIDBytes = 128

// requestID returns the request's X-Request-Id, or a new id if there is none, or one that could do harm in headers or
// logs.
func requestID(header http.Header) string {
	if ids := header["X-Request-Id"]; len(ids) == 1 && isRequestID(ids[0]) {
		return ids[0]
	}
	return rand.Text()
}

// isRequestID reports whether id has only the characters of UUIDs, ULIDs, trace ids, base64 and paths.
func isRequestID(s string) bool {
	if s == "" || len(s) > maxRequestIDBytes {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("._~:/+=@-", rune(s[i])) {
			return false
		}
	}
	return true
}

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// logAccess logs a request, with the pattern of the route instead of the path, and without the query.
func (h *handler) logAccess(c *call, status int, sent int64, took time.Duration) {
	pattern := ""
	if c.route != nil {
		pattern = c.route.pattern
	}
	attrs := append([]slog.Attr{
		slog.String("method", c.r.Method),
		slog.String("route", pattern),
		slog.String("tenant", c.tenant),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.String("request_id", c.id),
		slog.Int("bytes_in", c.read),
		slog.Int64("bytes_out", sent),
	}, c.attrs...)
	h.cfg.Logger.LogAttrs(c.r.Context(), slog.LevelInfo, "httpapi: request", attrs...)
}

// logFailure logs the reason of a failure, which the response does not show.
func (h *handler) logFailure(ctx context.Context, c *call, message, reason string) {
	h.cfg.Logger.LogAttrs(ctx, slog.LevelError, "httpapi: "+message,
		slog.String("tenant", c.tenant),
		slog.String("request_id", c.id),
		slog.String("error", reason),
	)
}

const (
	// minSecretBytes is the length of the shortest word that redact treats as a secret.
	minSecretBytes = 6
	// maxReasonBytes is the length of the longest reason that is logged.
	maxReasonBytes = 8 << 10
)

// redact removes the values of the request's headers and query from the text of a foreign error. The error of an HTTP
// client, for example, holds the URL that it called, which may hold the token.
func redact(text string, r *http.Request) string {
	secrets := words(r.URL.RawQuery)
	for _, values := range r.Header {
		for _, v := range values {
			secrets = append(secrets, words(v)...)
		}
	}
	if user, password, ok := r.BasicAuth(); ok {
		secrets = append(secrets, user, password)
	}
	pairs := make([]string, 0, 2*len(secrets))
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	for _, s := range secrets {
		if len(s) >= minSecretBytes {
			pairs = append(pairs, s, "[cut]", url.QueryEscape(s), "[cut]")
		}
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	return strings.ToValidUTF8(text[:min(len(text), maxReasonBytes)], "")
}

// words returns s and its parts between separators, both as they are and percent-decoded.
func words(s string) []string {
	all := append([]string{s}, strings.Fields(s)...)
	all = append(all, strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(" \t,;&=\"", c) })...)
	for _, w := range slices.Clone(all) {
		if decoded, err := url.QueryUnescape(w); err == nil && decoded != w {
			all = append(all, decoded)
		}
	}
	return all
}
