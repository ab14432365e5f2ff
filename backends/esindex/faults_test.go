package esindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/rs/zerolog"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// faultRuns returns the number of runs with injected faults. There are fewer outside CI, and on OpenSearch. The tests
// of meiliindex make 200, since its emulator answers faster.
func faultRuns(server *estest.Server) uint64 {
	if server.Release.Family == "opensearch" {
		return uint64(reindextest.Seeds(12, 20))
	}
	return uint64(reindextest.Seeds(12, 80))
}

// toxics are faults of connections to the server. Each has a proxy of its own.
var toxics = []string{
	`{"type":"limit_data","stream":"upstream","attributes":{"bytes":900}}`,
	`{"type":"limit_data","stream":"downstream","attributes":{"bytes":40}}`,
	`{"type":"limit_data","stream":"downstream","attributes":{"bytes":150}}`,
	`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`,
	`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`,
	`{"type":"latency","stream":"downstream","attributes":{"latency":20}}`,
}

// startProxies starts a proxy to the server for each of the toxics, and returns the addresses of the proxies.
func startProxies(t *testing.T, server *estest.Server) []string {
	t.Helper()
	upstream, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	var addresses []string
	for i, toxic := range toxics {
		proxy := toxiproxy.NewProxy(api, fmt.Sprint(i), "127.0.0.1:0", upstream.Host)
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Stop)
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, proxy.Listen)
	}
	return addresses
}

// chaos is a transport to the server that makes some of the requests fail.
type chaos struct {
	direct, once http.RoundTripper
	proxies      []string

	mu     sync.Mutex
	rng    *rand.Rand
	late   func() // sends a request that has already failed for the client; nil if there is none
	lateIn int    // the number of requests before that
	counts map[string]int
}

// lateCall sends the late request if it is due, or if now is set.
func (c *chaos) lateCall(now bool) {
	c.mu.Lock()
	c.lateIn--
	late := c.late
	if late == nil || c.lateIn > 0 && !now {
		c.mu.Unlock()
		return
	}
	c.late = nil
	c.mu.Unlock()
	late()
}

func (c *chaos) RoundTrip(req *http.Request) (*http.Response, error) {
	c.lateCall(false)
	aliases, bulk := strings.HasSuffix(req.URL.Path, "/_aliases"), strings.HasSuffix(req.URL.Path, "/_bulk")
	c.mu.Lock()
	dice, route, products := c.rng.IntN(20), c.rng.IntN(len(c.proxies)), 1+c.rng.IntN(10)
	what := ""
	switch {
	case aliases && dice < 4:
		what = "lost"
	case aliases && dice < 8 && c.late == nil:
		what = "late"
		c.lateIn = 1 + c.rng.IntN(4)
	case bulk && dice < 2:
		what = "413"
	case dice < 4:
		what = "429"
	case dice < 5:
		what = "503"
	case dice < 8:
		what = toxics[route]
	}
	c.counts[what]++
	c.mu.Unlock()
	switch what {
	case "":
		return c.direct.RoundTrip(req)
	case "lost":
		return c.lost(req)
	case "late":
		return c.later(req)
	case "413":
		if req.ContentLength < int64(products*100) {
			return c.direct.RoundTrip(req)
		}
		return refuse(req, http.StatusRequestEntityTooLarge, "<html>too large</html>")
	case "429":
		return refuse(req, http.StatusTooManyRequests,
			`{"error":{"type":"es_rejected_execution_exception","reason":"injected"},"status":429}`)
	case "503":
		return refuse(req, http.StatusServiceUnavailable, "no server is available")
	default:
		req.URL.Host = c.proxies[route]
		return c.once.RoundTrip(req)
	}
}

var errInjected = fmt.Errorf("injected: %w", syscall.ECONNRESET)

// lost sends the request, and loses the answer.
func (c *chaos) lost(req *http.Request) (*http.Response, error) {
	res, err := c.direct.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return nil, errors.Join(errInjected, err, res.Body.Close())
}

