package meiliindex

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex/reindextest/acidtest"
)

func TestMain(m *testing.M) {
	acidtest.Child(openAcid)
	_ = flag.Set("test.parallel", "4") // unless -parallel says otherwise: scenarios wait for leases
	goleak.VerifyTestMain(m)
}
