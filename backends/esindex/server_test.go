package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const acme = "acme"

// begin opens a generation that is discarded at the end of the test.
func begin(t *testing.T, ix *Index) *generation {
	t.Helper()
	gen, err := ix.Begin(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gen.Abort(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("abort: %v", err)
		}
	})
	return gen.(*generation)
}

// fill writes n products with this rev and seals.
func fill(t *testing.T, gen reindex.Generation, n int, rev string) {
	t.Helper()
	if err := gen.Write(t.Context(), reindextest.Products(n, rev)); err != nil {
		t.Fatal(err)
	}
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != int64(n) {
		t.Fatalf("sealed %+v, error %v", sealed, err)
	}
}

// publish makes n products live and returns the name of their index.
func publish(t *testing.T, ix *Index, n int, rev string) string {
	t.Helper()
	g := begin(t, ix)
	fill(t, g, n, rev)
	if err := g.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g.name
}

// assertLive checks what a search finds.
func assertLive(t *testing.T, ix *Index, n int, rev string) {
	t.Helper()
	found, err := search(t.Context(), ix, acme)
	if err != nil {
		t.Fatal(err)
	}
	for id, r := range found {
		if r != rev {
			t.Errorf("%s is of %q, want %q", id, r, rev)
		}
	}
	if len(found) != n {
		t.Errorf("searches find %d products, want %d", len(found), n)
	}
}

func assertIndexes(t *testing.T, ix *Index, want ...string) {
	t.Helper()
	got := indexes(t, ix)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("there are the indexes %v, want %v", got, want)
	}
}

func TestBlocks(t *testing.T) {
	for _, test := range []struct{ name, path, body, says string }{
		{"disk full", "_settings", `{"index.blocks.read_only_allow_delete":true}`, "disk usage exceeded flood-stage watermark"},
		{"read-only", "_settings", `{"index.blocks.read_only":true}`, "index read-only"},
		{"closed", "_close", ``, "index_closed_exception"},
		{"deleted", "", ``, "no such index"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, nil)
			publish(t, ix, 3, "live")
			g := begin(t, ix)
			method := map[string]string{"_settings": http.MethodPut, "_close": http.MethodPost, "": http.MethodDelete}[test.path]
			if status, text := request(t, ix.transport, method, "/"+g.name+"/"+test.path, test.body); status != http.StatusOK {
				t.Fatalf("%d: %s", status, text)
			}
			engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "x")), stuck{ix, g}, &reindex.Config{BatchDocs: 1, Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), acme)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), g.name) {
				t.Errorf("the run ended with %v; want %q and the index's name", err, test.says)
			}
			if report.Batches != 1 {
				t.Errorf("%d calls of Write, want one: it can not get better", report.Batches)
			}
			if test.name != "closed" && test.name != "deleted" {
				request(t, ix.transport, http.MethodPut, "/"+g.name+"/_settings", `{"index.blocks.read_only":null}`)
			}
			assertLive(t, ix, 3, "live")
		})
	}
}

// stuck is an Indexer whose next generation is this one.
type stuck struct {
	*Index

	g *generation
}

func (s stuck) Begin(context.Context, string) (reindex.Generation, error) { return s.g, nil }

func TestStrayIndex(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool
		live   int64
	}{{"before the run", true, 1}, {"during the run", false, 1}} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, nil)
			stray := func() {
				status, text := request(t, ix.transport, http.MethodPut, "/"+ix.Alias(acme)+"/_doc/1?refresh=true", `{"rev":"stray"}`)
				if status != http.StatusCreated {
					t.Fatalf("%d: %s", status, text)
				}
			}
			if test.before {
				stray()
			}
			g := begin(t, ix)
			if !test.before {
				stray()
			}
			if err := g.Write(t.Context(), reindextest.Products(5, "1")); err != nil {
				t.Fatal(err)
			}
			if sealed, err := g.Seal(t.Context()); err != nil || sealed.Live != test.live {
				t.Errorf("sealed %+v, error %v; want %d live", sealed, err, test.live)
			}
			if err := g.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			assertLive(t, ix, 5, "1")
			assertIndexes(t, ix, g.name)
		})
	}
}

