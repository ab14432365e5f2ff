//go:build unix

package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"productindex/reindex"
)

// sink is an index that takes everything and keeps nothing.
type sink struct{ n atomic.Int64 }

func (x *sink) Begin(context.Context, string) (reindex.Generation, error) {
	x.n.Store(0)
	return x, nil
}

func (x *sink) Write(_ context.Context, batch []reindex.Product) error {
	x.n.Add(int64(len(batch)))
	return nil
}

func (x *sink) Flush(context.Context) ([]reindex.ItemError, error) { return nil, nil }
func (x *sink) Name() string                                       { return "sink" }
func (x *sink) Seal(context.Context) (reindex.Sealed, error) {
	return reindex.Sealed{Documents: x.n.Load(), Live: -1}, nil
}
func (x *sink) Commit(context.Context) error { return nil }
func (x *sink) Abort(context.Context) error  { return nil }

// BenchmarkStreams measures the cost of 500 clients that follow a run, the clients' own work in this process included:
// runs that nobody follows and runs that all follow take turns. cost-% is by how much the medians of their lengths
// differ, cpu-% the same of the time of the processor, which other programs on the machine distort less. Each run keeps
// both sides of the pipeline busy. One client of ten never reads.
func BenchmarkStreams(b *testing.B) {
	const products, clients = 6_000_000, 500
	body := json.RawMessage(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
	source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for i := range products {
				if !yield(reindex.Product{ID: fmt.Sprint(i), Body: body}, nil) {
					return
				}
			}
		}
	})
	e, err := reindex.New(source, &sink{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Shutdown(context.Background())
	h, err := newHandler(e, Config{Authorizer: AllowAll, MaxStreams: clients})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	var alone, followed, aloneCPU, followedCPU []time.Duration
	for b.Loop() {
		took, used := run(b, e, nil)
		alone, aloneCPU = append(alone, took), append(aloneCPU, used)
		took, used = run(b, e, func(job reindex.Job) (stop func()) {
			return followers(b, server.Listener.Addr().String(), job.ID, clients)
		})
		followed, followedCPU = append(followed, took), append(followedCPU, used)
	}
	b.ReportMetric(100*(median(followed)/median(alone)-1), "cost-%")
	b.ReportMetric(100*(median(followedCPU)/median(aloneCPU)-1), "cpu-%")
	b.ReportMetric(median(alone), "s/run")
}

// median returns the middle one in seconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}

// processorTime returns the time that the process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// run returns how long a run takes, and how much of the processor's time, after watch, if there is one, has been
// called.
func run(b *testing.B, e *reindex.Engine, watch func(reindex.Job) (stop func())) (took, used time.Duration) {
	b.Helper()
	runtime.GC() // each run begins with an empty heap
	before := processorTime(b)
	job, _, err := e.StartWith(b.Context(), "acme", reindex.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if watch != nil {
		defer watch(job)()
	}
	for now, err := range e.Watch(b.Context(), "acme", job.ID) {
		if err != nil {
			b.Fatal(err)
		}
		job = now
	}
	if job.Status != reindex.StatusSuccess {
		b.Fatal(job.Status, job.Message)
	}
	return job.Report.Durations.Total, processorTime(b) - before
}

// followers opens streams of a job, and returns what waits for their ends.
func followers(b *testing.B, address, id string, n int) (stop func()) {
	b.Helper()
	var reading sync.WaitGroup
	var open []net.Conn
	for i := range n {
		conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, conn)
		fmt.Fprintf(conn, "GET %s/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", jobsPath, id)
		if i%10 > 0 {
			reading.Go(func() { _, _ = io.Copy(io.Discard, conn) })
		}
	}
	return func() {
		for _, conn := range open {
			_ = conn.Close()
		}
		reading.Wait()
	}
}
