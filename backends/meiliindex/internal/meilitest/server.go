// Package meilitest emulates the part of the Meilisearch protocol that package meiliindex uses. An emulated server runs
// in the process of a test and listens on a real socket. The tests of this package compare its answers with those that
// were recorded from a real server.
package meilitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// MasterKey is the key with all rights on every Server.
const MasterKey = "master-key-of-the-emulator"

// DefaultPayloadLimit is the initial PayloadLimit of a Server, in bytes.
const DefaultPayloadLimit = 100_000_000

// Server is an emulated Meilisearch. Its exported fields are set before the first request. Its methods are safe for
// concurrent use.
type Server struct {
	// URL is the address of the server, without a path.
	URL string
	// PayloadLimit is the size of the largest accepted body after decompression, in bytes.
	PayloadLimit int
	// Version is the version in the answer to GET /version. A server before 1.18 cannot rename indexes in swaps.
	Version string

	http    *httptest.Server
	stopped chan struct{}

	mu           sync.Mutex
	fault        func(r *http.Request) *Fault
	taskFault    func(kind, index string) *TaskError
	changed      *sync.Cond // signals changes of tasks and holds, and closed
	closed       bool
	paused       bool
	stop         bool // the current batch has to start over
	held         map[int]bool
	current      []*task // the current batch
	tasks        []*task // by uid
	firstOpen    int     // all tasks before it have ended
	nextTaskUID  int
	nextBatchUID int
	indexes      map[string]*index
	lastCreated  time.Time
	keys         []*key
}

// Fault is an injected failure of a request.
type Fault struct {
	// Status and Body are the answer. If Status is 0, the connection is closed without an answer.
	Status int
	Body   string
	// After makes the server process the request before it fails.
	After bool
}

// New starts a server. The caller must call Close.
func New() *Server {
	s := &Server{
		PayloadLimit: DefaultPayloadLimit, Version: "1.50.0",
		stopped: make(chan struct{}), held: map[int]bool{}, indexes: map[string]*index{}, keys: defaultKeys(),
	}
	s.changed = sync.NewCond(&s.mu)
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	go s.run()
	return s
}

// Close stops the server, and waits until it has stopped.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	<-s.stopped
	s.http.Close()
}

// SetFault makes the server call f before it serves a request. If f returns a Fault, the request fails with it. f must
// be safe for concurrent use. A nil f ends the faults.
func (s *Server) SetFault(f func(r *http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetTaskFault makes the server call f before it processes a task. If f returns an error, the task fails with it. A nil
// f ends the faults.
func (s *Server) SetTaskFault(f func(kind, index string) *TaskError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taskFault = f
}

// Pause keeps new tasks waiting until Resume, so that they can share a batch.
func (s *Server) Pause() { s.setPaused(true) }

// Resume ends a Pause.
func (s *Server) Resume() { s.setPaused(false) }

func (s *Server) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
	s.changed.Broadcast()
}

// Hold keeps the batch of the task with that uid in processing until Release.
func (s *Server) Hold(uid int) { s.setHeld(uid, true) }

// Release ends a Hold.
func (s *Server) Release(uid int) { s.setHeld(uid, false) }

func (s *Server) setHeld(uid int, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[uid] = held
	s.changed.Broadcast()
}

// Restart emulates a restart of the server: it closes all connections, and the current batch starts over.
func (s *Server) Restart() {
	s.mu.Lock()
	s.stop = true
	s.changed.Broadcast()
	s.mu.Unlock()
	s.http.CloseClientConnections()
}

// Task returns the state of a task, or "" if the task does not exist. It also returns the number of tasks enqueued so
// far.
func (s *Server) Task(uid int) (status string, enqueued int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status(uid), s.nextTaskUID
}

// Tasks returns the number of tasks of a type, ended ones included.
func (s *Server) Tasks(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, t := range s.tasks {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// Payloads returns the sizes of the payloads that have added documents, in bytes, in the order of their tasks.
func (s *Server) Payloads() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sizes []int
	for _, t := range s.tasks {
		if t.kind == typeDocuments {
			sizes = append(sizes, t.bytes)
		}
	}
	return sizes
}

// Indexes returns the sorted uids of all indexes.
func (s *Server) Indexes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sortedIndexes()
}

func (s *Server) status(uid int) string {
	if t := s.task(uid); t != nil {
		return t.status
	}
	return ""
}

// Wait waits until the condition is true for the status of a task, or ctx ends.
func (s *Server) Wait(ctx context.Context, uid int, condition func(status string) bool) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !condition(s.status(uid)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.changed.Wait()
	}
	return nil
}

// Ended is a condition for Wait. It reports whether the task has ended, or does not exist.
func Ended(status string) bool { return status != Enqueued && status != Processing }
