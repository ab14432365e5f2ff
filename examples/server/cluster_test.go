//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"productindex/reindex/reindextest"
)

// startElasticsearch returns the URL of an Elasticsearch that all tests share. It is the URL in ELASTICSEARCH_URL, or
// that of a server which it starts. Each test uses its own prefix.
func startElasticsearch(t *testing.T) string {
	t.Helper()
	if external := os.Getenv("ELASTICSEARCH_URL"); external != "" {
		return external
	}
	for _, program := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("a JDK and Maven are needed to run an Elasticsearch, or ELASTICSEARCH_URL: ", err)
		}
	}
	address, err := runElasticsearch()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// runElasticsearch runs an Elasticsearch until the end of the package's tests.
var runElasticsearch = sync.OnceValues(func() (address string, err error) {
	dir, err := os.MkdirTemp("", "esserver-")
	if err != nil {
		return "", err
	}
	shared = append(shared, func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "esserver")
	build := exec.Command("go", "build", "-o", program, "productindex/backends/esindex/internal/esserver")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	cmd := exec.Command(program, "-quick")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	shared = append(shared, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanf(out, "export ELASTICSEARCH_URL=%s", &address); err != nil {
		return "", fmt.Errorf("the Elasticsearch does not start: %w", err)
	}
	return address, nil
})

// event is a request from a server to Elasticsearch, or the answer to it.
type event struct {
	*http.Request

	answered bool
	sealed   bool // the server has begun to seal an index
}

// isWrite reports whether the request writes products. The trial at the beginning of a run does not count; it requests
// the whole answer.
func (e event) isWrite() bool {
	return !e.answered && strings.HasSuffix(e.URL.Path, "/_bulk") && e.URL.Query().Has("filter_path")
}

// isSwitch reports whether the request makes a new index live. Its rehearsal does not count.
func (e event) isSwitch() bool {
	return !e.answered && e.sealed && e.Method == http.MethodPost && e.URL.Path == "/_aliases"
}

// wire is a proxy between a server and Elasticsearch. It calls the hook at each event, and continues when the hook
// returns.
type wire struct {
	url  string
	hook atomic.Pointer[func(event)]

	sealed atomic.Bool // whether the server has begun to seal an index since the hook was set
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	address, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(address) }, Transport: transport,
		ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(r *http.Response) error {
			w.happens(event{Request: r.Request, answered: true})
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.happens(event{Request: r})
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	w.url = server.URL
	return w
}

func (w *wire) happens(e event) {
	if strings.HasSuffix(e.URL.Path, "/_flush") {
		w.sealed.Store(true)
	}
	e.sealed = w.sealed.Load()
	if hook := w.hook.Load(); hook != nil {
		(*hook)(e)
	}
}

// set sets the hook. If it is nil, nothing is delayed.
func (w *wire) set(hook func(event)) {
	w.sealed.Store(false)
	if hook == nil {
		w.hook.Store(nil)
		return
	}
	w.hook.Store(&hook)
}

const (
	sharedLease = 1500 * time.Millisecond
	sharedSize  = 200 // products of each catalogue
)

// cluster has two servers that share jobs and an index.
type cluster struct {
	tenant     string
	prefix     string // of its indexes
	catalogues string
	env        []string
	wires      [2]*wire
	servers    [2]*server
	search     func(ctx context.Context, tenant string, q question) (found, error) // does not use the servers
}

// newCluster starts two servers and reindexes a tenant, so that it has a live index.
func newCluster(t *testing.T, tenant, elasticsearchURL, jobs string) *cluster {
	t.Helper()
	prefix := "shared" + strings.ToLower(rand.Text())
	index, err := openElasticsearch(config{Elasticsearch: elasticsearch{URL: elasticsearchURL, Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.close() })
	c := &cluster{tenant: tenant, prefix: prefix, catalogues: t.TempDir(), search: index.search}
	c.env = []string{
		"PRODUCTINDEX_CATALOGUES=" + c.catalogues, "PRODUCTINDEX_BACKEND=elasticsearch",
		"PRODUCTINDEX_KEEP_PREVIOUS=0", "ELASTICSEARCH_PREFIX=" + prefix,
		"PRODUCTINDEX_JOBS=" + jobs, "PRODUCTINDEX_JOBS_LEASE=" + sharedLease.String(), "PRODUCTINDEX_TRIGGERS_PER_MINUTE=0",
	}
	for i := range c.servers {
		c.wires[i] = newWire(t, elasticsearchURL)
		c.start(t, i)
	}
	c.succeed(t, 0, "first")
	return c
}

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	c.servers[i] = start(t, append([]string{"ELASTICSEARCH_URL=" + c.wires[i].url}, c.env...)...)
}

// stop stops both servers and checks that they end without an error.
func (c *cluster) stop(t *testing.T) {
	t.Helper()
	for _, s := range c.servers {
		s.stop(t)
	}
}

// write replaces the catalogue by another revision.
func (c *cluster) write(t *testing.T, rev string) {
	t.Helper()
	writeCatalogue(t, c.catalogues, c.tenant, reindextest.Products(sharedSize, rev))
}

// succeed writes a revision, reindexes it through one of the servers, and checks that it is live.
func (c *cluster) succeed(t *testing.T, i int, rev string) {
	t.Helper()
	c.write(t, rev)
	j, isNew := c.servers[i].trigger(t, c.tenant)
	if end := c.servers[i].awaitEnd(t, c.tenant, j.ID); !isNew || end.Status != "SUCCESS" {
		t.Fatalf("the job is new: %v, and is %+v, want a new one and SUCCESS", isNew, end)
	}
	c.assertLive(t, rev)
}

func (c *cluster) count(t *testing.T, query string) int64 {
	t.Helper()
	answer, err := c.search(t.Context(), c.tenant, question{Text: query})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Total
}

// assertLive checks that exactly one of the revisions is live, and complete.
func (c *cluster) assertLive(t *testing.T, revs ...string) {
	t.Helper()
	all, found := c.count(t, ""), int64(0)
	for _, rev := range revs {
		if n := c.count(t, rev); n != 0 && n != sharedSize {
			t.Errorf("%d products of revision %s are live, want none or %d", n, rev, sharedSize)
		} else {
			found += n
		}
	}
	if all != sharedSize || found != sharedSize {
		t.Errorf("%d products are live, %d of the revisions %v; want %d", all, found, revs, sharedSize)
	}
}

// watch searches repeatedly and checks that the live index is complete, until it is stopped.
func (c *cluster) watch(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		searches, ticker := 0, time.NewTicker(10*time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			answer, err := c.search(ctx, c.tenant, question{})
			if ctx.Err() == nil && (err != nil || answer.Total != sharedSize) {
				t.Errorf("a search finds %d products, error %v; want %d", answer.Total, err, sharedSize)
			}
			searches++
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
		t.Logf("%d searches", searches)
	})
	return func() {
		cancel()
		watching.Wait()
	}
}