// Of two runs that began with the same live index the one that ends later fails, and leaves the other's products live.
func TestCompareAndSwap(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first=%v", first), func(t *testing.T) {
			ix := open(t, nil)
			if !first {
				publish(t, ix, 2, "0")
			}
			other := begin(t, ix)
			fill(t, other, 3, "other")
			name := publish(t, ix, 4, "winner")
			err := other.Commit(t.Context())
			if err == nil || errors.As(err, new(*reindex.TemporaryError)) || !strings.Contains(err.Error(), name) {
				t.Errorf("the later commit: %v; want a lasting error that names %s", err, name)
			}
			if err := other.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			assertLive(t, ix, 4, "winner")
			assertIndexes(t, ix, name)
		})
	}
}

func TestForeignIndexStays(t *testing.T) {
	ix := open(t, nil)
	foreign := ix.cfg.Prefix + "-handmade"
	if status, text := request(t, ix.transport, http.MethodPut, "/"+foreign, `{"aliases":{"`+ix.Alias(acme)+`":{}}}`); status != http.StatusOK {
		t.Fatalf("%d: %s", status, text)
	}
	name := publish(t, ix, 3, "1")
	assertLive(t, ix, 3, "1")
	assertIndexes(t, ix, name, foreign)
}

func TestKeepPrevious(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = true })
	if err := ix.Rollback(t.Context(), acme); !errors.Is(err, ErrNoPrevious) {
		t.Errorf("rollback of nothing: %v", err)
	}
	publish(t, ix, 1, "1")
	if err := ix.Rollback(t.Context(), acme); !errors.Is(err, ErrNoPrevious) {
		t.Errorf("rollback to nothing: %v", err)
	}
	second := publish(t, ix, 2, "2")
	third := publish(t, ix, 3, "3")
	assertIndexes(t, ix, second, third)
	ix.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	if n, err := ix.Reap(t.Context(), acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v", n, err)
	}
	for range 3 {
		assertLive(t, ix, 3, "3")
		if err := ix.Rollback(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
		assertLive(t, ix, 2, "2")
		if err := ix.Rollback(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
	}
	ix.cfg.KeepPrevious = false
	if n, err := ix.Reap(t.Context(), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, with KeepPrevious off", n, err)
	}
	assertIndexes(t, ix, third)
}

// Wildcards find the live products once, and nothing else.
func TestWildcards(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = true })
	publish(t, ix, 2, "1")
	publish(t, ix, 3, "2")
	fill(t, begin(t, ix), 4, "3")
	_, text := request(t, ix.transport, http.MethodGet, "/"+ix.cfg.Prefix+"-*/_count", "")
	if !strings.HasPrefix(text, `{"count":3,`) {
		t.Errorf("a count with a wildcard: %s", text)
	}
}

func TestReapElsewhere(t *testing.T) {
	ix := open(t, nil)
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	live := publish(t, ix, 3, "1")
	g := begin(t, ix)
	unmarked := generationName(ix.Alias(acme), time.Now())
	request(t, ix.transport, http.MethodPut, "/"+unmarked, "")
	reap := func(after time.Duration, want int) {
		t.Helper()
		other.now = func() time.Time { return time.Now().Add(after) }
		if n, err := other.Reap(t.Context(), acme); n != want || err != nil {
			t.Errorf("after %v: reaped %d, error %v; want %d", after, n, err, want)
		}
	}
	reap(0, 0)
	ix.now = func() time.Time { return time.Now().Add(time.Hour) }
	g.showLife(t.Context())
	reap(time.Hour, 0)
	reap(2*time.Hour, 1)
	assertIndexes(t, ix, live, unmarked)
	if err := g.Write(t.Context(), reindextest.Products(1, "2")); err == nil || errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("a write to an index that was reaped: %v", err)
	}
	assertIndexes(t, ix, live, unmarked)
	assertLive(t, ix, 3, "1")
}

func TestReplicas(t *testing.T) {
	ix := open(t, func(c *Config) {
		c.Settings, c.ReplicaTimeout = []byte(`{"number_of_replicas":1,"refresh_interval":"7s"}`), 300*time.Millisecond
	})
	g := begin(t, ix)
	_, err := g.Seal(t.Context())
	if err == nil || errors.As(err, new(*reindex.TemporaryError)) || !strings.Contains(err.Error(), "1 of the 2 shard copies") {
		t.Errorf("with one node and one replica: %v", err)
	}
	_, text := request(t, ix.transport, http.MethodGet, "/"+g.name+"/_settings/index.refresh_interval,index.number_of_replicas?flat_settings=true", "")
	if !strings.Contains(text, `"index.refresh_interval":"7s"`) || !strings.Contains(text, `"index.number_of_replicas":"1"`) {
		t.Errorf("after Seal: %s", text)
	}
}

