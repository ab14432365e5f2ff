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
		t.Errorf("without a panic: got %v, want nil", err)
	}
	err := run(func() { panic("no luck") })
	if err == nil || !strings.HasPrefix(err.Error(), "panic: no luck\n") || !strings.Contains(err.Error(), "TestInto") {
		t.Errorf("after a panic: got %v, want its value and the stack", err)
	}
}
