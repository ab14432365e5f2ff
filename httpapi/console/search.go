package console

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"productindex/httpapi"
	"productindex/reindex"
)

const (
	// searchPath is the path of a search without the tenant.
	searchPath = "/search/"
	// shownHits is the greatest number of products in an answer.
	shownHits = 20
	// longestText is the length of the longest text of a search, in bytes.
	longestText = 1 << 10
)

// problem is an error answer, in the form of the endpoints' errorMessage.
type problem struct {
	Code    int      `json:"code"`
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Details []string `json:"details"`
}

// newSearch returns the handler of GET /search/{tenant}?q=text. Callers need the scope for viewing the tenant.
func newSearch(c Config) (http.Handler, error) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.TrimSpace(r.URL.Query().Get("q"))
		if text == "" || len(text) > longestText || !utf8.ValidString(text) {
			refuse(w, http.StatusBadRequest, "Parameter 'q' must be a text of 1 to 1024 bytes")
			return
		}
		tenant := searched(r)
		found, err := c.Search(r.Context(), tenant, text)
		switch {
		case errors.Is(err, reindex.ErrNoLiveIndex):
			refuse(w, http.StatusNotFound, "This tenant has not been indexed yet")
		case err != nil:
			c.Logger.LogAttrs(r.Context(), slog.LevelError, "console: the search failed",
				slog.String("tenant", tenant), slog.String("error", err.Error()))
			refuse(w, http.StatusInternalServerError, "The search failed; the service's log has the details")
		default:
			found.Hits = append([]Hit{}, found.Hits[:min(shownHits, len(found.Hits))]...)
			send(w, http.StatusOK, found)
		}
	})
	return httpapi.Protect(answer, httpapi.ScopeView, searched, httpapi.Config{Authorizer: c.Authorizer, Logger: c.Logger})
}

// searched returns the tenant of a request.
func searched(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, searchPath) }

func refuse(w http.ResponseWriter, status int, message string) {
	send(w, status, problem{Code: status, Status: http.StatusText(status), Message: message, Details: []string{}})
}

// send writes v as JSON.
func send(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "The search returned a product that is not valid JSON")
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has gone
}