func TestLiveIsClosed(t *testing.T) {
	ix := open(t, nil)
	old := publish(t, ix, 3, "1")
	request(t, ix.transport, http.MethodPost, "/"+old+"/_close", "")
	g := begin(t, ix)
	if err := g.Write(t.Context(), reindextest.Products(4, "2")); err != nil {
		t.Fatal(err)
	}
	if sealed, err := g.Seal(t.Context()); err != nil || sealed.Live != -1 {
		t.Errorf("sealed %+v, error %v", sealed, err)
	}
	if err := g.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 4, "2")
	assertIndexes(t, ix, g.name)
}

// Searches go on through 50 reindexes, without an error, and see one generation at a time.
func TestSearchThroughReindexes(t *testing.T) {
	ix := open(t, func(c *Config) { c.RetireDelay = 20 * time.Millisecond })
	publish(t, ix, 30, "0")
	ctx, stop := context.WithCancel(t.Context())
	var searchers sync.WaitGroup
	for range 4 {
		searchers.Go(func() {
			for ctx.Err() == nil {
				found, err := search(ctx, ix, acme)
				if ctx.Err() != nil {
					return
				}
				revs := map[string]bool{}
				for _, rev := range found {
					revs[rev] = true
				}
				if err != nil || len(found) != 30 || len(revs) != 1 {
					t.Errorf("a search found %d products of %v, error %v", len(found), revs, err)
					return
				}
			}
		})
	}
	for i := range 50 {
		publish(t, ix, 30, fmt.Sprint(i+1))
	}
	stop()
	searchers.Wait()
}

// apiKey makes a key that may do with the indexes of the prefix what privileges say.
func apiKey(t *testing.T, server *estest.Server, prefix, privileges string) *elastictransport.Client {
	t.Helper()
	role := `{"name":"` + prefix + `","role_descriptors":{"r":{"indices":[{"names":["` + prefix + `-*"],"privileges":[` + privileges + `]}]}}}`
	status, text := request(t, server.Transport(t), http.MethodPost, "/_security/api_key", role)
	var key struct {
		Encoded string `json:"encoded"`
	}
	if err := json.Unmarshal([]byte(text), &key); err != nil || status != http.StatusOK {
		t.Fatalf("%d: %s", status, text)
	}
	return server.Transport(t, elastictransport.WithAPIKey(key.Encoded))
}

const leastPrivileges = `"manage","index","read"`

func TestConformanceSecure(t *testing.T) {
	server := estest.Secure(t)
	n := 0
	reindextest.TestIndexer(t, func(t *testing.T) reindextest.Fixture {
		n++
		prefix := fmt.Sprintf("secure-%d", n)
		transport := apiKey(t, server, prefix, leastPrivileges)
		openSecure := func(t *testing.T) *Index {
			return openOn(t, transport, func(c *Config) { c.Prefix = prefix })
		}
		return fixture(openSecure(t), openSecure)
	})
}

func TestSecurityErrors(t *testing.T) {
	server := estest.Secure(t)
	secret := "s3cr3t-" + server.Password
	withPassword, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	withPassword.User = url.UserPassword("elastic", secret)
	encoded := "bm8tc3VjaC1rZXk6c2VjcmV0LXNlY3JldC1zZWNyZXQ="
	for _, test := range []struct {
		name      string
		transport *elastictransport.Client
		says      string
	}{
		{"wrong password", server.Transport(t, elastictransport.WithBasicAuth("elastic", secret)), "security_exception"},
		{"wrong password in the URL", server.Transport(t, elastictransport.WithURLs(withPassword)), "security_exception"},
		{"wrong API key", server.Transport(t, elastictransport.WithAPIKey(encoded)), "security_exception"},
		{"no privilege", apiKey(t, server, "denied", `"read","view_index_metadata"`), "create"},
		{"unknown authority", server.Transport(t, elastictransport.WithTransport(&http.Transport{})), "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix, err := New(test.transport, &Config{Prefix: "denied"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ix.Begin(t.Context(), acme)
			if err == nil || errors.As(err, new(*reindex.TemporaryError)) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), ix.Alias(acme)) {
				t.Errorf("begin: %v; want a lasting error that says %q and names the index", err, test.says)
			}
			for _, word := range []string{secret, encoded, server.Password} {
				if strings.Contains(fmt.Sprintf("%v %+v", err, err), word) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
		})
	}
}

