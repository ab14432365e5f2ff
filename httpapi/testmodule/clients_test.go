package testmodule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/tmaxmax/go-sse"

	"productindex/httpapi"
	"productindex/httpapi/testmodule/client"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// handlers has functions that return a handler with the endpoints under /api and the host's own GET /{shop}/{page}, by
// the name of the router.
var handlers = map[string]func(httpapi.Engine, httpapi.Config) (http.Handler, error){
	"ServeMux": onServeMux, "StripPrefix": onStripPrefix, "chi": onChi, "gorilla": onGorilla, "gin": onGin, "echo": onEcho,
}

const token = "manager-of-acme"

// authorize accepts a token for everything and a token for viewing, each for its own tenant.
func authorize(r *http.Request, tenant, scope string) error {
	switch r.Header.Get("Authorization") {
	case "Bearer manager-of-" + tenant:
		return nil
	case "Bearer viewer-of-" + tenant:
		if scope == httpapi.ScopeView {
			return nil
		}
		return &httpapi.ScopeError{}
	default:
		return httpapi.ErrInvalidToken
	}
}

// shop is an engine with 100 products, of which one is bad and one occurs twice. It completes an index after hold was
// closed.
type shop struct {
	engine *reindex.Engine
	hold   chan struct{}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{hold: make(chan struct{})}
	products := reindextest.Products(98, "1")
	products = append(products, products[0], reindex.Product{ID: "bad", Body: []byte("[]")})
	index := reindextest.NewFaulty(reindextest.NewMemory(), func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpSeal {
			<-s.hold
		}
		return reindextest.Fault{}
	})
	var err error
	s.engine, err = reindex.New(reindextest.Slice(products), index, &reindex.Config{MaxRejected: 1, CountMargin: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.engine.Shutdown(context.Background()) })
	return s
}

// A client that is generated from the served document can call every endpoint on every router.
func TestGeneratedClient(t *testing.T) {
	for name, on := range handlers {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			h, err := on(s.engine, httpapi.Config{Authorizer: authorize})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			callEverything(t, s, server.URL)
		})
	}
	t.Run("fiber", func(t *testing.T) {
		s := newShop(t)
		app, err := onFiber(s.engine, httpapi.Config{Authorizer: authorize})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
		t.Cleanup(func() {
			if err := errors.Join(app.Shutdown(), <-served); err != nil {
				t.Error(err)
			}
		})
		callEverything(t, s, "http://"+listener.Addr().String())
	})
}

