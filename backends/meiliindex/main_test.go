package meiliindex

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex/reindextest/acidtest"
	"productindex/reindex/reindextest/pgtest"
)

func TestMain(m *testing.M) {
	acidtest.Child(openAcid)
	_ = flag.Set("test.parallel", "4") // scenarios wait for leases; the flag -parallel overrides this
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.StopShared()
		os.Exit(code)
	}))
}
