package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// stream is an event stream as a client reads it.
type stream struct {
	t    *testing.T
	s    *service
	res  *http.Response
	text *bufio.Reader
	hang context.CancelFunc
}

// follow opens the event stream of a job. lastEventID is empty for none.
func (s *service) follow(id, lastEventID string) *stream {
	s.t.Helper()
	return s.followPath(jobsPath+"/"+id+"/events", lastEventID)
}

// followPath opens the event stream at a path.
func (s *service) followPath(path, lastEventID string) *stream {
	s.t.Helper()
	ctx, hang := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(hang)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.srv.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := s.srv.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" ||
		res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("X-Accel-Buffering") != "no" {
		s.t.Fatalf("got %s with the headers %v, want an event stream", res.Status, res.Header)
	}
	return &stream{s.t, s, res, bufio.NewReader(res.Body), hang}
}

// line reads a line. It returns false at the end of the stream.
func (c *stream) line() (string, bool) {
	c.t.Helper()
	line, err := c.text.ReadString('\n')
	switch {
	case errors.Is(err, io.EOF) && line == "":
		return "", false
	case err != nil:
		c.t.Fatalf("reading the stream failed after %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n"), true
}

// seen is an event that was received.
type seen struct {
	eventView

	id   string
	data string
}

// event reads the next event and checks it against the document. It returns false at the end of the stream.
func (c *stream) event() (e seen, ok bool) {
	c.t.Helper()
	for {
		line, ok := c.line()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case !ok && e == seen{}:
			return e, false
		case !ok || !slices.Contains([]string{"", ":", "retry", "id", "data"}, name):
			c.t.Fatalf("got the line %q (the end: %v) in event %+v, want one of an event", line, !ok, e)
		case name == "id":
			e.id = value
		case name == "data":
			e.data = value
		case name == "" && e.id == "" || name == "" && e.data == "":
			c.t.Fatalf("event %+v has no id or no data", e)
		case name == "":
			c.check(&e)
			return e, true
		}
	}
}

// check checks the data of an event against the document and decodes it.
func (c *stream) check(e *seen) {
	c.t.Helper()
	var value any
	err := errors.Join(json.Unmarshal([]byte(e.data), &value), json.Unmarshal([]byte(e.data), &e.eventView))
	if err != nil {
		c.t.Fatalf("%q: got error %v, want JSON", e.data, err)
	}
	if err := c.s.doc.Components.Schemas["ReindexJobEvent"].Value.VisitJSON(value); err != nil {
		c.t.Errorf("%s: not as documented: %v", e.data, err)
	}
}

// until returns the next event that is as wanted. An event that repeats the previous one fails the test.
func (c *stream) until(wanted func(seen) bool) seen {
	c.t.Helper()
	last := ""
	for {
		e, ok := c.event()
		if !ok {
			c.t.Fatalf("the stream ended after %q, want another event", last)
		}
		if e.id == last {
			c.t.Errorf("got event %q twice in a row, want once", last)
		}
		if last = e.id; wanted(e) {
			return e
		}
	}
}

// stepwise returns an engine that indexes 100 products in batches of 10. It writes one batch for each value that is
// sent to step, and all remaining ones when step is closed.
func stepwise(t *testing.T, jobs reindex.JobStore) (e *reindex.Engine, step chan struct{}) {
	t.Helper()
	step = make(chan struct{})
	over := make(chan struct{})
	ix := reindextest.NewFaulty(reindextest.NewMemory(), func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpWrite {
			select {
			case <-step:
			case <-over:
			}
		}
		return reindextest.Fault{}
	})
	e, err := reindex.New(reindextest.Slice(reindextest.Products(100, "1")), ix,
		&reindex.Config{BatchDocs: 10, Workers: 1, Jobs: jobs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(over)
		_ = e.Shutdown(context.Background())
	})
	return e, step
}

// brisk is a config whose streams do not wait between events.
var brisk = Config{StreamInterval: time.Nanosecond}
