package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

// found is the answer to a search.
type found struct {
	Total int64    `json:"total"`
	IDs   []string `json:"ids"`
}

// errNoIndex: nothing was indexed for the tenant yet.
var errNoIndex = errors.New("no index")

// hits is how many ids an answer has at most.
const hits = 10

// searchHandler answers GET /search/{tenant}?q=words with the number of documents found and the ids of the best. Whoever may not search does
// not get here.
func searchHandler(index backend, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		answer, err := index.search(r.Context(), tenant, r.URL.Query().Get("q"))
		switch {
		case errors.Is(err, errNoIndex):
			http.Error(w, "there is no index of this tenant", http.StatusNotFound)
			return
		case err != nil:
			log.ErrorContext(r.Context(), "search failed", "tenant", tenant, "error", err)
			http.Error(w, "the search failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.WarnContext(r.Context(), "writing the answer failed", "error", err)
		}
	}
}
