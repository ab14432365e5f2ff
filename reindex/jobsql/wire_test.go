package jobsql

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// wire is the way to the database, which can be cut, also between a request and its answer.
type wire struct {
	mu     sync.Mutex
	isCut  bool
	conns  []net.Conn
	doomed func(request []byte) bool // whose answer gets lost; nil: none's
	before bool                      // the request itself gets lost
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut {
		return nil, errors.New("connection refused")
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.conns = append(w.conns, c)
	return &lossy{Conn: c, wire: w}, nil
}

// set cuts the wire, with all connections over it, or mends it.
func (w *wire) set(isCut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = isCut
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// lose makes the connection end between the next request of a kind and its answer: the database has done what it was
// asked to then.
func (w *wire) lose(kind func(request []byte) bool) { w.fail(false, kind) }

// fail is lose, or makes the connection end before the database gets the request.
func (w *wire) fail(before bool, kind func(request []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doomed, w.before = kind, before
}

// armed reports whether an answer is still to get lost.
func (w *wire) armed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doomed != nil
}

// lossy is one of the wire's connections.
type lossy struct {
	net.Conn

	wire *wire
	lost atomic.Bool
}

func (l *lossy) Write(p []byte) (int, error) {
	lost, before := l.doomed(p)
	if before {
		_ = l.Close()
		return 0, io.ErrClosedPipe
	}
	if lost {
		l.lost.Store(true)
	}
	return l.Conn.Write(p)
}

// doomed reports whether the answer to a request is to get lost, or the request itself.
func (l *lossy) doomed(request []byte) (lost, before bool) {
	w := l.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doomed == nil || !w.doomed(request) {
		return false, false
	}
	w.doomed = nil
	return !w.before, w.before
}

func (l *lossy) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.lost.Load() {
		_ = l.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// openWired opens the database over a wire, as a user with a password.
func openWired(t *testing.T, d database, lease time.Duration) (*Store, *wire) {
	t.Helper()
	cfg, err := pgx.ParseConfig(d.dsn + " password=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	cfg.DialFunc = w.dial
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(t.Context(), db, &Config{Dialect: PostgreSQL, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}
