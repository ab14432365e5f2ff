package httpapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"sync"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/httpapi/internal/recovered"
	"productindex/reindex"
)

const (
	// reconnect is how long clients wait before they come back after a stream has broken.
	reconnect = "retry: 2000\n"
	// reconnectLater is for clients that get one state only.
	reconnectLater = "retry: 5000\n"
	// heartbeat is a comment, which clients ignore. Neither has an empty line after it, which some clients would see as an
	// event.
	heartbeat = ":\n"
)

// eventStream sends the states of one job to one client.
type eventStream struct {
	cfg     *Config
	control *http.ResponseController
	shown   func(reindex.Job) jobquery.Job
	slots   *streamSlots
	last    string          // the id of the state that the client knows
	taken   <-chan struct{} // closed: its place is another one's
	failure error           // of the engine, or of a wrapper that does not flush; it does not reach the client

	mu   sync.Mutex // held while something is written
	w    http.ResponseWriter
	sent int64 // bytes
}

// watch is Engine.Watch.
type watch func(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error]

// run sends the states of the job until it has ended, the client is gone, the request's context ends, the server stops,
// the place is taken or the engine fails. Its error is that of the connection.
func (s *eventStream) run(request context.Context, follow watch, tenant string, job reindex.Job) error {
	// The last write of net/http has a deadline of its own.
	defer func() { _ = s.control.SetWriteDeadline(time.Now().Add(s.cfg.StreamWriteTimeout)) }()
	err := s.write([]byte(reconnect))
	if errors.Is(err, errors.ErrUnsupported) {
		return s.once(job)
	}
	if err != nil {
		return err
	}
	// The request's body has been read. The client now sends nothing for long, so no read deadline applies until net/http
	// reads the next request.
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
	defer recovered.Into(&s.failure)
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
		if err := s.show(job); err != nil || job.Status.Ended() {
			return err
		}
		pause(ctx, s.slots.spread(s.cfg.StreamInterval))
	}
	return nil
}

// once sends one state only, because a wrapper did not flush as it had promised.
func (s *eventStream) once(job reindex.Job) error {
	s.failure = errCannotFlush
	text, err := onceText(s.shown(job), s.last)
	if err != nil {
		return err
	}
	return s.put(text)
}

// pause waits, and reports whether all of the time has passed.
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

// beat writes heartbeats until ctx ends or a write fails.
func (s *eventStream) beat(ctx context.Context) error {
	for pause(ctx, s.cfg.StreamHeartbeat) {
		if err := s.write([]byte(heartbeat)); err != nil {
			return err
		}
	}
	return nil
}

// show writes an event, unless the client knows the state.
func (s *eventStream) show(job reindex.Job) error {
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

// write sends text at once. It removes the deadline afterwards, since HTTP/2 would reset an idle stream at that time.
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

// setDeadline sets a deadline if the connection supports them.
func (s *eventStream) setDeadline(set func(time.Time) error, deadline time.Time) error {
	if err := set(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
