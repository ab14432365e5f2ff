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
	checked bool                   // the server's version is one that will do
	number  uint32                 // of generations so far
	open    map[string]*generation // the generations in use, by the uids of their indexes, as base has them
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

// New returns an Index on the client's server, to which it makes no call. Retries of the client have to be switched off
// (see [meilisearch.DisableRetries]). A nil cfg means the defaults. The error names every setting that is invalid.
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

// limitDocs bounds the memory that very small products need beside their bodies.
const limitDocs = 200_000

// Limits returns the largest batches that memory allows, since the server indexes few large tasks faster than many
// small ones. It works on one after the other, so that one call of Write at a time keeps it busy. The time that a Write
// takes is mostly that of the tasks before it, and says nothing about its size.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{
		MaxDocs: limitDocs, MaxBytes: min(ix.cfg.BatchBytes, max(1, ix.cfg.PayloadLimit/2)), MaxInFlight: 1, SlowWrite: -1,
	}
}

// DocCount returns the number of documents in the tenant's live index. The error matches [reindex.ErrNoLiveIndex] if
// there is none.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	n, err := ix.countDocuments(ctx, ix.LiveUID(tenant))
	if err == nil && n < 0 {
		return 0, errNotLive(tenant)
	}
	return n, err
}

// checkVersion asks for the server's version until it is known. A key without the action version is not an error.
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
		return fmt.Errorf("meiliindex: the server is Meilisearch %s, which cannot rename an index in a swap: 1.18 or later is needed",
			version.PkgVersion)
	}
	ix.mu.Lock()
	ix.checked = true
	ix.mu.Unlock()
	return nil
}

// hasRename reports whether a version is 1.18 or later. A version that cannot be read passes.
func hasRename(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 != nil || err2 != nil || major > 1 || major == 1 && minor >= 18
}
