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
	transport.ReadBufferSize = 16 // who does not read lets the server wait
	t.Cleanup(srv.Close)
	return &service{t: t, srv: srv, log: log, doc: loadDocument(t)}
}

// A job of another process that shares the store can be followed and stopped.
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
			t.Errorf("%d %s", got.status, got.body)
		}
		<-time.After(8 * time.Second) // the owner has renewed its lease, and so learnt of it
		close(step)
		if last := c.until(func(e seen) bool { return e.Status == "FAILURE" }); last.Message != reindex.ErrCancelled.Error() {
			t.Errorf("%s", last.data)
		}
	})
}

// leased is a store whose jobs have leases, so that runs see cancellations by other processes.
type leased struct{ reindex.JobStore }

func (leased) Lease() time.Duration { return 8 * time.Second }

// Heartbeats keep an idle stream open, beyond the server's timeouts for other requests.
func TestHeartbeats(t *testing.T) {
	inTime(t, Config{StreamHeartbeat: time.Second}, func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
		c := s.follow(s.create(creation), "")
		begin := time.Now()
		beats := 0
		c.event()
		for beats < 20 {
			if line, ok := c.line(); !ok {
				t.Fatalf("the stream ended after %v", time.Since(begin))
			} else if line == ":" {
				beats++
			}
		}
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("20 heartbeats took %v", took)
		}
		close(step)
		c.until(func(e seen) bool { return e.Status == "SUCCESS" })
	})
}

// Fast changes become one event. The end of the job ends the stream at once.
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
			t.Errorf("%d events in %v", told, took)
		}
		at := time.Now()
		if _, ok := c.event(); ok || time.Since(at) > 0 {
			t.Errorf("the stream ended %v after the job", time.Since(at))
		}
	})
}

// A client that stops reading for some time then gets only the latest state.
func TestSlowClient(t *testing.T) {
	inTime(
		t,
		Config{StreamInterval: time.Nanosecond},
		func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
			c := s.follow(s.create(creation), "")
			c.until(func(e seen) bool { return e.ExpectedCount != nil }) // the last bytes of it are not read
			for range 9 {
				step <- struct{}{}
				<-time.After(time.Millisecond)
			}
			if e, _ := c.event(); *e.ProcessedCount != 90 {
				t.Errorf("an event of %s", e.id)
			}
			close(step)
		},
	)
}

// The stream of a client that stops reading is closed, and its place becomes free.
func TestStalledClient(t *testing.T) {
	inTime(t, Config{MaxStreams: 1}, func(t *testing.T, s *service, _ *reindex.Engine, step chan struct{}) {
		id := s.create(creation)
		c := s.follow(id, "")
		c.event()
		if got := s.send("GET", jobsPath+"/"+id+"/events", ""); got.message.Message != MessageTooManyStreams {
			t.Errorf("%d %s", got.status, got.body)
		}
		<-time.After(15*time.Second + 10*time.Second) // a heartbeat and its time
		synctest.Wait()
		if log := s.log.String(); !strings.Contains(log, `"write_error":"`) {
			t.Errorf("log %s", log)
		}
		other := s.follow(id, "")
		other.event()
		if text, err := c.text.ReadString('\x00'); err == nil || strings.Contains(text, "id:") {
			t.Errorf("%q, %v", text, err)
		}
		close(step)
		other.until(func(e seen) bool { return e.Status == "SUCCESS" })
	})
}

// heartless is a connection that breaks at the first heartbeat.
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
		t.Errorf("log %s", log)
	}
}
