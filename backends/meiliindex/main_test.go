package meiliindex

import (
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex/reindextest/acidtest"
)

func TestMain(m *testing.M) {
	acidtest.Child(openAcid)
	goleak.VerifyTestMain(m)
}
