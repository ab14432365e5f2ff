package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"go.uber.org/goleak"

	"productindex/reindex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience limits every wait of a test. A test that passes never waits that long.
const patience = 2 * time.Minute

const (
	reindexPath = "/indexing/acme/reindex"
	full        = `{"mode":"FULL"}`
)

// fakeEngine is an engine that fails in ways in which a real one does not.
type fakeEngine struct {
	start func(ctx context.Context, tenant string) (reindex.Job, bool, error)
	job   func(ctx context.Context, tenant, id string) (reindex.Job, error)
	jobs  func(ctx context.Context, tenant string, query reindex.JobQuery) ([]reindex.Job, int, error)
	watch iter.Seq2[reindex.Job, error]
	stop  func(ctx context.Context, tenant, id string) error

	mu      sync.Mutex
	started []string
}

func (f *fakeEngine) StartWith(ctx context.Context, tenant string, _ reindex.Options) (reindex.Job, bool, error) {
	f.mu.Lock()
	f.started = append(f.started, tenant)
	f.mu.Unlock()
	if f.start != nil {
		return f.start(ctx, tenant)
	}
	return reindex.Job{ID: "J1", Tenant: tenant}, true, nil
}

func (f *fakeEngine) Job(ctx context.Context, tenant, id string) (reindex.Job, error) {
	return f.job(ctx, tenant, id)
}

func (f *fakeEngine) Jobs(ctx context.Context, tenant string, query reindex.JobQuery) ([]reindex.Job, int, error) {
	return f.jobs(ctx, tenant, query)
}

func (f *fakeEngine) EntityType() string { return reindex.EntityProduct }

func (f *fakeEngine) Watch(context.Context, string, string) iter.Seq2[reindex.Job, error] {
	return f.watch
}

func (f *fakeEngine) Cancel(ctx context.Context, tenant, id string) error {
	return f.stop(ctx, tenant, id)
}

// starts returns the tenants of all runs since the last call.
func (f *fakeEngine) starts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.started
	f.started = nil
	return s
}

// syncBuffer is a buffer for a log that is read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// service is a handler behind a real socket. Every exchange with it is checked against the served document.
type service struct {
	t   *testing.T
	srv *httptest.Server
	log *syncBuffer
	doc *openapi3.T
}

// serve starts a server. If cfg has no Authorizer, every request is allowed.
func serve(t *testing.T, e Engine, cfg Config) *service {
	t.Helper()
	s := &service{t: t, log: &syncBuffer{}, doc: loadDocument(t)}
	if cfg.Authorizer == nil {
		cfg.Authorizer = AllowAll
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewJSONHandler(s.log, nil))
	}
	h, err := newHandler(e, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.srv = httptest.NewServer(h)
	t.Cleanup(s.srv.Close)
	return s
}

func loadDocument(t testing.TB) *openapi3.T {
	t.Helper()
	return parseDocument(t, document)
}

// parseDocument parses a document and checks that it is valid.
func parseDocument(t testing.TB, text []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// describe makes the service check exchanges against the document that it serves, which has the parts that its Config
// adds.
func (s *service) describe() *service {
	s.t.Helper()
	s.doc = parseDocument(s.t, []byte(s.send(http.MethodGet, "/indexing/openapi.json", "").body))
	return s
}

// result is a response that conforms to the document.
type result struct {
	status  int
	header  http.Header
	body    string
	message errorMessage // of 400, 403, 404, 405
	fault   fault        // of 401
}

// send makes a request. headers have the form "Name: value". A header without a value removes the default one.
func (s *service) send(method, target, body string, headers ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.srv.URL+target, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Add(name, value)
	}
	transport := s.srv.Client().Transport
	res, err := transport.RoundTrip(req) // redirects are not followed
	if err != nil {
		s.t.Fatal(err)
	}
	return s.check(req, []byte(body), res)
}

// post posts to the reindex endpoint of the tenant acme.
func (s *service) post(body string, headers ...string) result {
	s.t.Helper()
	return s.send(http.MethodPost, reindexPath, body, headers...)
}

