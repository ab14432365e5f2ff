package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client calls the endpoints of one tenant.
type client struct {
	base  string // the URL of the tenant's endpoints, with a slash at its end
	token string
}

// job has the fields of a job that the program uses.
type job struct {
	ID         string `json:"id"`
	EntityType string `json:"entityType"`
	RAG        bool   `json:"rag"`
	DryRun     bool   `json:"dryRun"`
	Mode       string `json:"mode"`
	Status     string `json:"status"`
	Phase      string `json:"phase"`
	Expected   *int64 `json:"expectedCount"`
	Estimated  bool   `json:"estimated"`
	Read       int64  `json:"readCount"`
	Indexed    int64  `json:"processedCount"`
	Rejected   int64  `json:"rejectedCount"`
	Duplicates int64  `json:"duplicateCount"`
	Message    string `json:"message"`
	Durations  struct {
		TotalMillis *int64 `json:"totalMillis"`
	} `json:"durations"`
	Metadata struct {
		CreatedAt time.Time `json:"createdAt"`
	} `json:"metadata"`
	RemainingSeconds *int64 `json:"remainingSeconds"` // only in events
}

func (j *job) ended() bool { return j.Status == "SUCCESS" || j.Status == "FAILURE" }

// callTimeout limits every call except event streams.
const callTimeout = time.Minute

// call sends a request with body as JSON, unless body is nil. It decodes the answer into result, unless result is nil,
// and returns the headers.
func (c *client) call(ctx context.Context, method, path string, body, result any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, answerError(response)
	}
	if result == nil {
		return response.Header, nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return nil, fmt.Errorf("%s %s: the answer is not JSON of a reindex endpoint; check -url: %w",
			method, request.URL.Redacted(), err)
	}
	return response.Header, nil
}

func (c *client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, &content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	request.Header.Set("X-Total-Count", "true")
	return request, nil
}

// serverError is an error answer of the server.
type serverError struct {
	status  string
	message string
	details []string
}

func (e *serverError) Error() string {
	return fmt.Sprintf("the server answered %s: %s", e.status,
		strings.Join(append([]string{e.message}, e.details...), "; "))
}

// answerError reads an errorMessage or the fault of a 401. For any other answer, it uses the text of the body.
func answerError(response *http.Response) *serverError {
	const limit = 64 << 10
	text, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return &serverError{status: response.Status, message: err.Error()}
	}
	var said struct {
		Message string   `json:"message"`
		Details []string `json:"details"`
		Fault   struct {
			Faultstring string `json:"faultstring"`
		} `json:"fault"`
	}
	if json.Unmarshal(text, &said) != nil || said.Message+said.Fault.Faultstring == "" {
		return &serverError{status: response.Status, message: strings.TrimSpace(string(text))}
	}
	return &serverError{response.Status, said.Message + said.Fault.Faultstring, said.Details}
}
