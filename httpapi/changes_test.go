package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const (
	changesPath = "/indexing/acme/changes"
	lines       = "Content-Type: application/x-ndjson"
)

// updates is an Updater that returns the errors of a test.
type updates struct {
	update func(tenant string, changes []reindex.Change) error
	settle error
	state  reindex.ChangeState
}

func (u updates) Update(_ context.Context, tenant string, changes ...reindex.Change) error {
	return u.update(tenant, changes)
}

func (u updates) Changes(context.Context, string) (reindex.ChangeState, error) {
	return u.state, u.settle
}

func (u updates) Settle(context.Context, string) error { return u.settle }

// serveChanges serves the endpoints for changes. Responses are checked against the document that describes them.
func serveChanges(t *testing.T, u Updater, cfg Config) *service {
	t.Helper()
	cfg.Changes = u
	s := serve(t, &fakeEngine{}, cfg).describe()
	for _, mediaType := range []string{"application/x-ndjson", "application/jsonl"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
	return s
}

// changes posts JSON lines.
func (s *service) changes(body string) result {
	s.t.Helper()
	return s.send(http.MethodPost, changesPath, body, "Content-Type: ", lines)
}

// Without Config.Changes the paths are neither served nor described. With it, each route is described with its scope.
func TestChangesAreOffByDefault(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	for _, path := range []string{changesPath, "/indexing/acme/products/a"} {
		for _, method := range []string{"PUT", "POST", "DELETE", "GET"} {
			if got := s.send(method, path, "{}"); got.status != http.StatusNotFound {
				t.Errorf("%s %s: got %d, want %d", method, path, got.status, http.StatusNotFound)
			}
		}
	}
	s = serveChanges(t, updates{}, Config{})
	for _, rt := range changeRoutes {
		for _, op := range rt.operations {
			item := s.doc.Paths.Value(rt.pattern)
			if item == nil || item.GetOperation(op.method) == nil || (op.scope == ScopeManage) == (op.method == http.MethodGet) {
				t.Errorf("%s %s is not described, or for scope %s", op.method, rt.pattern, op.scope)
			}
		}
	}
	if want := len(loadDocument(t).Paths.Map()) + len(changeRoutes); s.doc.Paths.Len() != want {
		t.Errorf("%d paths are described, want %d", s.doc.Paths.Len(), want)
	}
}

// With a real engine, changes reach the live index, and refused changes are listed.
func TestChangesOverAnEngine(t *testing.T) {
	ix := reindextest.NewMemory()
	e := newEngine(t, reindextest.Slice(reindextest.Products(3, "1")), ix)
	s := serveChanges(t, e, Config{})
	if got := s.send(http.MethodPut, "/indexing/acme/products/a", `{"n":1}`); got.status != http.StatusConflict {
		t.Errorf("without a live index: got %d %s, want %d", got.status, got.body, http.StatusConflict)
	}
	if _, err := e.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "a/b", "..", ".", "größe 🧦", "a%2Fb", "q?#", "+", strings.Repeat("x", 512)} {
		escaped := ""
		for _, b := range []byte(id) {
			escaped += fmt.Sprintf("%%%02X", b)
		}
		path := "/indexing/acme/products/" + escaped
		if got := s.send(http.MethodPut, path+"?settle=true", `{"n":1}`); got.body !=
			`{"accepted":1,"applied":1,"refused":0,"refusals":[]}` {
			t.Errorf("PUT %q: got %d %s, want one applied change", id, got.status, got.body)
		}
		if got := string(ix.Documents("acme")[id]); got != `{"n":1}` {
			t.Errorf("%q is %s, want the new product", id, got)
		}
		if got := s.send(http.MethodDelete, path, ""); got.status != http.StatusOK {
			t.Errorf("DELETE %q: got %d %s, want %d", id, got.status, got.body, http.StatusOK)
		}
		if _, ok := ix.Documents("acme")[id]; ok {
			t.Errorf("%q is still in the index, want it deleted", id)
		}
	}
	got := s.changes(
		"{\"id\":\"x\",\"body\":{\"n\":2}}\r\n\n{\"id\":\"\",\"delete\":true}\n" +
			"{\"id\":\"y\",\"body\":{}}\n{\"delete\":true,\"id\":\"x\"}",
	)
	if got.status != http.StatusOK ||
		!strings.HasPrefix(got.body, `{"accepted":3,"refused":1,"refusals":[{"id":"","reason":"the id has 0 bytes`) {
		t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusOK)
	}
	if doc := ix.Documents("acme"); doc["x"] != nil || doc["y"] == nil {
		t.Errorf("the documents are %s, want y without x", doc)
	}
	if got := s.changes(`{"id":"look me up"}`); got.status != http.StatusConflict {
		t.Errorf("without a Finder: got %d %s, want %d", got.status, got.body, http.StatusConflict)
	}
	if got := s.send(http.MethodDelete, "/indexing/acme/products/"+strings.Repeat("x", 5000),
		""); got.status != http.StatusBadRequest || got.message.Message != "The change was refused" {
		t.Errorf("too long an id: got %d %s, want 400 The change was refused", got.status, got.body)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.changes(`{"id":"x","delete":true}`); got.status != http.StatusBadRequest ||
		got.message.Message != MessageUnavailable {
		t.Errorf("after Shutdown: got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
	}
}

// An invalid request changes nothing, and the response has the reason and the line.
func TestInvalidChanges(t *testing.T) {
	s := serveChanges(
		t,
		updates{update: func(string, []reindex.Change) error { t.Error("a change was applied"); return nil }},
		Config{MaxChangesBytes: 300, MaxChangeBytes: 100},
	)
	good := `{"id":"a","delete":true}` + "\n"
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		good + `{"id":`:                                    {400, "Line 2"},
		good + `[]`:                                        {400, "Line 2"},
		good + `{"id":"a","id":"b"}`:                       {400, "Line 2: Duplicate field"},
		good + `{"body":{}}`:                               {400, "Line 2: A change needs an id"},
		good + `{"id":7}`:                                  {400, "Line 2: Invalid id"},
		good + `{"id":"a","body":[]}`:                      {400, "Line 2: Invalid body"},
		good + `{"id":"a","body":null}`:                    {400, "Line 2: Invalid body"},
		good + `{"id":"a","body":{},"delete":true}`:        {400, "Line 2"},
		good + `{"id":"a","delete":null}`:                  {400, "Line 2: Invalid delete"},
		good + `{"id":"a","Delete":true}`:                  {400, "Line 2"},
		good + "{\"id\":\"\xff\"}":                         {400, "Line 2: Malformed JSON"},
		good + `{"id":"` + strings.Repeat("x", 100) + `"}`: {413, "Line 2 has 109 bytes"},
		strings.Repeat(good, 20):                           {413, "The limit is 300 bytes"},
	} {
		if got := s.changes(body); got.status != want.status || !strings.Contains(got.body, want.text) {
			t.Errorf("%s: got %d %s, want %d %q", body, got.status, got.body, want.status, want.text)
		}
	}
	for _, header := range []string{"Content-Type: ", "Content-Type: application/json", lines + "; charset=latin1"} {
		got := s.send(http.MethodPost, changesPath, good, "Content-Type: ", header)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, "application/x-ndjson") {
			t.Errorf("%s: got %d %s, want %d", header, got.status, got.body, http.StatusBadRequest)
		}
	}
	for body, status := range map[string]int{
		`[]`:    400,
		``:      400,
		`{"a":`: 400,
		`{"a":"` + strings.Repeat("x", 100) + `"}`: 413,
	} {
		got := s.send(http.MethodPut, "/indexing/acme/products/a", body, "Content-Type: ", "Content-Type: application/json")
		if got.status != status {
			t.Errorf("PUT %s: got %d %s, want %d", body, got.status, got.body, status)
		}
	}
	for _, settle := range []string{"", "yes", "true&settle=true"} {
		if got := s.send(http.MethodDelete, "/indexing/acme/products/a?settle="+settle, ""); got.status !=
			http.StatusBadRequest {
			t.Errorf("settle=%s: got %d %s, want 400", settle, got.status, got.body)
		}
	}
	many := serveChanges(
		t,
		updates{update: func(string, []reindex.Change) error { t.Error("a change was applied"); return nil }},
		Config{},
	)
	if got := many.changes(strings.Repeat(good, maxChanges+1)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d changes: got %d, want %d", maxChanges+1, got.status, http.StatusRequestEntityTooLarge)
	}
}

