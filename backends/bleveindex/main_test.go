package bleveindex

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/acidtest"
)

func TestMain(m *testing.M) {
	acidtest.Child(openAcid)
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(runChild(dir))
	}
	reindextest.TempInMemory()
	_ = flag.Set("test.parallel", "4") // scenarios wait for leases; the flag -parallel overrides this
	// bleve starts its analysis workers at the start of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker"))
}
