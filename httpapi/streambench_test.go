//go:build unix

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"productindex/reindex"
)

// sink is an index that accepts every product and stores none.
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

// BenchmarkStreams measures what 500 open pages cost the run that they show. The pages are open before the first
// product is read. One of ten never reads. The pages are in another process, on the same processors. Runs without pages
// and runs with all pages take turns. A run takes about 7 s, as long as one of 50,000 products into bleve. Most of the
// cost comes from a page's first and last event and from its end, and does not depend on the length of the run: it is 6
// % of a run of 2 s.
//
//   - cpu-% is the difference of the medians of the runs' CPU times, including the kernel's. It counts this process,
//     which is the server, until the last page has received the end of the run.
//   - cost-% is the difference of the medians of the runs' wall times. It includes the pages' own work, and needs an
//     idle machine.
//   - open-ms is the server's CPU time for opening the pages before the run.
func BenchmarkStreams(b *testing.B) {
	const products, pages = 20_000_000, 500
	begin := make(chan struct{})
	e, err := reindex.New(waiting(begin, products), &sink{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Shutdown(context.Background())
	h, err := newHandler(e, Config{Authorizer: AllowAll, MaxStreams: pages})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	r := follower{b, e, h, begin, server.Listener.Addr().String()}
	var alone, followed, opening costs
	for b.Loop() {
		run, _ := r.run(0)
		alone.add(run)
		run, open := r.run(pages)
		followed.add(run)
		opening.add(open)
	}
	b.ReportMetric(100*(median(followed.took)/median(alone.took)-1), "cost-%")
	b.ReportMetric(100*(median(followed.used)/median(alone.used)-1), "cpu-%")
	b.ReportMetric(median(alone.took), "s/run")
	b.ReportMetric(1000*median(opening.used), "open-ms")
}

// waiting is a source of products that can be read after a value arrives from begin.
func waiting(begin <-chan struct{}, products int) reindex.Source {
	body := json.RawMessage(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
	return reindex.SourceFunc(func(ctx context.Context, _ string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			select {
			case <-begin:
			case <-ctx.Done():
			}
			for i := range products {
				if !yield(reindex.Product{ID: fmt.Sprint(i), Body: body}, nil) {
					return
				}
			}
		}
	})
}

// cost is a wall time and a CPU time.
type cost struct{ took, used time.Duration }

// since returns the cost from c until now.
func (c cost) since(b *testing.B) cost {
	now := clock(b)
	return cost{now.took - c.took, now.used - c.used}
}

// clock returns the time and the CPU time of this process.
func clock(b *testing.B) cost {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return cost{time.Since(started), time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
}

var started = time.Now()

type costs struct{ took, used []time.Duration }

func (c *costs) add(one cost) {
	c.took = append(c.took, one.took)
	c.used = append(c.used, one.used)
}

// median returns the median in seconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}

// follower starts runs and the pages that show them.
type follower struct {
	b       *testing.B
	e       *reindex.Engine
	h       *handler
	begin   chan struct{}
	address string
}

// run returns the cost of a run that this many pages show, and the cost of opening them.
func (f *follower) run(pages int) (run, open cost) {
	b := f.b
	b.Helper()
	runtime.GC() // each run begins with an empty heap
	job, _, err := f.e.StartWith(b.Context(), "acme", reindex.Options{})
	if err != nil {
		b.Fatal(err)
	}
	before := clock(b)
	if pages > 0 {
		defer openPages(b, f.address, job.ID, pages)()
		f.until(pages)
	}
	open = before.since(b)
	before = clock(b)
	f.begin <- struct{}{}
	for now, err := range f.e.Watch(b.Context(), "acme", job.ID) {
		if err != nil {
			b.Fatal(err)
		}
		job = now
	}
	run.took = before.since(b).took
	f.until(0)
	run.used = before.since(b).used
	if job.Status != reindex.StatusSuccess {
		b.Fatal(job.Status, job.Message)
	}
	return run, open
}

// until waits until this many streams are open.
func (f *follower) until(pages int) {
	f.b.Helper()
	timeout, look := time.After(patience), time.Tick(time.Millisecond)
	for f.h.streams.open() != pages {
		select {
		case <-look:
		case <-timeout:
			f.b.Fatalf("%d streams are open, want %d", f.h.streams.open(), pages)
		}
	}
}

// The environment of a process that opens pages.
const (
	pagesAddress = "PRODUCTINDEX_PAGES_ADDRESS"
	pagesPath    = "PRODUCTINDEX_PAGES_PATH"
	pagesNumber  = "PRODUCTINDEX_PAGES"
)

// openPages starts a process that opens pages of a job. The returned function waits for their ends.
func openPages(b *testing.B, address, id string, pages int) (wait func()) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestOpenPages$")
	cmd.Env = append(os.Environ(), pagesAddress+"="+address, pagesPath+"="+jobsPath+"/"+id+"/events",
		pagesNumber+"="+strconv.Itoa(pages))
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := cmd.Wait(); err != nil {
			b.Errorf("the process of the pages: got error %v, want none: %s", err, out)
		}
	}
}

// TestOpenPages is what the process of openPages runs: pages that read until their streams end, except for one of ten,
// which does not read.
func TestOpenPages(t *testing.T) {
	address := os.Getenv(pagesAddress)
	if address == "" {
		t.Skip("for BenchmarkStreams")
	}
	pages, err := strconv.Atoi(os.Getenv(pagesNumber))
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	for i := range pages {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", os.Getenv(pagesPath))
		if i%10 > 0 {
			reading.Go(func() {
				if n, err := io.Copy(io.Discard, conn); n == 0 || err != nil {
					t.Errorf("a page has read %d bytes, error %v; want some", n, err)
				}
			})
		}
	}
	reading.Wait()
}
