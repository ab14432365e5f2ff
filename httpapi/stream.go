package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

const (
	// reconnect tells clients how long to wait before they come back when a stream has broken.
	reconnect = "retry: 2000\n"
	// reconnectLater is for clients that are told of one state only.
	reconnectLater = "retry: 5000\n"
	// heartbeat is a comment, which clients ignore. Neither has an empty line after it: some clients would take that for an event.
	heartbeat = ":\n"
)

// eventStream tells one client of one job.
type eventStream struct {
	cfg     *Config
	control *http.ResponseController
	shown   func(reindex.Job) jobquery.Job
	last    string          // the id of the state that the client knows
	taken   <-chan struct{} // closed: its place is another one's
	failure error           // of the engine, or of what is in the way; it does not reach the client

	mu   sync.Mutex // held while something is written
	w    http.ResponseWriter
	sent int64 // bytes
}

// watch is Engine.Watch.
type watch func(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error]

// run sends the states of the job until it has ended, the client is gone, the request's context ends, the server stops,
// the place is taken or the engine fails. Its error is that of the connection.
func (s *eventStream) run(request context.Context, follow watch, tenant string, job reindex.Job) error {
	defer func() { _ = s.control.SetWriteDeadline(time.Now().Add(s.cfg.StreamWriteTimeout)) }() // for what net/http writes last
	err := s.write([]byte(reconnect))
	if errors.Is(err, errors.ErrUnsupported) {
		return s.once(job)
	}
	if err != nil {
		return err
	}
	// Whatever the request had for a body has been dealt with. A client that says nothing for long is what is expected now, until
	// net/http reads what may have come meanwhile.
	if err := s.setDeadline(s.control.SetReadDeadline, time.Time{}); err != nil {
		return err
	}
	defer func() { _ = s.control.SetReadDeadline(time.Now().Add(s.cfg.ReadTimeout)) }()

	request, hangUp := context.WithCancel(request)
	defer hangUp()
	ctx, stop := context.WithCancelCause(request)
	var watchers sync.WaitGroup
	watchers.Go(func() { stop(s.beat(ctx)) })
	watchers.Go(func() {
		select {
		case <-s.cfg.Stopping:
			hangUp()
		case <-s.taken:
			hangUp()
		case <-ctx.Done():
		}
	})
	defer watchers.Wait()
	defer stop(nil)
	defer func() {
		if v := recover(); v != nil {
			s.failure = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	for job, err := range follow(ctx, tenant, job.ID) {
		switch {
		case request.Err() != nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			s.failure = err
			return nil
		}
		if err := s.tell(job); err != nil || job.Status.Ended() {
			return err
		}
		pause(ctx, s.cfg.StreamInterval)
	}
	return nil
}

// once sends the state alone: a wrapper turned out not to flush what it promised to.
func (s *eventStream) once(job reindex.Job) error {
	s.failure = errCannotFlush
	text, err := onceText(s.shown(job), s.last)
	if err != nil {
		return err
	}
	return s.put(text)
}

// pause reports whether all of the time has passed.
func pause(ctx context.Context, while time.Duration) bool {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// beat writes heartbeats until ctx ends or one can not be written.
func (s *eventStream) beat(ctx context.Context) error {
	for pause(ctx, s.cfg.StreamHeartbeat) {
		if err := s.write([]byte(heartbeat)); err != nil {
			return err
		}
	}
	return nil
}

// tell writes an event, unless the client knows.
func (s *eventStream) tell(job reindex.Job) error {
	shown := s.shown(job)
	if eventID(shown) == s.last {
		return nil
	}
	text, err := event(shown)
	if err != nil {
		return err
	}
	s.last = eventID(shown)
	return s.write(text)
}

// write sends text at once. No deadline is left: HTTP/2 would reset the stream at that time, with nothing to be written.
func (s *eventStream) write(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.setDeadline(s.control.SetWriteDeadline, time.Now().Add(s.cfg.StreamWriteTimeout)); err != nil {
		return err
	}
	if err := s.put(text); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	return s.setDeadline(s.control.SetWriteDeadline, time.Time{})
}

// put writes text.
func (s *eventStream) put(text []byte) error {
	n, err := s.w.Write(text)
	s.sent += int64(n)
	return err
}

// setDeadline sets a deadline where the connection has them.
func (s *eventStream) setDeadline(set func(time.Time) error, deadline time.Time) error {
	if err := set(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
