package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
)

// pipes is a listener of unbuffered connections within the process, which work in a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  context.Context //nolint:containedctx // ends with the listener
	close context.CancelFunc
}

func newPipes() *pipes {
	done, stop := context.WithCancel(context.Background())
	return &pipes{make(chan net.Conn), done, stop}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- server
	return client, nil
}

// inTime runs a test of streams in a synctest bubble.
func inTime(t *testing.T, cfg Config, test func(t *testing.T, s *service, e *reindex.Engine, step chan struct{})) {
	synctest.Test(t, func(t *testing.T) {
		e, step := stepwise(t, nil)
		test(t, serveInTime(t, e, cfg), e, step)
	})
}

// serveInTime starts a server within a bubble. Its timeouts for other requests are a second.
func serveInTime(t *testing.T, e Engine, cfg Config) *service {
	t.Helper()
	log, listener := &syncBuffer{}, newPipes()
	cfg.Authorizer, cfg.Logger = AllowAll, slog.New(slog.NewJSONHandler(log, nil))
	h, err := NewHandler(e, cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{
		Listener: listener,
		Config:   &http.Server{Handler: h, ReadTimeout: time.Second, WriteTimeout: time.Second},
	}
	srv.Start()
	transport := srv.Client().Transport.(*http.Transport)
	transport.DialContext = listener.dial
	transport.ReadBufferSize = 16 // small, so that the server waits for a client that does not read
	t.Cleanup(srv.Close)
	return &service{t: t, srv: srv, log: log, doc: loadDocument(t)}
}

// A caller can follow and stop a job that another process runs, if both share the job store.
func TestEventsOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := leased{reindex.NewJobs(0)}
		owner, step := stepwise(t, jobs)
		e, _ := stepwise(t, jobs)
		s := serveInTime(t, e, Config{})
		job, _, err := owner.Start(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		c := s.follow(job.ID, "")
		c.until(func(e seen) bool { return e.Status == "IN_PROGRESS" })
		step <- struct{}{}
		c.until(func(e seen) bool { return *e.ProcessedCount == 10 })
		if got := s.send("DELETE", jobsPath+"/"+job.ID, ""); got.status != http.StatusAccepted {
			t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusAccepted)
		}
		<-time.After(8 * time.Second) // the owner has renewed its lease, and so knows of the cancellation
		close(step)
		if last := c.until(func(e seen) bool { return e.Status == "FAILURE" }); last.Message != reindex.ErrCancelled.Error() {
			t.Errorf("the last event is %s, want the message of a cancellation", last.data)
		}
	})
}

// leased is a store whose jobs have leases, so that runs see cancellations by other processes.
type leased struct{ reindex.JobStore }

func (leased) Lease() time.Duration { return 8 * time.Second }

// Heartbeats keep an idle stream open for longer than the server's timeouts for other requests.
func TestHeartbeats(t *testing.T) {
	inTime(t, Config{StreamHeartbeat: time.Second}, func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
		c := s.follow(s.create(creation), "")
		begin := time.Now()
		beats := 0
		c.event()
		for beats < 20 {
			if line, ok := c.line(); !ok {
				t.Fatalf("the stream ended after %v, want that it goes on", time.Since(begin))
			} else if line == ":" {
				beats++
			}
		}
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("20 heartbeats took %v, want 20 s", took)
		}
		close(step)
		c.until(func(e seen) bool { return e.Status == "SUCCESS" })
	})
}

// Several changes within an interval become one event. The stream ends at once when the job ends.
func TestStreamInterval(t *testing.T) {
	inTime(t, Config{}, func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
		c := s.follow(s.create(creation), "")
		begin := time.Now()
		go func() {
			for range 10 {
				<-time.After(50 * time.Millisecond)
				step <- struct{}{}
			}
		}()
		told := 0
		c.until(func(e seen) bool {
			told++
			return e.Status == "SUCCESS"
		})
		if took := time.Since(begin); told > 4 || took > 700*time.Millisecond {
			t.Errorf("got %d events in %v, want at most 4 in 700 ms", told, took)
		}
		at := time.Now()
		if _, ok := c.event(); ok || time.Since(at) > 0 {
			t.Errorf("the stream ended %v after the job's last event, want at once", time.Since(at))
		}
	})
}

// A client that does not read for some time gets only the latest state afterwards.
func TestSlowClient(t *testing.T) {
	inTime(
		t,
		Config{StreamInterval: time.Nanosecond},
		func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
			c := s.follow(s.create(creation), "")
			c.until(func(e seen) bool { return e.ExpectedCount != nil }) // its last bytes are not read yet
			for range 9 {
				step <- struct{}{}
				<-time.After(time.Millisecond)
			}
			if e, _ := c.event(); *e.ProcessedCount != 90 {
				t.Errorf("the next event is %s, want one with 90 products", e.id)
			}
			close(step)
		},
	)
}

// The stream of a client that stops reading is closed, so that another client can have its place.
func TestStalledClient(t *testing.T) {
	inTime(t, Config{MaxStreams: 1}, func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
		id := s.create(creation)
		c := s.follow(id, "")
		c.event()
		if got := s.send("GET", jobsPath+"/"+id+"/events", ""); got.message.Message != MessageTooManyStreams {
			t.Errorf("a second stream: got %d %s, want %q", got.status, got.body, MessageTooManyStreams)
		}
		<-time.After(15*time.Second + 10*time.Second) // until the heartbeat, and its time limit
		synctest.Wait()
		if log := s.log.String(); !strings.Contains(log, `"write_error":"`) {
			t.Errorf("the log is %s, want a write error", log)
		}
		other := s.follow(id, "")
		other.event()
		if text, err := c.text.ReadString('\x00'); err == nil || strings.Contains(text, "id:") {
			t.Errorf("the closed stream has %q, error %v; want no event, and an error", text, err)
		}
		close(step)
		other.until(func(e seen) bool { return e.Status == "SUCCESS" })
	})
}

// heartless is a ResponseWriter that fails to write a heartbeat.
type heartless struct{ *deadlines }

func (h heartless) Write(text []byte) (int, error) {
	if string(text) == heartbeat {
		return 0, errors.New("broken")
	}
	return h.deadlines.Write(text)
}

// A heartbeat that cannot be written ends the stream.
func TestHeartbeatFails(t *testing.T) {
	e, logged := newEndless(), &syncBuffer{}
	h, err := newHandler(
		e,
		Config{Authorizer: AllowAll, StreamHeartbeat: time.Nanosecond, Logger: slog.New(slog.NewJSONHandler(logged, nil))},
	)
	if err != nil {
		t.Fatal(err)
	}
	w := heartless{&deadlines{ResponseRecorder: httptest.NewRecorder()}}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, jobsPath+"/J1/events", nil))
	if log := logged.String(); !strings.Contains(log, `"write_error":"broken"`) || strings.Contains(log, `"ERROR"`) {
		t.Errorf("the log is %s, want the write error, but not as ERROR", log)
	}
}
