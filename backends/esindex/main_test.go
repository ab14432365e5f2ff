package esindex

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"go.uber.org/goleak"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/acidtest"
	"productindex/reindex/reindextest/pgtest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(fleetVariable); text != "" {
		if err := workInFleet(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	acidtest.Child(openAcid)
	_ = flag.Set("test.parallel", "4") // tests wait for leases and the server; the flag -parallel overrides this
	code := m.Run()
	estest.StopShared()
	pgtest.StopShared()
	// When a toxic of a proxy cuts a connection, the goroutine that feeds the toxic does not end.
	leftByProxy := goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")
	if err := goleak.Find(leftByProxy); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// open returns an Index on the shared server, with a prefix of its own. All its indexes are deleted at the end of the
// test.
func open(t testing.TB, change func(*Config)) *Index {
	t.Helper()
	return openOn(t, estest.Plain(t).Transport(t), change)
}

func openOn(t testing.TB, transport esapi.Transport, change func(*Config)) *Index {
	t.Helper()
	cfg := Config{Prefix: fmt.Sprintf("test-%d", time.Now().UnixNano()), RetireDelay: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	ix, err := New(transport, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wipe(t, ix) })
	return ix
}

// wipe deletes all indexes with the prefix of ix.
func wipe(t testing.TB, ix *Index) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var found map[string]json.RawMessage
	pattern := esapi.IndicesGetRequest{
		Index: []string{ix.cfg.Prefix + "-*"}, ExpandWildcards: "all", FilterPath: []string{"*.aliases"},
	}
	if err := call(ctx, ix.transport, "listing", pattern, &found); err != nil {
		t.Errorf("cleaning up: %v", err)
	}
	for name := range found {
		if err := ix.remove(ctx, name, "test"); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	}
}

// indexes returns the names of all indexes with the prefix of ix, hidden ones included.
func indexes(t testing.TB, ix *Index) []string {
	t.Helper()
	var found map[string]json.RawMessage
	req := esapi.IndicesGetRequest{
		Index: []string{ix.cfg.Prefix + "-*"}, ExpandWildcards: "all", FilterPath: []string{"*.settings.index.uuid"},
	}
	if err := call(t.Context(), ix.transport, "listing", req, &found); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return names
}

// search returns the field rev of each live document of a tenant by id, from one search.
func search(ctx context.Context, ix *Index, tenant string) (map[string]string, error) {
	var answer struct {
		Hits struct {
			Hits []struct {
				ID     string               `json:"_id"`
				Source struct{ Rev string } `json:"_source"`
			}
		}
		Shards struct{ Failed int } `json:"_shards"`
	}
	size := 1000
	err := call(ctx, ix.transport, "searching", esapi.SearchRequest{Index: []string{ix.Alias(tenant)}, Size: &size},
		&answer)
	if hasType(err, "index_not_found_exception") {
		return map[string]string{}, nil
	}
	if err == nil && answer.Shards.Failed > 0 {
		err = fmt.Errorf("%d shards failed", answer.Shards.Failed)
	}
	found := map[string]string{}
	for _, hit := range answer.Hits.Hits {
		found[hit.ID] = hit.Source.Rev
	}
	return found, err
}

// die leaves generations as a killed process does: they are open, but show no more signs of life.
func die(pulses []*pulse) {
	for _, p := range pulses {
		p.stop()
	}
}

// fixture returns a fixture of the conformance suite. Reopen opens the index as the next process does, a day later.
func fixture(ix *Index, reopen func(t *testing.T) *Index) reindextest.Fixture {
	mortal := &mortal{Index: ix}
	return reindextest.Fixture{
		Indexer: mortal,
		Search: func(ctx context.Context, tenant string) (map[string]string, error) {
			return search(ctx, ix, tenant)
		},
		Reopen: func(t *testing.T) reindextest.Fixture {
			die(mortal.pulses)
			next := reopen(t)
			next.cfg.Prefix = ix.cfg.Prefix
			next.now = func() time.Time { return ix.now().Add(24 * time.Hour) }
			return fixture(next, reopen)
		},
		FaultSeeds: reindextest.Seeds(6, 15), // 50 take minutes on a server; bleveindex tests as many
	}
}

// mortal is an Index that keeps the signs of life of its generations, for die.
type mortal struct {
	*Index

	pulses []*pulse
}

func (m *mortal) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := m.Index.Begin(ctx, tenant)
	if g, ok := gen.(*generation); ok {
		m.pulses = append(m.pulses, &g.pulse)
	}
	return gen, err
}

// searchDelay is the RetireDelay of tests that search all the time. A search that has resolved the alias must reach the
// old index before it is deleted, even on a busy machine.
const searchDelay = 150 * time.Millisecond

// fast opens an Index for the conformance suite, with a short RetireDelay unless the test searches all the time.
func fast(t *testing.T, transport esapi.Transport) *Index {
	t.Helper()
	return openOn(t, transport, func(c *Config) {
		if strings.Contains(t.Name(), "Search") {
			c.RetireDelay = searchDelay
		}
	})
}

func TestConformance(t *testing.T) {
	server := estest.Plain(t)
	reindextest.TestIndexer(t, func(t *testing.T) reindextest.Fixture {
		transport := server.Transport(t)
		return fixture(fast(t, transport), func(t *testing.T) *Index { return fast(t, transport) })
	})
}

// request sends a request, and returns the status and the body of the answer.
func request(t testing.TB, transport esapi.Transport, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := transport.Perform(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
