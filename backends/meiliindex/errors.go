package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// errForbidden: the key lacks an action or an index.
var errForbidden = errors.New("the API key is missing, wrong, or has not the right to do this")

// The codes of the server's errors that this package distinguishes (1.50, docs.meilisearch.com/errors).
const (
	codeIndexNotFound = "index_not_found"
	codeIndexExists   = "index_already_exists"
	codeNoSpace       = "no_space_left_on_device"
	codeOfIndex       = "index_" // begins those that say what an index is like
)

// callError is a call that failed, in the server's words and without the payload.
type callError struct {
	text   string
	public string // for callers of an API
	err    error
}

func (e *callError) Error() string { return e.text }

func (e *callError) Unwrap() error { return e.err }

func (e *callError) PublicMessage() string { return e.public }

// unreachable is what callers of an API see of an error of a connection, which names hosts.
const unreachable = "the server cannot be reached"

// explain classifies the error of one call as [reindex.Generation] asks for. action is the one that the key needs.
func explain(ctx context.Context, action, uid string, err error) error {
	if err == nil {
		return nil
	}
	what := "meiliindex: " + action
	if uid != "" {
		what += " on index " + uid
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", what, ended)
	}
	var e *meilisearch.Error
	if !errors.As(err, &e) {
		return reindex.Temporary(&callError{what + ": the connection was lost", unreachable, err})
	}
	switch {
	case e.ErrCode == meilisearch.MeilisearchMaxRetriesExceeded:
		const text = "the client's own retries got in the way, switch them off with meilisearch.DisableRetries"
		return &callError{what + ": " + text, text, err}
	case e.StatusCode == 0:
		return reindex.Temporary(&callError{fmt.Sprintf("%s: no answer: %v", what, e.OriginError), unreachable, err})
	case e.ErrCode == meilisearch.ErrCodeResponseUnmarshalBody:
		text := fmt.Sprintf("status %d with an answer that cannot be read", e.StatusCode)
		return reindex.Temporary(&callError{what + ": " + text, "the server gave " + text, err})
	}
	said := fmt.Sprintf("%s: status %d", what, e.StatusCode)
	seen := fmt.Sprintf("the server, or something in between, answered with HTTP status %d (%s)", e.StatusCode,
		http.StatusText(e.StatusCode))
	if code, message := e.MeilisearchApiError.Code, e.MeilisearchApiError.Message; code != "" {
		said += fmt.Sprintf(", %s: %s", code, message)
		seen = publicText(code, message)
	}
	return classify(action, &callError{said, seen, e}, e)
}

func classify(action string, failed *callError, e *meilisearch.Error) error {
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		failed.public = fmt.Sprintf("%v: it needs the action %s", errForbidden, action)
		return fmt.Errorf("%w: give it the action %s on the indexes of the prefix: %w", failed, action, errForbidden)
	case http.StatusRequestEntityTooLarge:
		failed.public = fmt.Sprintf("the product is %v: %s", reindex.ErrTooLarge, failed.public)
		return fmt.Errorf("%w: %w", failed, reindex.ErrTooLarge)
	case http.StatusBadRequest:
		if action == "documents.add" {
			return fmt.Errorf("%w: %w", failed, reindex.ErrRefused)
		}
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return reindex.Temporary(failed)
	case http.StatusUnprocessableEntity:
		if e.MeilisearchApiError.Code == codeNoSpace {
			failed.text += noSpaceHint(e.MeilisearchApiError.Message)
		}
	}
	return failed
}

func noSpaceHint(message string) string {
	if strings.Contains(message, "task database") {
		return " (the server's task queue is full: delete tasks that have ended, see DELETE /tasks)"
	}
	return " (the server's disk is full: it needs room for both generations)"
}

// isMissing reports whether a call failed because there is no such index.
func isMissing(err error) bool {
	var e *meilisearch.Error
	return errors.As(err, &e) && e.MeilisearchApiError.Code == codeIndexNotFound
}

// isBadRequest reports whether the server does not understand a call.
func isBadRequest(err error) bool {
	var e *meilisearch.Error
	return errors.As(err, &e) && e.StatusCode == http.StatusBadRequest
}

// arrival is whether the server may have accepted a request whose call failed.
type arrival int

const (
	never    arrival = iota // the server refused it, or was not reached
	unlikely                // whoever answered did not take it
	possible
)

func arrivalOf(err error) arrival {
	var e *meilisearch.Error
	if !errors.As(err, &e) {
		return possible
	}
	if op, ok := errors.AsType[*net.OpError](e.OriginError); ok && op.Op == "dial" {
		return never
	}
	switch {
	case e.ErrCode == meilisearch.ErrCodeResponseUnmarshalBody, e.ErrCode == meilisearch.MeilisearchMaxRetriesExceeded:
		return possible
	case e.StatusCode == http.StatusRequestTimeout, e.StatusCode == http.StatusTooManyRequests, e.StatusCode == http.StatusServiceUnavailable:
		return unlikely
	case e.StatusCode >= http.StatusBadRequest && e.StatusCode < http.StatusInternalServerError:
		return never
	}
	return possible
}
