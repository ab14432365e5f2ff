package esindex

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// answers is a transport that answers every request alike.
type answers struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answers) Perform(*http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// writeThrough returns the error of a Write to a server that gives this answer.
func writeThrough(t *testing.T, a answers) error {
	t.Helper()
	ix, err := New(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{ix: ix, name: "products-acme-x"}
	return g.Write(t.Context(), []reindex.Product{{ID: "1", Body: []byte(`{}`)}})
}

// kindOf returns the kind of the error of a Write, and the delay that it asks for.
func kindOf(err error) (kind string, wait time.Duration) {
	if batch, ok := errors.AsType[*reindex.BatchError](err); ok {
		return "batch", batch.RetryAfter
	}
	if temporary, ok := errors.AsType[*reindex.TemporaryError](err); ok {
		return "temporary", temporary.RetryAfter
	}
	switch {
	case errors.Is(err, reindex.ErrTooLarge):
		return "large", 0
	case errors.Is(err, reindex.ErrRefused):
		return "refused", 0
	}
	return "fatal", 0
}

func TestWriteErrors(t *testing.T) {
	body := func(kind, reason string) string {
		return `{"error":{"type":"` + kind + `","reason":"` + reason + `"},"status":0}`
	}
	item := func(status, kind string) string {
		return `{"errors":true,"items":[{"index":{"status":` + status + `,"error":{"type":"` + kind + `","reason":"why"}}}]}`
	}
	date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	for _, test := range []struct {
		name  string
		given answers
		kind  string // batch, large, refused, temporary, fatal
		wait  time.Duration
		says  string
	}{
		{"item", answers{status: 200, body: item("400", "document_parsing_exception")}, "batch", 0, "why"},
		{
			"item, wait", answers{status: 200, body: item("429", "x"), header: http.Header{"Retry-After": {"7"}}}, "batch",
			7 * time.Second, "why",
		},
		{
			"disk full", answers{status: 200, body: item("429", "cluster_block_exception")}, "fatal", 0,
			"index products-acme-x: cluster_block_exception: why",
		},
		{"read-only", answers{status: 200, body: item("403", "cluster_block_exception")}, "fatal", 0, "why"},
		{"closed", answers{status: 200, body: item("400", "index_closed_exception")}, "fatal", 0, "why"},
		{"gone", answers{status: 200, body: item("404", "index_not_found_exception")}, "fatal", 0, "why"},
		{"no privilege", answers{status: 403, body: body("security_exception", "no")}, "fatal", 0, "no"},
		{"413", answers{status: 413, body: "<html>"}, "large", 0, "413"},
		{"invalid", answers{status: 400, body: body("action_request_validation_exception", "id")}, "refused", 0, "id"},
		{"a wrong request", answers{status: 400, body: body("something_else", "no")}, "fatal", 0, "no"},
		{"overload", answers{status: 429, body: body("es_rejected_execution_exception", "full")}, "temporary", 0, "full"},
		{"disk full, all", answers{status: 429, body: body("cluster_block_exception", "disk")}, "fatal", 0, "disk"},
		{
			"unavailable", answers{status: 503, body: "oops", header: http.Header{"Retry-After": {"3"}}}, "temporary",
			3 * time.Second, "503",
		},
		{
			"unavailable until", answers{status: 503, header: http.Header{"Retry-After": {date}}}, "temporary",
			50 * time.Second, "503",
		},
		{"gateway", answers{status: 502, header: http.Header{"Retry-After": {"-1"}}}, "temporary", 0, "502"},
		{"an odd reason", answers{status: 404, body: `{"error":"alias [x] missing"}`}, "fatal", 0, "alias [x] missing"},
		{"lost", answers{err: io.ErrUnexpectedEOF}, "temporary", 0, "unexpected EOF"},
		{
			"no certificate", answers{err: &tls.CertificateVerificationError{Err: errors.New("unknown authority")}}, "fatal",
			0, "unknown authority",
		},
		{"cut off", answers{status: 200, body: `{"errors":fal`}, "temporary", 0, "answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := writeThrough(t, test.given)
			kind, wait := kindOf(err)
			if err == nil || kind != test.kind || wait < test.wait || wait > test.wait+10*time.Second ||
				!strings.Contains(err.Error(), test.says) {
				t.Errorf("%s error, retry after %v: %v; want %s, after %v, with %q",
					kind, wait, err, test.kind, test.wait, test.says)
			}
		})
	}
}

func TestWriteEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := classifyWrite(ctx, "x", &ServerError{Status: 413})
	if !errors.Is(err, reindex.ErrTooLarge) {
		t.Errorf("before cancel: error %v, want %v", err, reindex.ErrTooLarge)
	}
	cancel()
	if err := classifyWrite(ctx, "x", &ServerError{Status: 413}); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: error %v, want %v", err, context.Canceled)
	}
}

func TestLongReasons(t *testing.T) {
	message := (&ServerError{Status: 400, Type: "t", Reason: strings.Repeat("é", 5000)}).Error()
	if len(message) > 1000 || strings.ContainsRune(message, '\uFFFD') {
		t.Errorf("the message has %d bytes, want at most 1000 in valid UTF-8: %q", len(message), message)
	}
}

func FuzzServerError(f *testing.F) {
	f.Add([]byte(`{"error":{"type":"t","reason":"r","caused_by":{"reason":"c"}}}`), "3")
	f.Add([]byte(`{"error":"text"}`), "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add([]byte(`{"error":[1]}`), "9999999999999999999")
	f.Fuzz(func(t *testing.T, body []byte, after string) {
		err := serverError(500, http.Header{"Retry-After": {after}}, body)
		if err.Error() == "" || err.retryAfter < 0 {
			t.Errorf("error %q, retry after %v, want a text and a time that is not negative", err.Error(), err.retryAfter)
		}
	})
}

// A count fails if some shards do not answer.
func TestCountOfSomeShards(t *testing.T) {
	ix, err := New(answers{status: http.StatusOK, body: `{"count":3,"_shards":{"total":2,"successful":1}}`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ix.count(t.Context(), "products-acme-x"); !isTemporary(err) || !errors.Is(err, errPartial) {
		t.Errorf("count: error %v, want %v, temporarily", err, errPartial)
	}
}