// dial opens a socket to the server.
func (s *service) dial() net.Conn {
	s.t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(s.t.Context(), "tcp", s.srv.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// raw writes text to a socket, with CRLF for every line feed of its head, and reads one response.
func (s *service) raw(text string) result {
	s.t.Helper()
	conn := s.dial()
	head, body, _ := strings.Cut(text, "\n\n")
	if _, err := io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body); err != nil {
		s.t.Fatal(err)
	}
	return s.readAnswer(bufio.NewReader(conn), head)
}

// readAnswer reads the response to a request with the given head.
func (s *service) readAnswer(r *bufio.Reader, head string) result {
	s.t.Helper()
	words := strings.Fields(head)
	target, err := url.ParseRequestURI(words[1])
	if err != nil {
		s.t.Fatal(err)
	}
	req := &http.Request{Method: words[0], URL: target, Header: http.Header{"Content-Type": {"application/json"}}}
	res, err := http.ReadResponse(r, req)
	if err != nil {
		s.t.Fatalf("%s: reading the answer: %v", head, err)
	}
	if res.StatusCode == http.StatusContinue {
		return s.readAnswer(r, head)
	}
	return s.check(req, nil, res)
}

// check reads the response and checks its status, its body and the common headers against the document.
func (s *service) check(req *http.Request, reqBody []byte, res *http.Response) result {
	s.t.Helper()
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	got := result{status: res.StatusCode, header: res.Header, body: string(body)}
	where := req.Method + " " + req.URL.EscapedPath() + ": " + res.Status
	if err := s.validate(req, reqBody, res, body); err != nil {
		s.t.Errorf("%s: not as documented: %v\n%s", where, err, body)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
		!isRequestID(res.Header.Get("X-Request-ID")) {
		s.t.Errorf("%s: got the headers %v, want those of every answer", where, res.Header)
	}
	switch {
	case req.Method == http.MethodHead:
	case res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusAccepted && req.Method == http.MethodDelete:
		if len(body) > 0 || res.Header.Get("Content-Type") != "" {
			s.t.Errorf("%s: got the body %q and the headers %v, want no body and no type", where, body, res.Header)
		}
	case res.Header.Get("Content-Type") != "application/json":
		s.t.Errorf("%s: got the headers %v, want the type application/json", where, res.Header)
	case res.StatusCode == http.StatusUnauthorized:
		got.decode(s.t, &got.fault)
	case res.StatusCode >= http.StatusBadRequest:
		got.decode(s.t, &got.message)
		m := got.message
		if m.Code != res.StatusCode || m.Status != http.StatusText(res.StatusCode) || m.Message == "" || m.Details == nil {
			s.t.Errorf("%s: got the body %s, want a complete errorMessage", where, body)
		}
	}
	return got
}

func (r *result) decode(t *testing.T, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Errorf("%d: got error %v, want only known fields in %s", r.status, err, r.body)
	}
}

// validate checks an exchange against the document. If the document does not describe the path, the response must be an
// errorMessage with 404. If it does not describe the method, the response must be one with 405 and Allow.
func (s *service) validate(req *http.Request, reqBody []byte, res *http.Response, body []byte) error {
	pattern, item, params := s.find(req.URL.EscapedPath())
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if item == nil || item.GetOperation(method) == nil {
		return s.validateUndescribed(item, req, res, body)
	}
	input := &openapi3filter.RequestValidationInput{
		Request:    req.Clone(context.Background()),
		PathParams: params,
		Route: &routers.Route{
			Spec: s.doc, Path: pattern, PathItem: item, Method: method, Operation: item.GetOperation(method),
		},
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		},
	}
	input.Request.Body = io.NopCloser(bytes.NewReader(reqBody))
	if len(reqBody) == 0 {
		input.Request.Body = nil
	}
	if res.StatusCode < http.StatusMultipleChoices {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return err
		}
	}
	if req.Method == http.MethodHead {
		return nil
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 res.StatusCode,
		Header:                 res.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                input.Options,
	})
}

func (s *service) validateUndescribed(
	item *openapi3.PathItem, req *http.Request, res *http.Response, body []byte,
) error {
	switch {
	case item == nil && res.StatusCode != http.StatusNotFound:
		return errors.New("the path is not described: the response must be 404")
	case item != nil && (res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == ""):
		return errors.New("the method is not described: the response must be 405 with Allow")
	case req.Method == http.MethodHead:
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return s.doc.Components.Schemas["errorMessage"].Value.VisitJSON(value)
}

// find finds the route of a request in the document.
func (s *service) find(escapedPath string) (string, *openapi3.PathItem, map[string]string) {
	got := strings.Split(escapedPath, "/")
	patterns := s.doc.Paths.Keys()
	slices.Sort(patterns) // a brace sorts after letters: literal segments first
	slices.Reverse(patterns)
	slices.SortStableFunc(patterns, func(a, b string) int { return strings.Count(a, "{") - strings.Count(b, "{") })
	for _, pattern := range patterns {
		want := strings.Split(pattern, "/")
		params := map[string]string{}
		if slices.EqualFunc(want, got, func(w, g string) bool {
			g, _ = url.PathUnescape(g)
			if strings.HasPrefix(w, "{") {
				params[strings.Trim(w, "{}")] = g
				return true
			}
			return w == g
		}) {
			return pattern, s.doc.Paths.Value(pattern), params
		}
	}
	return "", nil, nil
}
