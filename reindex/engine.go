package reindex

import (
	"errors"
	"fmt"
	"sync"
)

// Engine reindexes tenants. It is safe for concurrent use.
type Engine struct {
	src   Source
	ix    Indexer
	cfg   Config
	sizes sizes
	turns turns

	streams *streams

	mu     sync.Mutex
	closed bool
	runs   map[string]*run // by job id
	idle   chan struct{}   // made when the engine is closed, closed when no run is left
	ends   ends
}

// New returns an engine that reads products through src and writes them through ix. A nil cfg means the defaults. The
// error names every invalid setting. If Config.Changes outlives the process, the engine immediately begins to apply the
// changes that are waiting in it.
func New(src Source, ix Indexer, cfg *Config) (*Engine, error) {
	if src == nil || ix == nil {
		return nil, errors.New("reindex: New needs a Source and an Indexer")
	}
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Loader != nil {
		if _, ok := As[Joiner](ix); !ok {
			return nil, fmt.Errorf("reindex: the index cannot be loaded elsewhere, as it is not a Joiner: %w",
				errors.ErrUnsupported)
		}
	}
	e := &Engine{src: src, ix: ix, cfg: c, sizes: newSizes(&c, ix), turns: turns{free: c.MaxRuns}, runs: map[string]*run{}}
	e.streams = newStreams(&e.cfg, src, ix, e.sizes)
	if _, updates := As[Updater](ix); updates && e.streams.durable() {
		e.streams.resume()
	}
	return e, nil
}

// EntityType returns the type of the entities that the engine reindexes: Config.EntityType, or its default.
func (e *Engine) EntityType() string { return e.cfg.EntityType }