// later makes the request fail for the client, and keeps it to be sent later.
func (c *chaos) later(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	again := req.Clone(context.WithoutCancel(req.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = func() {
		if res, err := c.direct.RoundTrip(again); err == nil {
			_ = res.Body.Close()
		}
	}
	return nil, errInjected
}

func refuse(req *http.Request, status int, body string) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{
		StatusCode: status, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Retry-After": {"0"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// strands is the number of tenants that run concurrently. They spend most of their time waiting for the server.
const strands = 4

// Whatever the faults between the engine and the server, the alias points to exactly one complete index: the new one
// after a successful run, and the old one after a failed run. Every product is accounted for.
func TestFaults(t *testing.T) {
	server := estest.Plain(t)
	proxies := startProxies(t, server)
	runs := faultRuns(server)
	var succeeded atomic.Int64
	t.Run("strands", func(t *testing.T) {
		for first := range uint64(strands) {
			t.Run(fmt.Sprint(first), func(t *testing.T) {
				t.Parallel()
				s := newStrand(t, server, proxies)
				for seed := first; seed < runs && !t.Failed(); seed += strands {
					s.reindex(t, seed)
				}
				s.reap(t)
				succeeded.Add(int64(s.succeeded))
				t.Logf("%d runs succeeded; faults: %v", s.succeeded, s.chaos.counts)
			})
		}
	})
	if n := succeeded.Load(); n < int64(runs)/2 && !t.Failed() {
		t.Errorf("only %d of %d runs have succeeded, want at least half", n, runs)
	}
}

// strand is a tenant with a sequence of runs under faults.
type strand struct {
	chaos     *chaos
	clean, ix *Index // without and with faults
	live      int    // the number of live products
	succeeded int
}

func newStrand(t *testing.T, server *estest.Server, proxies []string) *strand {
	t.Helper()
	direct, once := &http.Transport{MaxIdleConnsPerHost: 4}, &http.Transport{DisableKeepAlives: true}
	t.Cleanup(direct.CloseIdleConnections)
	s := &strand{chaos: &chaos{direct: direct, once: once, proxies: proxies, counts: map[string]int{}}}
	s.clean = open(t, func(cfg *Config) { cfg.RetireDelay = -1 })
	var err error
	if s.ix, err = New(server.Transport(t, elastictransport.WithTransport(s.chaos)), &s.clean.cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

// reindex makes a run under the faults of a seed, and checks its report and the live index.
func (s *strand) reindex(t *testing.T, seed uint64) {
	t.Helper()
	s.chaos.mu.Lock()
	s.chaos.rng = rand.New(rand.NewPCG(seed, 4))
	s.chaos.mu.Unlock()
	rev := fmt.Sprint(seed)
	n := 20 + int(seed%30)
	products := reindextest.Slice(reindextest.Products(n, rev))
	products = append(products, reindextest.NewProduct("bad", map[string]any{"_id": "not allowed"}))
	before := aliasOf(t, s.clean)
	report, err := faultyRun(t, s.ix, products)
	s.chaos.lateCall(true)
	switch {
	case err == nil:
		s.live, s.succeeded = n, s.succeeded+1
		if report.Indexed != int64(n) || report.Rejected != 1 || report.Read != int64(n+1) || report.Duplicates != 0 {
			t.Errorf("seed %d: the report is %+v, want %d products indexed and one rejected", seed, report, n)
		}
	case errors.As(err, new(*reindex.RunError)):
		t.Logf("seed %d: %v", seed, err)
	default:
		t.Errorf("seed %d: error %v, want a RunError", seed, err)
	}
	after := aliasOf(t, s.clean)
	if (err == nil) == (before == after) || strings.Contains(after, ",") {
		t.Errorf("seed %d: the alias points to %q, and to %q before the run, which ended with error %v",
			seed, after, before, err)
	}
	if s.live == 0 {
		return
	}
	found, searchErr := search(t.Context(), s.clean, acme)
	revs := map[string]bool{}
	for _, rev := range found {
		revs[rev] = true
	}
	if searchErr != nil || len(found) != s.live || len(revs) != 1 || err == nil && !revs[rev] {
		t.Errorf("seed %d: %d products of %v are live, error %v, want %d", seed, len(found), revs, searchErr, s.live)
	}
}

// reap reaps the indexes that runs have left, and checks that only the live index remains.
func (s *strand) reap(t *testing.T) {
	t.Helper()
	s.clean.now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := s.clean.Reap(t.Context(), acme); err != nil {
		t.Error(err)
	}
	var want []string
	if s.live > 0 {
		want = append(want, aliasOf(t, s.clean))
	}
	assertIndexes(t, s.clean, want...)
}

// aliasOf returns the names of the indexes to which the tenant's alias points, separated by commas.
func aliasOf(t *testing.T, ix *Index) string {
	t.Helper()
	live, err := ix.behind(t.Context(), ix.names(acme))
	if err != nil {
		t.Fatal(err)
	}
	return live.String()
}

func faultyRun(t *testing.T, ix *Index, products reindextest.Slice) (reindex.Report, error) {
	t.Helper()
	engine, err := reindex.New(products, ix, &reindex.Config{
		BatchDocs: 12, MaxRejected: 1, MinFraction: -1,
		// Begin makes at least six requests. One in twenty of its attempts succeeds.
		Retry: reindex.Retry{Attempts: 40, MinDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), acme)
}

// If the server is killed during a load and starts again, the run goes on, and no product is missing.
func TestServerDiesDuringTheLoad(t *testing.T) {
	onlyInCI(t)
	server := estest.Own(t, estest.Options{})
	ix := openOn(t, server.Transport(t), nil)
	publish(t, ix, 10, "old")
	const n = 900
	back := make(chan error, 1)
	restart := func() { back <- server.Restart(context.WithoutCancel(t.Context())) }
	source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for i, p := range reindextest.Products(n, "new") {
				if i == n/2 {
					server.Kill()
					go restart()
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	})
	engine, err := reindex.New(source, ix, &reindex.Config{
		BatchDocs: 50,
		Retry:     reindex.Retry{Attempts: 1000, MinDelay: 50 * time.Millisecond, MaxDelay: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	if err != nil || report.Indexed != n || report.Retries == 0 {
		t.Errorf("indexed %d, %d retries, error %v, want %d and some retries", report.Indexed, report.Retries, err, n)
	}
	assertLive(t, ix, n, "new")
}
