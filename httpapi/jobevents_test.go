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

// Each retry is an event, since nothing else happens while an index is overloaded.
func TestEventsOfRetries(t *testing.T) {
	job := jobquery.Job{
		Record: reindex.Job{ID: "J1", Status: reindex.StatusInProgress, Report: reindex.Report{Batches: 3, Retries: 1}},
	}
	once := job
	once.Record.Report.Retries++
	if eventID(job) == eventID(once) || viewEvent(once).RetryCount != 2 || viewEvent(once).BatchCount != 3 {
		t.Errorf("%s, %s, %+v", eventID(job), eventID(once), viewEvent(once))
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
		t.Errorf("the stream begins with %q", line)
	}
	first := c.until(func(e seen) bool { return *e.ProcessedCount == 0 && e.ExpectedCount != nil })
	if !strings.HasPrefix(first.id, "IN_PROGRESS.") || !strings.HasSuffix(first.id, ".0.0.0.0.100") || first.ID != id ||
		*first.Progress != 0 ||
		first.RemainingSeconds != nil {
		t.Errorf("%s: %s", first.id, first.data)
	}
	step <- struct{}{}
	tenth := c.until(func(e seen) bool { return *e.ProcessedCount == 10 })
	if tenth.id != fmt.Sprintf("IN_PROGRESS.load.%d.10.0.0.0.0.0.100", *tenth.ReadCount) || *tenth.Progress != 0.1 ||
		tenth.RemainingSeconds == nil {
		t.Errorf("%s: %s", tenth.id, tenth.data)
	}
	if tenth.Concurrency != 1 || tenth.BatchBytes <= 0 || tenth.BatchCount < 1 || tenth.ReadBytes <= 0 {
		t.Errorf("%s", tenth.data)
	}
	again := s.follow(id, tenth.id)
	if line, ok := again.line(); !ok || line != "retry: 2000" { // so it knows everything
		t.Errorf("the stream begins with %q", line)
	}
	step <- struct{}{}
	if e, _ := again.event(); e.id == tenth.id || *e.ReadCount < 20 {
		t.Errorf("after %s came %s", tenth.id, e.id)
	}
	close(step)
	for _, c := range []*stream{c, again} {
		last := c.until(func(e seen) bool { return e.Status == "SUCCESS" })
		if last.id != "SUCCESS..100.100.0.0.0.0.0.100" || *last.Progress != 1 || *last.RemainingSeconds != 0 {
			t.Errorf("%s: %s", last.id, last.data)
		}
		if e, ok := c.event(); ok {
			t.Errorf("after the end came %s", e.id)
		}
	}
	got := s.send("GET", jobsPath+"/"+id+"/events", "", "Last-Event-ID: SUCCESS..100.100.0.0.0.0.0.100")
	if got.status != http.StatusNoContent {
		t.Errorf("after the end: %d %s", got.status, got.body)
	}
	for _, known := range []string{"", "IN_PROGRESS.load.10.10.0.0.0.0.0.100", "nonsense"} {
		c := s.follow(id, known)
		e, _ := c.event()
		_, more := c.event()
		if e.id != "SUCCESS..100.100.0.0.0.0.0.100" || more {
			t.Errorf("a client that knows %q gets %q, and more %v", known, e.id, more)
		}
		if list := s.send("GET", jobsPath+"/"+id, ""); !strings.HasPrefix(e.data, strings.TrimSuffix(list.body, "}")) {
			t.Errorf("event %s, job %s", e.data, list.body)
		}
	}
}

// A client of a third party understands the stream.
func TestEventsAreUnderstood(t *testing.T) {
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
			t.Errorf("an event without data: %+v", event)
		}
	}
	var view eventView
	err := json.Unmarshal([]byte(last.Data), &view)
	if err != nil || view.Status != "SUCCESS" || last.LastEventID != "SUCCESS..100.100.0.0.0.0.0.100" || last.Type != "" {
		t.Errorf("%+v: %v", last, err)
	}
}

// The last event of a failed job has the reason; numbers that are not known are missing.
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
		t.Errorf("%s: %s", e.id, e.data)
	}
	job.Expected, job.Estimated = 7, true
	s = serve(t, &fakeEngine{job: found(job), watch: states(job)}, Config{})
	if e, _ = s.follow("J1", "").event(); !e.Estimated || *e.Progress != 1 {
		t.Errorf("%s: %s", e.id, e.data)
	}
}

// Fractions are rounded down, so that 1 is all of it; seconds are rounded up, so that 0 is the end.
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
		t.Errorf("progress %v, %d s remain", *v.Progress, *v.RemainingSeconds)
	}
	job.Processed = 33_333
	if v := viewEvent(jobquery.Job{Record: job}); *v.Progress != 0.3333 || *v.RemainingSeconds != 101 {
		t.Errorf("progress %v, %d s remain", *v.Progress, *v.RemainingSeconds)
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
			t.Errorf("%v: %d %s", err, got.status, got.body)
		}
	}
	if got := s.send("GET", jobsPath+"/%00/events", ""); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// If the engine fails during a stream, the stream ends, and the client does not get the reason.
func TestEngineFailsAmidstAStream(t *testing.T) {
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
				t.Errorf("event %s", e.id)
			}
			if e, ok := c.event(); ok {
				t.Errorf("after the failure came %s", e.id)
			}
			s.srv.Close()
			if log := s.log.String(); strings.Count(log, "hunter2") != 1 || !strings.Contains(log, `"status":200`) ||
				strings.Contains(log, "write_error") {
				t.Errorf("log %s", log)
			}
		})
	}
}

// endless returns an Engine.Watch that yields one state and then waits for the end of its context.
type endless struct {
	*fakeEngine

	ended chan error // gets what ended it
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
		t.Errorf("%d %v", got.status, got.header)
	}
	ended := unfinished
	ended.Status = reindex.StatusSuccess
	e.job = found(ended)
	if got := s.send("HEAD", jobsPath+"/J1/events", "",
		"Last-Event-ID: "+eventID(jobquery.Job{Record: ended})); got.status != http.StatusNoContent {
		t.Errorf("%d", got.status)
	}
}

// A request whose body does not arrive also gets its events.
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
		t.Errorf("%q, %v", text, err)
	}
}

// Whatever texts a job has, its event is a single event that contains them.
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
					t.Fatalf("%q: %v", text, err)
				}
				if n++; e.LastEventID != eventID(jobquery.Job{Record: job}) || view.EntityType != string([]rune(entityType)) ||
					view.RemainingSeconds != nil && *view.RemainingSeconds < 0 {
					t.Errorf("%q: %+v", text, e)
				}
			}
			if n != 1 {
				t.Errorf("%q: %d events", text, n)
			}
		}
	})
}
