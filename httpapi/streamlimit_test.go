package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"productindex/httpapi/internal/jobquery"
)

// flusher is a wrapper whose Flush calls that of the wrapped writer, if it has one.
type flusher struct{ http.ResponseWriter }

func (f flusher) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f flusher) Flush() {
	if inner, ok := f.ResponseWriter.(http.Flusher); ok {
		inner.Flush()
	}
}

// pretender is a wrapper whose Flush always fails.
type pretender struct{ http.ResponseWriter }

func (pretender) FlushError() error { return http.ErrNotSupported }

// wrapped calls a handler with another ResponseWriter.
func wrapped(next http.Handler, wrap func(http.ResponseWriter) http.ResponseWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
}

// If the server cannot flush a stream, each request gets the latest state, and the last one the end. The log has the
// reason.
func TestStreamsThatCannotBeFlushed(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"embedded": func(next http.Handler) http.Handler {
			return wrapped(next, func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} })
		},
		"pretended": func(next http.Handler) http.Handler {
			return wrapped(next, func(w http.ResponseWriter) http.ResponseWriter { return pretender{w} })
		},
		"TimeoutHandler": func(next http.Handler) http.Handler { return http.TimeoutHandler(next, patience, "too late") },
		"a flusher in a TimeoutHandler": func(next http.Handler) http.Handler {
			flushing := wrapped(next, func(w http.ResponseWriter) http.ResponseWriter { return flusher{w} })
			return http.TimeoutHandler(flushing, patience, "too late")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, step := stepwise(t, nil)
			logged := &syncBuffer{}
			h, err := newHandler(e, Config{Authorizer: AllowAll, Logger: slog.New(slog.NewJSONHandler(logged, nil))})
			if err != nil {
				t.Fatal(err)
			}
			s := &service{t: t, srv: httptest.NewServer(wrap(h)), doc: loadDocument(t)}
			t.Cleanup(s.srv.Close)
			id := s.create(creation)
			first, ok := s.follow(id, "").event()
			if !ok || first.Status == "SUCCESS" {
				t.Errorf("the first event is %+v, want one before the end", first)
			}
			if e, ok := s.follow(id, first.id).event(); ok && e.id == first.id {
				t.Errorf("the client got event %s again, want only new ones", e.id)
			}
			close(step)
			await(t, e, "acme", id)
			c := s.follow(id, first.id)
			last, _ := c.event()
			if _, more := c.event(); more || last.Status != "SUCCESS" {
				t.Errorf("the last event is %+v, and more: %v; want only the success", last, more)
			}
			got := s.send("GET", jobsPath+"/"+id+"/events", "", "Last-Event-ID: "+last.id)
			if got.status != http.StatusNoContent {
				t.Errorf("after the end: got %d, want %d", got.status, http.StatusNoContent)
			}
			if log := logged.String(); strings.Count(log, `"level":"ERROR"`) != 3 ||
				!strings.Contains(log, "cannot be flushed") {
				t.Errorf("the log is %s, want 3 errors with the reason", log)
			}
		})
	}
}

