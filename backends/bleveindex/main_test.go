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
	_ = flag.Set("test.parallel", "4") // unless -parallel says otherwise: scenarios wait for leases
	// bleve starts its analysis workers with the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker"))
}
