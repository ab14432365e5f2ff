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

// wire is the network between a client and the database. It can be cut, even between a request and its answer.
type wire struct {
	mu     sync.Mutex
	isCut  bool
	conns  []net.Conn
	doomed func(request []byte) bool // selects the request whose answer will be lost; nil selects none
	before bool                      // the request itself is lost, not only its answer
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

// set cuts the wire or mends it. Both end all connections over it.
func (w *wire) set(isCut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = isCut
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// lose makes the connection end after the next request of the kind, before its answer. The database executes the
// request.
func (w *wire) lose(kind func(request []byte) bool) { w.fail(false, kind) }

// fail does the same as lose. If before is true, the connection ends before the database gets the request.
func (w *wire) fail(before bool, kind func(request []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doomed, w.before = kind, before
}

// armed reports whether the request that lose or fail waits for has not come yet.
func (w *wire) armed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doomed != nil
}

// lossy is a connection over the wire.
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

// doomed reports whether a request or its answer is to be lost.
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

// openWired returns a store that reaches the database over a wire, with a password.
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
