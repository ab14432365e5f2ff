package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// bodies has bodies of requests to the reindex endpoint, with the messages of their answers. An empty message means
// 204.
var bodies = []struct {
	name, body, message string
	headers             []string
}{
	{name: "full", body: full},
	{name: "no body"},
	{name: "no body, another type", headers: []string{"Content-Type: text/plain", "Content-Encoding: gzip"}},
	{name: "empty object", body: "{}"},
	{name: "white space", body: " \r\n\t{ \"mode\" : \"FULL\" } \n"},
	{name: "escaped", body: `{"\u006dode":"F\u0055LL"}`},
	{name: "unknown fields", body: `{"mode":"FULL","rag":[true,{"a":{}}],"Mode":"X"}`},
	{name: "same name in a nested object", body: `{"x":{"mode":1,"mode":2}}`},
	{
		name:    "charset",
		body:    full,
		headers: []string{"Content-Type: ", "Content-Type: Application/JSON; Charset=\"UTF-8\""},
	},
	{name: "other parameter", body: full, headers: []string{"Content-Type: ", "Content-Type: application/json; v=1"}},
	{name: "identity", body: full, headers: []string{"Content-Encoding: identity"}},
	{name: "at the limit", body: `{"x":"` + strings.Repeat("a", 1000-8) + `"}`},

	{name: "over the limit", body: `{"x":"` + strings.Repeat("a", 1001-8) + `"}`, message: "Request body too large"},
	{name: "far over the limit", body: strings.Repeat(" ", 1<<20) + full, message: "Request body too large"},
	{name: "white space only", body: " \n", message: "Malformed JSON"},
	{name: "malformed", body: `{"mode":FULL}`, message: "Malformed JSON"},
	{name: "cut off", body: `{"mode":"FULL"`, message: "Malformed JSON"},
	{name: "trailing comma", body: `{"mode":"FULL",}`, message: "Malformed JSON"},
	{name: "trailing brace", body: full + "}", message: "Malformed JSON"},
	{name: "trailing object", body: full + "\n" + full, message: "Malformed JSON"},
	{name: "comment", body: full + "// x", message: "Malformed JSON"},
	{name: "single quotes", body: `{'mode':'FULL'}`, message: "Malformed JSON"},
	{name: "NaN", body: `{"x":NaN}`, message: "Malformed JSON"},
	{name: "control character", body: "{\"mode\":\"FULL\n\"}", message: "Malformed JSON"},
	{name: "zero byte", body: full + "\x00", message: "Malformed JSON"},
	{name: "byte order mark", body: "\ufeff" + full, message: "Malformed JSON"},
	{name: "invalid UTF-8", body: "{\"x\":\"\xff\"}", message: "Malformed JSON"},
	{name: "UTF-16", body: "\xff\xfe{\x00}\x00", message: "Malformed JSON"},
	{name: "deep", body: `{"x":` + strings.Repeat("[", 990), message: "Malformed JSON"},
	{name: "null", body: "null", message: "Request body must be a JSON object"},
	{name: "array", body: "[" + full + "]", message: "Request body must be a JSON object"},
	{name: "string", body: `"FULL"`, message: "Request body must be a JSON object"},
	{name: "number", body: "1", message: "Request body must be a JSON object"},
	{name: "true", body: "true", message: "Request body must be a JSON object"},
	{name: "duplicate", body: `{"mode":"FULL","mode":"FULL"}`, message: "Duplicate field"},
	{name: "duplicate, escaped", body: `{"mode":"FULL","\u006dode":"X"}`, message: "Duplicate field"},
	{name: "duplicate of an unknown field", body: `{"a":1,"b":2,"a":3}`, message: "Duplicate field"},
	{name: "unknown mode", body: `{"mode":"DELTA"}`, message: "Unsupported mode"},
	{name: "lower case", body: `{"mode":"full"}`, message: "Unsupported mode"},
	{name: "padded", body: `{"mode":"FULL "}`, message: "Unsupported mode"},
	{name: "empty mode", body: `{"mode":""}`, message: "Unsupported mode"},
	{name: "null mode", body: `{"mode":null}`, message: "Invalid mode"},
	{name: "number mode", body: `{"mode":1}`, message: "Invalid mode"},
	{name: "array mode", body: `{"mode":["FULL"]}`, message: "Invalid mode"},
	{name: "object mode", body: `{"mode":{"mode":"FULL"}}`, message: "Invalid mode"},
	{name: "no type", body: full, headers: []string{"Content-Type: "}, message: "Content-Type missing or ambiguous"},
	{
		name:    "two types",
		body:    full,
		headers: []string{"Content-Type: application/json"},
		message: "Content-Type missing or ambiguous",
	},
	{
		name:    "text",
		body:    full,
		headers: []string{"Content-Type: ", "Content-Type: text/plain"},
		message: "Unsupported Content-Type",
	},
	{
		name:    "form",
		body:    "mode=FULL",
		headers: []string{"Content-Type: ", "Content-Type: application/x-www-form-urlencoded"},
		message: "Unsupported Content-Type",
	},
	{
		name: "similar type", body: full, headers: []string{"Content-Type: ", "Content-Type: application/json-patch+json"},
		message: "Unsupported Content-Type",
	},
	{
		name: "malformed type", body: full, headers: []string{"Content-Type: ", "Content-Type: application/json; charset"},
		message: "Unsupported Content-Type",
	},
	{
		name: "charset", body: full, headers: []string{"Content-Type: ", "Content-Type: application/json; charset=utf-16"},
		message: "Unsupported charset",
	},
	{name: "gzip", body: full, headers: []string{"Content-Encoding: gzip"}, message: "Unsupported Content-Encoding"},
	{name: "br", body: full, headers: []string{"Content-Encoding: br"}, message: "Unsupported Content-Encoding"},
	{
		name: "gzip after identity", body: full, headers: []string{"Content-Encoding: identity", "Content-Encoding: gzip"},
		message: "Unsupported Content-Encoding",
	},
}

