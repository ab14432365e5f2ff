package meiliindex

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Index is a [reindex.Indexer], [reindex.Updater], [reindex.Limiter], [reindex.Reaper], [reindex.DocCounter],
// [reindex.LiveScanner], [reindex.Rollbacker], [reindex.Joiner] and [reindex.Resumer] on a Meilisearch server; its
// generations are [reindex.Editor] values. It is safe for concurrent use.
type Index struct {
	client   meilisearch.ServiceManager
	cfg      Config
	instance string

	maxRefused, maxInARow int
	now                   func() time.Time

	mu      sync.Mutex
	checked bool                   // the server's version is known to be supported
	number  uint32                 // the number of generations so far
	open    map[string]*generation // the generations in use, by the uid of their base name
}

var _ interface {
	reindex.Indexer
	reindex.Updater
	reindex.Limiter
	reindex.Reaper
	reindex.DocCounter
	reindex.Joiner
	reindex.Resumer
} = (*Index)(nil)

// New returns an Index that uses the client. The client's retries must be disabled (see [meilisearch.DisableRetries]).
// A nil cfg means the defaults. New does not call the server. The error names every setting that is not valid.
func New(client meilisearch.ServiceManager, cfg *Config) (*Index, error) {
	if client == nil {
		return nil, errors.New("meiliindex: the client is nil")
	}
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	var instance [6]byte
	_, _ = rand.Read(instance[:]) // never fails
	return &Index{
		client: client, cfg: c, instance: hex.EncodeToString(instance[:]), open: map[string]*generation{},
		maxRefused: defaultMaxRefused, maxInARow: defaultMaxInARow, now: time.Now,
	}, nil
}

// limitDocs bounds the memory that very small products need in addition to their bodies.
const limitDocs = 200_000

// Limits implements [reindex.Limiter]. Batches are as large as Config.BatchBytes allows, since the server indexes a few
// large tasks faster than many small ones. The server processes one task at a time, so one call of Write at a time
// keeps it busy. Slow writes do not shrink the batches: a Write mostly waits for earlier tasks, whatever its own size.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{
		MaxDocs: limitDocs, MaxBytes: min(ix.cfg.BatchBytes, max(1, ix.cfg.PayloadLimit/2)), MaxInFlight: 1, SlowWrite: -1,
	}
}

// DocCount implements [reindex.DocCounter]. It returns the number of documents in the tenant's live index. The error
// matches [reindex.ErrNoLiveIndex] if there is none.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	n, err := ix.countDocuments(ctx, ix.LiveUID(tenant))
	if err == nil && n < 0 {
		return 0, errNotLive(tenant)
	}
	return n, err
}

// checkVersion returns an error if the server is too old. It succeeds if the API key lacks the action version. After a
// success it does not ask again.
func (ix *Index) checkVersion(ctx context.Context) error {
	ix.mu.Lock()
	checked := ix.checked
	ix.mu.Unlock()
	if checked {
		return nil
	}
	version, err := ix.client.VersionWithContext(ctx)
	if err = explain(ctx, "version", "", err); err != nil && !errors.Is(err, errForbidden) {
		return err
	}
	if err == nil && !hasRename(version.PkgVersion) {
		return fmt.Errorf("meiliindex: the server is Meilisearch %s, which cannot rename an index in a swap; "+
			"1.18 or later is needed", version.PkgVersion)
	}
	ix.mu.Lock()
	ix.checked = true
	ix.mu.Unlock()
	return nil
}

// hasRename reports whether a version is 1.18 or later. It also reports true for a version that it cannot parse.
func hasRename(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 != nil || err2 != nil || major > 1 || major == 1 && minor >= 18
}
