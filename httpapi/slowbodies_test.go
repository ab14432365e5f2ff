package httpapi

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// A caller who announces too large a body and waits for 100 Continue is refused at once.
func TestTooLargeToContinue(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	conn := s.dial()
	if _, err := io.WriteString(
		conn, "POST /indexing/acme/reindex HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n",
	); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 400 ") {
		t.Errorf("the answer begins with %q, error %v; want status 400", line, err)
	}
}

// A request whose body arrives too slowly is answered, and starts nothing.
func TestSlowBody(t *testing.T) {
	e := &fakeEngine{}
	denied := serve(
		t,
		e,
		Config{
			ReadTimeout: 50 * time.Millisecond,
			Authorizer:  func(*http.Request, string, string) error { return ErrInvalidToken },
		},
	)
	for _, tc := range []struct {
		name   string
		s      *service
		status int
	}{
		{"allowed", serve(t, e, Config{ReadTimeout: 50 * time.Millisecond}), http.StatusBadRequest},
		{"denied", denied, http.StatusUnauthorized},
	} {
		for _, framing := range []string{"Content-Length: 15\n\n{\"mode\"", "Transfer-Encoding: chunked\n\n8\r\n{\"mode\""} {
			got := tc.s.raw("POST /indexing/acme/reindex HTTP/1.1\nHost: h\nContent-Type: application/json\n" + framing)
			if started := e.starts(); got.status != tc.status || len(started) > 0 {
				t.Errorf("%s: status %d, started %q, want %d; %s", tc.name, got.status, started, tc.status, got.body)
			}
		}
	}
}

// The time limit of a body also applies over HTTP/2, to each stream.
func TestSlowBodyHTTP2(t *testing.T) {
	e := &fakeEngine{}
	h, err := newHandler(e, Config{Authorizer: AllowAll, ReadTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	never, hold := io.Pipe()
	defer hold.Close()
	for _, tc := range []struct {
		body   io.Reader
		status int
	}{{strings.NewReader(full), http.StatusNoContent}, {never, http.StatusBadRequest}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+reindexPath, tc.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != tc.status {
			t.Errorf("got %s %s, want HTTP/2.0 %d", res.Proto, res.Status, tc.status)
		}
	}
	if started := e.starts(); len(started) != 1 {
		t.Errorf("started %q, want one run", started)
	}
}

// A request whose caller hangs up before the end of the body starts nothing.
func TestAbortedBody(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{})
	conn := s.dial()
	if _, err := io.WriteString(conn, "POST /indexing/acme/reindex HTTP/1.1\r\nHost: h\r\nContent-Type: "+
		"application/json\r\nContent-Length: 15\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s.srv.Close() // waits for the request
	if started := e.starts(); len(started) > 0 {
		t.Errorf("started %q, want nothing", started)
	}
}

// The time limit of a body does not apply to the call of the engine, nor to the next request on the connection.
func TestReadTimeoutEndsWithTheBody(t *testing.T) {
	const limit = 50 * time.Millisecond
	var allowed error
	var request *http.Request
	e := &fakeEngine{start: func(context.Context, string) (reindex.Job, bool, error) {
		<-time.After(2 * limit)
		return reindex.Job{}, true, request.Context().Err()
	}}
	s := serve(t, e, Config{ReadTimeout: limit, Authorizer: func(r *http.Request, _, _ string) error {
		request = r
		return allowed
	}})
	conn := s.dial()
	r := bufio.NewReader(conn)
	for _, want := range []int{204, 401, 204} {
		allowed = nil
		if want == 401 {
			allowed = ErrInvalidToken
		}
		head := "POST /indexing/acme/reindex HTTP/1.1\r\nHost: h\r\nContent-Type: " +
			"application/json\r\nContent-Length: 2\r\n\r\n"
		if _, err := io.WriteString(conn, head+"{}"); err != nil {
			t.Fatal(err)
		}
		if got := s.readAnswer(r, head); got.status != want {
			t.Errorf("got status %d, want %d: %s", got.status, want, got.body)
		}
		<-time.After(2 * limit)
	}
}