func TestBodies(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{MaxBodyBytes: 1000})
	for _, tc := range bodies {
		t.Run(tc.name, func(t *testing.T) {
			s.t = t
			got := s.post(tc.body, tc.headers...)
			if tc.message == "" {
				if started := e.starts(); got.status != http.StatusNoContent || !slices.Equal(started, []string{"acme"}) {
					t.Errorf("got status %d, started %q; want 204 and one run: %s", got.status, started, got.body)
				}
				return
			}
			if started := e.starts(); got.status != http.StatusBadRequest || got.message.Message != tc.message ||
				len(started) > 0 {
				t.Errorf("got status %d, body %s, started %q; want 400, %q, nothing started",
					got.status, got.body, started, tc.message)
			}
		})
	}
}

// hostile has requests that are written to the socket unchanged.
var hostile = []struct {
	name, request string
	status        int
	starts        int
	message       string
}{
	{name: "HTTP/1.0", request: "POST /indexing/acme/reindex HTTP/1.0\n\n", status: 204, starts: 1},
	{
		name: "HTTP/1.0, chunked: no body",
		request: "POST /indexing/acme/reindex HTTP/1.0\nContent-Type: application/json\nTransfer-Encoding: " +
			"chunked\n\n2\r\n[]\r\n0\r\n\r\n",
		status: 204,
		starts: 1,
	},
	{
		name:    "empty chunked body",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n0\r\n\r\n",
		status:  204,
		starts:  1,
	},
	{
		name: "chunked body",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Type: application/json\nTransfer-Encoding: " +
			"chunked\n\n8\r\n{\"mode\":\r\n7\r\n\"FULL\"}\r\n0\r\n\r\n",
		status: 204,
		starts: 1,
	},
	{
		name:    "absolute target",
		request: "POST http://h/indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		status:  204, starts: 1,
	},
	{
		name: "expectation",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Type: " +
			"application/json\nContent-Length: 2\n\n{}",
		status: 204,
		starts: 1,
	},
	{
		name: "expectation of a body that is too large",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Type: " +
			"application/json\nContent-Length: 1000000\n\n",
		status: 400,
	},
	{
		name: "chunked body over the limit",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Type: application/json\nTransfer-Encoding: " +
			"chunked\n\n7d0\r\n" + strings.Repeat(" ", 2000) + "\r\n0\r\n\r\n",
		status: 400, message: "Request body too large",
	},
	{
		name: "broken chunk",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Type: application/json\nTransfer-Encoding: " +
			"chunked\n\nZZ\r\n{}\r\n",
		status:  400,
		message: "Request body incomplete",
	},
	{
		name: "body longer than announced",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Type: application/json\nContent-Length: 3\n\n" +
			full,
		status: 400,
	},
	{
		name:    "method in lower case",
		request: "post /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		status:  405,
	},
	{
		name:    "unheard-of method",
		request: "BREW /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		status:  405,
	},
	{name: "connect", request: "CONNECT /indexing/acme/reindex HTTP/1.1\nHost: h\n\n", status: 405},
	{
		name:    "override",
		request: "GET /indexing/acme/reindex HTTP/1.1\nHost: h\nX-HTTP-Method-Override: POST\n\n",
		status:  405,
	},
	{
		name:    "upgrade",
		request: "POST /indexing/acme/reindex HTTP/1.1\nHost: h\nConnection: upgrade\nUpgrade: h2c\nContent-Length: 0\n\n",
		status:  204,
		starts:  1,
	},
	{
		name:    "zero byte in the tenant",
		request: "POST /indexing/acme%00/reindex HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		status:  400,
	},
	{
		name:    "non-ASCII tenant",
		request: "POST /indexing/\xc3\xa4cme/reindex HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		status:  400,
	},
}

