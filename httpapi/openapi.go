package httpapi

import (
	_ "embed"
	"net/http"
)

// document describes exactly what is served.
//
//go:embed openapi.json
var document []byte

// openAPI is GET /indexing/openapi.json.
func (h *handler) openAPI(*call) (response, error) {
	return response{status: http.StatusOK, body: document}, nil
}