// canFlush reports whether a writer can be flushed, without writing to it.
func TestCanFlush(t *testing.T) {
	recorder := httptest.NewRecorder()
	var chain http.ResponseWriter = recorder
	for range 3 {
		chain = unwrapping{flusher{chain}}
	}
	for name, tc := range map[string]struct {
		w    http.ResponseWriter
		want bool
	}{
		"a recorder":              {recorder, true},
		"a chain":                 {chain, true},
		"a field":                 {struct{ http.ResponseWriter }{recorder}, false},
		"a field, wrapped":        {unwrapping{struct{ http.ResponseWriter }{recorder}}, false},
		"a field in a flusher":    {flusher{struct{ http.ResponseWriter }{recorder}}, false},
		"nothing in a flusher":    {flusher{nil}, false},
		"nothing in an unwrapper": {unwrapping{nil}, false},
	} {
		if got := canFlush(tc.w); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	if recorder.Flushed || recorder.Body.Len() > 0 {
		t.Error("canFlush has flushed or written")
	}
}

// counting counts calls of Write.
type counting struct {
	http.ResponseWriter

	writes *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.ResponseWriter.Write(p)
}

// An answer without a body causes no call of Write, over HTTP/1.1 and HTTP/2.
func TestNothingIsWrittenWithoutABody(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var writes atomic.Int64
		logged := &syncBuffer{}
		ended := unfinished
		ended.Status = "SUCCESS"
		e := &fakeEngine{job: found(ended), stop: func(context.Context, string, string) error { return nil }}
		h, err := newHandler(e, Config{Authorizer: AllowAll, Logger: slog.New(slog.NewJSONHandler(logged, nil))})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(
			wrapped(h, func(w http.ResponseWriter) http.ResponseWriter { return counting{w, &writes} }),
		)
		srv.EnableHTTP2 = http2
		srv.StartTLS()
		for _, tc := range []struct {
			method, path, lastEventID string
			status                    int
		}{
			{http.MethodPost, reindexPath, "", http.StatusNoContent},
			{http.MethodDelete, jobsPath + "/J1", "", http.StatusAccepted},
			{http.MethodGet, jobsPath + "/J1/events", eventID(jobquery.Job{Record: ended}), http.StatusNoContent},
			{http.MethodHead, jobsPath + "/J1", "", http.StatusOK},
			{http.MethodHead, "/indexing/openapi.json", "", http.StatusOK},
			{http.MethodHead, "/indexing/nowhere", "", http.StatusNotFound},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, srv.URL+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Last-Event-ID", tc.lastEventID)
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || len(body) > 0 || res.StatusCode != tc.status || (res.ProtoMajor == 2) != http2 {
				t.Errorf("%s %s: got %s %s %q, error %v, want the status without a body",
					tc.method, tc.path, res.Proto, res.Status, body, err)
			}
			if tc.method != http.MethodHead && res.Header.Get("Content-Type") != "" {
				t.Errorf("%s %s: got the headers %v, want no Content-Type", tc.method, tc.path, res.Header)
			}
		}
		srv.Close()
		if log := logged.String(); writes.Load() > 0 || strings.Contains(log, "write_error") {
			t.Errorf("got %d writes, log %s; want none, and no write error", writes.Load(), log)
		}
	}
}

// followAs opens the event stream of a tenant's job.
func (s *service) followAs(tenant string) *stream {
	s.t.Helper()
	return s.followPath("/indexing/"+tenant+"/reindex-jobs/J1/events", "")
}

// One tenant can have all streams until another tenant asks for one.
func TestShareOfStreams(t *testing.T) {
	s := serve(t, newEndless(), Config{StreamInterval: time.Nanosecond, MaxStreams: 4})
	refused := func(tenant string) bool {
		t.Helper()
		got := s.send("GET", "/indexing/"+tenant+"/reindex-jobs/J1/events", "")
		return got.status == http.StatusBadRequest && got.message.Message == MessageTooManyStreams &&
			got.header.Get("Retry-After") == "5"
	}
	var acme []*stream
	for range 4 {
		c := s.followAs("acme")
		c.event()
		acme = append(acme, c)
	}
	if !refused("acme") {
		t.Error("acme gets a fifth stream, although there are four")
	}
	for range 2 {
		c := s.followAs("globex")
		if _, ok := c.event(); !ok {
			t.Error("globex does not get its share")
		}
	}
	for i, c := range acme {
		if i < 2 {
			continue
		}
		if e, ok := c.event(); ok {
			t.Errorf("acme's stream %d sent event %s, want its end", i, e.id)
		}
	}
	if !refused("acme") || !refused("globex") {
		t.Error("of two tenants with two streams each, one gets a third")
	}
	c := s.followAs("initech")
	if _, ok := c.event(); !ok {
		t.Error("initech does not get its share")
	}
}

// The number of taken places stays right when a stream ends that has lost its place already.
func TestStreamSlots(t *testing.T) {
	s := newStreamSlots(2)
	a, _ := s.take("a")
	b, _ := s.take("a")
	c, err := s.take("b")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.ended:
	default:
		t.Error("the latest stream has kept its place")
	}
	s.release(b)
	if _, err := s.take("b"); err == nil || s.taken != 2 {
		t.Errorf("%d places are taken, error %v; want 2, and an error", s.taken, err)
	}
	s.release(c)
	s.release(a)
	if s.taken != 0 || len(s.byTenant) != 0 {
		t.Errorf("%d places are taken, by %v; want none", s.taken, s.byTenant)
	}
}

// The more streams are open, the longer is the interval between their events, so that they cost about as much as 50.
func TestManyStreamsWaitLonger(t *testing.T) {
	s := newStreamSlots(500)
	for open, want := range []int{0: 1, 1: 1, 49: 1, 50: 1, 99: 1, 100: 2, 499: 9, 500: 10} {
		for s.taken < open {
			if _, err := s.take("acme"); err != nil {
				t.Fatal(err)
			}
		}
		if got := int(s.spread(time.Second).Seconds()); want > 0 && got != want {
			t.Errorf("%d open streams wait for %d s, want %d", open, got, want)
		}
	}
}
