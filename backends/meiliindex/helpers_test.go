package meiliindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
)

// server starts an emulator that is closed at the end of the test.
func server(t testing.TB) *meilitest.Server {
	t.Helper()
	s := meilitest.New()
	t.Cleanup(s.Close)
	return s
}

// connect returns a client that does not retry. Its connections are closed at the end of the test.
func connect(t testing.TB, url, key string, options ...meilisearch.Option) meilisearch.ServiceManager {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	options = append([]meilisearch.Option{
		meilisearch.WithCustomClient(&http.Client{Transport: transport}), meilisearch.WithAPIKey(key),
		meilisearch.DisableRetries(),
	}, options...)
	return meilisearch.New(url, options...)
}

// newIndex returns an Index on the server.
func newIndex(t testing.TB, s *meilitest.Server, cfg *Config) *Index {
	t.Helper()
	ix, err := New(connect(t, s.URL, meilitest.MasterKey), withFastPolls(cfg))
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func withFastPolls(cfg *Config) *Config {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.PollInterval == 0 {
		c.PollInterval = 5 * time.Millisecond
	}
	return &c
}

// revs searches for all documents of a tenant, and returns the field rev of each one by the id of its product. It
// returns an empty map if the tenant has no live index.
func revs(ctx context.Context, client meilisearch.ServiceManager, ix *Index, tenant string) (map[string]string, error) {
	found := map[string]string{}
	all, err := hits(ctx, client, ix, tenant)
	for id, hit := range all {
		found[id] = fmt.Sprint(hit["rev"])
	}
	return found, err
}

// hits searches for all documents of a tenant, and returns them by the ids of the products.
func hits(ctx context.Context, client meilisearch.ServiceManager, ix *Index,
	tenant string) (map[string]map[string]any, error) {
	found := map[string]map[string]any{}
	raw, err := client.Index(ix.LiveUID(tenant)).SearchRawWithContext(ctx, "", &meilisearch.SearchRequest{Limit: 1000})
	if isMissing(err) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	var result struct {
		Hits []map[string]any `json:"hits"`
	}
	if err := json.Unmarshal(*raw, &result); err != nil {
		return nil, err
	}
	for _, hit := range result.Hits {
		key, _ := hit[ix.cfg.KeyAttribute].(string)
		id, err := ID(key)
		if err != nil {
			return nil, err
		}
		found[id] = hit
	}
	return found, nil
}

// realServer returns the address and the key of a real server, and reports whether the environment has them.
func realServer() (url, key string, ok bool) {
	url = os.Getenv("MEILISEARCH_URL")
	return strings.TrimRight(url, "/"), os.Getenv("MEILISEARCH_API_KEY"), url != ""
}

// begin opens a generation.
func begin(t testing.TB, ix *Index) *generation {
	t.Helper()
	gen, err := ix.Begin(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return gen.(*generation)
}

func mustWrite(t testing.TB, gen reindex.Generation, products ...reindex.Product) {
	t.Helper()
	if err := gen.Write(t.Context(), products); err != nil {
		t.Fatal(err)
	}
}

// sealing is the result of Flush and Seal.
type sealing struct {
	Documents, Live int64
	Failed          []reindex.ItemError
}

func mustSeal(t testing.TB, gen reindex.Generation) sealing {
	t.Helper()
	s, err := seal(t.Context(), gen)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seal flushes and seals a generation, as the engine does.
func seal(ctx context.Context, gen reindex.Generation) (sealing, error) {
	failed, err := gen.Flush(ctx)
	if err != nil {
		return sealing{}, err
	}
	s, err := gen.Seal(ctx)
	return sealing{s.Documents, s.Live, failed}, err
}

func mustCommit(t testing.TB, gen reindex.Generation) {
	t.Helper()
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// publish makes a new generation with these products live.
func publish(t testing.TB, ix *Index, products ...reindex.Product) {
	t.Helper()
	gen := begin(t, ix)
	mustWrite(t, gen, products...)
	mustSeal(t, gen)
	mustCommit(t, gen)
}

// marks matches the uids of marks.
var marks = regexp.MustCompile(`-(00000000|[89a-f][0-9a-f]{7})-`)

// assertIndexes waits for all tasks, and then checks the uids of the indexes on the server, without marks.
func assertIndexes(t testing.TB, s *meilitest.Server, want ...string) {
	t.Helper()
	waitAll(t, s)
	got := slices.DeleteFunc(s.Indexes(), marks.MatchString)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the server has the indexes %v, want %v", got, want)
	}
}

func isTemporary(err error) bool {
	_, ok := errors.AsType[*reindex.TemporaryError](err)
	return ok
}

// waitAll waits until all tasks have ended.
func waitAll(t testing.TB, s *meilitest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	_, tasks := s.Task(0)
	for uid := range tasks {
		if err := s.Wait(ctx, uid, meilitest.Ended); err != nil {
			t.Fatal(err)
		}
	}
}

func validObject(body []byte) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(body, &members) == nil && members != nil
}

func unmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Errorf("%q is not valid JSON: %v", data, err)
	}
}
