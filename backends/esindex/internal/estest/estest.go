// Package estest runs real Elasticsearch and OpenSearch servers for tests. Maven downloads the distribution that each
// project publishes for integration tests. The package keeps it in a cache, and runs it as an unprivileged user on a
// free port.
//
// A server needs Maven and a JDK, 17 or later, or 21 or later for Elasticsearch 9 and OpenSearch 3. If these are
// missing, tests are skipped; with CI=true they fail. These environment variables change that:
//
//   - ESTEST_SERVER is the family and the version, such as "opensearch:2.19.6".
//   - ELASTICSEARCH_URL is the address of a running server, for the tests that need no server of their own.
//   - PRODUCTINDEX_CACHE is another folder for the cache.
package estest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// startTimeout limits the start of a server, including the download of the distribution.
const startTimeout = 5 * time.Minute

var (
	// errMissing means that this machine cannot run a server.
	errMissing = errors.New(
		"a JDK (17 or later) and Maven are needed to run a server for tests, or ELASTICSEARCH_URL to use another one",
	)
	// errNotSecure means that the release has no authentication.
	errNotSecure = fmt.Errorf("tests of security run only on %v", defaultRelease)
)

// lazy is a server that several tests share. The first of these tests starts it.
type lazy struct {
	once   sync.Once
	opts   Options
	server *Server
	err    error
}

func (l *lazy) get() (*Server, error) {
	l.once.Do(func() {
		if benchmarks := flag.Lookup("test.bench"); benchmarks != nil {
			l.opts.ForLong = benchmarks.Value.String() != ""
		}
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		l.server, l.err = Start(ctx, l.opts)
	})
	return l.server, l.err
}

var (
	plain  lazy
	secure = lazy{opts: Options{Secure: true}}
)

// Plain returns a server without security: the one that all tests of a binary share, or that of ELASTICSEARCH_URL.
func Plain(tb testing.TB) *Server {
	tb.Helper()
	if external := os.Getenv("ELASTICSEARCH_URL"); external != "" {
		return &Server{URL: external}
	}
	return need(tb, plain.get)
}

// Secure returns the server with TLS and authentication that all tests of a binary share.
func Secure(tb testing.TB) *Server {
	tb.Helper()
	return need(tb, secure.get)
}

// Own starts a server for one test, which may kill it. The server is stopped at the end of the test.
func Own(tb testing.TB, opts Options) *Server {
	tb.Helper()
	server := need(tb, func() (*Server, error) {
		ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
		defer cancel()
		return Start(ctx, opts)
	})
	tb.Cleanup(server.Stop)
	return server
}

// StopShared stops the servers that tests share. TestMain calls it after the tests.
func StopShared() {
	for _, l := range []*lazy{&plain, &secure} {
		if l.server != nil {
			l.server.Stop()
		}
	}
}

func need(tb testing.TB, get func() (*Server, error)) *Server {
	tb.Helper()
	server, err := get()
	switch {
	case errors.Is(err, errNotSecure), errors.Is(err, errMissing) && !inCI():
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
	return server
}

// inCI reports whether the tests run in CI, where a missing program is a failure.
func inCI() bool { return os.Getenv("CI") == "true" }

// Transport returns a client of the server that does not retry. If the server requires authentication, the client is
// the superuser. The options override both. The connections of the client are closed at the end of the test.
func (s *Server) Transport(tb testing.TB, opts ...elastictransport.Option) *elastictransport.Client {
	tb.Helper()
	address, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	rt := s.roundTripper()
	tb.Cleanup(rt.CloseIdleConnections)
	client, err := elastictransport.NewClient(append([]elastictransport.Option{
		elastictransport.WithURLs(address), elastictransport.WithTransport(rt), elastictransport.WithDisableRetry(),
		elastictransport.WithBasicAuth(s.Username, s.Password),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func (s *Server) roundTripper() *http.Transport {
	rt := &http.Transport{MaxIdleConnsPerHost: 16}
	if s.CA != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(s.CA)
		rt.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return rt
}

// healthy makes one request, and returns an error if the server cannot serve it.
func (s *Server) healthy(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		s.URL+"/_cluster/health?wait_for_status=yellow&timeout=1s", nil)
	if err != nil {
		return err
	}
	if s.Username != "" {
		req.SetBasicAuth(s.Username, s.Password)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.500s", res.Status, body)
	}
	return err
}