// A run that was paused while a later one has begun can not publish any more, whatever has become of the later one.
func TestFencedRun(t *testing.T) {
	for _, test := range []struct {
		name   string
		pause  string // where the earlier run stands when the later one begins
		later  string // how far the later one gets
		live   int
		reason error
	}{
		{"later one open", "sealed", "open", 1, reindex.ErrFenced},
		{"later one live", "sealed", "live", 3, reindex.ErrFenced},
		{"later one aborted", "sealed", "aborted", 1, reindex.ErrFenced},
		{"earlier one makes its index late", "unborn", "open", 1, reindex.ErrFenced},
		{"earlier one makes its index too late", "unborn", "live", 3, reindex.ErrFenced},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, nil)
			publish(t, ix, 1, "0")
			elsewhere, err := New(ix.transport, &ix.cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx1, ctx2 := reindex.WithFence(t.Context(), 7), reindex.WithFence(t.Context(), 8)
			var earlier reindex.Generation
			if test.pause == "sealed" {
				if earlier, err = ix.Begin(ctx1, acme); err != nil {
					t.Fatal(err)
				}
				fill(t, earlier, 2, "earlier")
			}
			later, err := elsewhere.Begin(ctx2, acme)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, later, 3, "later")
			switch test.later {
			case "live":
				err = later.Commit(ctx2)
			case "aborted":
				err = later.Abort(ctx2)
			}
			if err != nil {
				t.Fatal(err)
			}
			if test.pause == "sealed" {
				err = earlier.Commit(ctx1)
			} else {
				earlier, err = ix.Begin(ctx1, acme)
			}
			if !errors.Is(err, test.reason) {
				t.Errorf("the earlier run gets %v, want %v", err, test.reason)
			}
			for _, gen := range []reindex.Generation{earlier, later} {
				if gen != nil {
					if err := gen.Abort(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			found, err := search(t.Context(), ix, acme)
			if err != nil || len(found) != test.live {
				t.Errorf("%d products are live, error %v; want %d", len(found), err, test.live)
			}
		})
	}
}

// A run's own earlier tries do not stand in its way, and Reap takes what earlier runs have left at once.
func TestReapWithFence(t *testing.T) {
	ix := open(t, nil)
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	gen, err := ix.Begin(reindex.WithFence(t.Context(), 7), acme)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for token, want := range []int{6: 0, 7: 0, 8: 1, 9: 0} {
		if n, err := elsewhere.Reap(reindex.WithFence(t.Context(), int64(token)), acme); n != want || err != nil {
			t.Errorf("token %d: reaped %d, error %v; want %d", token, n, err, want)
		}
	}
}

func TestDocCount(t *testing.T) {
	ix := open(t, nil)
	if n, err := ix.DocCount(t.Context(), acme); err == nil {
		t.Errorf("%d documents without an index", n)
	}
	publish(t, ix, 4, "1")
	fill(t, begin(t, ix), 5, "2")
	if n, err := ix.DocCount(t.Context(), acme); n != 4 || err != nil {
		t.Errorf("%d documents, error %v; want 4", n, err)
	}
}

// Each of the privileges is needed, and where one is missing the run ends with an error that says so.
func TestMissingPrivilege(t *testing.T) {
	server := estest.Secure(t)
	for missing, privileges := range map[string]string{"manage": `"index","read"`, "index": `"manage","read"`, "read": `"manage","index"`} {
		t.Run(missing, func(t *testing.T) {
			prefix := "lacks-" + missing
			transport := apiKey(t, server, prefix, privileges)
			ix, err := New(transport, &Config{Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), ix, nil)
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), acme)
			if err == nil || !strings.Contains(err.Error(), "security_exception") || !strings.Contains(err.Error(), ix.Alias(acme)) || report.Retries > 0 {
				t.Errorf("the run ended with %v, after %d retries", err, report.Retries)
			}
			if missing != "manage" {
				assertIndexes(t, ix)
			}
		})
	}
}
