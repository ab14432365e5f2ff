package bleveindex

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

const (
	backgroundCallback = "productindex"

	// bleve's merger and persister try again at once, for ever, when they fail. On a full disk each would keep a processor busy.
	backgroundPause = time.Second
)

// openIndexes are the open Indexes by directory, since bleve's callbacks know no more than the path of an index.
var openIndexes sync.Map

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryAsyncErrorCallbacks[backgroundCallback] = backgroundError
}

// backgroundError logs what failed in one of bleve's own goroutines, and keeps it from trying again at once.
func backgroundError(err error, storePath string) {
	generation := filepath.Dir(storePath)
	dir := filepath.Dir(generation)
	value, _ := openIndexes.Load(filepath.Dir(dir))
	if ix, ok := value.(*Index); ok {
		ix.cfg.Logger.Error("bleve failed in the background and will try again",
			"dir", dir, "generation", filepath.Base(generation), "error", err)
	}
	<-time.After(backgroundPause)
}
