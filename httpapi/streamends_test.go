package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// A stream ends when its client hangs up.
func TestClientHangsUp(t *testing.T) {
	e := newEndless()
	s := serve(t, e, brisk)
	c := s.follow("J1", "")
	c.event()
	c.hang()
	if err := <-e.ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.srv.Close()
	if log := s.log.String(); strings.Contains(log, "write_error") || !strings.Contains(log, `"status":200`) ||
		strings.Contains(log, `"ERROR"`) {
		t.Errorf("the log is %s, want status 200 and no error", log)
	}
}

// Streams end when the server shuts down or the context of the request ends. The log has no error for that.
func TestStreamsEndWithTheServer(t *testing.T) {
	for name, byContext := range map[string]bool{"stopping": false, "context": true} {
		t.Run(name, func(t *testing.T) {
			logged := &syncBuffer{}
			base, stop := context.WithCancel(t.Context())
			defer stop()
			srv := httptest.NewUnstartedServer(nil)
			srv.Config.BaseContext = func(net.Listener) context.Context { return base }
			cfg := Config{
				Authorizer:     AllowAll,
				StreamInterval: time.Nanosecond,
				Logger:         slog.New(slog.NewTextHandler(logged, nil)),
			}
			if byContext {
				srv.Config.RegisterOnShutdown(stop)
			} else {
				cfg.Stopping = StopOnShutdown(srv.Config)
			}
			h, err := newHandler(newEndless(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			srv.Config.Handler = h
			srv.Start()
			t.Cleanup(srv.Close)
			c := (&service{t: t, srv: srv, doc: loadDocument(t)}).follow("J1", "")
			c.event()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for range 2 { // a second call changes nothing
				if err := srv.Config.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}
			if e, ok := c.event(); ok {
				t.Errorf("got event %s after the shutdown, want none", e.id)
			}
			if log := logged.String(); !strings.Contains(log, "/events") || strings.Contains(log, "error") {
				t.Errorf("the log is %s, want the request without an error", log)
			}
		})
	}
}

func TestTooManyStreams(t *testing.T) {
	e := newEndless()
	s := serve(t, e, Config{StreamInterval: time.Nanosecond, MaxStreams: 2})
	first, second := s.follow("J1", ""), s.follow("J1", "")
	first.event()
	second.event()
	got := s.send("GET", jobsPath+"/J1/events", "")
	if got.status != http.StatusBadRequest || got.message.Message != MessageTooManyStreams ||
		got.header.Get("Retry-After") != "5" {
		t.Errorf("got %d %v %s, want 400, too many streams, and Retry-After 5", got.status, got.header, got.body)
	}
	if got := s.send("HEAD", jobsPath+"/J1/events", ""); got.status != http.StatusOK { // which takes no place
		t.Errorf("HEAD: got %d, want %d", got.status, http.StatusOK)
	}
	if got := s.send("GET", jobsPath+"/J1", ""); got.status != http.StatusOK {
		t.Errorf("the job: got %d %s, want %d", got.status, got.body, http.StatusOK)
	}
	first.hang()
	for deadline := time.Now().Add(patience); ; { // until the server has noticed that a place is free
		got := s.send("HEAD", jobsPath+"/J1/events", "")
		res, err := s.srv.Client().Get(s.srv.URL + jobsPath + "/J1/events")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the place is not free in time: got %s, and %d for HEAD, want 200", res.Status, got.status)
		}
	}
}

// Streams work over HTTP/2, and through middleware that has Unwrap.
func TestEventsThroughMiddleware(t *testing.T) {
	e, logged := newEndless(), &syncBuffer{}
	h, err := newHandler(
		e,
		Config{Authorizer: AllowAll, StreamInterval: time.Nanosecond, Logger: slog.New(slog.NewJSONHandler(logged, nil))},
	)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwrapping{w}, r) }),
	)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := (&service{t: t, srv: srv, doc: loadDocument(t)}).follow("J1", "")
	if _, ok := c.event(); !ok || c.res.ProtoMajor != 2 {
		t.Errorf("an event arrived: %v, over %s; want one over HTTP/2", ok, c.res.Proto)
	}
	c.hang()
	srv.Close()
	if log := logged.String(); strings.Contains(log, `"write_error"`) || strings.Contains(log, `"ERROR"`) {
		t.Errorf("the log is %s, want no error", log)
	}
}

type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// deadlines is a ResponseWriter that records when its deadlines are set, and when it is flushed.
type deadlines struct {
	*httptest.ResponseRecorder

	calls   []string
	flushed chan struct{} // unless nil, receives a value for each flush
}

func (d *deadlines) note(call string, at time.Time) error {
	if at.IsZero() {
		call += " none"
	}
	d.calls = append(d.calls, call)
	return nil
}

func (d *deadlines) SetReadDeadline(at time.Time) error { return d.note("read", at) }

func (d *deadlines) SetWriteDeadline(at time.Time) error { return d.note("write", at) }

func (d *deadlines) FlushError() error {
	if d.flushed != nil {
		d.flushed <- struct{}{}
	}
	return d.note("flush", time.Now())
}

// Each write has its own deadline. It is removed after the write, since HTTP/2 would apply it to the whole stream.
func TestDeadlines(t *testing.T) {
	job := unfinished
	job.Status = reindex.StatusSuccess
	w := &deadlines{ResponseRecorder: httptest.NewRecorder(), flushed: make(chan struct{}, 10)}
	both := func(yield func(reindex.Job, error) bool) {
		<-w.flushed
		if yield(unfinished, nil) {
			<-w.flushed // otherwise, the client would get only the latest state
			yield(job, nil)
		}
	}
	h, err := newHandler(&fakeEngine{job: found(unfinished), watch: both}, Config{
		Authorizer: AllowAll, StreamInterval: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, jobsPath+"/J1/events", nil))
	write := []string{"write", "flush", "write none"}
	want := slices.Concat(write, []string{"read none"}, write, write, []string{"read", "write"})
	if !slices.Equal(w.calls, want) {
		t.Errorf("got the calls %q, want %q", w.calls, want)
	}
}
