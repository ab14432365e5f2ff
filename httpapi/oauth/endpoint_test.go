package oauth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// endless is an endless body of spaces. It counts the bytes that are read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 4*maxAnswerBytes {
		return 0, errors.New("too many bytes were read")
	}
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

// A long answer is not read much further than the limit.
func TestEndlessAnswer(t *testing.T) {
	body := &endless{}
	e, err := newEndpoint(
		"https://auth.example",
		&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		})},
		false,
	)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	var into any
	if err := e.call(request, &into); err == nil || !strings.Contains(err.Error(), "longer than 1048576 bytes") ||
		body.read > 2*maxAnswerBytes {
		t.Errorf("got %v after %d bytes, want an error about the limit", err, body.read)
	}
}
