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

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Index is a [reindex.Indexer], [reindex.Limiter], [reindex.Reaper] and [reindex.DocCounter] on a Meilisearch server. It is safe for
// concurrent use.
type Index struct {
	client   meilisearch.ServiceManager
	cfg      Config
	instance string

	maxRefused, maxInARow int

	mu      sync.Mutex
	checked bool            // the server's version is one that will do
	number  uint32          // of generations so far
	open    map[string]bool // uids of the indexes that belong to generations in use
}

var _ interface {
	reindex.Indexer
	reindex.Limiter
	reindex.Reaper
	reindex.DocCounter
} = (*Index)(nil)

// New returns an Index on the client's server, to which it makes no call. Retries of the client have to be switched off (see
// [meilisearch.DisableRetries]). A nil cfg means the defaults. The error names every setting that is invalid.
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
		client: client, cfg: c, instance: hex.EncodeToString(instance[:]), open: map[string]bool{},
		maxRefused: defaultMaxRefused, maxInARow: defaultMaxInARow,
	}, nil
}

// A few large tasks are indexed faster than many small ones. The server works on one after the other, so that one call that waits and one
// on its way keep it busy.
const (
	limitDocs     = 10_000
	limitBytes    = 16 << 20
	limitInFlight = 2
)

// Limits returns the sizes that a server indexes fast, and that leave room for the primary keys in a payload. The time that a Write takes
// is mostly that of the tasks before it, and says nothing about its size.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{
		MaxDocs: limitDocs, MaxBytes: min(limitBytes, max(1, ix.cfg.PayloadLimit/2)),
		MaxInFlight: min(limitInFlight, ix.cfg.MaxTasks), SlowWrite: -1,
	}
}

// DocCount returns the number of documents in the tenant's live index; an error where there is none.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	n, err := ix.countDocuments(ctx, ix.LiveUID(tenant))
	if err == nil && n < 0 {
		err = fmt.Errorf("meiliindex: tenant %q has no live index", tenant)
	}
	return n, err
}

// checkVersion asks for the server's version until it is known. A key without the action version is no error.
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
		return fmt.Errorf("meiliindex: the server is Meilisearch %s, which can not rename an index in a swap: 1.18 or later is needed",
			version.PkgVersion)
	}
	ix.mu.Lock()
	ix.checked = true
	ix.mu.Unlock()
	return nil
}

// hasRename reports whether a version is 1.18 or later; one that can not be read is taken for it.
func hasRename(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 != nil || err2 != nil || major > 1 || major == 1 && minor >= 18
}