func TestRawRequests(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{MaxBodyBytes: 1000})
	for _, tc := range hostile {
		t.Run(tc.name, func(t *testing.T) {
			s.t = t
			got := s.raw(tc.request)
			if tc.message != "" && got.message.Message != tc.message {
				t.Errorf("got the message %q, want %q", got.message.Message, tc.message)
			}
			if started := e.starts(); got.status != tc.status || len(started) != tc.starts {
				t.Errorf("got status %d, started %q; want status %d, %d runs: %s",
					got.status, started, tc.status, tc.starts, got.body)
			}
		})
	}
}

// The context that the engine gets does not end when the caller hangs up.
func TestStartOutlivesTheRequest(t *testing.T) {
	requestDone := make(chan (<-chan struct{}), 1)
	result := make(chan error, 1)
	e := &fakeEngine{start: func(ctx context.Context, _ string) (reindex.Job, bool, error) {
		<-<-requestDone
		result <- ctx.Err()
		return reindex.Job{}, true, nil
	}}
	s := serve(t, e, Config{Authorizer: func(r *http.Request, _, _ string) error {
		requestDone <- r.Context().Done()
		return nil
	}})
	conn := s.dial()
	_, err := io.WriteString(conn, "POST /indexing/acme/reindex HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the engine's context ended with the request: got error %v, want none", err)
	}
}

// If the engine fails, the answer is the documented 400. The reason is only in the log, with the request id of the
// answer.
func TestEngineFailures(t *testing.T) {
	const secret = "postgres://user:hunter2@db"
	for _, tc := range []struct {
		name  string
		start func(ctx context.Context) error
		log   string
	}{
		{"shut down", func(context.Context) error { return reindex.ErrShutdown }, reindex.ErrShutdown.Error()},
		{"job store down", func(context.Context) error { return errors.New(secret) }, secret},
		{
			"an authorizer's error", func(context.Context) error { return errors.Join(ErrInvalidToken, &ScopeError{}) },
			ErrInvalidToken.Error(),
		},
		{"hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, context.DeadlineExceeded.Error()},
		{"panic", func(context.Context) error { panic(secret) }, secret},
		{"abort", func(context.Context) error { panic(http.ErrAbortHandler) }, http.ErrAbortHandler.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &fakeEngine{start: func(ctx context.Context, _ string) (reindex.Job, bool, error) {
				return reindex.Job{}, false, tc.start(ctx)
			}}
			s := serve(t, e, Config{EngineTimeout: 50 * time.Millisecond})
			got := s.post(full, "X-Request-Id: id-1")
			if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable ||
				!slices.Equal(
					got.message.Details,
					[]string{"Nothing is wrong with the request; try again later", "Request id: id-1"},
				) {
				t.Errorf("got status %d, body %s; want 400 with the request id only", got.status, got.body)
			}
			s.srv.Close()
			if log := s.log.String(); !strings.Contains(log, tc.log) || !strings.Contains(log, `"request_id":"id-1"`) ||
				!strings.Contains(log, `"ERROR"`) {
				t.Errorf("the log is %s, want %q", log, tc.log)
			}
		})
	}
}

func FuzzParseObject(f *testing.F) {
	for _, tc := range bodies {
		if len(tc.body) < 1000 {
			f.Add([]byte(tc.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := parseObject(body)
		if err != nil {
			var p *problem
			if !errors.As(err, &p) || p.status != http.StatusBadRequest || fields != nil {
				t.Fatalf("%q: got error %v and the fields %#v, want a 400 and no fields", body, fields, err)
			}
			return
		}
		if want := decodeStrictly(t, body); len(want) != len(fields) {
			t.Fatalf("%q: got the fields %v, want %v", body, fields, want)
		}
		err = checkMode(fields)
		mode, given := fields["mode"]
		if accepted := !given || canonical(t, mode) == `"FULL"`; accepted != (err == nil) {
			t.Fatalf("%q: mode %s: got error %v, want one unless the mode is FULL", body, mode, err)
		}
	})
}

// decodeStrictly decodes an object with the standard library, which uses the last of several fields of the same name.
func decodeStrictly(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(body, &want); err != nil || want == nil {
		t.Fatalf("%q was accepted, want only an object: %v", body, err)
	}
	return want
}

// canonical returns the shortest encoding of a value.
func canonical(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
