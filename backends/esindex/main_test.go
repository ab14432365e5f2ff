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
	_ = flag.Set("test.parallel", "4") // unless -parallel says otherwise: scenarios wait for leases, and the server
	code := m.Run()
	estest.StopShared()
	pgtest.StopShared()
	// A proxy's toxic that cuts a connection off leaves the goroutine behind that feeds it.
	leftByProxy := goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")
	if err := goleak.Find(leftByProxy); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// open returns an Index over the shared server, under a prefix of its own. Its leftovers are deleted at the end of the
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

// wipe deletes every index of the prefix.
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

// indexes lists the indexes of the prefix, hidden ones included.
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

// search finds all live documents of a tenant in one search.
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

// die leaves generations as a process does that is killed: they are open, and nobody shows signs of life for them.
func die(pulses []*pulse) {
	for _, p := range pulses {
		p.stop()
	}
}

// fixture opens ix for the conformance suite. Each time it is opened again the clock is a day further.
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

// mortal is an Index that can die.
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

// searchDelay is the RetireDelay of tests that search all the time: a search that has found the old index has to reach
// it meanwhile, also on a machine that is busy.
const searchDelay = 150 * time.Millisecond

// fast opens an Index for the conformance suite.
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

// request makes a call that the API package has no need of.
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
