package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// Each retry is an event, since a run makes no other progress while its index is overloaded.
func TestEventsOfRetries(t *testing.T) {
	job := jobquery.Job{
		Record: reindex.Job{ID: "J1", Status: reindex.StatusInProgress, Report: reindex.Report{Batches: 3, Retries: 1}},
	}
	once := job
	once.Record.Report.Retries++
	if eventID(job) == eventID(once) || viewEvent(once).RetryCount != 2 || viewEvent(once).BatchCount != 3 {
		t.Errorf("got the ids %s and %s, event %+v; want different ids, 2 retries, 3 batches",
			eventID(job), eventID(once), viewEvent(once))
	}
}

// A stream sends an event at once, at each change, and at the end. A client that comes back does not get the same state
// again.
func TestEvents(t *testing.T) {
	e, step := stepwise(t, nil)
	s := serve(t, e, brisk)
	id := s.create(creation)
	c := s.follow(id, "")
	if line, ok := c.line(); !ok || line != "retry: 2000" {
		t.Errorf("the stream begins with %q, want \"retry: 2000\"", line)
	}
	first := c.until(func(e seen) bool { return *e.ProcessedCount == 0 && e.ExpectedCount != nil })
	if !strings.HasPrefix(first.id, "IN_PROGRESS.") || !strings.HasSuffix(first.id, ".0.0.0.0.100") || first.ID != id ||
		*first.Progress != 0 ||
		first.RemainingSeconds != nil {
		t.Errorf("the first event is %s: %s; want one of the beginning", first.id, first.data)
	}
	step <- struct{}{}
	tenth := c.until(func(e seen) bool { return *e.ProcessedCount == 10 })
	if tenth.id != fmt.Sprintf("IN_PROGRESS.load.%d.10.0.0.0.0.0.100", *tenth.ReadCount) || *tenth.Progress != 0.1 ||
		tenth.RemainingSeconds == nil {
		t.Errorf("event %s: got %s; want one after 10 of 100 products", tenth.id, tenth.data)
	}
	if tenth.Concurrency != 1 || tenth.BatchBytes <= 0 || tenth.BatchCount < 1 || tenth.ReadBytes <= 0 {
		t.Errorf("got event %s, want one worker, a batch, and the bytes", tenth.data)
	}
	again := s.follow(id, tenth.id)
	if line, ok := again.line(); !ok || line != "retry: 2000" { // no event: the client has the latest state
		t.Errorf("the stream begins with %q, want \"retry: 2000\"", line)
	}
	step <- struct{}{}
	if e, _ := again.event(); e.id == tenth.id || *e.ReadCount < 20 {
		t.Errorf("the event after %s is %s, want a newer state", tenth.id, e.id)
	}
	close(step)
	for _, c := range []*stream{c, again} {
		last := c.until(func(e seen) bool { return e.Status == "SUCCESS" })
		if last.id != "SUCCESS..100.100.0.0.0.0.0.100" || *last.Progress != 1 || *last.RemainingSeconds != 0 {
			t.Errorf("the last event is %s: %s; want a success with 100 products", last.id, last.data)
		}
		if e, ok := c.event(); ok {
			t.Errorf("got event %s after the end, want none", e.id)
		}
	}
	got := s.send("GET", jobsPath+"/"+id+"/events", "", "Last-Event-ID: SUCCESS..100.100.0.0.0.0.0.100")
	if got.status != http.StatusNoContent {
		t.Errorf("after the end: got %d %s, want %d", got.status, got.body, http.StatusNoContent)
	}
	for _, known := range []string{"", "IN_PROGRESS.load.10.10.0.0.0.0.0.100", "nonsense"} {
		c := s.follow(id, known)
		e, _ := c.event()
		_, more := c.event()
		if e.id != "SUCCESS..100.100.0.0.0.0.0.100" || more {
			t.Errorf("a client that knows %q gets %q, and more: %v; want the end only", known, e.id, more)
		}
		if list := s.send("GET", jobsPath+"/"+id, ""); !strings.HasPrefix(e.data, strings.TrimSuffix(list.body, "}")) {
			t.Errorf("the event is %s, want one that begins with the job, %s", e.data, list.body)
		}
	}
}

// The client of another author can read the stream.
func TestEventsWithAnotherClient(t *testing.T) {
	e, step := stepwise(t, nil)
	close(step)
	s := serve(t, e, brisk)
	c := s.follow(s.create(creation), "")
	var last sse.Event
	for event, err := range sse.Read(c.res.Body, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if last = event; event.Data == "" {
			t.Errorf("got event %+v, want one with data", event)
		}
	}
	var view eventView
	err := json.Unmarshal([]byte(last.Data), &view)
	if err != nil || view.Status != "SUCCESS" || last.LastEventID != "SUCCESS..100.100.0.0.0.0.0.100" || last.Type != "" {
		t.Errorf("the last event is %+v, error %v; want a success", last, err)
	}
}