// as returns a client that sends a token.
func as(t *testing.T, address, token string) *client.ClientWithResponses {
	t.Helper()
	c, err := client.NewClientWithResponses(address+
		"/api", client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func callEverything(t *testing.T, s *shop, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := as(t, address, token)
	id := createJob(ctx, t, c)
	follow(ctx, t, s, c, id)
	readJobs(ctx, t, c, id)
	refusals(ctx, t, c, address)
	document(ctx, t, c)
	stopJob(ctx, t, c, id)

	res, err := http.Get(address + "/acme/front")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the host's own page: got %v, error %v, want 200", res, err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// createJob starts a job, joins it, and triggers the older endpoint, which also joins it.
func createJob(ctx context.Context, t *testing.T, c *client.ClientWithResponses) string {
	t.Helper()
	creation := client.POSTIndexingReindexJobsJSONRequestBody{EntityType: "PRODUCT"}
	created, err := c.POSTIndexingReindexJobsWithResponse(ctx, "acme", nil, creation)
	if err != nil || created.JSON201 == nil || *created.JSON201.EntityType != "PRODUCT" {
		t.Fatalf("creating a job: got error %v, answer %s, want 201 and a job for products", err, body(created))
	}
	joined, err := c.POSTIndexingReindexJobsWithResponse(ctx, "acme", nil, creation)
	if err != nil || joined.JSON200 == nil || *joined.JSON200.Id != *created.JSON201.Id {
		t.Fatalf("joining the job: got error %v, answer %s, want 200 and the same job", err, body(joined))
	}
	mode := client.FULL
	triggered, err := c.POSTIndexingReindexWithResponse(ctx, "acme", nil,
		client.POSTIndexingReindexJSONRequestBody{Mode: &mode})
	if err != nil || triggered.StatusCode() != http.StatusNoContent || len(triggered.Body) > 0 {
		t.Fatalf("the older endpoint: got error %v, answer %s, want 204", err, body(triggered))
	}
	return *created.JSON201.Id
}

// follow reads the job's events: the first one comes before the job can end.
func follow(ctx context.Context, t *testing.T, s *shop, c *client.ClientWithResponses, id string) {
	t.Helper()
	res, err := c.GETIndexingReindexJobEvents(ctx, "acme", id, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("following the job: got error %v, answer %v, want 200", err, res)
	}
	defer res.Body.Close()
	var last client.ReindexJobEvent
	n := 0
	var lastID string
	for event, err := range sse.Read(res.Body, nil) {
		if err != nil {
			t.Fatal(err)
		}
		last = client.ReindexJobEvent{}
		if err := json.Unmarshal([]byte(event.Data), &last); err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			close(s.hold)
		}
		lastID = event.LastEventID
	}
	if n < 2 || *last.Status != client.ReindexJobEventStatusSUCCESS || *last.ProcessedCount != 98 ||
		*last.RejectedCount != 1 || *last.DuplicateCount != 1 ||
		*last.ReadCount != 100 || *last.Progress != 1 {
		t.Errorf("got %d events, the last one is %s, want several and SUCCESS", n, body(last))
	}
	again, err := c.GETIndexingReindexJobEventsWithResponse(ctx, "acme", id,
		&client.GETIndexingReindexJobEventsParams{LastEventID: &lastID})
	if err != nil || again.StatusCode() != http.StatusNoContent {
		t.Errorf("following the ended job: got error %v, answer %s, want 204", err, body(again))
	}
}

// readJobs gets an ended job, the list of jobs and the rejected products.
func readJobs(ctx context.Context, t *testing.T, c *client.ClientWithResponses, id string) {
	t.Helper()
	ptr := func(s string) *string { return &s }
	one, err := c.GETIndexingReindexJobWithResponse(ctx, "acme", id,
		&client.GETIndexingReindexJobParams{Fields: ptr("id,durations,metadata")})
	if err != nil || one.JSON200 == nil || *one.JSON200.Id != id || one.JSON200.Status != nil ||
		*one.JSON200.Durations.TotalMillis < 0 ||
		time.Since(*one.JSON200.Metadata.CreatedAt) > time.Minute {
		t.Errorf("getting the job: got error %v, answer %s, want a recent success", err, body(one))
	}
	size := 1
	list, err := c.GETIndexingReindexJobsWithResponse(ctx, "acme", &client.GETIndexingReindexJobsParams{
		Q: ptr(`entityType:(~^PROD(UCT| UCT)$) status:(SUCCESS,FAILURE) duplicateCount:>=1 ` +
			`metadata.createdAt:>"2020-01-01T00:00:00+01:00"`),
		Sort: ptr("metadata.createdAt:DESC,id"), PageSize: &size, XTotalCount: ptr("true"),
	})
	if err != nil || list.JSON200 == nil || len(*list.JSON200) != 1 || *(*list.JSON200)[0].Id != id ||
		list.HTTPResponse.Header.Get("X-Total-Count") != "1" {
		t.Errorf("listing jobs: got error %v, answer %s, want one job and the total", err, body(list))
	}
	failures, err := c.GETIndexingReindexJobFailuresWithResponse(ctx, "acme", id,
		&client.GETIndexingReindexJobFailuresParams{XTotalCount: ptr("true")})
	if err != nil || failures.JSON200 == nil || len(*failures.JSON200) != 1 || (*failures.JSON200)[0].Id != "bad" ||
		(*failures.JSON200)[0].Reason == "" {
		t.Errorf("listing rejected products: got error %v, answer %s, want one with its reason", err, body(failures))
	}
}

// refusals makes a request for each error status for which the client has a type.
func refusals(ctx context.Context, t *testing.T, c *client.ClientWithResponses, address string) {
	t.Helper()
	rag := true
	creation := client.POSTIndexingReindexJobsJSONRequestBody{EntityType: "PRODUCT", Rag: &rag}
	got, err := c.POSTIndexingReindexJobsWithResponse(ctx, "acme", nil, creation)
	if err != nil || got.JSON400 == nil || *got.JSON400.Message != "Unsupported rag" {
		t.Errorf("got error %v, answer %s, want 400 Unsupported rag", err, body(got))
	}
	if got, err := c.POSTIndexingReindexWithResponse(ctx, "ac-me", nil,
		client.POSTIndexingReindexJSONRequestBody{}); err != nil || got.JSON400 == nil ||
		*got.JSON400.Code != http.StatusBadRequest {
		t.Errorf("got error %v, answer %s, want 400", err, body(got))
	}
	if got, err := c.POSTIndexingReindexWithResponse(ctx, "globex", nil,
		client.POSTIndexingReindexJSONRequestBody{}); err != nil || got.JSON401 == nil ||
		*got.JSON401.Fault.Detail.Errorcode != "oauth.v2.InvalidAccessToken" {
		t.Errorf("got error %v, answer %s, want 401 for an invalid token", err, body(got))
	}
	viewer := as(t, address, "viewer-of-acme")
	if got, err := viewer.POSTIndexingReindexWithResponse(ctx, "acme", nil,
		client.POSTIndexingReindexJSONRequestBody{}); err != nil || got.JSON403 == nil ||
		*got.JSON403.Message != "Scope validation failed" {
		t.Errorf("got error %v, answer %s, want 403 for a missing scope", err, body(got))
	}
	if got, err := viewer.GETIndexingReindexJobWithResponse(ctx, "acme", "NONE", nil); err != nil || got.JSON404 == nil {
		t.Errorf("got error %v, answer %s, want 404", err, body(got))
	}
}

// stopJob cancels a second job, and cannot cancel the first one, which has ended.
func stopJob(ctx context.Context, t *testing.T, c *client.ClientWithResponses, ended string) {
	t.Helper()
	if got, err := c.DELETEIndexingReindexJobWithResponse(ctx, "acme", ended); err != nil || got.JSON409 == nil {
		t.Errorf("cancelling an ended job: got error %v, answer %s, want 409", err, body(got))
	}
	created, err := c.POSTIndexingReindexJobsWithResponse(ctx, "acme", nil,
		client.POSTIndexingReindexJobsJSONRequestBody{EntityType: "PRODUCT"})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("creating a second job: got error %v, answer %s, want 201", err, body(created))
	}
	got, err := c.DELETEIndexingReindexJobWithResponse(ctx, "acme", *created.JSON201.Id)
	if err != nil || got.StatusCode() != http.StatusAccepted && got.JSON409 == nil { // it may have ended meanwhile
		t.Errorf("cancelling the second job: got error %v, answer %s, want 202 or 409", err, body(got))
	}
}

// document checks that the served document has the URL of the server.
func document(ctx context.Context, t *testing.T, c *client.ClientWithResponses) {
	t.Helper()
	got, err := c.GETIndexingOpenapiWithResponse(ctx)
	if err != nil || got.JSON200 == nil || !strings.Contains(string(got.Body), `"url": "/api"`) ||
		!strings.Contains(string(got.Body), `"tokenUrl": "/api/oauth/token"`) {
		t.Errorf("got error %v, answer %.300s, want the URL of the server", err, body(got))
	}
}

// body returns the body of a response of any operation.
func body(response any) string {
	text, err := json.Marshal(response)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text))
}

// The generated client is that of the current document.
func TestClientIsOfTheDocument(t *testing.T) {
	out := filepath.Join(t.TempDir(), "client.go")
	cmd := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", "config.yaml", "-o", out,
		"../../openapi.json")
	cmd.Dir = "client"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("client/client.gen.go")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("client.gen.go is not up to date; run go generate ./... (error %v)", err)
	}
}