// Callers see the public part of an Updater's error. If the outcome is unknown, the response says so.
func TestChangesThatFail(t *testing.T) {
	var answer error
	u := updates{update: func(string, []reindex.Change) error { return answer }, settle: errors.New("index i-17 is away")}
	s := serveChanges(t, u, Config{})
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{fmt.Errorf("tenant acme: %w: 17", reindex.ErrTooManyChanges), 413, "several requests"},
		{fmt.Errorf("tenant acme: %w", reindex.ErrNoLiveIndex), 409, "Reindex the tenant first"},
		{fmt.Errorf("host-7: %w", errors.ErrUnsupported), 409, "No change was accepted"},
		{fmt.Errorf("host-7: %w", reindex.ErrChangesFull), 400, "no change was accepted"},
		{errors.New("host-7 is away"), 400, "It is not known which changes were applied"},
		{context.DeadlineExceeded, 400, "It is not known which changes were applied"},
		{&reindex.BatchError{Items: []reindex.ItemError{
			{ID: "a", Err: reindex.Public(errors.New("host-7 says no"), "no price")},
			{ID: "b\xff", Err: errors.New("too long a name")},
		}}, 200, `{"accepted":1,"refused":2,"refusals":[{"id":"a","reason":"no price"},{"id":"b` + "\uFFFD" +
			`","reason":"too long a name"}]}`},
		{nil, 200, `{"accepted":3,"refused":0,"refusals":[]}`},
	} {
		answer = test.err
		got := s.send(
			http.MethodPost,
			changesPath+"?settle=true",
			strings.Repeat(`{"id":"a","delete":true}`+"\n", 3),
			"Content-Type: ",
			lines,
		)
		if got.status != test.status || !strings.Contains(got.body, test.text) || strings.Contains(got.body, "host-7") ||
			strings.Contains(got.body, "i-17") {
			t.Errorf("%v: got %d %s, want %d and %q", test.err, got.status, got.body, test.status, test.text)
		}
	}
}