// The last event of a failed job has the reason. Unknown numbers are missing.
func TestEventsOfAFailure(t *testing.T) {
	job := reindex.Job{
		ID:        "J1",
		Status:    reindex.StatusFailure,
		Expected:  -1,
		Processed: 8,
		Report: reindex.Report{
			Read:           9,
			Indexed:        4,
			Rejected:       2,
			Duplicates:     2,
			Conflicts:      1,
			ChangesApplied: 7,
			ChangesRefused: 3,
		},
		Message: "that is why",
	}
	s := serve(t, &fakeEngine{job: found(job), watch: states(job)}, Config{})
	e, _ := s.follow("J1", "").event()
	if e.id != "FAILURE.pending.9.4.2.2.1.7.3" || *e.ReadCount != 9 || *e.ProcessedCount != 4 ||
		*e.RejectedCount != 2 || *e.DuplicateCount != 2 ||
		*e.ConflictCount != 1 || *e.ChangesApplied != 7 || *e.ChangesRefused != 3 || e.Message != job.Message ||
		e.Progress != nil ||
		e.ExpectedCount != nil {
		t.Errorf("event %s: got %s; want the numbers and the message of %+v", e.id, e.data, job)
	}
	job.Expected, job.Estimated = 7, true
	s = serve(t, &fakeEngine{job: found(job), watch: states(job)}, Config{})
	if e, _ = s.follow("J1", "").event(); !e.Estimated || *e.Progress != 1 {
		t.Errorf("event %s: got %s; want an estimate, and the progress 1", e.id, e.data)
	}
}

// Progress is rounded down, so that only the end is 1. The remaining seconds are rounded up, so that only the end is 0.
func TestProgress(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	job := reindex.Job{
		Status:    reindex.StatusInProgress,
		Expected:  100_000,
		Processed: 99_999,
		Created:   at,
		Modified:  at.Add(50 * time.Second),
	}
	if v := viewEvent(jobquery.Job{Record: job}); *v.Progress != 0.9999 || *v.RemainingSeconds != 1 {
		t.Errorf("got the progress %v and %d s, want 0.9999 and 1 s", *v.Progress, *v.RemainingSeconds)
	}
	job.Processed = 33_333
	if v := viewEvent(jobquery.Job{Record: job}); *v.Progress != 0.3333 || *v.RemainingSeconds != 101 {
		t.Errorf("got the progress %v and %d s, want 0.3333 and 101 s", *v.Progress, *v.RemainingSeconds)
	}
}

// found returns an Engine.Job that always finds the job.
func found(job reindex.Job) func(context.Context, string, string) (reindex.Job, error) {
	return func(context.Context, string, string) (reindex.Job, error) { return job, nil }
}

// states returns an Engine.Watch that yields the given jobs.
func states(jobs ...reindex.Job) iter.Seq2[reindex.Job, error] {
	return func(yield func(reindex.Job, error) bool) {
		for _, job := range jobs {
			if !yield(job, nil) {
				return
			}
		}
	}
}

// unfinished returns a job in progress.
var unfinished = reindex.Job{
	ID:         "J1",
	EntityType: reindex.EntityProduct,
	Status:     reindex.StatusInProgress,
	Expected:   10,
}

func TestEventsAreRefused(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{})
	for err, status := range map[error]int{
		reindex.ErrJobNotFound: http.StatusNotFound, errors.New("hunter2"): http.StatusBadRequest,
	} {
		e.job = func(context.Context, string, string) (reindex.Job, error) { return reindex.Job{}, err }
		got := s.send("GET", jobsPath+"/J1/events", "")
		if got.status != status || strings.Contains(got.body, "hunter2") ||
			status == http.StatusBadRequest && got.message.Message != MessageUnavailable {
			t.Errorf("%v: got %d %s, want %d without the reason", err, got.status, got.body, status)
		}
	}
	if got := s.send("GET", jobsPath+"/%00/events", ""); got.status != http.StatusNotFound {
		t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusNotFound)
	}
}

