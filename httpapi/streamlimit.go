package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"sync"
)

// streamSlots hands out the places of event streams. A tenant may have all that nobody else wants: if there is none left for a tenant that
// has fewer than another one, the stream that the one with the most has opened last gives its place up.
type streamSlots struct {
	most int

	mu       sync.Mutex
	taken    int
	byTenant map[string][]*streamSlot // in the order in which they were taken; tenants without streams are not in it
}

// streamSlot is a place.
type streamSlot struct {
	tenant string
	ended  chan struct{} // closed: the stream has to end, the place is another one's
}

func newStreamSlots(most int) *streamSlots {
	return &streamSlots{most: most, byTenant: map[string][]*streamSlot{}}
}

// take returns a place for a stream of the tenant, or the answer if there is none. It is given back with release.
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

// release gives a place back, unless it is another one's by now.
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

// errCannotFlush is why a client is not told of its job as that goes on.
var errCannotFlush = errors.New("an event stream cannot be flushed: the http.ResponseWriter of this request sends nothing before its handler " +
	"has returned, so that each client is told of the state of its job once and has to come back; give what wraps it a method " +
	"Unwrap() http.ResponseWriter, and keep http.TimeoutHandler away from …/events")

// canFlush reports whether what is written to w can be sent at once. It asks every layer that can be unwrapped, and writes nothing.
func canFlush(w http.ResponseWriter) bool {
	_, flushes := w.(http.Flusher)
	if !flushes {
		_, flushes = w.(interface{ FlushError() error })
	}
	wrapper, wraps := w.(interface{ Unwrap() http.ResponseWriter })
	if !wraps {
		return flushes
	}
	inner := wrapper.Unwrap() // a Flush method of a wrapper needs what it wraps
	return inner != nil && canFlush(inner)
}

// StopOnShutdown returns a channel that is closed as soon as server.Shutdown is called: for [Config].Stopping, so that the server does
// not wait for event streams, which last as long as their jobs.
func StopOnShutdown(server *http.Server) <-chan struct{} {
	stopping := make(chan struct{})
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return stopping
}