// If a single change can succeed later, the response does not call it refused.
func TestChangeThatCanSucceedLater(t *testing.T) {
	later := &reindex.BatchError{Items: []reindex.ItemError{{ID: "a", Retryable: true, Err: errors.New("host-7 is busy")}}}
	s := serveChanges(t, updates{update: func(string, []reindex.Change) error { return later }}, Config{})
	got := s.send(http.MethodDelete, "/indexing/acme/products/a", "")
	if got.message.Message != MessageUnavailable || !strings.Contains(got.body, "send them again") {
		t.Errorf("got %d %s, want %q, and to send the change again", got.status, got.body, MessageUnavailable)
	}
}

// The number of waiting changes and the refused changes are shown.
func TestChangesLag(t *testing.T) {
	since := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	s := serveChanges(t, updates{state: reindex.ChangeState{
		Head: 10, Applied: 7, Waiting: since,
		Refused: []reindex.RefusedChange{{Position: 3, ID: "a\xff", Reason: "no price"}},
	}}, Config{})
	want := `{"waiting":3,"oldest":"2030-01-02T02:04:05Z","refusals":[{"id":"a` + "\uFFFD" + `","reason":"no price"}]}`
	if got := s.send(http.MethodGet, changesPath, ""); got.body != want {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
	s = serveChanges(t, updates{}, Config{})
	if got := s.send(http.MethodGet, changesPath, ""); got.body != `{"waiting":0,"refusals":[]}` {
		t.Errorf("got %d %s, want no waiting changes", got.status, got.body)
	}
	s = serveChanges(t, updates{settle: errors.New("host-7 is away")}, Config{})
	got := s.send(http.MethodGet, changesPath, "")
	if got.status != http.StatusBadRequest || strings.Contains(got.body, "host-7") {
		t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusBadRequest)
	}
}

// A caller with the scope for viewing cannot change products.
func TestChangesNeedTheScope(t *testing.T) {
	s := serveChanges(
		t,
		updates{update: func(string, []reindex.Change) error { t.Error("a change was applied"); return nil }},
		Config{Authorizer: func(_ *http.Request, _, scope string) error {
			if scope == ScopeManage {
				return &ScopeError{}
			}
			return nil
		}},
	)
	for _, got := range []result{
		s.changes(`{"id":"a","delete":true}`), s.send(http.MethodPut, "/indexing/acme/products/a", "{}"),
		s.send(http.MethodDelete, "/indexing/acme/products/a", ""),
	} {
		if got.status != http.StatusForbidden {
			t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusForbidden)
		}
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add([]byte(`{"id":"a","body":{"n":1}}` + "\n" + `{"id":"b","delete":true}` + "\n" + `{"id":"c"}`))
	f.Add([]byte("{\"id\":\"\\ud800\",\"delete\":false}\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		changes, err := parseChanges(body, 1000)
		if err != nil {
			if toWire(err, "id").status == http.StatusBadRequest && strings.Contains(err.Error(), MessageUnavailable) {
				t.Fatalf("%q: got error %v, want an answer for the caller", body, err)
			}
			return
		}
		for _, c := range changes {
			if c.Delete && c.Body != nil || c.Body != nil && (!json.Valid(c.Body) || c.Body[0] != '{') {
				t.Fatalf("%q: got %+v, want either a deletion or an object", body, c)
			}
		}
	})
}
