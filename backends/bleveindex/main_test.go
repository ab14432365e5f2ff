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
	goleak.VerifyTestMain(patient{m}, workers)
}

// workers are bleve's analysis workers, which start with the process.
var workers = goleak.IgnoreTopFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker")

// patient runs tests, and then waits for goroutines that are about to end. Package goleak waits for less than half a
// second, in which they do not always get a processor.
type patient struct{ *testing.M }

func (p patient) Run() (code int) {
	code = p.M.Run()
	for range 50 {
		if code != 0 || goleak.Find(workers) == nil {
			break
		}
	}
	return code
}
