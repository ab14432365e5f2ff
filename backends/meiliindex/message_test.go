package meiliindex

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const (
	secretUID  = "shop-0123456789ab-0000000000000007-00000001-acme"
	secretLive = "shop_acme"
)

// secrets are parts of names that no public message may have.
var secrets = []string{secretUID, secretLive, ".internal"}

// A public message has the code and the message of the server's answer, without the uids of indexes and without hosts.
func TestPublicMessages(t *testing.T) {
	for _, test := range []struct{ code, message, want string }{
		{"invalid_document_fields", "Index `" + secretUID +
			"`: The `_geo` field in the document with the id: `\"x5\"` is not an object, see https://a.b:80.",
			"invalid_document_fields: The `_geo` field in the document with the id: `\"x5\"` is not an object, " +
				"see https://a.b:80."},
		{codeIndexNotFound, "Index `" + secretLive + "` not found.", "index_not_found: Index … not found."},
		{codeIndexNotFound, "Indexes `" + secretLive + "`, `" + secretUID + "` not found.",
			"index_not_found: Indexes … not found."},
		{codeIndexExists, "The following indexes are being renamed but cannot because their new name conflicts " +
			"with an already existing index: `" + secretLive + "`, `x`.",
			"index_already_exists: The following indexes are being renamed but cannot because their new name conflicts " +
				"with an already existing index: …."},
		{"invalid_swap_duplicate_index_found", "Indexes must be declared only once during a swap. `" + secretLive +
			"` was specified several times.",
			"invalid_swap_duplicate_index_found: Indexes must be declared only once during a swap. " +
				"… was specified several times."},
		{"invalid_index_uid", "`" + secretLive + "` is not a valid index uid.",
			"invalid_index_uid: … is not a valid index uid."},
		{"bad_request", "Index `p`: number out of range at line 1 column 5.",
			"bad_request: number out of range at line 1 column 5."},
		{"vector_embedding_error", "could not reach embedder `default` at http://ollama.internal:11434/api " +
			"or 10.0.0.7:80 for " + secretUID,
			"vector_embedding_error: could not reach embedder `default` at … or … for …"},
		{codeNoSpace, "No space left on device (os error 28)",
			"no_space_left_on_device: No space left on device (os error 28) (the server's disk is full"},
	} {
		reindextest.AssertPublic(t, &taskError{code: test.code, message: test.message}, test.want, secrets...)
		failure := &meilisearch.Error{StatusCode: http.StatusBadRequest}
		failure.MeilisearchApiError.Code, failure.MeilisearchApiError.Message = test.code, test.message
		reindextest.AssertPublic(t, explain(t.Context(), "settings.update", secretUID, failure),
			strings.Split(test.want, " (the server's disk")[0], secrets...)
	}
	for _, test := range []struct {
		action string
		err    error
		want   string
	}{
		{"documents.add", apiError(http.StatusForbidden, "invalid_api_key"),
			"the API key is missing, not valid, or lacks a permission: it needs the action documents.add"},
		{"documents.add", apiError(http.StatusRequestEntityTooLarge, "payload_too_large"),
			"the product is too large for the index: payload_too_large: said"},
		{"documents.add", apiError(http.StatusBadRequest, "malformed_payload"), "malformed_payload: said"},
		{"documents.add", &meilisearch.Error{StatusCode: http.StatusBadGateway},
			"the server, or something in front of it, answered with HTTP status 502 (Bad Gateway)"},
		{"indexes.swap", &meilisearch.Error{OriginError: &net.OpError{Op: "dial", Err: errors.New("meili.internal")}},
			unreachable},
		{"indexes.swap", errors.New("dial meili.internal"), unreachable},
	} {
		reindextest.AssertPublic(t, explain(t.Context(), test.action, secretUID, test.err), test.want, secrets...)
	}
	g := &generation{uid: secretUID, tenant: "acme", id: stagingName{token: noToken}}
	reindextest.AssertPublic(t, g.errGone(), "somebody deleted the new index during the load", secrets...)
	reindextest.AssertPublic(t, outcome(&meilisearch.Task{Status: meilisearch.TaskStatusCanceled}),
		"somebody has canceled a task on the server", secrets...)
	if !errors.Is(explain(t.Context(), "documents.add", secretUID, apiError(http.StatusBadRequest, "x")),
		reindex.ErrRefused) {
		t.Error("the error of a refused batch does not match ErrRefused")
	}
}

func apiError(status int, code string) error {
	failure := &meilisearch.Error{StatusCode: status}
	failure.MeilisearchApiError.Code, failure.MeilisearchApiError.Message = code, "said"
	return failure
}
