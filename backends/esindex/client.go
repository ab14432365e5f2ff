package esindex

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// call makes one call and decodes the answer into out unless out is nil. The description what begins the error texts,
// as in "deleting index x".
func call(ctx context.Context, t esapi.Transport, what string, req esapi.Request, out any) error {
	res, err := req.Do(ctx, t)
	if err == nil {
		defer res.Body.Close()
		err = answer(res.StatusCode, res.Header, res.Body, out)
	}
	return classify(ctx, what, err)
}

// answer reads an answer and decodes it into out.
func answer(status int, header http.Header, body io.Reader, out any) error {
	if p, ok := out.(*page); ok && status < http.StatusMultipleChoices {
		return p.readFrom(body)
	}
	text, err := io.ReadAll(body)
	if status >= http.StatusMultipleChoices {
		return serverError(status, header, text)
	}
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if out == nil {
		out = &map[string]any{} // the answer must be JSON: a proxy's page is not a success
	}
	return decodeAnswer(text, out)
}

// jsonBody returns a reader of the value as JSON. If it cannot be encoded, the reads return the error.
func jsonBody(v any) io.Reader {
	text, err := json.Marshal(v)
	if err != nil {
		return failingReader{err}
	}
	return bytes.NewReader(text)
}

// failingReader returns an error for each read.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
