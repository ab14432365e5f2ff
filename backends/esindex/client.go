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

// call makes one call and decodes its answer into out unless out is nil. what names it, in the words of "deleting index
// x".
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
		out = &map[string]any{} // an answer that is not the server's must not pass for success
	}
	return decodeAnswer(text, out)
}

// jsonBody encodes the body of a call. The value always consists of maps, strings and JSON that was checked
// before.
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
