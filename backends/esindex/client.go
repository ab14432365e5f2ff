package esindex

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// ServerError is what the server answered where it refused a call. It is found with [errors.As] in the errors of this package.
type ServerError struct {
	// Status is the HTTP status of the answer, or of a part of it.
	Status int
	// Type is the server's name for the error, such as "cluster_block_exception"; empty where a proxy answered.
	Type string
	// Reason is the server's explanation; empty where it gave none.
	Reason string

	retryAfter time.Duration
}

// Error is the reason and the status.
func (e *ServerError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("HTTP status %d (%s)", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: %s (HTTP status %d)", e.Type, shorten(e.Reason), e.Status)
}

const maxReason = 600

// shorten cuts off what is too long for a message: the server quotes whole values.
func shorten(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return string(bytes.ToValidUTF8([]byte(reason[:maxReason]), nil)) + "…"
}

// temporary reports whether the same call can succeed later. A full disk shows as a block with status 429, but waiting does not help.
func (e *ServerError) temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests:
		return e.Type != "cluster_block_exception"
	case http.StatusRequestTimeout:
		return true
	default:
		return e.Status >= http.StatusInternalServerError
	}
}

// hasType reports whether err is an answer of the server of one of these types.
func hasType(err error, types ...string) bool {
	var answer *ServerError
	if !errors.As(err, &answer) {
		return false
	}
	return slices.Contains(types, answer.Type)
}

func hasStatus(err error, status int) bool {
	var answer *ServerError
	return errors.As(err, &answer) && answer.Status == status
}

// call makes one call and decodes its answer into out, where out is not nil. what names it, in the words of "deleting index x".
func call(ctx context.Context, t esapi.Transport, what string, req esapi.Request, out any) error {
	res, err := req.Do(ctx, t)
	if err == nil {
		defer res.Body.Close()
		err = answer(res.StatusCode, res.Header, res.Body, out)
	}
	return classify(ctx, what, err)
}

// answer reads the whole answer to a call.
func answer(status int, header http.Header, body io.Reader, out any) error {
	text, err := io.ReadAll(body)
	if status >= http.StatusMultipleChoices {
		return serverError(status, header, text)
	}
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// serverError makes an error of an answer that is one. What is not in Elasticsearch's form, a proxy's page, is left out.
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

// cause is an error in Elasticsearch's form.
type cause struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

func (c *cause) reason() string {
	if c.CausedBy.Reason == "" {
		return c.Reason
	}
	return shorten(c.Reason) + ": " + c.CausedBy.Reason
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110, 10.2.3).
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

// classify wraps the error of a call as [reindex.Generation] asks for.
func classify(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	var refused *ServerError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("elasticsearch: %s: %w", what, ctx.Err())
	case errors.As(err, &refused):
		err = fmt.Errorf("elasticsearch: %s: %w", what, refused)
		if refused.temporary() {
			return &reindex.TemporaryError{Err: err, RetryAfter: refused.retryAfter}
		}
		return err
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("elasticsearch: %s: %w", what, err)
	default:
		return reindex.Temporary(fmt.Errorf("elasticsearch: %s: %w", what, err))
	}
}

// jsonBody encodes the body of a call. What is encoded is always made of maps, strings and JSON that was checked before.
func jsonBody(v any) io.Reader {
	text, err := json.Marshal(v)
	if err != nil {
		return failingReader{err}
	}
	return bytes.NewReader(text)
}

// failingReader makes the call fail that reads it.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
