package recovered_test

import (
	"strings"
	"testing"

	"productindex/httpapi/internal/recovered"
)

func TestInto(t *testing.T) {
	run := func(f func()) (err error) {
		defer recovered.Into(&err)
		f()
		return nil
	}
	if err := run(func() {}); err != nil {
		t.Errorf("no panic: %v", err)
	}
	err := run(func() { panic("no luck") })
	if err == nil || !strings.HasPrefix(err.Error(), "panic: no luck\n") || !strings.Contains(err.Error(), "TestInto") {
		t.Errorf("a panic: %v", err)
	}
}
