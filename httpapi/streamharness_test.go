package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
	ctx, hang := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(hang)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.srv.URL+jobsPath+"/"+id+"/events", nil)
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
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("X-Accel-Buffering") != "no" {
		s.t.Fatalf("%s, headers %v", res.Status, res.Header)
	}
	return &stream{s.t, s, res, bufio.NewReader(res.Body), hang}
}

// block reads up to an empty line; false at the end of the stream.
func (c *stream) block() (string, bool) {
	c.t.Helper()
	var block strings.Builder
	for {
		line, err := c.text.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF) && line == "" && block.Len() == 0:
			return "", false
		case err != nil:
			c.t.Fatalf("after %q: %v", block.String()+line, err)
		case line == "\n":
			return block.String(), true
		}
		block.WriteString(line)
	}
}

// seen is an event.
type seen struct {
	eventView

	id   string
	data string
}

// event reads the next event, which is as documented; false at the end of the stream.
func (c *stream) event() (seen, bool) {
	c.t.Helper()
	for {
		block, ok := c.block()
		if !ok {
			return seen{}, false
		}
		id, isEvent := strings.CutPrefix(block, "id: ")
		if !isEvent {
			continue
		}
		id, data, _ := strings.Cut(id, "\n")
		data = strings.TrimSuffix(strings.TrimPrefix(data, "data: "), "\n")
		e := seen{id: id, data: data}
		var value any
		if err := errors.Join(json.Unmarshal([]byte(data), &value), json.Unmarshal([]byte(data), &e.eventView)); err != nil {
			c.t.Fatalf("%q: %v", block, err)
		}
		if err := c.s.doc.Components.Schemas["ReindexJobEvent"].Value.VisitJSON(value); err != nil {
			c.t.Errorf("%s: not as documented: %v", data, err)
		}
		return e, true
	}
}

// until reads events up to one that is as wanted. None of them tells the same as the one before.
func (c *stream) until(wanted func(seen) bool) seen {
	c.t.Helper()
	last := ""
	for {
		e, ok := c.event()
		if !ok {
			c.t.Fatalf("the stream ended after %q", last)
		}
		if e.id == last {
			c.t.Errorf("%q was sent twice in a row", last)
		}
		if last = e.id; wanted(e) {
			return e
		}
	}
}

// stepwise is an engine over 100 products whose batches of 10 are written, one after the other, as often as something is sent to step,
// and all when it is closed.
func stepwise(t *testing.T) (e *reindex.Engine, step chan struct{}) {
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
	e, err := reindex.New(reindextest.Slice(reindextest.Products(100, "1")), ix, &reindex.Config{BatchDocs: 10, Workers: 1})
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
