package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

const (
	// reconnect sets the time after which clients come back when a stream has broken, in milliseconds.
	reconnect = "retry: 2000\n"
	// reconnectLater sets that time for clients that get one state only.
	reconnectLater = "retry: 5000\n"
	// heartbeat is a comment, which clients ignore. No empty line follows any of these three, since some clients would see
	// it as an event.
	heartbeat = ":\n"
)

// eventStream sends the states of one job to one client.
type eventStream struct {
	cfg     *Config
	control *http.ResponseController
	shown   func(reindex.Job) jobquery.Job
	last    string          // the id of the state that the client knows
	taken   <-chan struct{} // closed when another stream gets its place
	failure error           // of the engine, or of a wrapper that does not flush; it does not reach the client

	w    http.ResponseWriter
	sent int64 // bytes
}

// run sends the states of the job until it has ended, the client is gone, the request's context ends, the server stops,
// the place is taken or the engine fails. Its error is that of the connection.
func (s *eventStream) run(ctx context.Context, f *feed, job reindex.Job) error {
	// The last write of net/http has a deadline of its own.
	defer func() { _ = s.control.SetWriteDeadline(time.Now().Add(s.cfg.StreamWriteTimeout)) }()
	err := s.write([]byte(reconnect))
	if errors.Is(err, errors.ErrUnsupported) {
		return s.once(job)
	}
	if err != nil {
		return err
	}
	// The request's body has been read. The client now sends nothing for a long time, so no read deadline applies until
	// net/http reads the next request.
	if err := s.setDeadline(s.control.SetReadDeadline, time.Time{}); err != nil {
		return err
	}
	defer func() { _ = s.control.SetReadDeadline(time.Now().Add(s.cfg.ReadTimeout)) }()
	return s.follow(ctx, f)
}

// follow sends each state that the client does not know, the latest one if it was slow, and heartbeats.
func (s *eventStream) follow(ctx context.Context, f *feed) error {
	beat := time.NewTicker(s.cfg.StreamHeartbeat)
	defer beat.Stop()
	for {
		state, changed := f.latest()
		if state.id != "" && state.id != s.last {
			s.last = state.id
			if err := s.write(state.event); err != nil {
				return err
			}
		}
		if state.over {
			s.failure = state.failure
			return nil
		}
		select {
		case <-changed:
		case <-beat.C:
			if err := s.write([]byte(heartbeat)); err != nil {
				return err
			}
		case <-s.cfg.Stopping:
			return nil
		case <-s.taken:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// once sends a single state, since a wrapper did not flush although it seemed to be able to.
func (s *eventStream) once(job reindex.Job) error {
	s.failure = errCannotFlush
	text, err := onceText(s.shown(job), s.last)
	if err != nil {
		return err
	}
	return s.put(text)
}

// write sends text at once. It removes the deadline afterwards, since HTTP/2 would reset an idle stream at that time.
func (s *eventStream) write(text []byte) error {
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
