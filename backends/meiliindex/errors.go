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

// errForbidden means that the API key lacks an action or an index.
var errForbidden = errors.New("the API key is missing, not valid, or lacks a permission")

// The codes of the server's errors that this package distinguishes (1.50, docs.meilisearch.com/errors).
const (
	codeIndexNotFound = "index_not_found"
	codeIndexExists   = "index_already_exists"
	codeNoSpace       = "no_space_left_on_device"
	codeOfIndex       = "index_" // the prefix of the codes that are about an index
)

// callError is the error of a failed call, without the payload that the client's error contains.
type callError struct {
	text   string
	public string // for callers of an API
	err    error
}

func (e *callError) Error() string { return e.text }

func (e *callError) Unwrap() error { return e.err }

func (e *callError) PublicMessage() string { return e.public }

// unreachable is the public text of a connection error, whose own text names hosts.
const unreachable = "the server cannot be reached"

// explain wraps the error of a call as [reindex.Generation] requires: a [*reindex.TemporaryError] if the call can
// succeed later. The argument action is the action that the API key needs for the call.
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
		const text = "the client retries by itself; disable that with meilisearch.DisableRetries"
		return &callError{what + ": " + text, text, err}
	case e.StatusCode == 0:
		return reindex.Temporary(&callError{fmt.Sprintf("%s: no answer: %v", what, e.OriginError), unreachable, err})
	case e.ErrCode == meilisearch.ErrCodeResponseUnmarshalBody:
		text := fmt.Sprintf("status %d with an answer that cannot be read", e.StatusCode)
		return reindex.Temporary(&callError{what + ": " + text, "the server gave " + text, err})
	}
	said := fmt.Sprintf("%s: status %d", what, e.StatusCode)
	seen := fmt.Sprintf("the server, or something in front of it, answered with HTTP status %d (%s)", e.StatusCode,
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
	return " (the server's disk is full: it needs space for two generations)"
}

// isMissing reports whether a call failed because there is no such index.
func isMissing(err error) bool {
	var e *meilisearch.Error
	return errors.As(err, &e) && e.MeilisearchApiError.Code == codeIndexNotFound
}

// isBadRequest reports whether the server has rejected the parameters of a call.
func isBadRequest(err error) bool {
	var e *meilisearch.Error
	return errors.As(err, &e) && e.StatusCode == http.StatusBadRequest
}

// arrival says whether the server may have accepted a request whose call failed.
type arrival int

const (
	never    arrival = iota // the server has refused the request, or did not receive it
	unlikely                // a proxy or the server has answered that it cannot accept it now
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
	case e.StatusCode == http.StatusRequestTimeout, e.StatusCode == http.StatusTooManyRequests,
		e.StatusCode == http.StatusServiceUnavailable:
		return unlikely
	case e.StatusCode >= http.StatusBadRequest && e.StatusCode < http.StatusInternalServerError:
		return never
	}
	return possible
}
