package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// freeStreams is the number of streams that one interval between two events can serve. Twice as many streams get twice
// the interval, and so on.
const freeStreams = 50

// streamSlots manages the places of event streams. A tenant may have all the places that no other tenant wants. If no
// place is left for a tenant that has fewer than another one, the newest stream of the tenant with the most places
// loses its place.
type streamSlots struct {
	most int

	mu       sync.Mutex
	taken    int
	byTenant map[string][]*streamSlot // in the order in which they were taken; tenants without streams are not in it
}

// streamSlot is a place.
type streamSlot struct {
	tenant string
	ended  chan struct{} // closed when the stream has to end, since its place has been taken
}

func newStreamSlots(most int) *streamSlots {
	return &streamSlots{most: most, byTenant: map[string][]*streamSlot{}}
}

// take returns a place for a stream of the tenant, or the answer if there is none. The caller gives it back with
// release.
func (s *streamSlots) take(tenant string) (*streamSlot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.most {
		largest := s.largest()
		if len(largest) <= len(s.byTenant[tenant])+1 {
			return nil, tooManyStreams()
		}
		last := largest[len(largest)-1]
		close(last.ended)
		s.remove(last)
	}
	slot := &streamSlot{tenant, make(chan struct{})}
	s.taken++
	s.byTenant[tenant] = append(s.byTenant[tenant], slot)
	return slot, nil
}

// open returns the number of open streams.
func (s *streamSlots) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// spread returns the time between two events of a stream. It is interval for few streams. It grows with their number,
// so that all streams together get about as many events as freeStreams streams do at that interval.
func (s *streamSlots) spread(interval time.Duration) time.Duration {
	return interval * time.Duration(max(1, s.open()/freeStreams))
}

// largest returns the places of the tenant that has the most.
func (s *streamSlots) largest() []*streamSlot {
	var largest []*streamSlot
	for _, slots := range s.byTenant {
		if len(slots) > len(largest) {
			largest = slots
		}
	}
	return largest
}

// release gives a place back, unless it has been taken.
func (s *streamSlots) release(slot *streamSlot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-slot.ended:
	default:
		s.remove(slot)
	}
}

func (s *streamSlots) remove(slot *streamSlot) {
	s.taken--
	left := slices.DeleteFunc(s.byTenant[slot.tenant], func(other *streamSlot) bool { return other == slot })
	if s.byTenant[slot.tenant] = left; len(left) == 0 {
		delete(s.byTenant, slot.tenant)
	}
}

func tooManyStreams() error {
	p := invalid(MessageTooManyStreams, "Try again later, or look the job up from time to time")
	p.retryAfter = streamWait
	return p
}

// errCannotFlush is the reason why a client gets only one state of its job.
var errCannotFlush = errors.New(
	"an event stream cannot be flushed: the http.ResponseWriter of this request sends nothing before its handler " +
		"has returned, so each client gets the state of its job once and has to come back; give the wrapper a method " +
		"Unwrap() http.ResponseWriter, and keep http.TimeoutHandler away from …/events",
)

// canFlush reports whether a write to w can be flushed. It asks every layer that can be unwrapped, and writes nothing.
func canFlush(w http.ResponseWriter) bool {
	_, flushes := w.(http.Flusher)
	if !flushes {
		_, flushes = w.(interface{ FlushError() error })
	}
	wrapper, wraps := w.(interface{ Unwrap() http.ResponseWriter })
	if !wraps {
		return flushes
	}
	inner := wrapper.Unwrap() // a Flush method of a wrapper needs the wrapped writer
	return inner != nil && canFlush(inner)
}

// StopOnShutdown returns a channel for [Config].Stopping that is closed as soon as server.Shutdown is called. Without
// it, Shutdown waits for event streams, which last as long as their jobs.
func StopOnShutdown(server *http.Server) <-chan struct{} {
	stopping := make(chan struct{})
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return stopping
}
