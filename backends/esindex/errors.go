package esindex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"productindex/reindex"
)

// typeBlocked is the server's error type for an index or a cluster that accepts no writes.
const typeBlocked = "cluster_block_exception"

// typeNotFound is the server's error type for a missing index, and for a name that is not an alias although the call
// requires one.
const typeNotFound = "index_not_found_exception"

// ServerError is an error answer of the server. The errors of this package wrap it; use [errors.As] to get it.
type ServerError struct {
	// Status is the HTTP status of the answer, or of one item of a _bulk answer.
	Status int
	// Type is the server's error type, such as "cluster_block_exception"; empty if a proxy answered.
	Type string
	// Reason is the server's explanation; empty if it gave none.
	Reason string

	retryAfter time.Duration
}

// Error returns the type, the reason and the status.
func (e *ServerError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("HTTP status %d (%s)", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: %s (HTTP status %d)", e.Type, shorten(e.Reason), e.Status)
}

const maxReason = 600

// shorten truncates a reason to maxReason bytes, since the server quotes whole values.
func shorten(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return string(bytes.ToValidUTF8([]byte(reason[:maxReason]), nil)) + "…"
}

// temporary reports whether the same call can succeed later. A full disk causes a block with status 429, which waiting
// does not remove. A snapshot in progress ends by itself.
func (e *ServerError) temporary() bool {
	switch e.Type {
	case typeBlocked:
		return e.Status >= http.StatusInternalServerError
	case "snapshot_in_progress_exception":
		return true
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	default:
		return e.Status >= http.StatusInternalServerError
	}
}

// hasType reports whether err is a [ServerError] of one of these types.
func hasType(err error, types ...string) bool {
	answer, ok := errors.AsType[*ServerError](err)
	return ok && slices.Contains(types, answer.Type)
}

func hasStatus(err error, status int) bool {
	answer, ok := errors.AsType[*ServerError](err)
	return ok && answer.Status == status
}

// serverError decodes an error answer. A body in another form, such as a proxy's page, is left out.
func serverError(status int, header http.Header, text []byte) *ServerError {
	e := &ServerError{Status: status, retryAfter: retryAfter(header)}
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(text, &body) != nil {
		return e
	}
	var detail cause
	if json.Unmarshal(body.Error, &detail) == nil {
		e.Type, e.Reason = detail.Type, detail.reason()
	} else if json.Unmarshal(body.Error, &e.Reason) == nil {
		e.Type = "error"
	}
	return e
}

// cause is the JSON form of an error in an answer.
type cause struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

func (c *cause) reason() string {
	if c.CausedBy.Reason == "" || strings.Contains(c.Reason, c.CausedBy.Reason) {
		return c.Reason
	}
	return shorten(c.Reason) + ": " + c.CausedBy.Reason
}

// retryAfter returns the delay in the Retry-After header, which holds seconds or a date (RFC 9110, section 10.2.3). It
// returns 0 if there is none.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// unreadable is the error of an answer that has a status of success and cannot be decoded.
type unreadable struct {
	err error
	cut bool // it is empty or begins like JSON, so it was cut off in transit
}

func (e *unreadable) Error() string {
	if e.cut {
		return "reading the answer: " + e.err.Error()
	}
	return "the answer is not JSON: the address belongs to another service, or a proxy or a firewall in " +
		"between has answered"
}

func (e *unreadable) Unwrap() error { return e.err }

// PublicMessage returns a text that callers of an API may see. See [reindex.Public].
func (e *unreadable) PublicMessage() string {
	if e.cut {
		return "the server's answer was cut off"
	}
	return e.Error()
}

// decodeAnswer decodes an answer with a status of success. The error is an [unreadable].
func decodeAnswer(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	if err == nil {
		return nil
	}
	start := bytes.TrimLeft(text, " \t\r\n")
	return &unreadable{err: err, cut: len(start) == 0 || start[0] == '{' || start[0] == '['}
}

// lost reports whether err comes from a failed connection or an answer that was cut off. It reports false for other
// errors, such as those of a certificate or of an address that is not valid, since an unknown error is not retried. A
// host's own transport can mark its errors as retryable with a [*reindex.TemporaryError].
func lost(err error) bool {
	if answer, ok := errors.AsType[*unreadable](err); ok {
		return answer.cut
	}
	if _, ok := errors.AsType[*reindex.TemporaryError](err); ok {
		return true
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // a url.Error is a net.Error, whatever it wraps
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return false // a TLS alert
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	// The errors of net/http that have no type.
	text := err.Error()
	return strings.HasPrefix(text, "http2: ") || strings.Contains(text, "server closed idle connection") ||
		strings.Contains(text, "transport connection broken")
}

// classify wraps the error of a call as [reindex.Generation] requires: a [*reindex.TemporaryError] if the call can
// succeed later.
func classify(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	refused, isRefused := errors.AsType[*ServerError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("esindex: %s: %w", what, ctx.Err())
	case isRefused && refused.temporary():
		return &reindex.TemporaryError{Err: fmt.Errorf("esindex: %s: %w", what, refused), RetryAfter: refused.retryAfter}
	case isRefused || !lost(err):
		return fmt.Errorf("esindex: %s: %w", what, err)
	default:
		return reindex.Temporary(fmt.Errorf("esindex: %s: %w", what, unreachable(err)))
	}
}

// unreachable adds a text that callers of an API may see to a connection error, whose own text names hosts.
func unreachable(err error) error {
	if _, ok := errors.AsType[*unreadable](err); ok {
		return err
	}
	return reindex.Public(err, "the server cannot be reached")
}

// permanent returns the error inside a [*reindex.TemporaryError], and any other error as it is.
func permanent(err error) error {
	if temporary, ok := errors.AsType[*reindex.TemporaryError](err); ok {
		return temporary.Err
	}
	return err
}