// If the engine fails during a stream, the stream ends without the reason, which the log has.
func TestEngineFailsDuringAStream(t *testing.T) {
	for name, fail := range map[string]func(yield func(reindex.Job, error) bool){
		"error": func(yield func(reindex.Job, error) bool) { yield(reindex.Job{}, errors.New("hunter2")) },
		"panic": func(func(reindex.Job, error) bool) { panic("hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &fakeEngine{job: found(unfinished), watch: func(yield func(reindex.Job, error) bool) {
				if yield(unfinished, nil) {
					fail(yield)
				}
			}}, brisk)
			c := s.follow("J1", "")
			if e, ok := c.event(); !ok || e.id != "IN_PROGRESS.open.0.0.0.0.0.0.0.10" {
				t.Errorf("the first event is %q, want IN_PROGRESS.open.0.0.0.0.0.0.0.10", e.id)
			}
			if e, ok := c.event(); ok {
				t.Errorf("got event %s after the failure, want none", e.id)
			}
			s.srv.Close()
			if log := s.log.String(); strings.Count(log, "hunter2") != 1 || !strings.Contains(log, `"status":200`) ||
				strings.Contains(log, "write_error") {
				t.Errorf("the log is %s, want the reason once, status 200, no write error", log)
			}
		})
	}
}

// endless is an Engine whose Watch yields one state and then waits for the end of its context.
type endless struct {
	*fakeEngine

	ended chan error // receives the error of the context
}

func newEndless() endless {
	return endless{&fakeEngine{job: found(unfinished)}, make(chan error, 10)}
}

func (e endless) Watch(ctx context.Context, _, _ string) iter.Seq2[reindex.Job, error] {
	return func(yield func(reindex.Job, error) bool) {
		if yield(unfinished, nil) {
			<-ctx.Done()
			e.ended <- ctx.Err()
			yield(reindex.Job{}, ctx.Err())
		}
	}
}

func TestHeadOfEvents(t *testing.T) {
	e := newEndless()
	s := serve(t, e, brisk)
	got := s.send("HEAD", jobsPath+"/J1/events", "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" || got.body != "" {
		t.Errorf("got status %d, headers %v, body %q; want 200, an event stream, no body", got.status, got.header, got.body)
	}
	ended := unfinished
	ended.Status = reindex.StatusSuccess
	e.job = found(ended)
	if got := s.send("HEAD", jobsPath+"/J1/events", "",
		"Last-Event-ID: "+eventID(jobquery.Job{Record: ended})); got.status != http.StatusNoContent {
		t.Errorf("got %d, want %d", got.status, http.StatusNoContent)
	}
}

// A request that announces a body, but does not send it, gets its events all the same.
func TestEventsForARequestWithABody(t *testing.T) {
	job := unfinished
	job.Status = reindex.StatusSuccess
	s := serve(
		t,
		&fakeEngine{job: found(job), watch: states(unfinished, job)},
		Config{ReadTimeout: 10 * time.Millisecond, StreamInterval: time.Nanosecond},
	)
	conn := s.dial()
	if _, err := io.WriteString(conn,
		"GET "+jobsPath+"/J1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(text), "id: SUCCESS..0.0.0.0.0.0.0.10\n") {
		t.Errorf("the answer is %q, error %v; want the last event", text, err)
	}
}

// A job with any texts becomes exactly one event, which contains them.
func FuzzEvent(f *testing.F) {
	f.Add("left over", "PRODUCT", int64(10), int64(3), int64(1e9))
	f.Add("two\nlines\r\n\n", "A\x00B", int64(-1), int64(0), int64(0))
	f.Add("\xff\u2028", "", int64(0), int64(1<<62), int64(-5))
	f.Fuzz(func(t *testing.T, message, entityType string, expected, processed, took int64) {
		for _, status := range []reindex.Status{reindex.StatusInProgress, reindex.StatusFailure, reindex.StatusSuccess} {
			job := reindex.Job{
				Status:     status,
				EntityType: entityType,
				Message:    message,
				Expected:   expected,
				Processed:  processed,
				Report:     reindex.Report{Read: processed},
			}
			job.Modified = job.Created.Add(time.Duration(took))
			text, err := event(jobquery.Job{Record: job})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for e, err := range sse.Read(bytes.NewReader(text), nil) {
				var view eventView
				if err := errors.Join(err, json.Unmarshal([]byte(e.Data), &view)); err != nil {
					t.Fatalf("%q: got error %v, want none", text, err)
				}
				if n++; e.LastEventID != eventID(jobquery.Job{Record: job}) || view.EntityType != string([]rune(entityType)) ||
					view.RemainingSeconds != nil && *view.RemainingSeconds < 0 {
					t.Errorf("%q: got %+v, want the same texts, and numbers in their ranges", text, e)
				}
			}
			if n != 1 {
				t.Errorf("%q: got %d events, want one", text, n)
			}
		}
	})
}
